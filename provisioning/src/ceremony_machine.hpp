// CeremonyMachine: the port to everything that a ceremony touches: module, tokens, files, store. RealMachine
// does it, RehearsalMachine does nothing and answers as if. One call a step of the script, and each may be
// called again after a kill in the middle of it: what is there is found, replaced or gone on with. Thread
// rule: one thread. Never: writes a PIN, a share or a password anywhere but into the token or, encrypted
// under it, an officer's key.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <base/crypto.hpp>
#include <base/jwe.hpp>
#include <base/shares.hpp>

#include "ceremony_plan.hpp"
#include "officer_signer.hpp"

namespace sigillo::provisioning {

struct Finding {
  enum class Weight : std::uint8_t { good, warning, failure };
  Weight weight;
  std::string what;
  std::string advice;
};
std::string_view name(Finding::Weight weight);

struct KeyLine {
  std::string kid, type, state, check_value;
};
struct TokenLine {
  std::string label, serial, model;
};
struct CertificateLine {
  std::string file, subject, until, sha256;
};
struct EnrolledOfficer {
  std::string id;
  base::EcPublicKey key;
};
struct CheckpointLine {
  std::string note;  // signed
  base::EcPublicKey ledger_key;
};

enum class Which : std::uint8_t { main, spare };

class CeremonyMachine {
 public:
  virtual ~CeremonyMachine() = default;
  virtual std::string now() = 0;  // RFC 3339
  // `begun`: the tokens of these labels are this ceremony's own.
  virtual std::vector<Finding> check(bool begun) = 0;
  virtual unsigned dice(unsigned sides) = 0;  // 1 to sides

  virtual base::Result<base::EcPublicKey> make_officer_key(const std::string& id,
                                                           const base::Secret& password) = 0;
  virtual base::Result<base::Bytes> sign_as_officer(const std::string& id, const base::Secret& password,
                                                    const base::Digest& digest) = 0;
  // The officer's own token, with a signature over a challenge. What goes wrong is a sentence for the
  // officer.
  virtual std::variant<base::EcPublicKey, appliance::ActionFailure> bring_officer_token(
      const Attendant& officer, const AskPin& ask) = 0;
  virtual std::variant<base::Bytes, appliance::ActionFailure> sign_in_officer_token(
      const Attendant& officer, const AskPin& ask, const base::Digest& digest) = 0;

  // Initialised, or where it is there already, the user PIN set anew by the SO PIN.
  virtual base::Result<TokenLine> prepare_token(Which which, const base::Secret& so_pin,
                                                const base::Secret& pin) = 0;
  virtual base::SplitPin split(base::ShareKind kind) = 0;
  // An SO PIN that nobody has.
  virtual base::Result<void> close_security_officer(Which which, const base::Secret& so_pin) = 0;

  virtual bool open() const = 0;
  virtual base::Result<void> open_token(base::Secret pin) = 0;
  virtual base::Result<std::vector<KeyLine>> make_keys() = 0;
  virtual base::Result<std::string> wrap_backup(const base::Secret& wrapping) = 0;  // SHA-256 of the file
  virtual base::Result<std::vector<KeyLine>> prove_backup(const base::Secret& wrapping) = 0;
  virtual base::Result<std::vector<KeyLine>> commit_backup(const base::Secret& wrapping) = 0;

  virtual base::Result<std::vector<CertificateLine>> make_certificates() = 0;
  virtual base::Result<void> found_store(const std::vector<EnrolledOfficer>& officers) = 0;
  virtual base::Result<CheckpointLine> sign_checkpoint() = 0;
  virtual base::Result<std::string> put_configuration() = 0;  // its path
  virtual base::Result<base::Bytes> sign_as_ledger(const base::Digest& digest) = 0;
  // Of the last failure: what was being done, where a step of several calls failed.
  virtual std::string doing() const = 0;
};

std::unique_ptr<CeremonyMachine> real_machine(const CeremonyPlan& plan);
std::unique_ptr<CeremonyMachine> rehearsal_machine(const CeremonyPlan& plan);

}  // namespace sigillo::provisioning
