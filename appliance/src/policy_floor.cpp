#include "policy_floor.hpp"

#include <algorithm>

#include "config_keys.hpp"
#include "parts.hpp"

namespace sigillo::appliance {
namespace {

constexpr std::string_view kDevelopment = "dev.allow_weak_policy";
constexpr std::string_view kStretch = "policy.verifier.stretch";
constexpr std::string_view kHighestStretch =
    "policy.verifier.stretch highest";  // no key: of the record alone

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

std::int64_t value_of(const PolicyRecord& policy, std::string_view key) {
  const auto* const item = find(policy, key);
  return item == nullptr ? 0 : item->value;
}

std::int64_t highest_stretch(const PolicyRecord& policy) {
  return std::max(value_of(policy, kHighestStretch), value_of(policy, kStretch));
}

std::vector<PolicyRecord::Item> configured(PolicyRecord accepted) {
  std::erase_if(accepted.items, [](const auto& item) { return item.key == kHighestStretch; });
  return std::move(accepted.items);
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
  auto policy = policy_of(context.config);
  event.reference = policy_digest(policy);
  SIGILLO_TRY(const auto before, accepted_policy(context));
  const auto stretch = std::max(highest_stretch(policy), before ? highest_stretch(*before) : 0);
  policy.items.push_back({std::string(kHighestStretch), stretch});
  sealed_store::Changes changes{.events = {std::move(event)},
                                .puts = {context.put(Table::policy, Id{}, policy)}};
  const auto committed = base::sync_wait(context.store.commit(std::move(changes)));
  if (!committed) return committed.error();
  return base::ok();
}

base::Result<std::uint32_t> highest_stretch(const Context& context) {
  SIGILLO_TRY(const auto accepted, accepted_policy(context));
  return static_cast<std::uint32_t>(accepted ? highest_stretch(*accepted) : 0);
}

// Attack: (1) write the configuration file, with a guess limit as loose as the profile lets it be, or with
// dev.allow_weak_policy, (2) wait for a restart. What was accepted is in the store, under the HSM's anchor.
// An appliance accepts by itself only where it was a development appliance before as well.
base::Result<bool> policy_holds(const Context& context) {
  SIGILLO_TRY(const auto accepted, accepted_policy(context));
  if (accepted && configured(*accepted) == policy_of(context.config).items) return false;
  bool loosened = false, development = false;
  if (accepted) {
    for (const auto& change : compare(*accepted, context.config)) loosened = loosened || change.loosened;
    development = value_of(*accepted, kDevelopment) == 1 && context.config.allow_weak_policy;
  }
  if (loosened && !development) return true;
  const auto kind = accepted && !loosened ? EventKind::policy_tightened : EventKind::policy_accepted;
  SIGILLO_CHECK(accept_policy(context, own_event(kind, context.now())));
  return false;
}

}  // namespace sigillo::appliance
