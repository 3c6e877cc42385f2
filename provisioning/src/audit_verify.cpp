#include <istream>
#include <memory>

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

std::string words(const VerifyRequest& request, const ExportReport& report) {
  std::string out = request.file + ": " + std::string(name(report.verdict));
  if (report.verdict != ExportVerdict::intact) out += ", at entry " + std::to_string(report.at);
  out += ". " + report.detail + '\n' + std::to_string(report.entries) + " entries hold";
  if (report.checkpoint)
    out += "; " + report.checkpoint->origin + " at " + std::to_string(report.checkpoint->seq) + ", " +
           report.checkpoint->time;
  out += '.';
  if (report.own_keys)
    out += "\nThe export's own keys were used: that shows damage, not who signed. Give --keys for both.";
  return out;
}

boost::json::object members(const VerifyRequest& request, const ExportReport& report) {
  boost::json::object out{{"file", request.file},    {"verdict", name(report.verdict)},
                          {"at", report.at},         {"entries", report.entries},
                          {"detail", report.detail}, {"own_keys", report.own_keys}};
  if (report.checkpoint)
    out["checkpoint"] = {{"origin", report.checkpoint->origin},
                         {"seq", report.checkpoint->seq},
                         {"hash", base::to_hex(report.checkpoint->hash)},
                         {"time", report.checkpoint->time}};
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
  auto buffer = InputBuffer::open(request.file);
  if (!buffer)
    return context.failed(Exit::local, request.file + ": " + sentence(buffer.error()) + '.',
                          "Name an export that `sigillo audit export` has written.");
  std::istream in(buffer->get());
  const auto report = appliance::verify_export(in, keys);
  const auto trouble = (*buffer)->trouble();
  buffer->reset();  // clears its progress bar before there are words
  if (trouble)
    return context.failed(Exit::local, request.file + ": " + sentence(*trouble) + '.',
                          "Name an export that `sigillo audit export` has written.");
  context.exit = exit_of(report.verdict);
  context.result("sigillo.audit-verify/1", members(request, report), words(request, report));
}

}  // namespace sigillo::provisioning
