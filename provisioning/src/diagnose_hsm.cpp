#include <algorithm>
#include <cstdio>
#include <filesystem>

#include <openssl/pem.h>
#include <openssl/x509.h>

#include <appliance/assembly.hpp>
#include <base/clock.hpp>
#include <hsm/pkcs11_token.hpp>
#include <hsm/profile.hpp>
#include <provisioning/certificate.hpp>
#include <provisioning/command.hpp>
#include <sealed_store/ledger_entry.hpp>
#include <sealed_store/sqlcipher_store.hpp>

#include "admin_client.hpp"
#include "diagnose.hpp"

namespace sigillo::provisioning {
namespace {

using appliance::KeyLabels;
constexpr int kDaysLeft = 30;

struct Wanted {
  const char* label;
  hsm::KeyType type;
};
constexpr Wanted kKeys[] = {
    {KeyLabels::index, hsm::KeyType::hmac_sha256}, {KeyLabels::verifier, hsm::KeyType::hmac_sha256},
    {KeyLabels::store, hsm::KeyType::hmac_sha256}, {KeyLabels::receipt, hsm::KeyType::ec_p256},
    {KeyLabels::ledger, hsm::KeyType::ec_p256},    {KeyLabels::tls, hsm::KeyType::ec_p256},
    {KeyLabels::ca, hsm::KeyType::ec_p384}};

// A call with each key of its kind, whose result is thrown away: that it works, and gives the same twice.
base::Result<bool> works(hsm::Token& token, hsm::KeyRef key, hsm::KeyType type) {
  if (type == hsm::KeyType::hmac_sha256) {
    SIGILLO_TRY(const auto once, token.hmac(key, base::view("sigillo/diagnose/v1")));
    SIGILLO_TRY(const auto twice, token.hmac(key, base::view("sigillo/diagnose/v1")));
    return base::constant_time_equal(base::ByteView(once), base::ByteView(twice));
  }
  base::Bytes digest(type == hsm::KeyType::ec_p256 ? 32 : 48);
  SIGILLO_CHECK(token.random(digest));
  SIGILLO_TRY(const auto signature, token.sign(key, digest));
  SIGILLO_TRY(const auto point, token.public_key(key));
  return signature.size() == 2 * digest.size() && point.size() == 2 * digest.size() + 1;
}

void look_at_key(hsm::Token& token, const hsm::KeyInfo& info, Findings& out) {
  if (info.id.label.ends_with(".open"))
    return out.warning(info.id.kid() + " waits for its backup, and can leave the token until then",
                       "End its ceremony: `sigillo keys backup prepare`, `prove` and `commit`.");
  const auto key = token.find_key(info.id);
  if (!key)
    return out.failure(info.id.kid() + ": " + key.error().detail(),
                       "Do not serve with it: it is made anew in a ceremony.");
  const auto good = works(token, *key, info.type);
  if (!good)
    return out.failure(info.id.kid() + ": " + sentence(good.error()), "Look at the token's own log.");
  if (!*good)
    return out.failure(info.id.kid() + " does not give the same answer twice", "Do not use this token.");
  out.good(info.id.kid() + ": closed, of one use, and works");
}

Certificate read_certificate(const std::string& path) {
  std::FILE* const file = std::fopen(path.c_str(), "re");
  if (file == nullptr) return nullptr;
  Certificate out(PEM_read_X509(file, nullptr, nullptr, nullptr));
  std::fclose(file);
  return out;
}

// `use`: whose rotation makes a new one.
void look_at_certificate(const std::string& what, const std::string& path, const std::string& use,
                         Findings& out) {
  const std::string renew = "`sigillo keys create " + use + "`, its backup, then `sigillo keys rotate " +
                            use + "`: docs/KEYS.md has the commands.";
  const auto certificate = read_certificate(path);
  if (!certificate)
    return out.failure(what + " " + path + " is no certificate in PEM", "Put the right file there.");
  int days = 0, seconds = 0;
  ASN1_TIME_diff(&days, &seconds, nullptr, X509_get0_notAfter(certificate.get()));
  if (X509_cmp_current_time(X509_get0_notBefore(certificate.get())) > 0)
    return out.failure(what + " is not good yet", "Look at the clock, or wait.");
  if (days < 0 || seconds < 0)
    return out.failure(what + " ended " + std::to_string(-days) + " days ago: nobody gets in",
                       "Make a new one now: " + renew);
  const std::string left = what + ": " + std::to_string(days) + " days left";
  if (days < kDaysLeft) return out.warning(left, "Make a new one in time: " + renew);
  out.good(left);
}

// The server's certificate is of the key that is in the token: else every handshake fails.
void look_at_server_key(const std::string& path, hsm::Token& token, Findings& out) {
  const auto certificate = read_certificate(path);
  if (!certificate) return;
  unsigned char* shown = nullptr;
  const auto size = EVP_PKEY_get1_encoded_public_key(X509_get0_pubkey(certificate.get()), &shown);
  const base::Bytes in_file(shown, shown + size);
  OPENSSL_free(shown);
  const auto known = token.list_keys();
  if (!known) return;
  const bool found = std::ranges::any_of(*known, [&](const hsm::KeyInfo& info) {
    const auto key = info.id.label == KeyLabels::tls
                         ? token.find_key(info.id)
                         : base::Result<hsm::KeyRef>(base::Error(hsm::Errc::no_such_key, "another use"));
    const auto point = key ? token.public_key(*key) : base::Result<base::Bytes>(key.error());
    return point && *point == in_file;
  });
  if (found)
    out.good("the server certificate is of the token's TLS key");
  else
    out.failure("the server certificate is of another key than the token's TLS key",
                "Put the right file there: each backup of the store has one, server.pem.");
}

bool is_hsm(const base::Error& error) {
  return error.number() / 100 == static_cast<std::uint16_t>(hsm::Errc::unavailable) / 100;
}

// The entry that the HSM has anchored is in the ledger with its hash. It was durable before it was anchored,
// so whoever reads the anchor first and the ledger after finds it, also beside an appliance that writes.
void look_at_ledger(const sealed_store::Head& anchored, sealed_store::LedgerReader& reader, Findings& out) {
  const auto page = reader.read(anchored.seq - 1, 1);
  if (!page)
    return out.failure("the ledger cannot be read: " + sentence(page.error()),
                       "Keep the file as it is, and see docs/OPERATIONS.md.");
  if (page->empty())
    return out.failure(
        "the store is behind what the HSM has anchored (entry " + std::to_string(anchored.seq) +
            "): it was rolled back",
        "Find the newer store. Starting with this one is refused; only a restore by two officers "
        "opens it.");
  if (page->front().seq != anchored.seq || page->front().hash != anchored.hash)
    return out.failure(
        "the store has another entry " + std::to_string(anchored.seq) + " than the HSM has anchored",
        "It is another store, or was altered. Keep it as evidence, and find the right one.");
  out.good("the store passes through the HSM's anchor, entry " + std::to_string(anchored.seq));
  const base::SystemClock clock;
  const auto behind = page->front().event.time - clock.now();
  if (behind > base::seconds(5))
    out.failure("the clock is " + std::to_string(behind.ms / 1000) + " s behind the ledger",
                "Set the clock: time never runs back here, and the appliance is not ready until then.");
  else
    out.good("the clock is not behind the ledger");
}

}  // namespace

std::unique_ptr<hsm::Token> diagnose_token(const appliance::Config& config, Findings& out) {
  out.in("HSM");
  auto token = open_with_pin(config);
  if (!token) {
    out.failure("the token is not opened: " + sentence(token.error()),
                token.error().is(hsm::Errc::credential) && !config.hsm.pin_file.empty()
                    ? "Put the right PIN into " + config.hsm.pin_file + ": it is not tried again meanwhile."
                    : "Look at the PIN, hsm.module, hsm.token_label, hsm.token_serial and the device.");
    return nullptr;
  }
  auto& opened = dynamic_cast<hsm::Pkcs11Token&>(**token);
  if (const auto id = opened.identity())
    out.good("token " + id->label + " (" + id->manufacturer + ' ' + id->model + ", serial " + id->serial +
             "), module " + id->library + ' ' + id->library_version);
  const auto mechanisms = opened.mechanisms();
  if (!mechanisms) {
    out.failure("its mechanisms cannot be asked for: " + sentence(mechanisms.error()), "Look at the device.");
    return std::move(*token);
  }
  for (const auto& one : *mechanisms) {
    if (!one.needed) continue;
    if (one.there)
      out.good("mechanism " + one.name);
    else
      out.failure("mechanism " + one.name + " is missing",
                  "Switch it on in the HSM's policy, or take another.");
  }
  return std::move(*token);
}

void diagnose_keys(hsm::Token& token, Findings& out) {
  out.in("Keys");
  const auto known = token.list_keys();
  if (!known) return out.failure("keys cannot be listed: " + sentence(known.error()), "Look at the device.");
  for (const auto& wanted : kKeys) {
    const bool there = std::ranges::any_of(*known, [&](const hsm::KeyInfo& info) {
      return info.id.label == wanted.label && info.type == wanted.type;
    });
    if (!there)
      out.failure(std::string(wanted.label) + " is not in the token",
                  "It is another token, or the ceremony did not end: run it on, or take the right one.");
  }
  for (const auto& info : *known) look_at_key(token, info, out);
}

void diagnose_certificates(const appliance::Config& config, hsm::Token* token, Findings& out) {
  out.in("Certificates");
  look_at_certificate("server certificate", config.server.certificate, "tls", out);
  look_at_certificate("channel CA", config.server.channel_ca, "ca", out);
  if (token != nullptr) look_at_server_key(config.server.certificate, *token, out);
}

void diagnose_store(const appliance::Config& config, hsm::Token& token, Findings& out) {
  out.in("Store");
  const auto anchored = appliance::recorded_head(token, config.store);
  const auto none = [&] {
    out.failure("the HSM has no anchor for node " + std::to_string(config.store.node),
                "It is another token, or another store.node than the one that was founded.");
  };
  if (!anchored && !is_hsm(anchored.error())) return none();
  if (!anchored)
    return out.failure("the anchor cannot be read: " + sentence(anchored.error()), "Look at the device.");
  const auto refuse = [&](const base::Error& error) {
    out.failure("the store " + config.store.path + " cannot be opened: " + sentence(error),
                is_hsm(error) ? "Look at the device."
                              : "It is another token's, damaged, or not there: see store.path.");
  };
  const auto page_key = appliance::derive_page_key(token, config.store.path);
  if (!page_key) return refuse(page_key.error());
  const auto reader = sealed_store::LedgerReader::open(config.store.path, *page_key);
  if (!reader) return refuse(reader.error());
  out.good("the store opens under the token's keys");
  if (!*anchored || (*anchored)->seq == 0) return none();
  look_at_ledger(**anchored, **reader, out);
}

}  // namespace sigillo::provisioning
