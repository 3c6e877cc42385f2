// RestoreSource: which file a restore begins from, checked as far as it says of itself what it is: a
// backup's manifest with its signature, its files, and every key that it names against the token. Thread
// rule: one thread. Never: changes anything.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include <appliance/administration.hpp>
#include <sealed_store/values.hpp>

namespace sigillo::appliance {

struct RestoreOrder;

struct RestoreSource {
  std::string file;
  std::optional<sealed_store::Head> head;  // that a manifest names
};
std::variant<RestoreSource, ActionFailure> find_source(const Config& config, const base::Secret& pin,
                                                       const RestoreOrder& order, const Progress& progress);

}  // namespace sigillo::appliance
