// The machine of the day.
#include <cerrno>
#include <cstdlib>

#include <unistd.h>

#include <openssl/x509.h>
#include <appliance/assembly.hpp>
#include <appliance/config.hpp>
#include <appliance/ledger_export.hpp>
#include <hsm/pkcs11_token.hpp>
#include <hsm/token_setup.hpp>
#include <provisioning/command.hpp>
#include <provisioning/officer_key.hpp>
#include <sealed_store/store.hpp>

#include "ceremony_machine.hpp"
#include "files.hpp"
#include "founding.hpp"
#include "machine_backup.hpp"
#include "machine_check.hpp"

namespace sigillo::provisioning {
namespace {

namespace fs = std::filesystem;

// "2a:f0:..." as OpenSSL and browsers show it, without the colons.
base::Result<CertificateLine> line_of(const char* file, const std::string& subject, X509& certificate,
                                      base::Instant until) {
  unsigned char digest[32];
  unsigned size = sizeof digest;
  if (X509_digest(&certificate, EVP_sha256(), digest, &size) != 1)
    return base::Error(Errc::certificate, "a certificate has no digest");
  return CertificateLine{file, subject, base::to_rfc3339(until), base::to_hex({digest, size})};
}

base::Result<void> make_folder_once(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error) ? base::ok() : make_folder(path, 0700);
}

class RealMachine final : public CeremonyMachine {
 public:
  explicit RealMachine(const CeremonyPlan& plan) : plan_(plan), folder_(plan.folder) {}

  std::string now() override { return base::to_rfc3339(clock_.now()); }
  std::vector<Finding> check(bool begun) override { return check_machine(plan_, begun); }
  unsigned dice(unsigned sides) override {
    base::ByteArray<4> random{};
    base::random_bytes(random);
    return base::read_be<std::uint32_t>(random) % sides + 1;
  }

  base::Result<base::EcPublicKey> make_officer_key(const std::string& id,
                                                   const base::Secret& password) override {
    doing_ = "making " + officer_file(id).string();
    SIGILLO_CHECK(make_folder_once(folder_ / "officers"));
    std::error_code ignored;  // of an attempt that was interrupted
    fs::remove(officer_file(id), ignored);
    fs::remove(officer_file(id).string() + ".pub", ignored);
    SIGILLO_TRY(const auto key, generate_p256());
    SIGILLO_CHECK(write_officer_key(officer_file(id), *key, password));
    SIGILLO_TRY(const auto point, public_point(*key));
    return *base::EcPublicKey::from_point(point);
  }
  base::Result<base::Bytes> sign_as_officer(const std::string& id, const base::Secret& password,
                                            const base::Digest& digest) override {
    doing_ = "signing with " + officer_file(id).string();
    SIGILLO_TRY(const auto key, read_officer_key(officer_file(id), password));
    return sign_digest(*key, digest);
  }
  std::variant<base::EcPublicKey, appliance::ActionFailure> bring_officer_token(const Attendant& officer,
                                                                                const AskPin& ask) override {
    base::Digest challenge{};
    base::random_bytes(challenge);
    base::ByteArray<65> point{};
    auto proof = with_token(officer, ask, challenge, point);
    if (auto* failure = std::get_if<appliance::ActionFailure>(&proof)) return std::move(*failure);
    const auto file = folder_ / "officers" / (officer.id + ".pub");
    std::error_code ignored;  // of an attempt that was interrupted
    fs::remove(file, ignored);
    auto written = make_folder_once(folder_ / "officers");
    if (written) written = write_officer_public_key(file, point);
    if (!written)
      return appliance::ActionFailure{"failed", file.string() + ": " + sentence(written.error()) + '.', {}};
    return *base::EcPublicKey::from_point(point);
  }
  std::variant<base::Bytes, appliance::ActionFailure> sign_in_officer_token(
      const Attendant& officer, const AskPin& ask, const base::Digest& digest) override {
    base::ByteArray<65> point{};
    return with_token(officer, ask, digest, point);
  }

  base::Result<TokenLine> prepare_token(Which which, const base::Secret& so_pin,
                                        const base::Secret& pin) override {
    token_.reset();
    const auto& module = module_of(which);
    const auto& label = label_of(which);
    doing_ = "preparing the token " + label;
    SIGILLO_TRY(const auto before, hsm::look_at_module(module));
    if (before.find(label) != nullptr) {
      SIGILLO_CHECK(hsm::reset_user_pin(module, label, so_pin, pin));
    } else {
      SIGILLO_CHECK(hsm::initialise_token(module, label, so_pin, pin));
    }
    SIGILLO_TRY(const auto after, hsm::look_at_module(module));
    const auto* token = after.find(label);
    if (token == nullptr)
      return base::Error(hsm::Errc::no_such_token, "the token that was made is not there");
    return TokenLine{token->label, token->serial, token->model};
  }
  base::SplitPin split(base::ShareKind kind) override {
    auto split = base::split_new_pin(plan_.appliance, plan_.threshold,
                                     static_cast<unsigned>(plan_.custodians.size()), kind);
    return std::move(*split);
  }
  base::Result<void> close_security_officer(Which which, const base::Secret& so_pin) override {
    token_.reset();
    doing_ = "replacing the security officer's PIN of " + label_of(which);
    return hsm::change_so_pin(module_of(which), label_of(which), so_pin, random_pin());
  }

  bool open() const override { return token_ != nullptr; }
  base::Result<void> open_token(base::Secret pin) override {
    pin_ = std::move(pin);
    return open(Which::main);
  }

  base::Result<std::vector<KeyLine>> make_keys() override {
    doing_ = "making the keys";
    return make_open_keys(*token_, clock_.now());
  }
  base::Result<std::string> wrap_backup(const base::Secret& wrapping) override {
    doing_ = "wrapping the keys into " + backup_.keys.string();
    SIGILLO_CHECK(make_folder_once(folder_ / "backup"));
    return wrap_keys(*token_, backup_, base::wrapping_key_of(wrapping), plan_.token_label, clock_.now());
  }
  base::Result<std::vector<KeyLine>> prove_backup(const base::Secret& wrapping) override {
    SIGILLO_CHECK(open(Which::spare));
    doing_ = "restoring the backup into " + plan_.spare_label;
    auto proven = prove_keys(*token_, backup_, base::wrapping_key_of(wrapping), clock_.now());
    SIGILLO_CHECK(open(Which::main));
    return proven;
  }
  base::Result<std::vector<KeyLine>> commit_backup(const base::Secret& wrapping) override {
    doing_ = "closing the keys";
    return close_keys(*token_, backup_, base::wrapping_key_of(wrapping), clock_.now());
  }

  base::Result<std::vector<CertificateLine>> make_certificates() override {
    doing_ = "making the certificates";
    const std::string ca_name = plan_.appliance + " channel CA";
    SIGILLO_TRY(const auto made,
                make_server_certificates(*token_, ca_name, plan_.server_names, clock_.now()));
    SIGILLO_TRY(const auto ca, to_pem(*made.ca));
    SIGILLO_TRY(const auto server, to_pem(*made.server));
    SIGILLO_CHECK(replace_file(folder_ / "ca.pem", base::view(ca), 0644));
    SIGILLO_CHECK(replace_file(folder_ / "server.pem", base::view(server), 0644));
    std::vector<CertificateLine> out;
    SIGILLO_TRY(out.emplace_back(), line_of("ca.pem", ca_name, *made.ca, made.ca_validity.until));
    SIGILLO_TRY(out.emplace_back(),
                line_of("server.pem", plan_.server_names, *made.server, made.validity.until));
    return out;
  }

  base::Result<void> found_store(const std::vector<EnrolledOfficer>& officers) override {
    doing_ = "writing the configuration";
    SIGILLO_TRY(const auto config, write_configuration());
    doing_ = "founding the store " + config.store.path;
    // A founding is one commit, and it is anchored when it is durable: an anchor past the beginning says that
    // the store that is there is whole, and one at the beginning (or none) that nothing in it counts yet.
    const auto anchored = appliance::recorded_head(*token_, config.store);
    if (!anchored && !anchored.error().is(sealed_store::Errc::rolled_back)) return anchored.error();
    std::error_code error;
    const bool begun = anchored && *anchored && (*anchored)->seq > 0;
    if (begun && fs::exists(config.store.path, error)) return base::ok();
    fs::remove_all(folder_ / "store", error);
    SIGILLO_CHECK(make_folder(folder_ / "store", 0700));
    appliance::Officers enrolled;
    for (const auto& officer : officers)
      enrolled.push_back({officer.id, appliance::OfficerStatus::active, officer.key.point(), clock_.now()});
    return appliance::found_store(config, *token_, {}, enrolled, clock_);
  }

  base::Result<CheckpointLine> sign_checkpoint() override {
    doing_ = "signing the first checkpoint";
    SIGILLO_TRY(const auto config, read_configuration());
    SIGILLO_TRY(const auto head, appliance::recorded_head(*token_, config.store));
    if (!head) return base::Error(Errc::ceremony, "the store has no anchor in the token");
    SIGILLO_TRY(const auto key, token_->find_key(kLedger));
    SIGILLO_TRY(const auto point, token_->public_key(key));
    auto ledger = base::EcPublicKey::from_point(point);
    if (!ledger) return base::Error(Errc::ceremony, "the ledger key is not on P-256");
    const std::string text = appliance::checkpoint_text(config.audit.issuer, *head);
    SIGILLO_TRY(const auto raw, token_->sign(key, base::sha256({base::view(text)})));
    const std::string note = appliance::signed_note(text, *ledger, raw);
    const std::string keys = "{\"keys\":[" + ledger->to_jwk(kLedger.kid(), "sig") + "]}\n";
    SIGILLO_CHECK(replace_file(folder_ / "checkpoint", base::view(note), 0644));
    SIGILLO_CHECK(replace_file(folder_ / "ledger-key.jwks", base::view(keys), 0644));
    return CheckpointLine{note, std::move(*ledger)};
  }

  base::Result<std::string> put_configuration() override {
    const auto final = folder_ / "sigillo.toml";
    doing_ = "putting " + final.string() + " in place";
    std::error_code error;
    if (fs::exists(unfinished_, error) && ::rename(unfinished_.c_str(), final.c_str()) != 0)
      return base::Error(Errc::file, "a file could not be renamed", static_cast<unsigned long>(errno));
    if (!fs::exists(final, error)) return base::Error(Errc::file, "the configuration is not there");
    return final.string();
  }

  base::Result<base::Bytes> sign_as_ledger(const base::Digest& digest) override {
    doing_ = "signing with " + kLedger.kid();
    SIGILLO_TRY(const auto key, token_->find_key(kLedger));
    return token_->sign(key, digest);
  }
  std::string doing() const override { return doing_; }

 private:
  static inline const hsm::KeyId kLedger{appliance::KeyLabels::ledger, 1};

  const std::string& module_of(Which which) const {
    return which == Which::main ? plan_.module : plan_.spare_module;
  }
  const std::string& label_of(Which which) const {
    return which == Which::main ? plan_.token_label : plan_.spare_label;
  }
  fs::path officer_file(const std::string& id) const { return folder_ / "officers" / (id + ".key"); }

  static std::variant<base::Bytes, appliance::ActionFailure> with_token(const Attendant& officer,
                                                                        const AskPin& ask,
                                                                        const base::Digest& digest,
                                                                        base::ByteArray<65>& point) {
    auto opened = open_token_key(std::get<hsm::TokenUri>(hsm::parse_token_uri(officer.key)), ask);
    if (auto* failure = std::get_if<appliance::ActionFailure>(&opened)) return std::move(*failure);
    auto& key = *std::get<std::unique_ptr<OfficerSigner>>(opened);
    point = key.point();
    return key.sign(digest);
  }

  // One token at a time: a process has a module open once.
  base::Result<void> open(Which which) {
    token_.reset();
    doing_ = "opening the token " + label_of(which);
    SIGILLO_TRY(token_,
                hsm::Pkcs11Token::open({.module = module_of(which), .token_label = label_of(which)}, pin_));
    return base::ok();
  }

  base::Result<appliance::Config> write_configuration() {
    const auto path = [this](const char* name) { return toml_text((folder_ / name).string()); };
    std::error_code error;
    const bool software = fs::exists(softhsm2_conf(folder_), error);
    const std::string text =
        "# Made by `sigillo ceremony`. The token's PIN is in no file: the appliance starts sealed, and "
        "custodians open "
        "it.\n"
        "\n[server]\nlisten = " +
        toml_text(plan_.listen) + "\nmonitor = " + toml_text(plan_.monitor) +
        "\ncertificate = " + path("server.pem") + "\nchannel_ca = " + path("ca.pem") +
        "\n\n[store]\npath = " + path("store/sigillo.db") + "\n\n[hsm]\nmodule = " + toml_text(plan_.module) +
        "\ntoken_label = " + toml_text(plan_.token_label) +
        (software ? "\nsofthsm2_conf = " + path("softhsm2.conf") + "\nallow_test_module = true" : "") +
        "\n\n[anchor]\nmode = \"strict\"\n\n[audit]\nissuer = " + toml_text(plan_.appliance) + '\n';
    SIGILLO_CHECK(replace_file(unfinished_, base::view(text), 0644));
    return read_configuration();
  }
  base::Result<appliance::Config> read_configuration() {
    std::error_code error;
    const auto file = fs::exists(unfinished_, error) ? unfinished_ : folder_ / "sigillo.toml";
    auto loaded = appliance::load_config(file.string());
    if (const auto* refused = std::get_if<appliance::ConfigError>(&loaded)) {
      doing_ += " (" + refused->message + ')';
      return base::Error(Errc::file, "the configuration is refused");
    }
    return std::get<appliance::Config>(std::move(loaded));
  }

  const CeremonyPlan& plan_;
  const fs::path folder_;
  const fs::path unfinished_ = folder_ / ".sigillo.toml.unfinished";
  const BackupFiles backup_{folder_ / "backup" / "keys.json", folder_ / "backup" / "proof.json"};
  const base::SystemClock clock_;
  std::unique_ptr<hsm::Pkcs11Token> token_;
  base::Secret pin_;
  std::string doing_;
};

}  // namespace

std::unique_ptr<CeremonyMachine> real_machine(const CeremonyPlan& plan) {
  return std::make_unique<RealMachine>(plan);
}

}  // namespace sigillo::provisioning
