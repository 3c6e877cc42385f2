#include "test_pki.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace sigillo::api::test {
namespace {

void write_pem(const std::string& path, X509* certificate) {
  std::FILE* const file = std::fopen(path.c_str(), "w");
  if (file == nullptr || PEM_write_X509(file, certificate) != 1 || std::fclose(file) != 0) std::abort();
}

void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  if (extension == nullptr || X509_add_ext(certificate, extension, -1) != 1) std::abort();
  X509_EXTENSION_free(extension);
}

Identity make(const Identity* issuer, std::string_view common_name, std::string_view alternative, bool ca) {
  static long serial = 1;
  Identity out{new_key(), Certificate(X509_new())};
  X509* const it = out.certificate.get();
  X509_set_version(it, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(it), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(it), -3600);
  X509_gmtime_adj(X509_getm_notAfter(it), 24L * 3600);
  X509_set_pubkey(it, out.key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(it), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(common_name.data()),
                             static_cast<int>(common_name.size()), -1, 0);
  X509* const by = issuer == nullptr ? it : issuer->certificate.get();
  X509_set_issuer_name(it, X509_get_subject_name(by));
  add_extension(it, by, NID_basic_constraints, ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
  if (!alternative.empty()) add_extension(it, by, NID_subject_alt_name, std::string(alternative));
  if (X509_sign(it, (issuer == nullptr ? out : *issuer).key.get(), EVP_sha256()) == 0) std::abort();
  return out;
}

}  // namespace

void Free::operator()(EVP_PKEY* it) const {
  EVP_PKEY_free(it);
}
void Free::operator()(X509* it) const {
  X509_free(it);
}

Key new_key() {
  return Key(EVP_EC_gen("P-256"));
}

base::Digest Identity::key_digest() const {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key.get(), &der);
  const auto out = base::sha256({base::ByteView(der, static_cast<std::size_t>(size))});
  OPENSSL_free(der);
  return out;
}

TestPki::TestPki() {
  std::string pattern = (std::filesystem::temp_directory_path() / "sigillo-api-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) std::abort();
  folder_ = pattern;
  ca_ = make(nullptr, "test channel CA", "", true);
  server_ = make(&ca_, "localhost", "DNS:localhost,IP:127.0.0.1", false);
  write_pem(ca_file(), ca_.certificate.get());
  write_pem(server_file(), server_.certificate.get());
}

TestPki::~TestPki() {
  std::filesystem::remove_all(folder_);
}

Identity TestPki::issue(std::string_view common_name, std::string_view alternative) const {
  return make(&ca_, common_name, alternative, false);
}

Identity TestPki::issue_by(const Identity& issuer, std::string_view common_name, std::string_view alternative,
                           bool ca) const {
  return make(&issuer, common_name, alternative, ca);
}

}  // namespace sigillo::api::test
