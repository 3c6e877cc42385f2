#include "restoration.hpp"

#include <base/log.hpp>

#include "anchor.hpp"
#include "checkpoints.hpp"
#include "restore_files.hpp"
#include "restore_source.hpp"
#include "rotation.hpp"

namespace sigillo::appliance {
namespace {

using sealed_store::Head;

constexpr const char* kUnchanged = "Nothing was changed. Correct that, and run the same command again.";

ExportCheck::Keys ledger_keys_of(const KeySnapshot& keys) {
  ExportCheck::Keys out;
  for (const auto& key : keys->published) {
    if (key.kid.starts_with(KeyLabels::ledger)) out.push_back(key.key);
  }
  return out;
}

std::string text_of_head(const Head& head) {
  return std::to_string(head.seq) + ':' + base::to_hex(head.hash);
}

}  // namespace

Restoration::~Restoration() {
  assembly_.reset();
  remove_candidate(config_.store.path);
}

Restoration::Prepared Restoration::prepare(const Config& config, const base::Secret& pin,
                                           const base::Clock& clock, const RestoreOrder& order,
                                           const Progress& progress) {
  auto found = find_source(config, pin, order, progress);
  if (auto* failure = std::get_if<ActionFailure>(&found)) return std::move(*failure);
  const auto& source = std::get<RestoreSource>(found);
  if (const auto made = make_candidate(source.file, config.store.path); !made)
    return failed(made.error(), source.file, kUnchanged);
  Config candidate = config;
  candidate.store.path = candidate_of(config.store.path);
  auto opened = Assembly::open_candidate(candidate, pin, clock);
  if (!opened) {
    remove_candidate(config.store.path);
    return failed(opened.error(), source.file + " cannot be opened as a store", kUnchanged);
  }
  std::unique_ptr<Restoration> out(new Restoration(config, order, std::move(*opened)));
  auto& parts = out->assembly_->parts();
  out->snapshot_ = parts.store->head();
  if (source.head && (source.head->seq != out->snapshot_.seq || source.head->hash != out->snapshot_.hash))
    return refused(source.file + " does not end with the ledger's head that its manifest names.", kUnchanged);
  auto anchored = parts.anchor->recorded();
  if (!anchored) return failed(anchored.error(), "The HSM's anchor cannot be read", kUnchanged);
  out->anchor_ = *anchored;

  // A restore of before that ended between its file and the anchor: what it was made from is still there.
  const auto last = parts.context().load<RestoreRecord>(Table::restore, Id{});
  if (!last) return failed(last.error(), "The store's last restore cannot be read", kUnchanged);
  if (*last && out->anchor_ && (*last)->replaced_seq == out->anchor_->seq &&
      (*last)->replaced_hash == out->anchor_->hash) {
    const auto before = last_replaced(config.store.path);
    if (order.backup.empty() && order.store.empty() && !before.empty()) {
      out.reset();
      auto again = prepare(config, pin, clock, {.store = before, .ledger = order.ledger}, progress);
      if (auto* done = std::get_if<std::unique_ptr<Restoration>>(&again)) (*done)->order_ = order;
      return again;
    }
    return refused("This store is what a restore left that was cut off.",
                   "Nothing was changed. Restore from what that one was made from: the backup, or a file " +
                       config.store.path + ".replaced-N.");
  }
  auto tail =
      LedgerTail::read(order.ledger, ledger_keys_of(parts.context().keys()), out->snapshot_, out->anchor_);
  if (auto* wrong = std::get_if<std::string>(&tail))
    return refused("The ledger that was given is of no use here: " + *wrong + '.',
                   "Nothing was changed. Give exports and segments that continue the store, in their order, "
                   "or none.");
  out->tail_ = std::get<LedgerTail>(std::move(tail));
  auto why = out->why_everybody();
  if (!why) return failed(why.error(), "The store's ledger cannot be read", kUnchanged);
  out->everybody_ = std::move(*why);
  if (order.backup.empty() && order.store.empty() && out->everybody_.empty() &&
      out->tail_.end.seq == out->snapshot_.seq)
    return refused("The store is not behind what the HSM has anchored: there is nothing to restore.",
                   "Nothing was changed. Start the appliance.");
  return out;
}

// Whatever cannot be shown to be complete is taken for lost.
base::Result<std::string> Restoration::why_everybody() {
  if (!anchor_) return std::string("the token has no anchor to compare with");
  if (config_.anchor.mode == AnchorMode::interval)
    return std::string("with anchor.mode = \"interval\" the anchor may be behind what was answered");
  if (tail_.has_restore) return std::string("the ledger's tail has a restore in it");
  if (tail_.reaches_anchor) return std::string();
  if (snapshot_.seq >= anchor_->seq) {
    const auto& store = *assembly_->parts().store;
    if (snapshot_.seq == anchor_->seq)
      return std::string(snapshot_.hash == anchor_->hash ? ""
                                                         : "the store is beside what the HSM has anchored");
    SIGILLO_TRY(const auto entries, assembly_->parts().store->ledger(anchor_->seq - 1, 1));
    const bool same = !entries.empty() && entries.front().seq == anchor_->seq &&
                      entries.front().hash == anchor_->hash && store.ledger_base().seq < anchor_->seq;
    return std::string(same ? "" : "the store is beside what the HSM has anchored");
  }
  return std::string(tail_.end.seq == snapshot_.seq
                         ? "there is no ledger of what came after it"
                         : "the ledger that was given ends before the HSM's anchor");
}

std::vector<SubjectIndex> Restoration::marked() const {
  std::vector<SubjectIndex> out;
  for (const auto& subject : tail_.active) {
    // A link's charges name the link.
    if (!tail_.counters.contains({subject, static_cast<std::uint8_t>(guard::Counter::link)}))
      out.push_back(subject);
  }
  return out;
}

boost::json::object Restoration::plan() const {
  return {{"snapshot", text_of_head(snapshot_)},
          {"anchor", anchor_ ? text_of_head(*anchor_) : "none"},
          {"ledger_to", tail_.end.seq},
          {"locked", everybody_.empty() ? std::to_string(marked().size()) : std::string("all")}};
}

// The file first, the anchor last. Killed between them, the file is refused, for its chain does not pass
// through the anchor; the other way round the anchor would name a store that is not there.
base::Result<std::string> Restoration::finish() {
  auto& parts = assembly_->parts();
  const auto anchored = parts.anchor->recorded();
  if (!anchored) return anchored.error();
  const bool moved = anchored->has_value() != anchor_.has_value() ||
                     (anchor_ && ((*anchored)->seq != anchor_->seq || (*anchored)->hash != anchor_->hash));
  if (moved) return base::Error(sealed_store::Errc::fenced, "an appliance with this anchor is running");
  const auto head = parts.store->head();
  parts.engine.reset();
  parts.queue.reset();
  parts.verifier.reset();
  parts.store.reset();
  parts.dispatcher.reset();
  SIGILLO_TRY(auto replaced, put_in_place(config_.store.path));
  SIGILLO_CHECK(put_checkpoints_aside(config_.audit, snapshot_.seq));
  SIGILLO_CHECK(parts.anchor->take_over(head));
  if (!write_register_copy(config_, parts.registered))
    base::log::warn("key-register-copy-not-written", {{"path", config_.store.path + ".keys"}});
  return replaced;
}

}  // namespace sigillo::appliance
