// ShareDesk: where custodians bring their authorisation shares, one at a time, until the token's PIN is
// whole. It is tried once and everything is wiped; so it is when the shares stand for longer than ten
// minutes. Thread rule: any thread. Never: says anything of a share but what was wrong with how it was typed.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include <base/clock.hpp>
#include <base/secret.hpp>
#include <base/shares.hpp>

namespace sigillo::appliance {

struct ShareVerdict {
  bool taken = false;
  std::string sentence;  // for whoever typed
  unsigned have = 0, needed = 0;
  std::optional<base::Secret> pin;  // with the last one
};

class ShareDesk {
 public:
  // `appliance` as the ceremony named it: audit.issuer, for tokens are exchanged.
  explicit ShareDesk(std::string appliance)
      : appliance_(std::move(appliance)), collector_(std::string_view(appliance_)) {}
  ShareVerdict add(const base::Secret& typed, base::Instant now);
  void wipe();
  void forget_if_old(base::Instant now);

 private:
  void wipe_locked();
  std::mutex mutex_;
  const std::string appliance_;
  base::ShareCollector collector_;
  base::Instant first_{};
};

}  // namespace sigillo::appliance
