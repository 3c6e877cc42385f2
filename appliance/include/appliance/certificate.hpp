// Certificates of the channel CA (X.509v3, RFC 5280): the CA's own, the server's, and one per channel whose
// identity is its URI SAN; requests for one, and files of some. The CA's and the server's private keys are in
// the HSM and come as EVP keys that sign there. Thread rule: pure functions. Errors: Errc::certificate, raw
// is OpenSSL's error code.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <openssl/types.h>

#include <appliance/channel.hpp>
#include <base/clock.hpp>
#include <base/crypto.hpp>
#include <base/result.hpp>
#include <base/secret.hpp>

namespace sigillo::appliance {

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
base::Result<Certificate> issue_channel(Issuer issuer, EVP_PKEY* key, Role role, const std::string& name,
                                        Validity validity);

base::Result<std::string> to_pem(X509& certificate);
// Every certificate of a PEM text, in its order; at least one.
base::Result<std::vector<Certificate>> certificates_of(std::string_view pem);
// "DNS:localhost, IP Address:127.0.0.1" becomes what issue_server takes.
base::Result<std::string> names_of(X509& certificate);
std::string common_name_of(X509& certificate);
base::Instant expires(X509& certificate);
// SHA-256 of the SubjectPublicKeyInfo in DER: how a channel is known beside its name (appliance::Channel).
base::Result<base::Digest> key_digest(X509& certificate);
base::Result<base::Digest> key_digest(EVP_PKEY& key);

// A channel's TLS key: P-256, made here, and its PKCS#8 PEM in locked memory.
struct EvpPkeyFree {
  void operator()(EVP_PKEY* key) const;
};
using PrivateKey = std::unique_ptr<EVP_PKEY, EvpPkeyFree>;
base::Result<PrivateKey> generate_p256();
base::Result<base::Secret> to_pem(EVP_PKEY& key);

// PKCS #10 (RFC 2986). Of a request only the public key is taken, once it has proved its private half: whose
// certificate it becomes is said by officers, and not by whoever wrote the request. P-256 or P-384.
base::Result<PrivateKey> key_of_request(std::string_view pem);
base::Result<std::string> make_request(EVP_PKEY& key);

}  // namespace sigillo::appliance
