// The policy in force: what a configuration sets of everything that can be tightened, as numbers, and how two
// of them compare. The one that was accepted last is a record of the store, so that a loosened file does not
// pass unseen: who may write the configuration is not who may loosen a promise. Thread rule: values; the
// record is written by one caller at a time.
#pragma once

#include <string>
#include <vector>

#include "context.hpp"

namespace sigillo::appliance {

struct PolicyRecord {
  struct Item {
    std::string key;         // as in the configuration file
    std::int64_t value = 0;  // a count, milliseconds, 0 or 1, or a choice's rank
    template <class V>
    void fields(V&& v) {
      v(key, value);
    }
    bool operator==(const Item&) const = default;
  };
  std::vector<Item> items;
  template <class V>
  void fields(V&& v) {
    v(items);
  }
};

struct PolicyChange {
  std::string key, accepted, configured;  // values as a person reads them
  bool loosened = false;
};

inline constexpr const char* kHoldPolicy = "policy-loosened";

PolicyRecord policy_of(const Config& config);
std::vector<PolicyChange> compare(const PolicyRecord& accepted, const Config& configured);
std::string policy_digest(const PolicyRecord& policy);  // hex
base::Result<std::optional<PolicyRecord>> accepted_policy(const Context& context);
// The record becomes what is configured; `event` says by whom, and gets the digest.
base::Result<void> accept_policy(const Context& context, sealed_store::Event event);

// The most that a verifier of the store may be stretched: what was accepted at any time, for a PIN of then
// outlives the policy.
base::Result<std::uint32_t> highest_stretch(const Context& context);

// At a start: notes a tightened policy and lets it through. True: it is loosened, and officers must accept
// it.
base::Result<bool> policy_holds(const Context& context);

}  // namespace sigillo::appliance
