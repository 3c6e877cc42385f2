// The ledger's past, let go by two officers: what the policy of [audit] does by itself, at once and for once.
#include "actions.hpp"

namespace sigillo::appliance {
namespace {

constexpr std::string_view kAdvice =
    "What was let go before is in its files, and the ledger says so. Correct that, and run the same command "
    "again.";

// What may go. Nothing where the parameters are none.
std::optional<PruneLimits> limits_of(const boost::json::object& parameters) {
  PruneLimits limits;
  if (!only(parameters, {"before", "keep_entries"})) return std::nullopt;
  if (parameters.contains("before")) {
    const auto day = text_of(parameters, "before");
    limits.before = day ? base::parse_rfc3339(*day + "T00:00:00Z") : std::nullopt;
    if (!limits.before) return std::nullopt;
  }
  if (parameters.contains("keep_entries")) {
    const auto keep = number_of(parameters, "keep_entries");
    if (!keep || *keep < 1) return std::nullopt;
    limits.keep = static_cast<std::uint64_t>(*keep);
  }
  if (!limits.before && !limits.keep) return std::nullopt;
  return limits;
}

}  // namespace

ActionOutcome audit_prune(ActionCall& call) {
  const auto limits = limits_of(call.parameters);
  if (!limits)
    return invalid("What is let go is named by a day, by a number of entries to keep, or by both.");
  const auto& folder = call.context().config.audit.segment_folder;
  if (folder.empty())
    return refused("The configuration names no folder for what is let go.",
                   "Nothing was changed. Set audit.segment_folder, and restart the appliance.");
  auto& segments = *call.parts().segments;
  if (const auto marked = segments.mark(true); !marked)
    return failed(marked.error(), "The ledger's head could not be noted", std::string(kAdvice));
  boost::json::array files;
  for (;;) {
    if (call.stopping()) break;
    const auto pruned = segments.prune(folder, *limits);
    if (!pruned) return failed(pruned.error(), "The ledger was not pruned further", std::string(kAdvice));
    if (!*pruned) break;
    files.push_back({{"file", (*pruned)->file},
                     {"first", (*pruned)->first},
                     {"last", (*pruned)->last},
                     {"seq", (*pruned)->seq}});
    call.progress((*pruned)->last, call.context().store.head().seq, "letting go");
  }
  return boost::json::object{{"segments", std::move(files)},
                             {"begins_with", call.context().store.ledger_base().seq + 1}};
}

}  // namespace sigillo::appliance
