#include <istream>
#include <memory>

#include <boost/json/parse.hpp>

#include <appliance/ledger_export.hpp>

#include "audit.hpp"
#include "audit_files.hpp"

namespace sigillo::provisioning {
namespace {

using appliance::ExportReport;
using appliance::ExportVerdict;
using KeySet = std::vector<base::EcPublicKey>;

constexpr std::size_t kKeySetMax = 1024 * 1024;
constexpr std::size_t kActsMax = 256 * 1024 * 1024;

std::optional<std::string> read_all(const std::string& file, std::size_t limit) {
  const auto buffer = InputBuffer::open(file);
  if (!buffer) return std::nullopt;
  std::istream in(buffer->get());
  std::string text;
  char piece[4096];
  while (in.read(piece, sizeof piece), in.gcount() > 0) {
    text.append(piece, static_cast<std::size_t>(in.gcount()));
    if (text.size() > limit) return std::nullopt;
  }
  if ((*buffer)->trouble()) return std::nullopt;
  return text;
}

// Nothing where it is not a set with a key in it that may sign a checkpoint.
std::optional<KeySet> read_keys(const std::string& file) {
  const auto text = read_all(file, kKeySetMax);
  if (!text) return std::nullopt;
  auto keys = appliance::parse_key_set(*text);
  if (!keys || keys->empty()) return std::nullopt;
  return keys;
}

std::optional<std::vector<std::string>> read_acts(const std::string& file) {
  const auto text = read_all(file, kActsMax);
  if (!text) return std::nullopt;
  boost::system::error_code error;
  const auto parsed = boost::json::parse(*text, error);
  const auto* list = error || !parsed.is_object() ? nullptr : parsed.get_object().if_contains("acts");
  if (list == nullptr || !list->is_array()) return std::nullopt;
  std::vector<std::string> acts;
  for (const auto& one : list->get_array()) {
    const auto* act = one.is_object() ? one.get_object().if_contains("act") : nullptr;
    if (act == nullptr || !act->is_string()) return std::nullopt;
    acts.emplace_back(act->get_string());
  }
  return acts;
}

// Each text is the one of an act in the ledger: the digests that are signed there are of these bytes.
void compare(const std::vector<std::string>& acts, const appliance::ActsCheck& ledger, ExportReport& report) {
  for (std::size_t i = 0; i < acts.size(); ++i) {
    if (ledger.has(acts[i])) continue;
    report.verdict = ExportVerdict::act_refused;
    report.detail = "The text of act " + std::to_string(i + 1) +
                    " is not the one that was signed: no act in the ledger has its digest.";
    return;
  }
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
  for (const auto& fork : report.restores)
    out += "\nEntry " + std::to_string(fork.at) + ": two officers restored the store as of entry " +
           std::to_string(fork.after) +
           (fork.replaced_to > 0 ? ", instead of a ledger up to entry " + std::to_string(fork.replaced_to)
                                 : std::string()) +
           "; locked until re-issue: " + fork.locked + '.';
  if (report.left_at)
    out += "\nIt leaves the file before it after entry " + std::to_string(*report.left_at) +
           ", as that restore declares.";
  return out;
}

std::string words(const std::string& file, const ExportReport& report) {
  std::string out = file + ": " + std::string(name(report.verdict));
  if (report.verdict != ExportVerdict::intact) out += ", at entry " + std::to_string(report.at);
  out += ". " + report.detail + '\n' + std::to_string(report.entries) + " entries hold";
  if (report.checkpoint)
    out += "; " + report.checkpoint->origin + " at " + std::to_string(report.checkpoint->seq) + ", " +
           report.checkpoint->time;
  out += '.';
  if (report.acts > 0) out += '\n' + std::to_string(report.acts) + " acts of officers hold.";
  if (report.acts_unchecked > 0)
    out += '\n' + std::to_string(report.acts_unchecked) +
           " acts are by officers whose keys it does not have: give the segments before it.";
  out += extent(report);
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
                          {"acts", report.acts},
                          {"acts_unchecked", report.acts_unchecked},
                          {"own_keys", report.own_keys}};
  boost::json::array restores;
  for (const auto& fork : report.restores)
    restores.push_back(
        {{"at", fork.at}, {"after", fork.after}, {"replaced_to", fork.replaced_to}, {"locked", fork.locked}});
  out["restores"] = std::move(restores);
  if (report.left_at) out["left_at"] = *report.left_at;
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
  std::optional<std::vector<std::string>> acts;
  if (!request.acts.empty()) {
    acts = read_acts(request.acts);
    if (!acts)
      return context.failed(Exit::local, request.acts + ": not the texts of acts.",
                            "Take them from `sigillo officer acts --format json`.");
  }
  constexpr const char* kNext = "Name an export or a segment that `sigillo audit` has written.";
  appliance::ExportCheck check(std::move(keys), request.files.size() > 1);
  ExportReport report;
  std::string file;
  for (const auto& next : request.files) {
    file = next;
    auto buffer = InputBuffer::open(file);
    if (!buffer) return context.failed(Exit::local, file + ": " + sentence(buffer.error()) + '.', kNext);
    std::istream in(buffer->get());
    report = check.take(in, &next == &request.files.back());
    const auto trouble = (*buffer)->trouble();
    buffer->reset();  // clears its progress bar before there are words
    if (trouble) return context.failed(Exit::local, file + ": " + sentence(*trouble) + '.', kNext);
    if (report.verdict == ExportVerdict::unreadable)
      return context.failed(Exit::local, file + ": " + report.detail + '.', kNext);
    if (report.verdict != ExportVerdict::intact) break;
  }
  if (acts && report.verdict == ExportVerdict::intact) compare(*acts, check.acts(), report);
  context.exit = exit_of(report.verdict);
  context.result("sigillo.audit-verify/1", members(file, report), words(file, report));
}

}  // namespace sigillo::provisioning
