// A channel CA and certificates for tests, made with OpenSSL for each run: nothing that could be mistaken for
// a real key is in the repository. Files go to a folder of their own that is removed at the end.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <openssl/types.h>

#include <base/crypto.hpp>

namespace sigillo::api::test {

struct Free {
  void operator()(EVP_PKEY* it) const;
  void operator()(X509* it) const;
};
using Key = std::unique_ptr<EVP_PKEY, Free>;
using Certificate = std::unique_ptr<X509, Free>;

struct Identity {
  Key key;
  Certificate certificate;
  base::Digest key_digest() const;  // SHA-256 of SubjectPublicKeyInfo
};

class TestPki {
 public:
  TestPki();
  ~TestPki();

  // `alternative` as in openssl's subjectAltName, "URI:urn:sigillo:channel:portal:p1"; empty: none.
  Identity issue(std::string_view common_name, std::string_view alternative) const;
  Identity issue_by(const Identity& issuer, std::string_view common_name, std::string_view alternative,
                    bool ca) const;

  const Identity& server() const { return server_; }
  std::string server_file() const { return folder_ + "/server.pem"; }
  std::string ca_file() const { return folder_ + "/ca.pem"; }
  X509* ca() const { return ca_.certificate.get(); }

 private:
  std::string folder_;
  Identity ca_, server_;
};

Key new_key();

}  // namespace sigillo::api::test
