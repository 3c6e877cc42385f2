// Ceremony: the script of the day, as a table of steps. Each is said, done and written into the transcript
// before the next begins; a step that is in the transcript is not done again. What is in memory alone (the
// token's PIN until its shares are all given, the key of the backup until its shares are) is made anew after
// an interruption, and its old shares are dead. Afterwards custodians open the token with their shares.
// Thread rule: one thread.
#pragma once

#include <functional>

#include <provisioning/command.hpp>
#include <provisioning/transcript.hpp>

#include "ceremony_machine.hpp"
#include "ceremony_plan.hpp"
#include "dialogue.hpp"
#include "share_desk.hpp"

namespace sigillo::provisioning {

class Ceremony {
 public:
  Ceremony(const CeremonyPlan& plan, Dialogue& dialogue, CeremonyMachine& machine, Transcript& transcript)
      : plan_(plan), dialogue_(dialogue), machine_(machine), transcript_(transcript) {}

  // To its end, or an error after which the same command goes on. Errc::ceremony where people stopped it,
  // Errc::terminal where the terminal was lost.
  base::Result<void> hold();

 private:
  using Done = base::Result<boost::json::object>;  // the facts of a step's last line
  struct Step {
    const char* id;
    const char* title;
    const char* said;  // in the transcript, when it is done
    Done (Ceremony::*run)();
  };
  static const Step kSteps[];
  static const std::size_t kStepCount;

  base::Result<void> open_book();
  base::Result<void> go_through(const Step& step, std::size_t number);
  base::Result<void> sign();
  base::Result<void> sign_by_officer(const Attendant& officer);
  base::Result<base::Bytes> signature_of(const Attendant& officer);
  std::variant<base::Bytes, appliance::ActionFailure> signed_by_token(const Attendant& officer,
                                                                      const AskPin& ask,
                                                                      const base::Digest& digest);
  void say_what_comes();

  // ceremony_people.cpp
  Done check_machine();
  Done call_people();
  Done enrol_officers();
  base::Result<base::EcPublicKey> enrol(const Attendant& officer);
  base::Result<base::EcPublicKey> make_key(const Attendant& officer);
  std::string whose(const base::EcPublicKey& key) const;
  // Until what is done with the officer's token succeeds, or the people stop: `act` is one try.
  template <class T>
  base::Result<T> with_token(
      const Attendant& officer, const char* what,
      const std::function<std::variant<T, appliance::ActionFailure>(const AskPin&)>& act);
  // ceremony_shares.cpp
  Done prepare_tokens();
  Done give_pin_shares();
  Done close_security_officer();
  Done give_backup_shares();
  base::Result<void> ask_so_pin(bool anew);
  Done give_shares(const base::SplitPin& split);
  ShareDesk desk(base::ShareKind kind);
  // Any `threshold` of the custodians, in any order.
  base::Result<base::Secret> gather(base::ShareKind kind);
  base::Result<void> need_token();
  base::Result<void> need_backup_key();
  // ceremony_making.cpp
  Done make_keys();
  Done back_up();
  Done make_certificates();
  Done found_store();
  Done sign_checkpoint();
  Done put_configuration();

  base::Result<void> note(std::string_view step, const char* event, std::string said,
                          boost::json::object facts = {});
  std::string any_of() const;  // "any 3 of the 5 custodians"

  const CeremonyPlan& plan_;
  Dialogue& dialogue_;
  CeremonyMachine& machine_;
  Transcript& transcript_;
  base::Secret so_pin_, pin_, backup_key_;
  std::optional<base::SplitPin> split_;  // of the PIN: drawn with the tokens, given away in the next step
};

}  // namespace sigillo::provisioning
