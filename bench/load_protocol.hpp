// Protocol: what one request is and whether its answer is the one that was to come. Requests are patched
// into a text made once, and of an answer no more is read than its length and its outcome: the generator has
// the machine together with what it measures. Thread rule: one owner.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace sigillo::bench {

struct Target {
  std::string mode;
  std::uint64_t seed = 1;
  std::uint64_t active = 0;       // people 0 .. active-1 have a definitive PIN
  std::uint64_t provisional = 0;  // and the next ones two halves
  std::uint64_t first = 0;        // where a walk begins: wrong guesses, activations, people to be issued
  std::uint64_t run = 0;          // makes Idempotency-Keys of this run its own
};

class Protocol {
 public:
  virtual ~Protocol() = default;
  // The k-th request; the view is good until the next one. Empty: there is nobody left for it.
  virtual std::string_view request(std::uint64_t k) = 0;
  // The bytes of the answer at the beginning of `received`; 0: not whole yet.
  virtual std::size_t answer(std::string_view received, bool& expected) = 0;
};

// whoami, right, receipt, wrong, unknown, provisional, issue, activate (HTTP); ldap-right, ldap-wrong.
// nullptr: no such mode.
std::unique_ptr<Protocol> make_protocol(const Target& target);

}  // namespace sigillo::bench
