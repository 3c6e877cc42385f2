#include "segments.hpp"

#include <base/log.hpp>
#include <base/pending_file.hpp>

#include <fstream>

#include <appliance/export_check.hpp>
#include <appliance/ledger_export.hpp>
#include <sealed_store/ledger_entry.hpp>

#include "checkpoints.hpp"
#include "receipts.hpp"

namespace sigillo::appliance {
namespace {

using sealed_store::Changes;

constexpr std::size_t kPage = 1000;
constexpr base::Duration kMarkedEvery = base::days(1);

// Spread over the store's buckets, as every id is.
Id mark_id(std::uint64_t seq) {
  base::Bytes bytes;
  base::append_be(bytes, seq);
  const auto digest = base::sha256({base::view("sigillo/ledger-mark/v1"), bytes});
  Id id;
  std::copy_n(digest.begin(), id.size(), id.begin());
  return id;
}

std::string file_name(std::uint32_t node, std::uint64_t first, std::uint64_t last) {
  const auto padded = [](std::uint64_t seq) {
    const auto digits = std::to_string(seq);
    return std::string(digits.size() < 12 ? 12 - digits.size() : 0, '0') + digits;
  };
  return "ledger-" + std::to_string(node) + '-' + padded(first) + '-' + padded(last) + ".jsonl";
}

base::Error altered(const Context& context, std::uint64_t seq) {
  context.figures->ledger_altered(seq);
  return {sealed_store::Errc::corrupt,
          "the ledger's past is not what was marked: nothing is signed or let go"};
}

}  // namespace

base::Result<std::vector<Segments::Mark>> Segments::marks() const {
  SIGILLO_TRY(const auto queued, context_.store.members(static_cast<std::uint8_t>(Queue::ledger_mark)));
  std::vector<Mark> out;
  for (const auto& hint : queued) {
    SIGILLO_TRY(const auto record, context_.load<LedgerMark>(Table::ledger_mark, hint.key.id));
    if (record) out.push_back({hint.key.id, record->seq, record->hash, record->time});
  }
  std::ranges::sort(out, {}, &Mark::seq);
  return out;
}

base::Result<bool> Segments::mark(bool at_once) {
  const std::lock_guard lock(mutex_);
  if (!last_) {
    SIGILLO_TRY(const auto known, marks());
    last_ = known.empty() ? Mark{} : known.back();
  }
  const auto head = context_.store.head();
  const auto since = head.seq - last_->seq;
  const bool due = since >= context_.config.audit.segment_entries ||
                   (since > 1 && head.time >= last_->time + kMarkedEvery);  // the mark's own entry is no news
  if (head.seq == 0 || since == 0 || (!due && !at_once)) return false;
  const LedgerMark record{head.seq, head.hash, head.time};
  Changes changes{
      .puts = {context_.put(Table::ledger_mark, mark_id(head.seq), record, Queue::ledger_mark, head.time)},
      .witnessed = false};
  const auto committed = base::sync_wait(context_.store.commit(std::move(changes)));
  if (!committed) return committed.error();
  last_ = Mark{mark_id(head.seq), head.seq, head.hash, head.time};
  return true;
}

// As far as a segment reaches, or one mark further where there is none so near.
std::optional<Segments::Mark> Segments::choose(const std::vector<Mark>& marks,
                                               const PruneLimits& limits) const {
  const auto base = context_.store.ledger_base().seq;
  const auto head = context_.store.head().seq;
  std::optional<Mark> chosen;
  for (const auto& mark : marks) {
    if (mark.seq <= base || mark.seq >= head) continue;
    if (limits.before && mark.time >= *limits.before) break;
    if (limits.keep && head - mark.seq < *limits.keep) break;
    if (chosen && mark.seq - base > context_.config.audit.segment_entries) break;
    chosen = mark;
  }
  return chosen;
}

base::Result<std::optional<PrunedSegment>> Segments::prune(const std::string& folder,
                                                           const PruneLimits& limits) {
  const std::lock_guard lock(mutex_);
  SIGILLO_TRY(const auto known, marks());
  const auto mark = choose(known, limits);
  if (!mark) return std::optional<PrunedSegment>();
  PrunedSegment out{context_.store.ledger_base().seq + 1, mark->seq, {}, 0};
  out.file = folder + '/' + file_name(context_.store.head().node, out.first, out.last);
  SIGILLO_TRY(const auto note, sign(*mark, out.first));
  SIGILLO_CHECK(write(out.file, *mark, note));

  sealed_store::Event event;
  event.time = context_.now();
  event.kind = static_cast<std::uint16_t>(EventKind::ledger_pruned);
  event.channel = "appliance";
  event.attempt = mark->seq;
  event.reference = base::to_hex(mark->hash);
  const auto committed =
      base::sync_wait(context_.store.prune({mark->seq, mark->hash, note}, std::move(event)));
  if (!committed) return committed.error();
  out.seq = committed->last_seq;
  base::log::info("ledger-pruned", {{"first", out.first}, {"last", out.last}, {"file", out.file}});
  SIGILLO_CHECK(forget(known, mark->seq));
  return std::optional(std::move(out));
}

base::Result<std::string> Segments::sign(const Mark& mark, std::uint64_t first) const {
  const sealed_store::Head end{context_.store.head().node, mark.seq, mark.hash, mark.time};
  return base::sync_wait(sign_checkpoint(context_, end, first));
}

// Signed before it is written, but of no use to anybody before it is: the note says the mark's hash, and a
// file whose chain does not end in it is not kept.
base::Result<void> Segments::write(const std::string& path, const Mark& mark, const std::string& note) const {
  const auto base = context_.store.ledger_base();
  SIGILLO_TRY(auto file, base::PendingFile::create(path, true));
  if (base.seq > 0) SIGILLO_CHECK(file.write(base_line(base.note) + '\n'));
  auto hash = base.hash;
  for (auto seq = base.seq; seq < mark.seq;) {
    SIGILLO_TRY(const auto page, context_.store.ledger(seq, std::min<std::uint64_t>(kPage, mark.seq - seq)));
    if (page.empty()) return altered(context_, seq + 1);
    if (stopped_) return base::Error(sealed_store::Errc::unavailable, "the appliance is being stopped");
    for (const auto& entry : page) {
      if (entry.seq != ++seq || sealed_store::chain_hash(hash, entry) != entry.hash)
        return altered(context_, seq);
      hash = entry.hash;
      SIGILLO_CHECK(file.write(entry_json(entry) + '\n'));
    }
  }
  if (hash != mark.hash) return altered(context_, mark.seq);
  SIGILLO_CHECK(file.write(checkpoint_line(note, key_set(*context_.keys())) + '\n'));
  SIGILLO_CHECK(file.finish());

  // What the disk gives back is what is relied on from here.
  ExportCheck::Keys keys;
  const auto published = context_.keys();
  for (const auto& key : published->published) {
    // Older ones too: the key may have been rotated since the note was signed.
    if (key.kid.starts_with(KeyLabels::ledger)) keys.push_back(key.key);
  }
  std::ifstream in(path, std::ios::binary);
  ExportCheck check(std::nullopt);
  const auto report = check.take(in);
  if (report.verdict != ExportVerdict::intact || report.checkpoint->seq != mark.seq ||
      !check_note(note, keys).holds) {
    base::log::error("segment-not-intact", {{"file", path}, {"verdict", std::string(name(report.verdict))}});
    return base::Error(base::FileErrc::failed, "the segment's file does not hold what was written into it");
  }
  return base::ok();
}

base::Result<void> Segments::forget(const std::vector<Mark>& marks, std::uint64_t upto) {
  Changes changes{.witnessed = false};
  for (const auto& mark : marks) {
    if (mark.seq <= upto) changes.erases.push_back(record_key(Table::ledger_mark, mark.id));
  }
  const auto committed = base::sync_wait(context_.store.commit(std::move(changes)));
  if (!committed) return committed.error();
  return base::ok();
}

}  // namespace sigillo::appliance
