#include "batch.hpp"

#include <algorithm>

#include <sealed_store/ledger_entry.hpp>

#include "counting.hpp"
#include "ledger_row.hpp"
#include "schema.hpp"

namespace sigillo::sealed_store {

base::Result<WriteQueries> WriteQueries::prepare(Database& db) {
  WriteQueries out;
  SIGILLO_TRY(out.rows, RowQueries::prepare(db));
  SIGILLO_TRY(out.head, db.prepare("SELECT seq, hash FROM ledger ORDER BY seq DESC LIMIT 1"));
  SIGILLO_TRY(out.append, db.prepare("INSERT INTO ledger VALUES(?,?,?)"));
  SIGILLO_TRY(out.insert,
              db.prepare("INSERT INTO record(place, id, tbl, queue, due, sealed) VALUES(?,?,?,?,?,?)"));
  SIGILLO_TRY(out.replace, db.prepare("UPDATE record SET queue=?, due=?, sealed=? "
                                      "WHERE place BETWEEN ? AND ? AND id=? AND tbl=?"));
  SIGILLO_TRY(out.erase, db.prepare("DELETE FROM record WHERE place BETWEEN ? AND ? AND id=? AND tbl=?"));
  SIGILLO_TRY(out.log_buckets, db.prepare("INSERT INTO bucket_log VALUES(?,?,?)"));
  SIGILLO_TRY(out.put_guard, db.prepare("INSERT OR REPLACE INTO guard VALUES(?,?)"));
  SIGILLO_TRY(out.erase_guard, db.prepare("DELETE FROM guard WHERE block=?"));
  SIGILLO_TRY(out.put_bucket, db.prepare("INSERT OR REPLACE INTO bucket VALUES(?,?)"));
  SIGILLO_TRY(out.put_queue, db.prepare("INSERT OR REPLACE INTO queue_part VALUES(?,?)"));
  SIGILLO_TRY(out.erase_queue, db.prepare("DELETE FROM queue_part WHERE part=?"));
  SIGILLO_TRY(out.first_logged, db.prepare("SELECT seq FROM bucket_log ORDER BY seq LIMIT 1"));
  SIGILLO_TRY(out.trim_buckets, db.prepare("DELETE FROM bucket_log WHERE seq<=?"));
  SIGILLO_TRY(out.entry_hash, db.prepare("SELECT hash FROM ledger WHERE seq=?"));
  SIGILLO_TRY(out.put_base, db.prepare("INSERT OR REPLACE INTO ledger_base VALUES(1,?,?,?)"));
  SIGILLO_TRY(out.first_entry, db.prepare("SELECT seq FROM ledger ORDER BY seq LIMIT 1"));
  SIGILLO_TRY(out.trim_ledger, db.prepare("DELETE FROM ledger WHERE seq<=?"));
  return out;
}

base::Result<void> Batch::add(Operation& op) {
  auto& changes = op.changes;
  if (op.expects && guard(op.expects->first) != op.expects->second) {
    op.result = base::Error(Errc::conflict, "the guard is not what the charge expected");
    return base::ok();
  }
  if (op.base) {
    const auto moved = move_base(*op.base);
    if (!moved && !moved.error().is(Errc::conflict)) return moved.error();
    if (!moved) {
      op.result = moved.error();
      return base::ok();
    }
  }
  Writes writes;
  for (const auto& key : changes.erases) writes[key] = {};
  for (const auto& put : changes.puts) writes[put.key] = {&put, {}};
  std::vector<Put> replaced;
  replaced.reserve(changes.replacements.size());  // `writes` points into it
  for (auto& [key, expected, sealed] : changes.replacements) {
    SIGILLO_TRY(const auto row, queries_.rows.row(key));
    if (!row || row->sealed != expected || writes.contains(key)) continue;
    replaced.push_back({key, sealed, row->queue, {row->due_ms}});
    writes[key] = {&replaced.back(), {}};
  }
  // All of the operation's rows are checked before the first is written: it fails without a trace.
  for (auto& [key, write] : writes) {
    const auto checked = check(key, write);
    if (!checked && !checked.error().is(Errc::stale)) return checked.error();
    if (!checked) {
      op.result = checked.error();
      return base::ok();
    }
  }
  SIGILLO_CHECK(execute(writes));

  const auto first = state_.head.seq + staged_.entries.size() + 1;
  for (const auto& event : changes.events) append(event);
  if (op.refund) {
    staged_.refunds.push_back(*op.refund);
    auto& [key, before, after, event] = *op.refund;
    event.guard.emplace(key, after_refund(guard(key), before, after));
    append(event);
  } else if (changes.events.empty() && !writes.empty()) {
    Event event;
    event.time = last_time();
    event.kind = kEventStoreChange;
    event.channel = "appliance";
    append(std::move(event));
  }
  const auto last = state_.head.seq + staged_.entries.size();
  if (op.undo) {
    op.undo->event.attempt = first;
    staged_.undos.push_back(*op.undo);
  }
  op.result = Committed{first > last ? last : first, last};
  return base::ok();
}

base::Result<void> Batch::write() {
  if (!changed_.empty()) {
    auto& total = staged_.rows_total = state_.rows.total();
    base::Bytes hashes;
    std::erase_if(staged_.buckets, [this](const auto& bucket) { return !changed_.contains(bucket.first); });
    for (const auto& [id, bucket] : staged_.buckets) {
      total -= state_.prf.bucket(id, state_.rows.at(id).hash);
      total += state_.prf.bucket(id, bucket.hash);
      base::append_be(hashes, id);
      base::append(hashes, bucket.hash.bytes());
    }
    const auto queues = log_of_queues();
    auto& last = staged_.entries.back();
    last.root = state_.root(total, queues.empty() ? state_.queues.total() : staged_.queues_total);
    SIGILLO_CHECK(queries_.log_buckets.run(static_cast<std::int64_t>(last.seq), hashes, queues));
  } else {
    staged_.buckets.clear();
  }
  const base::Digest* previous = &state_.head.hash;
  for (auto& entry : staged_.entries) {
    entry.hash = chain_hash(*previous, entry);
    previous = &entry.hash;
    const auto row = pack_row(entry);
    SIGILLO_CHECK(queries_.append.run(static_cast<std::int64_t>(entry.seq), row, entry.hash));
  }
  return base::ok();
}

// Of the parts that are not what they were; most commits change a row and not when it falls due.
base::Bytes Batch::log_of_queues() {
  base::Bytes out;
  std::erase_if(staged_.queues,
                [this](const auto& one) { return state_.queues.at(one.first) == one.second; });
  auto& total = staged_.queues_total = state_.queues.total();
  for (const auto& [part, set] : staged_.queues) {
    total -= state_.prf.queue_part(part, state_.queues.at(part));
    total += state_.prf.queue_part(part, set);
    base::append_be(out, part);
    base::append(out, set.bytes());
  }
  return out;
}

LedgerEntry& Batch::append(Event event) {
  if (event.guard) staged_.guards[event.guard->first] = normal(event.guard->second);
  LedgerEntry entry;
  entry.seq = state_.head.seq + staged_.entries.size() + 1;
  entry.node = node_;
  entry.event = std::move(event);
  // A refund is dated when its attempt was charged, and an act when it was begun: others came in between.
  entry.event.time = std::max(entry.event.time, last_time());
  return staged_.entries.emplace_back(std::move(entry));
}

// The store has no clock: its own entries carry the time of the last one that a caller dated.
base::Instant Batch::last_time() const {
  return staged_.entries.empty() ? state_.head.time : staged_.entries.back().event.time;
}

GuardValue Batch::guard(const GuardKey& key) const {
  const auto staged = staged_.guards.find(key);
  return staged != staged_.guards.end() ? staged->second : state_.guards.find(key);
}

base::Error Batch::stale(std::uint16_t id) {
  const std::lock_guard lock(state_.mutex);
  state_.rows.alarm(id);
  return {Errc::stale, "the records on disk are not those that were acknowledged"};
}

// The rows go later, and never further than this: an entry that was there when the commit was made, with the
// hash that the caller has exported and signed.
base::Result<void> Batch::move_base(const LedgerBase& base) {
  const auto refused = base::Error(Errc::conflict, "the ledger can not begin after that entry");
  const auto& before = staged_.base ? *staged_.base : state_.base;
  if (base.seq <= before.seq || base.seq >= state_.head.seq) return refused;
  {
    auto cursor = queries_.entry_hash(static_cast<std::int64_t>(base.seq));
    SIGILLO_TRY(const bool found, cursor.next());
    if (!found || !std::ranges::equal(cursor.blob(0), base.hash)) return refused;
  }
  SIGILLO_CHECK(queries_.put_base.run(static_cast<std::int64_t>(base.seq), base.hash, base::view(base.note)));
  staged_.base = base;
  return base::ok();
}

// A copy of the bucket that this batch changes, checked against the disk if nobody has done that yet.
base::Result<Bucket*> Batch::touch(std::uint16_t id) {
  if (const auto known = staged_.buckets.find(id); known != staged_.buckets.end()) return &known->second;
  Bucket bucket;
  {
    const std::lock_guard lock(state_.mutex);
    bucket = state_.rows.at(id);
  }
  if (!bucket.verified) {
    SIGILLO_TRY(auto loaded, queries_.rows.bucket(id, state_.prf));
    if (loaded.hash != bucket.hash) return stale(id);
    bucket = std::move(loaded);
  }
  return &staged_.buckets.emplace(id, std::move(bucket)).first->second;
}

// Errc::stale where the row that is to be overwritten is not the one that is known.
base::Result<void> Batch::check(const RecordKey& key, Write& write) {
  const auto id = Bucket::of(key);
  SIGILLO_TRY(const auto* bucket, touch(id));
  SIGILLO_TRY(const auto row, queries_.rows.row(key));
  if (row) {
    write.old = state_.prf.row(key, row->queue, row->due_ms, row->sealed);
    write.old_queue = row->queue;
    write.old_due_ms = row->due_ms;
    if (!bucket->holds(key, *write.old)) return stale(id);
  } else if (bucket->knows(key)) {
    SIGILLO_TRY(const auto loaded, queries_.rows.bucket(id, state_.prf));
    if (loaded.hash != bucket->hash) return stale(id);
  }
  return base::ok();
}

base::Result<void> Batch::execute(const Writes& writes) {
  for (const auto& [key, write] : writes) {
    const auto id = Bucket::of(key);
    const auto [first, last] = places_of(key);
    auto& bucket = staged_.buckets.at(id);
    if (write.old) bucket.remove(key, *write.old);
    if (write.put != nullptr) {
      const auto& put = *write.put;
      if (write.old) {
        SIGILLO_CHECK(
            queries_.replace.run(put.queue, put.due.ms, put.sealed, first, last, key.id, key.table));
      } else {
        SIGILLO_TRY(const auto place, queries_.rows.free_place(key));
        SIGILLO_CHECK(queries_.insert.run(place, key.id, key.table, put.queue, put.due.ms, put.sealed));
      }
      bucket.add(key, state_.prf.row(key, put.queue, put.due.ms, put.sealed));
    } else if (write.old) {
      SIGILLO_CHECK(queries_.erase.run(first, last, key.id, key.table));
    }
    requeue(key, write);
    changed_.insert(id);
  }
  return base::ok();
}

void Batch::requeue(const RecordKey& key, const Write& write) {
  const auto queue = write.put == nullptr ? std::uint8_t{0} : write.put->queue;
  const auto due_ms = queue == 0 ? 0 : write.put->due.ms;
  if (queue == write.old_queue && (queue == 0 || due_ms == write.old_due_ms)) return;
  if (write.old_queue != 0)
    queue_part(write.old_queue, write.old_due_ms) -=
        state_.prf.queued(key, write.old_queue, write.old_due_ms);
  if (queue != 0) queue_part(queue, due_ms) += state_.prf.queued(key, queue, due_ms);
}

Lanes& Batch::queue_part(std::uint8_t queue, std::int64_t due_ms) {
  const auto part = FreshQueues::part_of(queue, due_ms);
  return staged_.queues.try_emplace(part, state_.queues.at(part)).first->second;
}

}  // namespace sigillo::sealed_store
