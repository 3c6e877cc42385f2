#include "tls.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <ctime>

namespace sigillo::api {
namespace {

base::Error failed(const char* detail) {
  return {Errc::certificate, detail, ERR_get_error()};
}

struct Free {
  void operator()(X509* it) const { X509_free(it); }
  void operator()(GENERAL_NAMES* it) const { GENERAL_NAMES_free(it); }
  void operator()(unsigned char* it) const { OPENSSL_free(it); }
};

std::optional<base::Instant> end_of(const X509* certificate) {
  std::tm end{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1) return {};
  return base::Instant{static_cast<std::int64_t>(timegm(&end)) * 1000};
}

std::optional<std::pair<appliance::Role, std::string>> channel_of(X509* certificate) {
  const std::unique_ptr<GENERAL_NAMES, Free> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  if (!names) return {};
  std::optional<std::pair<appliance::Role, std::string>> found;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* const one = sk_GENERAL_NAME_value(names.get(), i);
    if (one->type != GEN_URI) continue;
    const ASN1_IA5STRING* const uri = one->d.uniformResourceIdentifier;
    const std::string_view text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                                static_cast<std::size_t>(ASN1_STRING_length(uri)));
    auto channel = appliance::parse_channel_uri(text);
    // A second URI of any kind makes it unclear who this is.
    if (!channel || found) return {};
    found = std::move(channel);
  }
  return found;
}

}  // namespace

base::Result<TlsContext> make_tls_context(const ServerOptions& options) {
  ERR_clear_error();
  auto context = std::make_shared<boost::asio::ssl::context>(boost::asio::ssl::context::tls_server);
  SSL_CTX* const ctx = context->native_handle();
  if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1) return failed("TLS 1.3 is not there");
  SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION);
  SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                               SSL_OP_CLEANSE_PLAINTEXT);  // a decrypted record holds PINs: wiped once read
  // The certificate's file has its whole chain; without this OpenSSL looks for one at each handshake, among
  // the channels' CA, and verifies it: a quarter of a handshake's time.
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(ctx, 0);
  // Without one, a client that offers a session gets a failed handshake instead of a full one (openssl
  // #10168).
  static constexpr unsigned char kSessionContext[] = "sigillo";
  SSL_CTX_set_session_id_context(ctx, kSessionContext, sizeof kSessionContext - 1);
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_verify_depth(ctx, 3);
  if (SSL_CTX_use_certificate_chain_file(ctx, options.certificate.c_str()) != 1) {
    return failed("the server's certificate cannot be read");
  }
  if (options.key != nullptr && SSL_CTX_use_PrivateKey(ctx, options.key) != 1)
    return failed("the TLS key is not the server certificate's");
  if (SSL_CTX_load_verify_file(ctx, options.channel_ca.c_str()) != 1)
    return failed("the channel CA cannot be read");
  auto* const names = SSL_load_client_CA_file(options.channel_ca.c_str());
  if (names == nullptr) return failed("the channel CA cannot be read");
  SSL_CTX_set_client_CA_list(ctx, names);
  return context;
}

std::vector<std::pair<std::string, base::Instant>> certificate_ends(const TlsContext& context) {
  std::vector<std::pair<std::string, base::Instant>> out;
  if (!context) return out;
  const auto note = [&out](const std::string& which, const X509* certificate) {
    const auto end = certificate == nullptr ? std::nullopt : end_of(certificate);
    if (end) out.emplace_back(which, *end);
  };
  SSL_CTX* const ctx = context->native_handle();
  note("server", SSL_CTX_get0_certificate(ctx));
  const auto* const trusted = X509_STORE_get0_objects(SSL_CTX_get_cert_store(ctx));
  for (int i = 0; i < sk_X509_OBJECT_num(trusted); ++i)
    note("channel-ca" + (i == 0 ? std::string() : '-' + std::to_string(i + 1)),
         X509_OBJECT_get0_X509(sk_X509_OBJECT_value(trusted, i)));
  return out;
}

std::optional<PeerIdentity> peer_identity(SSL* ssl) {
  const std::unique_ptr<X509, Free> certificate(SSL_get1_peer_certificate(ssl));
  if (!certificate) return {};
  unsigned char* raw = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate.get()), &raw);
  const std::unique_ptr<unsigned char, Free> der(raw);
  const auto end = end_of(certificate.get());
  if (size <= 0 || !end) return {};
  PeerIdentity out;
  out.channel = channel_of(certificate.get());
  out.certificate_key = base::sha256({base::ByteView(der.get(), static_cast<std::size_t>(size))});
  out.expires_at = *end;
  return out;
}

}  // namespace sigillo::api
