#include "certificates.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include <appliance/assembly.hpp>
#include <base/sync.hpp>

namespace sigillo::appliance {
namespace {

constexpr base::Duration kCaValidity = base::days(3650);
constexpr base::Duration kServerValidity = base::days(397);
constexpr base::Duration kBackdated = base::minutes(5);  // for callers whose clock is a little behind

base::Error failed(const char* what) {
  return {Errc::certificate, what, static_cast<unsigned long>(errno)};
}

base::Result<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  if (!(text << in.rdbuf())) return failed("a certificate file cannot be read");
  return text.str();
}

base::Result<void> replace_file(const std::string& path, const std::string& text) {
  const std::string making = path + ".new";
  const int fd = ::open(making.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return failed("a certificate file cannot be written beside the old one");
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const bool synced = ::fsync(fd) == 0;
  const bool closed = ::close(fd) == 0;
  if (!written || !synced || !closed || ::rename(making.c_str(), path.c_str()) != 0)
    return failed("a certificate file could not be replaced");
  const bool durable = base::sync_folder(std::filesystem::path(path).parent_path());
  return durable ? base::ok() : failed("the certificates' folder could not be synced");
}

base::Result<hsm::EvpKey> evp_of(hsm::Token& token, const KeyEntry& entry) {
  SIGILLO_TRY(const auto ref, token.find_key(entry.id()));
  return hsm::evp_key(token, ref, entry.type);
}

base::Result<std::vector<Certificate>> read_certificates(const std::string& path) {
  SIGILLO_TRY(const auto pem, read_file(path));
  return certificates_of(pem);
}

bool is_of(X509& certificate, EVP_PKEY& key) {
  return X509_check_private_key(&certificate, &key) == 1 ||
         EVP_PKEY_eq(X509_get0_pubkey(&certificate), &key) == 1;
}

}  // namespace

base::Result<CaInUse> ca_in_use(KeyWork work) {
  const auto* entry = work.registered.active(KeyLabels::ca);
  if (entry == nullptr) return base::Error(hsm::Errc::no_such_key, "no active CA key");
  CaInUse out;
  out.version = entry->version;
  SIGILLO_TRY(out.key, evp_of(work.token, *entry));
  SIGILLO_TRY(auto certificates, read_certificates(work.config.server.channel_ca));
  for (auto& certificate : certificates) {
    if (is_of(*certificate, *out.key)) out.certificate = std::move(certificate);
  }
  if (out.certificate == nullptr)
    return base::Error(Errc::certificate, "the channel_ca file has no certificate of the active CA key");
  return out;
}

base::Result<IssuedChannel> issue_for(KeyWork work, Role role, const std::string& name, EVP_PKEY& key,
                                      base::Duration validity, base::Instant now) {
  SIGILLO_TRY(const auto ca, ca_in_use(work));
  IssuedChannel out;
  SIGILLO_TRY(const auto certificate,
              issue_channel(ca.issuer(), &key, role, name, {now - kBackdated, now + validity}));
  SIGILLO_TRY(out.pem, to_pem(*certificate));
  SIGILLO_TRY(out.key, key_digest(*certificate));
  out.expires = expires(*certificate);
  out.ca_version = ca.version;
  return out;
}

base::Result<std::uint16_t> tls_version_in_file(hsm::Token& token, const KeyRegister& keys,
                                                const std::string& certificate) {
  SIGILLO_TRY(const auto certificates, read_certificates(certificate));
  for (const auto& entry : keys.keys()) {
    if (entry.label != KeyLabels::tls || entry.state == KeyState::created ||
        entry.state == KeyState::destroyed)
      continue;
    SIGILLO_TRY(const auto key, evp_of(token, entry));
    if (is_of(*certificates.front(), *key)) return entry.version;
  }
  return base::Error(Errc::certificate, "the server's certificate is of no TLS key of this token");
}

// Attack: (1) write the certificate's file: a certificate with a name of another's host, by no matter whom
// (the public key is known, so of that one too), (2) wait for the yearly rotation, by officers who sign "tls"
// and no name, (3) have that name under the CA that every channel trusts.
base::Result<std::string> next_server_names(KeyWork work) {
  const auto& server = work.config.server;
  if (const auto names = certificate_names(server.names)) return *names;
  SIGILLO_TRY(const auto version, tls_version_in_file(work.token, work.registered, server.certificate));
  // One that waits: a rotation was cut off between the file and the register.
  const auto state = work.registered.find({KeyLabels::tls, version})->state;
  if (state != KeyState::active && state != KeyState::backed_up)
    return base::Error(Errc::certificate, "the server's certificate is of an older TLS key");
  SIGILLO_TRY(const auto before, read_certificates(server.certificate));
  for (const auto& entry : work.registered.keys()) {
    if (entry.label != KeyLabels::ca || !entry.usable()) continue;
    SIGILLO_TRY(const auto key, evp_of(work.token, entry));
    if (X509_verify(before.front().get(), key.get()) == 1) return names_of(*before.front());
  }
  return base::Error(Errc::certificate, "the server's certificate is not signed by this appliance's CA");
}

base::Result<void> replace_server_certificate(KeyWork work, const KeyEntry& tls, const std::string& names,
                                              base::Instant now) {
  SIGILLO_TRY(const auto ca, ca_in_use(work));
  SIGILLO_TRY(const auto key, evp_of(work.token, tls));
  SIGILLO_TRY(const auto certificate,
              issue_server(ca.issuer(), key.get(), names, {now - kBackdated, now + kServerValidity}));
  SIGILLO_TRY(const auto pem, to_pem(*certificate));
  return replace_file(work.config.server.certificate, pem);
}

base::Result<void> add_ca_certificate(KeyWork work, const KeyEntry& ca, base::Instant now) {
  const auto& path = work.config.server.channel_ca;
  SIGILLO_TRY(const auto before, read_certificates(path));
  SIGILLO_TRY(const auto key, evp_of(work.token, ca));
  for (const auto& certificate : before) {
    if (is_of(*certificate, *key)) return base::ok();  // a rotation that was interrupted goes on
  }
  std::string name = common_name_of(*before.front());
  if (const auto at = name.rfind(" v"); at != std::string::npos) name.resize(at);
  name += " v" + std::to_string(ca.version);
  SIGILLO_TRY(const auto made, make_ca(key.get(), name, {now - kBackdated, now + kCaValidity}));
  SIGILLO_TRY(auto pem, to_pem(*made));
  for (const auto& certificate : before) {
    SIGILLO_TRY(const auto old, to_pem(*certificate));
    pem += old;
  }
  return replace_file(path, pem);
}

base::Result<void> remove_ca_certificate(KeyWork work, const KeyEntry& ca) {
  const auto& path = work.config.server.channel_ca;
  SIGILLO_TRY(const auto before, read_certificates(path));
  std::string pem;
  for (const auto& certificate : before) {
    const auto* key = X509_get0_pubkey(certificate.get());
    base::Bytes point(97);
    std::size_t size = 0;
    const bool same = EVP_PKEY_get_octet_string_param(key, "pub", point.data(), point.size(), &size) == 1 &&
                      base::ByteView(point).first(size).size() == ca.point.size() &&
                      std::equal(ca.point.begin(), ca.point.end(), point.begin());
    if (same) continue;
    SIGILLO_TRY(const auto kept, to_pem(*certificate));
    pem += kept;
  }
  if (pem.empty()) return base::Error(Errc::certificate, "it is the only CA that channels are under");
  return replace_file(path, pem);
}

base::Result<bool> server_is_under(KeyWork work, const KeyEntry& ca) {
  SIGILLO_TRY(const auto server, read_certificates(work.config.server.certificate));
  SIGILLO_TRY(const auto key, evp_of(work.token, ca));
  return X509_verify(server.front().get(), key.get()) == 1;
}

}  // namespace sigillo::appliance
