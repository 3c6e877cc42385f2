// Reference: the product's rules for one citizen, written a second time and from the rules alone: no policy
// object, no lifecycle, no guard, no store. It says what an appliance must answer, as a word. Thread rule: a
// value.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sigillo::appliance::testing {

class Reference {
 public:
  enum class Use : std::uint8_t { verify, activate, renew, authorize, convert };

  // Each gives the outcome's word and moves on; `now` in milliseconds. `hsm_away`: its evaluation does not
  // happen.
  std::string show(Use use, const std::string& text, std::int64_t now, bool hsm_away);
  std::string request(bool at_branch, std::int64_t now);
  std::string substitute(std::int64_t now);
  std::string block(std::int64_t now);
  std::string revoke_at_branch(std::int64_t now);
  std::string convert_at_branch(std::int64_t now);
  std::string ask_recovery(bool right, std::int64_t now);
  void confirm_recovery(std::int64_t now);
  std::string ask_revocation(bool right, std::int64_t now);
  void confirm_revocation(std::int64_t now);
  // By a restore: this one, whom its tail names; or as one of everybody.
  void marked() { marked_ = true; }
  void restored_without_tail(std::int64_t now) {
    marked_ = true;
    floor_ = now;
  }

  std::string state(std::int64_t now) const;
  bool dispositive() const { return dispositive_; }
  bool known() const { return known_; }
  bool locked(std::int64_t now) const {
    const auto seen = pin_as_of(now);
    return marked_ || seen.owned + seen.unowned >= 10;
  }
  bool awaits_reissue() const { return marked_; }
  int count() const { return pin_.owned + pin_.unowned; }

  std::string first, second, pin;  // what is right now; the driver fills them in as they come

 private:
  enum class Kind : std::uint8_t { none, provisional, definitive, blocked, revoked };
  struct Counter {
    int owned = 0, unowned = 0;
    std::int64_t last = 0;
  };
  Counter pin_as_of(std::int64_t now) const;
  struct Refill {
    std::int64_t at;
    int issue;
    bool activated;
  };
  static std::string look(const Counter& counter, std::int64_t now);
  static void age(Counter& counter, std::int64_t now);
  bool live(std::int64_t now) const;
  bool refills_left(std::int64_t now) const;
  void issue(bool counter, bool dispositive, bool refill, std::int64_t now);
  std::string ask(Counter& counter, bool match, std::int64_t now);

  Kind kind_ = Kind::none;
  std::int64_t expires_ = 0;
  bool known_ = false, counter_ = false, dispositive_ = false, accessed_ = false;
  int issues_ = 0;
  bool marked_ = false;
  std::int64_t floor_ = 0;  // of a restore since which nothing was issued
  Counter pin_, contacts_, card_;
  std::vector<Refill> refills_;
};

}  // namespace sigillo::appliance::testing
