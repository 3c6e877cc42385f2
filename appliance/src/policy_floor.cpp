#include "policy_floor.hpp"

#include <algorithm>

#include "config_keys.hpp"
#include "parts.hpp"

namespace sigillo::appliance {
namespace {

constexpr std::string_view kDevelopment = "dev.allow_weak_policy";

struct Bounded {
  std::string_view key;
  Tighter tighter;
  std::int64_t value;
  bool is_time;
};

// What the profile bounds, and what gives a promise up besides: a weak policy, and a witness that lags.
std::vector<Bounded> bounded(const Config& given) {
  Config config = given;
  std::vector<Bounded> out;
  for (const auto& key : config_keys()) {
    if (key.tighter == Tighter::free) continue;
    out.push_back(
        {key.path, key.tighter, measure(key.place, config), std::holds_alternative<DurationAt>(key.place)});
  }
  const bool interval = config.anchor.mode == AnchorMode::interval;
  out.push_back({"anchor.mode", Tighter::down, interval ? 1 : 0, false});
  out.push_back({"anchor.interval", Tighter::down, interval ? config.anchor.interval.ms : 0, true});
  out.push_back({kDevelopment, Tighter::down, config.allow_weak_policy ? 1 : 0, false});
  return out;
}

const PolicyRecord::Item* find(const PolicyRecord& policy, std::string_view key) {
  const auto found = std::ranges::find(policy.items, key, &PolicyRecord::Item::key);
  return found == policy.items.end() ? nullptr : &*found;
}

std::string shown(const Bounded& of, std::int64_t value) {
  return of.is_time && value % 1000 == 0 ? base::to_text({value}) : std::to_string(value);
}

}  // namespace

PolicyRecord policy_of(const Config& config) {
  PolicyRecord out;
  for (const auto& one : bounded(config)) out.items.push_back({std::string(one.key), one.value});
  return out;
}

std::vector<PolicyChange> compare(const PolicyRecord& accepted, const Config& configured) {
  std::vector<PolicyChange> out;
  for (const auto& one : bounded(configured)) {
    const auto* const before = find(accepted, one.key);
    if (before == nullptr || before->value == one.value) continue;
    const bool loosened =
        one.tighter == Tighter::down ? one.value > before->value : one.value < before->value;
    out.push_back({std::string(one.key), shown(one, before->value), shown(one, one.value), loosened});
  }
  return out;
}

std::string policy_digest(const PolicyRecord& policy) {
  std::string text;
  for (const auto& [key, value] : policy.items) text += key + '=' + std::to_string(value) + '\n';
  return base::to_hex(base::sha256({base::view("sigillo/policy/v1\n"), base::view(text)}));
}

base::Result<std::optional<PolicyRecord>> accepted_policy(const Context& context) {
  return context.load<PolicyRecord>(Table::policy, Id{});
}

base::Result<void> accept_policy(const Context& context, sealed_store::Event event) {
  const auto policy = policy_of(context.config);
  event.reference = policy_digest(policy);
  sealed_store::Changes changes{.events = {std::move(event)},
                                .puts = {context.put(Table::policy, Id{}, policy)}};
  const auto committed = base::sync_wait(context.store.commit(std::move(changes)));
  if (!committed) return committed.error();
  return base::ok();
}

// Attack: (1) write the configuration file, with a guess limit as loose as the profile lets it be, or with
// dev.allow_weak_policy, (2) wait for a restart. What was accepted is in the store, under the HSM's anchor.
// An appliance accepts by itself only where it was a development appliance before as well.
base::Result<bool> policy_holds(const Context& context) {
  SIGILLO_TRY(const auto accepted, accepted_policy(context));
  if (accepted && accepted->items == policy_of(context.config).items) return false;
  bool loosened = false, development = false;
  if (accepted) {
    for (const auto& change : compare(*accepted, context.config)) loosened = loosened || change.loosened;
    const auto* const flag = find(*accepted, kDevelopment);
    development = flag != nullptr && flag->value == 1 && context.config.allow_weak_policy;
  }
  if (loosened && !development) return true;
  const auto kind = accepted && !loosened ? EventKind::policy_tightened : EventKind::policy_accepted;
  SIGILLO_CHECK(accept_policy(context, own_event(kind, context.now())));
  return false;
}

}  // namespace sigillo::appliance
