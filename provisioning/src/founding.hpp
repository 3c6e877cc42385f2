// What a development appliance and a ceremony make alike: PINs, the software token's settings, the CA's and
// the server's certificates, the configuration's text. Thread rule: pure functions but for what they write.
#pragma once

#include <filesystem>
#include <string>

#include <hsm/evp_key.hpp>
#include <hsm/token.hpp>
#include <provisioning/certificate.hpp>

namespace sigillo::provisioning {

// 32 characters of 5 bits each, straight into locked memory: 160 bits from OpenSSL's DRBG.
base::Secret random_pin();
// A basic string (TOML 1.0), quotes included. Of text without control characters.
std::string toml_text(const std::string& text);

// FOLDER/token and FOLDER/softhsm2.conf, and SOFTHSM2_CONF for this process.
base::Result<void> make_software_token_folder(const std::filesystem::path& folder);
std::filesystem::path softhsm2_conf(const std::filesystem::path& folder);

struct ServerCertificates {
  hsm::EvpKey ca_key;
  Certificate ca, server;
  Validity ca_validity, validity;
};
// By the token's `ca` key; `names` in OpenSSL's form.
base::Result<ServerCertificates> make_server_certificates(hsm::Token& token, const std::string& ca_name,
                                                          const std::string& names, base::Instant now);

}  // namespace sigillo::provisioning
