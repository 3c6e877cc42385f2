#include <istream>
#include <memory>

#include <appliance/ledger_export.hpp>

#include "audit.hpp"
#include "audit_files.hpp"

namespace sigillo::provisioning {
namespace {

using appliance::ExportReport;
using appliance::ExportVerdict;
using KeySet = std::vector<base::EcPublicKey>;

constexpr std::size_t kKeySetMax = 1024 * 1024;

// Nothing where it is not a set with a key in it that may sign a checkpoint.
std::optional<KeySet> read_keys(const std::string& file) {
  const auto buffer = InputBuffer::open(file);
  if (!buffer) return std::nullopt;
  std::istream in(buffer->get());
  std::string text;
  char piece[4096];
  while (in.read(piece, sizeof piece), in.gcount() > 0) {
    text.append(piece, static_cast<std::size_t>(in.gcount()));
    if (text.size() > kKeySetMax) return std::nullopt;
  }
  auto keys = appliance::parse_key_set(text);
  if (!keys || keys->empty()) return std::nullopt;
  return keys;
}

// Where in the chain what was looked at lies: nobody is to take a part for the whole.
std::string extent(const ExportReport& report) {
  std::string out;
  if (report.from > 1)
    out +=
        "\nIt begins with entry " + std::to_string(report.from) +
        ", after a signed segment that was not given: give the segments before it to check from the first.";
  if (report.checkpoint && report.checkpoint->segment_from)
    out += "\nIt ends with a segment: what came after it is in the next one, or in an export.";
  return out;
}

std::string words(const std::string& file, const ExportReport& report) {
  std::string out = file + ": " + std::string(name(report.verdict));
  if (report.verdict != ExportVerdict::intact) out += ", at entry " + std::to_string(report.at);
  out += ". " + report.detail + '\n' + std::to_string(report.entries) + " entries hold";
  if (report.checkpoint)
    out += "; " + report.checkpoint->origin + " at " + std::to_string(report.checkpoint->seq) + ", " +
           report.checkpoint->time;
  out += '.' + extent(report);
  if (report.own_keys)
    out += "\nThe export's own keys were used: that shows damage, not who signed. Give --keys for both.";
  return out;
}

boost::json::object members(const std::string& file, const ExportReport& report) {
  boost::json::object out{{"file", file},
                          {"verdict", name(report.verdict)},
                          {"at", report.at},
                          {"entries", report.entries},
                          {"from", report.from},
                          {"detail", report.detail},
                          {"own_keys", report.own_keys}};
  if (report.checkpoint) {
    boost::json::object checkpoint{{"origin", report.checkpoint->origin},
                                   {"seq", report.checkpoint->seq},
                                   {"hash", base::to_hex(report.checkpoint->hash)},
                                   {"time", report.checkpoint->time}};
    if (report.checkpoint->segment_from) checkpoint["segment_from"] = *report.checkpoint->segment_from;
    out["checkpoint"] = std::move(checkpoint);
  }
  return out;
}

}  // namespace

void audit_verify(const VerifyRequest& request, Context& context) {
  std::optional<KeySet> keys;
  if (!request.keys.empty()) {
    keys = read_keys(request.keys);
    if (!keys)
      return context.failed(Exit::local, request.keys + ": not a JWK set with a ledger key in it.",
                            "Take one from GET /v1/keys of the appliance.");
  }
  constexpr const char* kNext = "Name an export or a segment that `sigillo audit` has written.";
  appliance::ExportCheck check(std::move(keys));
  ExportReport report;
  std::string file;
  for (const auto& next : request.files) {
    file = next;
    auto buffer = InputBuffer::open(file);
    if (!buffer) return context.failed(Exit::local, file + ": " + sentence(buffer.error()) + '.', kNext);
    std::istream in(buffer->get());
    report = check.take(in);
    const auto trouble = (*buffer)->trouble();
    buffer->reset();  // clears its progress bar before there are words
    if (trouble) return context.failed(Exit::local, file + ": " + sentence(*trouble) + '.', kNext);
    if (report.verdict != ExportVerdict::intact) break;
  }
  context.exit = exit_of(report.verdict);
  context.result("sigillo.audit-verify/1", members(file, report), words(file, report));
}

}  // namespace sigillo::provisioning
