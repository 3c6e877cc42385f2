#include "founding.hpp"

#include <cstdlib>

#include <appliance/assembly.hpp>

#include "files.hpp"

namespace sigillo::provisioning {

base::Secret random_pin() {
  constexpr std::string_view kAlphabet = "abcdefghjkmnpqrstuvwxyz023456789";
  base::Secret pin(32);
  base::random_bytes(pin.writable());
  for (auto& byte : pin.writable()) byte = static_cast<base::Byte>(kAlphabet[byte % 32]);
  return pin;
}

std::string toml_text(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::filesystem::path softhsm2_conf(const std::filesystem::path& folder) {
  return folder / "softhsm2.conf";
}

// All that the appliance asks for. SoftHSM2 copies its list of mechanisms, 70 of them otherwise, at each call
// that signs: half of all that the HSM's worker allocates.
constexpr const char* kMechanisms =
    "CKM_SHA256_HMAC,CKM_ECDSA,CKM_EC_KEY_PAIR_GEN,CKM_GENERIC_SECRET_KEY_GEN,CKM_AES_KEY_WRAP_PAD";

base::Result<void> make_software_token_folder(const std::filesystem::path& folder) {
  const auto tokens = folder / "token";
  std::error_code error;
  if (!std::filesystem::is_directory(tokens, error)) SIGILLO_CHECK(make_folder(tokens, 0700));
  const std::string settings = "directories.tokendir = " + tokens.string() +
                               "\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false" +
                               "\nslots.mechanisms = " + kMechanisms + '\n';
  SIGILLO_CHECK(replace_file(softhsm2_conf(folder), base::view(settings), 0644));
  ::setenv("SOFTHSM2_CONF", softhsm2_conf(folder).c_str(), 1);
  return base::ok();
}

base::Result<ServerCertificates> make_server_certificates(hsm::Token& token, const std::string& ca_name,
                                                          const std::string& names, base::Instant now) {
  const auto from = now - base::minutes(5);  // for callers whose clock is a little behind
  ServerCertificates out;
  out.ca_validity = {from, now + base::days(3650)};
  out.validity = {from, now + base::days(397)};
  SIGILLO_TRY(const auto ca_ref, token.find_key({appliance::KeyLabels::ca, 1}));
  SIGILLO_TRY(out.ca_key, hsm::evp_key(token, ca_ref, hsm::KeyType::ec_p384));
  SIGILLO_TRY(out.ca, make_ca(out.ca_key.get(), ca_name, out.ca_validity));
  SIGILLO_TRY(const auto tls_ref, token.find_key({appliance::KeyLabels::tls, 1}));
  SIGILLO_TRY(const auto tls_key, hsm::evp_key(token, tls_ref, hsm::KeyType::ec_p256));
  SIGILLO_TRY(out.server, issue_server({out.ca.get(), out.ca_key.get()}, tls_key.get(), names, out.validity));
  return out;
}

}  // namespace sigillo::provisioning
