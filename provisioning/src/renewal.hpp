// Renewal: new authorisation shares for a token that serves: M custodians give the old ones, a new PIN is
// drawn and split, and when every new custodian has proved the paper, the tokens' PIN is changed (C_SetPIN as
// CKU_USER). A token has the old PIN or the new one, never none: both sets are on paper before the first
// token is touched, and what was begun is written down before it is done. So it can be killed anywhere, and
// the same command goes on. Thread rule: one thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <appliance/config.hpp>
#include <hsm/token_setup.hpp>
#include <provisioning/transcript.hpp>

#include "share_desk.hpp"

namespace sigillo::provisioning {

// later: it is not at hand, keeps the old PIN, and follows in another run. none: no token has this PIN but
// the main one.
enum class Spare : std::uint8_t { here, later, none };

struct RenewalPlan {
  std::string appliance;  // its name in the shares: audit.issuer
  unsigned threshold = 0;
  std::vector<std::string> custodians;
  appliance::HsmConfig main;
  Spare spare = Spare::here;
  appliance::HsmConfig spare_token;  // of Spare::here
};

class Renewal {
 public:
  // `running`: a sentence where the appliance runs, asked before the main token's PIN is changed.
  Renewal(const RenewalPlan& plan, Dialogue& dialogue, Transcript& transcript,
          std::function<std::optional<std::string>()> running)
      : plan_(plan), dialogue_(dialogue), transcript_(transcript), running_(std::move(running)) {}

  // To its end, or an error after which the same command goes on. Errc::ceremony where people stopped it.
  base::Result<void> hold();
  // The spare's PIN is still the old one.
  bool spare_is_behind() const;
  std::string new_set() const;

 private:
  enum class Which : std::uint8_t { main, spare };
  base::Result<void> open_book();
  base::Result<void> look_at(Which which);
  base::Result<void> take_old_shares();
  base::Result<void> give_new_shares();
  base::Result<bool> was_changed(Which which);
  base::Result<void> change_pin(Which which);
  base::Result<void> wait_until_stopped();
  base::Result<void> leave_spare();
  base::Result<void> complete();

  base::Result<void> need_old();
  base::Result<void> need_new();
  base::Result<void> note(std::string_view step, const char* event, std::string said,
                          boost::json::object facts = {});
  ShareDesk desk(const char* step);
  const appliance::HsmConfig& config_of(Which which) const {
    return which == Which::main ? plan_.main : plan_.spare_token;
  }
  hsm::TokenPlace place_of(Which which) const;
  std::string serial_of(Which which) const;
  std::string any_of() const;

  const RenewalPlan& plan_;
  Dialogue& dialogue_;
  Transcript& transcript_;
  std::function<std::optional<std::string>()> running_;
  base::Secret old_, new_;
  base::ShareSet old_set_;
  std::string serials_[2];  // of tokens that were looked at in this run
};

}  // namespace sigillo::provisioning
