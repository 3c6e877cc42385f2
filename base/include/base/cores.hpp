// How many threads of one kind there are where several kinds share the machine: the I/O's, those that decide,
// the HSM's, the store's. Two of a kind on two cores wake each other more than they share. At least one.
// Thread rule: any.
#pragma once

#include <algorithm>
#include <thread>

namespace sigillo::base {

inline unsigned half_of_the_cores() {
  return std::max(1U, std::thread::hardware_concurrency() / 2);
}

}  // namespace sigillo::base
