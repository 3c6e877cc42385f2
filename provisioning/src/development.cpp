#include <provisioning/development.hpp>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>
#include <vector>

#include <unistd.h>

#include <appliance/assembly.hpp>
#include <appliance/config.hpp>
#include <base/jwe.hpp>
#include <hsm/evp_key.hpp>
#include <hsm/pkcs11_token.hpp>
#include <provisioning/certificate.hpp>
#include <provisioning/command.hpp>
#include <provisioning/officer_key.hpp>

#include "files.hpp"
#include "founding.hpp"

namespace sigillo::provisioning {
namespace {

namespace fs = std::filesystem;
using appliance::Role;

constexpr const char* kTokenLabel = "sigillo-dev";
constexpr std::array kRoles = {Role::portal,      Role::contact_centre, Role::branch,
                               Role::back_office, Role::courier_sms,    Role::courier_email,
                               Role::courier_pec, Role::courier_post,   Role::auditor};
// Where Debian's softhsm2 puts its module, and where others do.
constexpr std::array kModules = {"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so",
                                 "/usr/local/lib/softhsm/libsofthsm2.so"};

constexpr std::array kOfficers = {"anna", "bruno"};
constexpr int kDevelopmentIterations = 2048;

bool opens_deliveries(Role role) {
  return appliance::courier_medium(role).has_value() || role == Role::contact_centre || role == Role::branch;
}

// Takes away what was made unless told to keep it.
class Scaffold {
 public:
  Scaffold() = default;
  Scaffold(const Scaffold&) = delete;
  Scaffold& operator=(const Scaffold&) = delete;
  ~Scaffold() {
    std::error_code ignored;  // what cannot be removed is named by the next dev-init
    if (made_folder_) {
      fs::remove_all(folder_, ignored);
    } else if (!folder_.empty()) {
      for (const auto& entry : fs::directory_iterator(folder_, ignored))
        fs::remove_all(entry.path(), ignored);
    }
  }
  base::Result<void> raise(const fs::path& folder) {
    std::error_code error;
    if (fs::exists(folder / "sigillo.toml", error))
      return base::Error(Errc::exists, "it already holds an appliance");
    if (fs::exists(folder, error)) {
      if (!fs::is_directory(folder, error) || !fs::is_empty(folder, error) || error) {
        return base::Error(Errc::exists, "it is not an empty folder");
      }
    } else {
      fs::create_directories(folder.parent_path(), error);
      SIGILLO_CHECK(make_folder(folder, 0700));
      made_folder_ = true;
    }
    folder_ = folder;
    return base::ok();
  }
  void keep() { folder_.clear(), made_folder_ = false; }

 private:
  fs::path folder_;
  bool made_folder_ = false;
};

class Maker {
 public:
  Maker(const DevelopmentOptions& options, const base::Clock& clock, std::string& doing)
      : folder_(options.folder), options_(options), clock_(clock), doing_(doing) {}

  base::Result<void> make() {
    Scaffold scaffold;
    doing_ = "making the folder " + folder_.string();
    SIGILLO_CHECK(scaffold.raise(folder_));
    for (const char* name : {"store", "channels", "officers"})
      SIGILLO_CHECK(make_folder(folder_ / name, 0700));
    SIGILLO_CHECK(make_token());
    SIGILLO_TRY(const auto config, write_configuration());
    SIGILLO_TRY(const auto token, appliance::open_token(config.hsm));
    doing_ = "making the keys in the token";
    SIGILLO_CHECK(appliance::create_keys(*token, clock_.now()));
    SIGILLO_TRY(const auto channels, make_certificates(*token));
    SIGILLO_TRY(const auto officers, make_officers());
    doing_ = "making the store " + config.store.path;
    SIGILLO_CHECK(appliance::found_store(config, *token, channels, officers, clock_));
    doing_ = "writing " + (folder_ / "sigillo.toml").string();
    if (::rename(unfinished_.c_str(), (folder_ / "sigillo.toml").c_str()) != 0) {
      return base::Error(Errc::file, "a file could not be renamed", static_cast<unsigned long>(errno));
    }
    scaffold.keep();
    return base::ok();
  }

 private:
  base::Result<void> make_token() {
    doing_ = "making a SoftHSM2 token in " + (folder_ / "token").string();
    for (const char* candidate : kModules) {
      if (::access(candidate, R_OK) == 0) module_ = candidate;
      if (!module_.empty()) break;
    }
    if (module_.empty())
      return base::Error(Errc::module, "libsofthsm2.so is not there: install the package softhsm2");
    SIGILLO_CHECK(make_software_token_folder(folder_));
    const auto user_pin = random_pin();
    SIGILLO_CHECK(write_new_file(folder_ / "token-pin", user_pin.expose(), 0600));
    // Nobody keeps the security officer's PIN: a development token is never reset, its folder is thrown away.
    return hsm::initialise_token(module_, kTokenLabel, random_pin(), user_pin);
  }

  // One header per table, one key a line, absolute paths: tools edit it by line.
  base::Result<appliance::Config> write_configuration() {
    doing_ = "writing the configuration " + unfinished_.string();
    const auto path = [this](const char* name) { return toml_text((folder_ / name).string()); };
    const std::string text =
        "# A development appliance, made by `sigillo dev-init`: quotas are off, any policy is taken.\n"
        "\n[server]\nlisten = " +
        toml_text(options_.listen) + "\nmonitor = " + toml_text(options_.monitor) +
        "\ncertificate = " + path("server.pem") + "\nchannel_ca = " + path("ca.pem") +
        "\n\n[store]\npath = " + path("store/sigillo.db") + "\n\n[hsm]\nmodule = " + toml_text(module_) +
        "\ntoken_label = " + toml_text(kTokenLabel) + "\nsofthsm2_conf = " + path("softhsm2.conf") +
        "\npin_file = " + path("token-pin") +
        "\n\n[anchor]\nmode = \"strict\"\n"
        "\n[quotas]\nper_second = 0\nburst = 0\n"
        "\n[dev]\nallow_weak_policy = true\n";
    SIGILLO_CHECK(write_new_file(unfinished_, base::view(text), 0644));
    auto loaded = appliance::load_config(unfinished_.string());
    if (const auto* error = std::get_if<appliance::ConfigError>(&loaded)) {
      doing_ += " (" + error->message + ')';
      return base::Error(Errc::file, "the configuration is refused");
    }
    return std::get<appliance::Config>(std::move(loaded));
  }

  base::Result<std::vector<appliance::Channel>> make_certificates(hsm::Token& token) {
    doing_ = "making the CA and the server certificate";
    SIGILLO_TRY(const auto made, make_server_certificates(token, "Sigillo development channel CA",
                                                          "DNS:localhost,IP:127.0.0.1", clock_.now()));
    SIGILLO_CHECK(write_certificate("ca.pem", *made.ca));
    SIGILLO_CHECK(write_certificate("server.pem", *made.server));
    const Issuer issuer{made.ca.get(), made.ca_key.get()};
    std::vector<appliance::Channel> channels;
    for (const auto role : kRoles) {
      SIGILLO_TRY(auto channel, make_channel(issuer, role, made.validity));
      channels.push_back(std::move(channel));
    }
    return channels;
  }

  base::Result<appliance::Channel> make_channel(Issuer issuer, Role role, Validity validity) {
    const std::string name(appliance::name(role));
    const auto folder = fs::path("channels") / name;
    doing_ = "making the channel in " + (folder_ / folder).string();
    SIGILLO_CHECK(make_folder(folder_ / folder, 0700));
    SIGILLO_TRY(const auto key, generate_p256());
    SIGILLO_TRY(const auto certificate, issue_channel(issuer, key.get(), role, name, validity));
    SIGILLO_TRY(const auto pem, to_pem(*key));
    SIGILLO_CHECK(write_certificate(folder / "cert.pem", *certificate));
    SIGILLO_CHECK(write_new_file(folder_ / folder / "key.pem", pem.expose(), 0600));
    appliance::Channel channel;
    channel.role = role;
    channel.name = name;
    channel.owner = "development-" + name;  // each its own: no two couriers are one person, on paper
    SIGILLO_TRY(channel.certificate_key, key_digest(*certificate));
    if (opens_deliveries(role)) {
      const auto delivery_key = base::EcPrivateKey::generate();
      const std::string kid = delivery_key.public_key().thumbprint();
      channel.delivery_jwk = delivery_key.public_key().to_jwk(kid, "enc");
      const auto private_jwk = delivery_key.to_jwk(kid);
      SIGILLO_CHECK(write_new_file(folder_ / folder / "delivery.jwk", private_jwk.expose(), 0600));
    }
    return channel;
  }

  // Two, with the password of each beside its key: what takes two officers takes two here as well, so that
  // scripts exercise it; that one person has both is what makes this a development appliance.
  base::Result<appliance::Officers> make_officers() {
    appliance::Officers officers;
    for (const char* name : kOfficers) {
      const auto file = folder_ / "officers" / (std::string(name) + ".key");
      doing_ = "making the officer's key " + file.string();
      SIGILLO_TRY(const auto key, generate_p256());
      const auto password = random_pin();  // 160 bits: stretching them would add nothing
      SIGILLO_CHECK(write_officer_key(file, *key, password, kDevelopmentIterations));
      SIGILLO_CHECK(
          write_new_file(folder_ / "officers" / (std::string(name) + ".password"), password.expose(), 0600));
      SIGILLO_TRY(const auto point, public_point(*key));
      officers.push_back({name, appliance::OfficerStatus::active, point, {}});
    }
    return officers;
  }

  base::Result<void> write_certificate(const fs::path& name, X509& certificate) {
    SIGILLO_TRY(const auto pem, to_pem(certificate));
    return write_new_file(folder_ / name, base::view(pem), 0644);
  }

  const fs::path folder_;
  const DevelopmentOptions& options_;
  const base::Clock& clock_;
  std::string& doing_;
  const fs::path unfinished_ = folder_ / ".sigillo.toml.unfinished";
  std::string module_;
};

}  // namespace

base::Result<void> make_development_appliance(const DevelopmentOptions& options, const base::Clock& clock,
                                              std::string& doing) {
  return Maker(options, clock, doing).make();
}

}  // namespace sigillo::provisioning
