// What the store's tests share: a folder that goes, a witness that can be told to fail, keys, events.
// Thread rule: FakeWitness from any thread; the rest from the test's.
#pragma once

#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <mutex>

#include <gtest/gtest.h>

#include <sealed_store/ledger_entry.hpp>
#include <sealed_store/sqlcipher_store.hpp>

namespace sigillo::sealed_store::testing {

class TempFolder {
 public:
  TempFolder() {
    std::string pattern = std::filesystem::temp_directory_path() / "sigillo-store-XXXXXX";
    path_ = ::mkdtemp(pattern.data());
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

class FakeWitness final : public HeadWitness {
 public:
  base::Result<std::optional<Head>> recorded() override {
    const std::lock_guard lock(mutex_);
    return head_;
  }
  base::Result<void> take_over(const Head& accepted) override {
    const std::lock_guard lock(mutex_);
    head_ = accepted;
    ++taken_over_;
    return base::ok();
  }
  base::Result<void> record(const Head& head) override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !held_; });
    ++records_;
    changed_.notify_all();
    if (failing_) return base::Error(*failing_, "as the test has asked");
    head_ = head;
    return base::ok();
  }

  void fail(std::optional<Errc> with) {
    const std::lock_guard lock(mutex_);
    failing_ = with;
  }
  void hold(bool on) {
    const std::lock_guard lock(mutex_);
    held_ = on;
    changed_.notify_all();
  }
  void set(std::optional<Head> head) {
    const std::lock_guard lock(mutex_);
    head_ = head;
  }
  std::uint64_t records() const {
    const std::lock_guard lock(mutex_);
    return records_;
  }
  std::uint64_t taken_over() const {
    const std::lock_guard lock(mutex_);
    return taken_over_;
  }
  void wait_recorded(std::uint64_t seq) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return head_ && head_->seq >= seq; });
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Head> head_;
  std::optional<Errc> failing_;
  bool held_ = false;
  std::uint64_t records_ = 0;
  std::uint64_t taken_over_ = 0;
};

inline StoreKeys keys() {
  StoreKeys out{base::Secret(32), base::Secret(32)};
  out.page_key.writable()[0] = 1;
  out.fresh_key.writable()[0] = 2;
  return out;
}

inline StoreKeys next_keys() {
  StoreKeys out{base::Secret(32), base::Secret(32)};
  out.page_key.writable()[0] = 3;
  out.fresh_key.writable()[0] = 4;
  return out;
}

inline StoreOptions options(std::string path) {
  StoreOptions out;
  out.path = std::move(path);
  return out;
}

// Ids spread over the buckets as the blind index does.
inline SubjectIndex subject(std::uint32_t n) {
  base::Bytes name;
  base::append_be(name, n);
  const auto digest = base::sha256({name});
  SubjectIndex out;
  std::copy_n(digest.begin(), out.size(), out.begin());
  return out;
}
inline GuardKey guard_key(std::uint32_t n) {
  return {subject(n), 1};
}
inline RecordKey record_key(std::uint32_t n, std::uint8_t table = 1) {
  return {table, subject(n)};
}

inline Event event(std::uint16_t kind, std::uint32_t n, std::int64_t at_ms = 1'000) {
  Event out;
  out.time = {at_ms};
  out.kind = kind;
  out.subject = subject(n);
  out.channel = "portal:test";
  return out;
}
inline constexpr std::uint16_t kCharge = 100;
inline constexpr std::uint16_t kSettle = 101;
inline constexpr std::uint16_t kRefund = 102;
inline constexpr std::uint16_t kChange = 103;

inline Charge charge_of(const Store& store, std::uint32_t n) {
  return {guard_key(n), store.guard(guard_key(n)), event(kCharge, n), event(kRefund, n)};
}
inline Put put_of(std::uint32_t n, std::string_view value, std::uint8_t queue = 0, std::int64_t due_ms = 0) {
  const auto bytes = base::view(value);
  return {record_key(n), base::Bytes(bytes.begin(), bytes.end()), queue, {due_ms}};
}

inline base::Result<ChargedAttempt> charge(Store& store, std::uint32_t n) {
  return base::sync_wait(store.charge(charge_of(store, n)));
}
inline base::Result<Committed> put(Store& store, std::uint32_t n, std::string_view value) {
  Changes changes;
  changes.events.push_back(event(kChange, n));
  changes.puts.push_back(put_of(n, value));
  return base::sync_wait(store.commit(std::move(changes)));
}
// "" where there is none; "!<number>" for an error.
inline std::string read(Store& store, std::uint32_t n) {
  const auto record = store.read(record_key(n));
  if (!record) return "!" + std::to_string(record.error().number());
  return *record ? std::string(base::text(**record)) : std::string();
}

// Makes a file one of schema version 3, but for the number: no list of a queue was vouched for.
inline constexpr const char* kBeforeQueueParts =
    "DROP TABLE queue_part; ALTER TABLE bucket_log DROP COLUMN queues; DELETE FROM meta WHERE key=4;";

inline base::Result<std::unique_ptr<Store>> create_and_open(const StoreOptions& with, HeadWitness& witness) {
  SIGILLO_CHECK(SqlCipherStore::create(with, keys()));
  return SqlCipherStore::open(with, keys(), witness);
}

// The ledger's chain, recomputed from nothing or, where it was pruned, from its base: "holds", or why not.
inline std::string chain_of(Store& store) {
  base::Digest hash = store.ledger_base().hash;
  std::uint64_t seq = store.ledger_base().seq;
  for (;;) {
    const auto entries = store.ledger(seq, 1000);
    if (!entries) return "unreadable";
    if (entries->empty()) return "holds";
    for (const auto& entry : *entries) {
      if (entry.seq != ++seq) return "gap";
      hash = chain_hash(hash, entry);
      if (hash != entry.hash) return "broken";
    }
  }
}

}  // namespace sigillo::sealed_store::testing

// gtest shows the error's number and words.
#define EXPECT_OK(expr)                                                                        \
  if (const auto& ok_ = (expr); !ok_)                                                          \
  ADD_FAILURE() << #expr << ": " << ok_.error().number() << " " << ok_.error().detail() << " " \
                << ok_.error().raw()
#define ASSERT_OK(expr)               \
  if (const auto& ok_ = (expr); !ok_) \
  FAIL() << #expr << ": " << ok_.error().number() << " " << ok_.error().detail() << " " << ok_.error().raw()
#define EXPECT_ERRC(expr, code)             \
  if (const auto& bad_ = (expr); bad_)      \
    ADD_FAILURE() << #expr << " succeeded"; \
  else                                      \
    EXPECT_EQ(bad_.error().number(), static_cast<std::uint16_t>(code)) << bad_.error().detail()
