#include <sealed_store/store.hpp>

#include <algorithm>
#include <iterator>

namespace sigillo::sealed_store {

void Changes::add(Changes more) {
  const auto append = [](auto& to, auto& from) {
    to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
  };
  append(events, more.events);
  append(puts, more.puts);
  append(erases, more.erases);
  append(replacements, more.replacements);
  witnessed = witnessed || more.witnessed;
  anchored = anchored || more.anchored;
}

bool Changes::sealed() const {
  const auto is_sealed = [](const auto& one) { return !one.sealed.empty(); };
  return std::ranges::all_of(puts, is_sealed) && std::ranges::all_of(replacements, is_sealed);
}

}  // namespace sigillo::sealed_store
