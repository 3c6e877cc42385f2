// Certificates of the channel CA (X.509v3, RFC 5280): the CA's own, the server's, and one per channel whose
// identity is its URI SAN. The CA's and the server's private keys are in the HSM and come as EVP keys that
// sign there. Thread rule: pure functions. Errors: Errc::certificate, raw is OpenSSL's error code.
#pragma once

#include <memory>
#include <string>

#include <openssl/types.h>

#include <appliance/channel.hpp>
#include <base/clock.hpp>
#include <base/crypto.hpp>
#include <base/result.hpp>
#include <base/secret.hpp>

namespace sigillo::provisioning {

struct X509Free {
  void operator()(X509* certificate) const;
};
using Certificate = std::unique_ptr<X509, X509Free>;

struct Validity {
  base::Instant from;
  base::Instant until;
};

// What signs: the CA's certificate and its key.
struct Issuer {
  X509* certificate;
  EVP_PKEY* key;
};

// Self-signed, P-384 with SHA-384, CA:TRUE with pathlen 0: it signs channels and never another CA.
base::Result<Certificate> make_ca(EVP_PKEY* key, const std::string& common_name, Validity validity);
// `names` in OpenSSL's form: "DNS:localhost,IP:127.0.0.1". serverAuth.
base::Result<Certificate> issue_server(Issuer issuer, EVP_PKEY* key, const std::string& names,
                                       Validity validity);
// URI SAN urn:sigillo:channel:<role>:<name>, and no other name. clientAuth.
base::Result<Certificate> issue_channel(Issuer issuer, EVP_PKEY* key, appliance::Role role,
                                        const std::string& name, Validity validity);

base::Result<std::string> to_pem(X509& certificate);
// SHA-256 of the SubjectPublicKeyInfo in DER: how a channel is known beside its name (appliance::Channel).
base::Result<base::Digest> key_digest(X509& certificate);

// A channel's TLS key: P-256, made here, and its PKCS#8 PEM in locked memory.
struct EvpPkeyFree {
  void operator()(EVP_PKEY* key) const;
};
using PrivateKey = std::unique_ptr<EVP_PKEY, EvpPkeyFree>;
base::Result<PrivateKey> generate_p256();
base::Result<base::Secret> to_pem(EVP_PKEY& key);

}  // namespace sigillo::provisioning
