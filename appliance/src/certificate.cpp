#include <appliance/certificate.hpp>

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <appliance/assembly.hpp>

namespace sigillo::appliance {
namespace {

struct OpensslFree {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
  void operator()(BIGNUM* number) const { BN_free(number); }
  void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
  void operator()(X509_REQ* request) const { X509_REQ_free(request); }
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
  void operator()(unsigned char* der) const { OPENSSL_free(der); }
};
template <class T>
using Owned = std::unique_ptr<T, OpensslFree>;

base::Error failed(const char* what) {
  return {Errc::certificate, what, ERR_get_error()};
}

// 128 random bits, positive and not zero (RFC 5280 section 4.1.2.2: at most 20 octets, unique for the CA).
bool set_serial(X509& certificate) {
  base::ByteArray<16> serial{};
  base::random_bytes(serial);
  serial[0] = static_cast<base::Byte>((serial[0] & 0x7f) | 0x40);
  const Owned<BIGNUM> number(BN_bin2bn(serial.data(), static_cast<int>(serial.size()), nullptr));
  return number != nullptr &&
         BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(&certificate)) != nullptr;
}

bool set_time(ASN1_TIME* field, base::Instant instant) {
  return ASN1_TIME_adj(field, static_cast<time_t>(instant.ms / 1000), 0, 0) != nullptr;
}

bool set_common_name(X509_NAME* subject, const std::string& name) {
  return X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(name.data()),
                                    static_cast<int>(name.size()), -1, 0) == 1;
}

struct Extension {
  int nid;
  std::string value;  // in OpenSSL's configuration form
};

bool add_extensions(X509& certificate, X509* issuer, const std::vector<Extension>& extensions) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, &certificate, nullptr, nullptr, 0);
  X509V3_set_ctx_nodb(&context);
  for (const auto& [nid, value] : extensions) {
    const Owned<X509_EXTENSION> extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
    if (extension == nullptr || X509_add_ext(&certificate, extension.get(), -1) != 1) return false;
  }
  return true;
}

// `issuer.certificate` null: self-signed.
base::Result<Certificate> make(Issuer issuer, EVP_PKEY* key, const std::string& common_name,
                               Validity validity, const std::vector<Extension>& extensions) {
  Certificate certificate(X509_new());
  if (certificate == nullptr) return failed("no memory for a certificate");
  X509* const by = issuer.certificate == nullptr ? certificate.get() : issuer.certificate;
  const bool made = X509_set_version(certificate.get(), X509_VERSION_3) == 1 && set_serial(*certificate) &&
                    set_time(X509_getm_notBefore(certificate.get()), validity.from) &&
                    set_time(X509_getm_notAfter(certificate.get()), validity.until) &&
                    set_common_name(X509_get_subject_name(certificate.get()), common_name) &&
                    X509_set_issuer_name(certificate.get(), X509_get_subject_name(by)) == 1 &&
                    X509_set_pubkey(certificate.get(), key) == 1 &&
                    add_extensions(*certificate, by, extensions);
  if (!made) return failed("a certificate could not be put together");
  // The digest is that of the issuer's curve, P-384.
  if (X509_sign(certificate.get(), issuer.key, EVP_sha384()) == 0) return failed("the CA key did not sign");
  return certificate;
}

}  // namespace

void X509Free::operator()(X509* certificate) const {
  X509_free(certificate);
}
void EvpPkeyFree::operator()(EVP_PKEY* key) const {
  EVP_PKEY_free(key);
}

base::Result<Certificate> make_ca(EVP_PKEY* key, const std::string& common_name, Validity validity) {
  return make({nullptr, key}, key, common_name, validity,
              {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
               {NID_key_usage, "critical,keyCertSign,cRLSign"},
               {NID_subject_key_identifier, "hash"}});
}

base::Result<Certificate> issue_server(Issuer issuer, EVP_PKEY* key, const std::string& names,
                                       Validity validity) {
  return make(issuer, key, "Sigillo", validity,
              {{NID_basic_constraints, "critical,CA:FALSE"},
               {NID_key_usage, "critical,digitalSignature"},
               {NID_ext_key_usage, "serverAuth"},
               {NID_subject_alt_name, names},
               {NID_subject_key_identifier, "hash"},
               {NID_authority_key_identifier, "keyid:always"}});
}

base::Result<Certificate> issue_channel(Issuer issuer, EVP_PKEY* key, Role role, const std::string& name,
                                        Validity validity) {
  const std::string common_name =
      std::string(sigillo::appliance::name(role)) + ' ' + name;  // for people; never an identity
  return make(issuer, key, common_name, validity,
              {{NID_basic_constraints, "critical,CA:FALSE"},
               {NID_key_usage, "critical,digitalSignature"},
               {NID_ext_key_usage, "clientAuth"},
               {NID_subject_alt_name, "URI:" + channel_uri(role, name)},
               {NID_subject_key_identifier, "hash"},
               {NID_authority_key_identifier, "keyid:always"}});
}

base::Result<std::string> to_pem(X509& certificate) {
  const Owned<BIO> memory(BIO_new(BIO_s_mem()));
  if (memory == nullptr || PEM_write_bio_X509(memory.get(), &certificate) != 1) {
    return failed("a certificate could not be written as PEM");
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

base::Result<base::Digest> key_digest(X509& certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(&certificate), &der);
  const Owned<unsigned char> owned(der);
  if (size <= 0) return failed("a public key could not be encoded");
  return base::sha256({{der, static_cast<std::size_t>(size)}});
}

base::Result<PrivateKey> generate_p256() {
  PrivateKey key(EVP_EC_gen("P-256"));
  if (key == nullptr) return failed("a P-256 key could not be made");
  return key;
}

base::Result<base::Secret> to_pem(EVP_PKEY& key) {
  const Owned<BIO> memory(BIO_new(BIO_s_secmem()));
  if (memory == nullptr ||
      PEM_write_bio_PKCS8PrivateKey(memory.get(), &key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return failed("a private key could not be written as PEM");
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &data);
  return base::Secret(base::view({data, static_cast<std::size_t>(size)}));
}

base::Result<base::Digest> key_digest(EVP_PKEY& key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(&key, &der);
  const Owned<unsigned char> owned(der);
  if (size <= 0) return failed("a public key could not be encoded");
  return base::sha256({{der, static_cast<std::size_t>(size)}});
}

base::Result<std::vector<Certificate>> certificates_of(std::string_view pem) {
  const Owned<BIO> memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  std::vector<Certificate> out;
  for (;;) {
    Certificate one(PEM_read_bio_X509(memory.get(), nullptr, nullptr, nullptr));
    if (one == nullptr) break;
    out.push_back(std::move(one));
  }
  ERR_clear_error();
  if (out.empty()) return failed("there is no certificate in the file");
  return out;
}

base::Result<std::string> names_of(X509& certificate) {
  const Owned<GENERAL_NAMES> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
  std::string out;
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* one = sk_GENERAL_NAME_value(names.get(), i);
    const auto* text = one->type == GEN_DNS     ? one->d.dNSName
                       : one->type == GEN_IPADD ? one->d.iPAddress
                                                : nullptr;
    if (text == nullptr) continue;
    const auto* data = ASN1_STRING_get0_data(text);
    const int size = ASN1_STRING_length(text);
    if (!out.empty()) out += ',';
    if (one->type == GEN_DNS) {
      out += "DNS:" + std::string(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
    } else if (size == 4) {
      out += "IP:" + std::to_string(data[0]) + '.' + std::to_string(data[1]) + '.' + std::to_string(data[2]) +
             '.' + std::to_string(data[3]);
    } else if (size == 16) {
      out += "IP:";
      for (int at = 0; at < size; at += 2) out += (at == 0 ? "" : ":") + base::to_hex({data + at, 2});
    }
  }
  if (out.empty()) return failed("the server's certificate names no host");
  return out;
}

std::string common_name_of(X509& certificate) {
  char text[128] = {};
  const int size =
      X509_NAME_get_text_by_NID(X509_get_subject_name(&certificate), NID_commonName, text, sizeof text);
  return size > 0 ? std::string(text, static_cast<std::size_t>(size)) : std::string();
}

base::Instant expires(X509& certificate) {
  std::tm end{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(&certificate), &end) != 1) return {};
  return {static_cast<std::int64_t>(timegm(&end)) * 1000};
}

base::Result<PrivateKey> key_of_request(std::string_view pem) {
  const Owned<BIO> memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const Owned<X509_REQ> request(PEM_read_bio_X509_REQ(memory.get(), nullptr, nullptr, nullptr));
  if (request == nullptr) return failed("the file is no certificate request (PKCS #10, PEM)");
  PrivateKey key(X509_REQ_get_pubkey(request.get()));
  if (key == nullptr || X509_REQ_verify(request.get(), key.get()) != 1)
    return failed("the request is not signed by its own key");
  char curve[32] = {};
  if (EVP_PKEY_get_utf8_string_param(key.get(), "group", curve, sizeof curve, nullptr) != 1 ||
      (std::string_view(curve) != "prime256v1" && std::string_view(curve) != "secp384r1"))
    return failed("the request's key is not on P-256 or P-384");
  return key;
}

base::Result<std::string> make_request(EVP_PKEY& key) {
  const Owned<X509_REQ> request(X509_REQ_new());
  if (request == nullptr || X509_REQ_set_version(request.get(), 0) != 1 ||
      X509_REQ_set_pubkey(request.get(), &key) != 1 || X509_REQ_sign(request.get(), &key, EVP_sha256()) == 0)
    return failed("a request could not be made");
  const Owned<BIO> memory(BIO_new(BIO_s_mem()));
  if (memory == nullptr || PEM_write_bio_X509_REQ(memory.get(), request.get()) != 1)
    return failed("a request could not be written as PEM");
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

}  // namespace sigillo::appliance
