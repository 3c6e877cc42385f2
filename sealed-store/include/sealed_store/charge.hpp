// A guess that is paid for: what a charge asks for, and the proof that it was made. Thread rule: values.
#pragma once

#include <sealed_store/values.hpp>

namespace sigillo::sealed_store {

class Store;

// Proof that a guess was paid for: durable and, in strict mode, witnessed. Only a Store makes one, it can not
// be copied, and the comparison takes it away. Attack it stops: (1) guess, (2) have the process killed
// between comparison and count, (3) guess again. There is no way to write a comparison without having charged
// first.
class ChargedAttempt {
 public:
  ChargedAttempt(ChargedAttempt&&) = default;
  ChargedAttempt& operator=(ChargedAttempt&&) = default;
  ChargedAttempt(const ChargedAttempt&) = delete;
  ChargedAttempt& operator=(const ChargedAttempt&) = delete;

  std::uint64_t seq() const { return seq_; }
  const GuardKey& key() const { return key_; }
  const GuardValue& before() const { return before_; }  // what a refund puts back
  const GuardValue& after() const { return after_; }

 private:
  friend class Store;
  ChargedAttempt(std::uint64_t seq, GuardKey key, GuardValue before, GuardValue after)
      : seq_(seq), key_(key), before_(before), after_(after) {}
  std::uint64_t seq_;
  GuardKey key_;
  GuardValue before_;
  GuardValue after_;
};

struct Charge {
  GuardKey key;
  GuardValue expected;  // the slot is taken by compare-and-set against this
  Event event;   // its guard is the value after the charge; left empty: one more failure, at event.time
  Event refund;  // appended where the witness does not confirm the charge; the store fills attempt and guard
};

}  // namespace sigillo::sealed_store
