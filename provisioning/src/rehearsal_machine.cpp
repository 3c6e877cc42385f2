// The machine of --dry-run: nothing is touched, and every answer is the same each time.
#include <boost/json/parse.hpp>

#include "ceremony_machine.hpp"

namespace sigillo::provisioning {
namespace {

constexpr const char* kDigest = "[64 characters]";
constexpr const char* kCheck = "[16 characters]";
constexpr const char* kMoment = "[date and time]";
// The generator of P-256: a point that anybody knows and nobody signs with.
constexpr const char* kNobodysKey =
    R"({"crv":"P-256","kty":"EC","x":"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY","y":"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"})";

class RehearsalMachine final : public CeremonyMachine {
 public:
  explicit RehearsalMachine(const CeremonyPlan& plan) : plan_(plan) {}

  std::string now() override { return kMoment; }
  std::vector<Finding> check(bool) override {
    using Weight = Finding::Weight;
    return {{Weight::good, "module " + plan_.module + ": [manufacturer, library]", {}},
            {Weight::good, "[n] MiB are free in " + plan_.folder.string(), {}},
            {Weight::good, "no swap", {}},
            {Weight::good, "the terminal is large enough", {}}};
  }
  unsigned dice(unsigned sides) override { return ++rolled_ % sides + 1; }

  base::Result<base::EcPublicKey> make_officer_key(const std::string&, const base::Secret&) override {
    return *base::EcPublicKey::from_jwk(kNobodysKey);
  }
  base::Result<base::Bytes> sign_as_officer(const std::string&, const base::Secret&,
                                            const base::Digest&) override {
    return base::Bytes(64);
  }
  std::variant<base::EcPublicKey, appliance::ActionFailure> bring_officer_token(const Attendant& officer,
                                                                                const AskPin& ask) override {
    asked(officer, ask);
    return *base::EcPublicKey::from_jwk(kNobodysKey);
  }
  std::variant<base::Bytes, appliance::ActionFailure> sign_in_officer_token(const Attendant& officer,
                                                                            const AskPin& ask,
                                                                            const base::Digest&) override {
    asked(officer, ask);
    return base::Bytes(64);
  }
  base::Result<TokenLine> prepare_token(Which which, const base::Secret&, const base::Secret&) override {
    return TokenLine{which == Which::main ? plan_.token_label : plan_.spare_label, "[serial number]",
                     "[model]"};
  }
  base::SplitPin split(base::ShareKind kind) override {
    auto split = base::split_new_pin(plan_.appliance, plan_.threshold,
                                     static_cast<unsigned>(plan_.custodians.size()), kind);
    return std::move(*split);
  }
  base::Result<void> close_security_officer(Which, const base::Secret&) override { return base::ok(); }

  bool open() const override { return open_; }
  base::Result<void> open_token(base::Secret) override {
    open_ = true;
    return base::ok();
  }
  base::Result<std::vector<KeyLine>> make_keys() override { return keys("created"); }
  base::Result<std::string> wrap_backup(const base::Secret&) override { return std::string(kDigest); }
  base::Result<std::vector<KeyLine>> prove_backup(const base::Secret&) override { return keys("backed-up"); }
  base::Result<std::vector<KeyLine>> commit_backup(const base::Secret&) override { return keys("active"); }

  base::Result<std::vector<CertificateLine>> make_certificates() override {
    return std::vector<CertificateLine>{{"ca.pem", plan_.appliance + " channel CA", kMoment, kDigest},
                                        {"server.pem", plan_.server_names, kMoment, kDigest}};
  }
  base::Result<void> found_store(const std::vector<EnrolledOfficer>&) override { return base::ok(); }
  base::Result<CheckpointLine> sign_checkpoint() override {
    return CheckpointLine{"[signed note]", *base::EcPublicKey::from_jwk(kNobodysKey)};
  }
  base::Result<std::string> put_configuration() override { return (plan_.folder / "sigillo.toml").string(); }
  base::Result<base::Bytes> sign_as_ledger(const base::Digest&) override { return base::Bytes(64); }
  std::string doing() const override { return {}; }

 private:
  static void asked(const Attendant& officer, const AskPin& ask) {
    (void)ask(std::get<hsm::TokenUri>(hsm::parse_token_uri(officer.key)), {});
  }
  static std::vector<KeyLine> keys(const char* state) {
    std::vector<KeyLine> out;
    for (const char* mac : {"index", "verifier", "store"})
      out.push_back({"sigillo." + std::string(mac) + "-v1", "HMAC-SHA256", state, kCheck});
    for (const char* ec : {"receipt", "ledger", "tls"})
      out.push_back({"sigillo." + std::string(ec) + "-v1", "EC P-256", state, kCheck});
    out.push_back({"sigillo.ca-v1", "EC P-384", state, kCheck});
    return out;
  }
  const CeremonyPlan& plan_;
  bool open_ = false;
  unsigned rolled_ = 0;
};

}  // namespace

std::unique_ptr<CeremonyMachine> rehearsal_machine(const CeremonyPlan& plan) {
  return std::make_unique<RehearsalMachine>(plan);
}

}  // namespace sigillo::provisioning
