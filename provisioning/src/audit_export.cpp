#include <algorithm>
#include <memory>

#include <appliance/assembly.hpp>
#include <appliance/key_register.hpp>
#include <appliance/ledger_export.hpp>
#include <sealed_store/ledger_entry.hpp>
#include <sealed_store/sqlcipher_store.hpp>

#include "admin_client.hpp"
#include "audit.hpp"
#include "audit_files.hpp"

namespace sigillo::provisioning {
namespace {

using appliance::ExportVerdict;
using appliance::KeyLabels;
using appliance::KeyState;
using sealed_store::Head;

constexpr std::size_t kPage = 1000;

// The active ledger key signs; every version of it and of the receipt key is published.
struct Signer {
  hsm::KeyRef key;
  base::EcPublicKey point;
  std::string key_set;
  std::vector<base::EcPublicKey> known;  // every version of the ledger key
};

base::Result<Signer> find_signer(hsm::Token& token) {
  SIGILLO_TRY(const auto keys, appliance::KeyRegister::read(token));
  std::optional<Signer> signer;
  std::vector<base::EcPublicKey> known_points;
  std::string jwks;
  for (const auto& entry : keys.keys()) {
    const bool ledger = entry.label == KeyLabels::ledger;
    if (!ledger && entry.label != KeyLabels::receipt) continue;
    if (entry.state == KeyState::created || entry.state == KeyState::backed_up) continue;
    const auto point = base::EcPublicKey::from_point(entry.point);
    if (!point) return base::Error(hsm::Errc::bad_attributes, "a signing key is not on P-256");
    jwks += (jwks.empty() ? "" : ",") + point->to_jwk(entry.kid(), "sig");
    if (!ledger) continue;
    known_points.push_back(*point);
    if (entry.state != KeyState::active) continue;
    SIGILLO_TRY(const auto key, token.find_key(entry.id()));
    signer = Signer{key, *point, {}, {}};
  }
  if (!signer) return base::Error(hsm::Errc::no_such_key, "the token has no active ledger key");
  signer->key_set = "{\"keys\":[" + jwks + "]}";
  signer->known = std::move(known_points);
  return std::move(*signer);
}

// What stands between the store and a signature. Attack it stops: (1) write into the store's file, or put an
// old one back, (2) export, (3) show the auditor a checkpoint that the HSM itself has signed.
class Chain {
 public:
  explicit Chain(std::optional<Head> anchored) : anchored_(anchored) {}

  // A ledger that was pruned begins after its base; but only where the HSM has signed that as a segment's
  // end.
  bool begin_after(const sealed_store::LedgerBase& base, const std::string& origin, const Signer& signer) {
    const auto check = appliance::check_note(base.note, signer.known);
    if (!check.holds || !check.body->segment_from || check.body->origin != origin ||
        check.body->seq != base.seq || check.body->hash != base.hash)
      return refuse(ExportVerdict::altered,
                    "it begins after an entry that the HSM has not signed as a segment's end", base.seq);
    head_.seq = base.seq;
    head_.hash = base.hash;
    return true;
  }

  // False: `verdict` and `words` say why.
  bool take(const sealed_store::LedgerEntry& entry) {
    if (entry.seq != head_.seq + 1) return refuse(ExportVerdict::gap, "an entry is missing", head_.seq + 1);
    if (sealed_store::chain_hash(head_.hash, entry) != entry.hash)
      return refuse(ExportVerdict::altered, "an entry's hash does not hold", entry.seq);
    if (anchored_ && anchored_->seq == entry.seq && anchored_->hash != entry.hash)
      return refuse(ExportVerdict::altered, "an entry is not the one that the HSM has anchored", entry.seq);
    head_ = {entry.node, entry.seq, entry.hash, entry.event.time};
    return true;
  }
  bool whole() {
    if (anchored_ && anchored_->seq > head_.seq)
      return refuse(ExportVerdict::cut_tail, "it is behind what the HSM has anchored", anchored_->seq);
    if (head_.seq == 0) return refuse(ExportVerdict::cut_tail, "it has no entries", 1);
    return true;
  }
  const Head& head() const { return head_; }
  ExportVerdict verdict() const { return verdict_; }
  const std::string& words() const { return words_; }

 private:
  bool refuse(ExportVerdict verdict, const char* what, std::uint64_t seq) {
    verdict_ = verdict;
    words_ = std::string(what) + " (entry " + std::to_string(seq) + ')';
    return false;
  }

  std::optional<Head> anchored_;
  Head head_;
  ExportVerdict verdict_ = ExportVerdict::intact;
  std::string words_;
};

// Ends at the first page that is not full: with whatever was durable by then.
base::Result<bool> copy_entries(sealed_store::LedgerReader& reader, Chain& chain, PendingFile& out,
                                std::uint64_t expected) {
  Progress progress("exporting", expected);
  for (;;) {
    SIGILLO_TRY(const auto page, reader.read(chain.head().seq, kPage));
    for (const auto& entry : page) {
      if (!chain.take(entry)) return false;
      SIGILLO_CHECK(out.write(appliance::entry_json(entry) + '\n'));
    }
    if (page.size() < kPage) return chain.whole();
    progress.at(chain.head().seq);
  }
}

base::Result<void> close_export(hsm::Token& token, const Signer& signer, const std::string& issuer,
                                const Head& head, PendingFile& out) {
  const std::string text = appliance::checkpoint_text(issuer, head);
  SIGILLO_TRY(const auto raw, token.sign(signer.key, base::sha256({base::view(text)})));
  const std::string note = appliance::signed_note(text, signer.point, raw);
  SIGILLO_CHECK(out.write(appliance::checkpoint_line(note, signer.key_set) + '\n'));
  return out.finish();
}

// The anchor is looked at before the ledger: what it says is durable, so the ledger read after it has it.
base::Result<Chain> write_export(const appliance::Config& config, PendingFile& out) {
  SIGILLO_TRY(const auto token, open_with_pin(config));
  SIGILLO_TRY(const auto signer, find_signer(*token));
  SIGILLO_TRY(const auto anchored, appliance::recorded_head(*token, config.store));
  SIGILLO_TRY(const auto page_key, appliance::derive_page_key(*token, config.store.path));
  SIGILLO_TRY(const auto reader, sealed_store::LedgerReader::open(config.store.path, page_key));
  Chain chain(anchored);
  SIGILLO_TRY(const auto beginning, reader->base());
  if (beginning.seq > 0) {
    if (!chain.begin_after(beginning, appliance::origin_of(config.audit.issuer, config.store.node), signer))
      return chain;
    SIGILLO_CHECK(out.write(appliance::base_line(beginning.note) + '\n'));
  }
  SIGILLO_TRY(const bool good, copy_entries(*reader, chain, out, anchored ? anchored->seq : 0));
  if (!good) {
    SIGILLO_TRY(const auto after, reader->base());
    if (after.seq != beginning.seq) return base::Error(Errc::file, "the ledger was pruned while it was read");
  }
  if (good) {
    SIGILLO_CHECK(close_export(*token, signer, config.audit.issuer, chain.head(), out));
  }
  return chain;
}

bool is_hsm(const base::Error& error) {
  return error.number() / 100 == static_cast<std::uint16_t>(hsm::Errc::unavailable) / 100;
}

}  // namespace

void audit_export(const ExportRequest& request, Context& context) {
  const bool piped = request.file == "-";
  if (piped) context.json = false;  // standard output is the export's
  const auto loaded = appliance::load_config(request.config);
  if (const auto* error = std::get_if<appliance::ConfigError>(&loaded))
    return context.failed(Exit::local, error->message, "Correct the file, or name another with --config.");
  const auto& config = std::get<appliance::Config>(loaded);
  auto out = PendingFile::create(request.file, request.force);
  if (!out)
    return context.failed(Exit::local, request.file + ": " + sentence(out.error()) + '.',
                          out.error().is(base::FileErrc::exists) ? "Name another file, or say --force."
                                                                 : "Name a file that can be made.");
  const auto chain = write_export(config, *out);
  if (!chain)
    return context.failed(is_hsm(chain.error()) ? Exit::remote_or_sealed : Exit::local,
                          "The ledger of " + config.store.path + " was not exported to " + request.file +
                              ": " + sentence(chain.error()) + '.',
                          "Nothing is left of it: correct that, and run the same command again.");
  if (chain->verdict() != ExportVerdict::intact)
    return context.failed(
        exit_of(chain->verdict()),
        config.store.path + ": " + std::string(name(chain->verdict())) + ": " + chain->words() + '.',
        "Nothing was signed. Keep the file as it is: it is evidence.");
  if (piped) return;
  context.result(
      "sigillo.audit-export/1",
      {{"file", request.file},
       {"entries", chain->head().seq},
       {"hash", base::to_hex(chain->head().hash)},
       {"origin", appliance::origin_of(config.audit.issuer, chain->head().node)}},
      request.file + ": " + std::to_string(chain->head().seq) + " entries, closed by a signed checkpoint.");
}

}  // namespace sigillo::provisioning
