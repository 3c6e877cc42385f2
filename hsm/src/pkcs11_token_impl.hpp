// The parts of a Pkcs11Token, in the order in which they are built and taken down. Thread rule: as Token.
#pragma once

#include <atomic>

#include "connection.hpp"
#include "data_objects.hpp"
#include "key_table.hpp"

namespace sigillo::hsm {

class Pkcs11Token::Impl {
 public:
  explicit Impl(std::unique_ptr<Connection> made) : connection(std::move(made)) {}

  // Work on objects: in a lease, one at a time.
  template <class Work>
  auto with_objects(Retry retry, Work&& work) -> decltype(work(std::declval<Lease&>())) {
    const auto locked = [&](Lease& lease) {
      const std::lock_guard one_at_a_time(objects);
      return work(lease);
    };
    return connection->call(retry, locked);
  }
  // The same for what makes or destroys objects on the token.
  template <class Work>
  auto change_objects(Work&& work) -> decltype(work(std::declval<Lease&>())) {
    const auto marked = [&](Lease& lease) {
      changed = true;  // under the lease: the module is not loaded anew meanwhile
      return work(lease);
    };
    return with_objects(Retry::only_if_nothing_was_done, marked);
  }

  std::unique_ptr<Connection> connection;
  std::mutex objects;  // searches, creation and destruction of objects: see objects.hpp
  KeyTable keys;
  DataTable data;                    // under objects
  std::atomic<bool> changed{false};  // the token by us, since the module was loaded
};

}  // namespace sigillo::hsm
