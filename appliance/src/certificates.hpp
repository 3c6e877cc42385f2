// The appliance's certificate files ([server] certificate and channel_ca), and what is issued under the CA's
// active key. A file is replaced whole: made beside, synced, renamed. Thread rule: one act at a time. Never:
// writes a certificate whose key is not on the token.
#pragma once

#include <appliance/certificate.hpp>
#include <hsm/evp_key.hpp>

#include "rotation.hpp"

namespace sigillo::appliance {

struct CaInUse {
  hsm::EvpKey key;
  Certificate certificate;
  std::uint16_t version = 1;
  Issuer issuer() const { return {certificate.get(), key.get()}; }
};
// The active CA key with its certificate out of the channel_ca file.
base::Result<CaInUse> ca_in_use(KeyWork work);

struct IssuedChannel {
  std::string pem;
  base::Digest key{};
  base::Instant expires;
  std::uint16_t ca_version = 1;
};
// `now`, here and below, by the machine's clock: by that it is judged, and the ledger may be ahead of it.
base::Result<IssuedChannel> issue_for(KeyWork work, Role role, const std::string& name, EVP_PKEY& key,
                                      base::Duration validity, base::Instant now);

// The version of the TLS key that the server's certificate is of, whatever the register says: a kill between
// the file's renaming and the register's writing leaves the file, and the file is what clients see.
base::Result<std::uint16_t> tls_version_in_file(hsm::Token& token, const KeyRegister& keys,
                                                const std::string& certificate);

// What the next server certificate is for: [server] names; where it has none, the names of the certificate
// that it replaces. Errc::certificate where that one is not of the TLS key in use, under a CA of this token.
base::Result<std::string> next_server_names(KeyWork work);
// A server certificate of this key, under the active CA, for these names.
base::Result<void> replace_server_certificate(KeyWork work, const KeyEntry& tls, const std::string& names,
                                              base::Instant now);
// A certificate for a new CA key, put in front of those in the channel_ca file.
base::Result<void> add_ca_certificate(KeyWork work, const KeyEntry& ca, base::Instant now);
// Takes the certificate of a CA key out of the channel_ca file. Errc::certificate where it is the last.
base::Result<void> remove_ca_certificate(KeyWork work, const KeyEntry& ca);
// Whether the server's certificate is under this CA key.
base::Result<bool> server_is_under(KeyWork work, const KeyEntry& ca);

}  // namespace sigillo::appliance
