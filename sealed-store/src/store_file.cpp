#include <sealed_store/store_file.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include <sealed_store/ledger_entry.hpp>

#include "file_checks.hpp"
#include "opening.hpp"
#include "record_reader.hpp"
#include "schema.hpp"

namespace sigillo::sealed_store {
namespace {

constexpr int kPagesAStep = 256;  // 1 MiB: some ten milliseconds between two looks at who wants it to stop
constexpr std::size_t kEntriesAPage = 1000;
constexpr std::uint32_t kBucketsAStep = 256;
constexpr unsigned long kFull = 13;  // SQLITE_FULL

base::Error no_space() {
  return {FileErrc::no_space, "the disk that the copy goes to has no room for it", ENOSPC};
}
base::Error stopped() {
  return {FileErrc::stopped, "the copy was told to stop"};
}

// Before anything else is done with it: SQLite would make it with the umask's mode.
base::Result<void> make_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  const auto code = static_cast<unsigned long>(errno);
  if (fd < 0)
    return code == EEXIST
               ? base::Error(FileErrc::exists, "something stands where the copy is to be made", code)
               : base::Error(Errc::unavailable, "the copy's file could not be made", code);
  ::close(fd);
  return base::ok();
}

// Asked first, so that a disk is not filled up for nothing. What others write meanwhile is found out on the
// way.
base::Result<void> check_space(Database& source, const std::string& to) {
  SIGILLO_TRY(const auto pages, source.number("PRAGMA page_count"));
  SIGILLO_TRY(const auto page, source.number("PRAGMA page_size"));
  struct statvfs info {};
  const auto folder = std::filesystem::path(to).parent_path();
  if (::statvfs(folder.empty() ? "." : folder.c_str(), &info) != 0) return base::ok();
  const auto room = static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
  if (static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page) > room) return no_space();
  return base::ok();
}

base::Result<void> fill(Database& source, Database& target, const FileProgress& progress) {
  SIGILLO_TRY(auto copy, PageCopy::begin(source, target));
  for (;;) {
    SIGILLO_TRY(const bool more, copy.step(kPagesAStep));
    if (progress && !progress(copy.done(), copy.total())) return stopped();
    if (!more) return copy.finish();
  }
}

class File final : public StoreFile {
 public:
  File(Database db, base::Secret fresh_key) : db_(std::move(db)), state_(std::move(fresh_key)) {}

  base::Result<StoreContents> check(const FileProgress& progress) override {
    SIGILLO_CHECK(check_integrity(db_));
    SIGILLO_CHECK(load_snapshot(db_, state_));
    StoreContents out;
    SIGILLO_TRY(const auto schema, read_meta(db_, Meta::version));
    SIGILLO_TRY(const auto records, db_.number("SELECT count(*) FROM record"));
    out.schema = static_cast<std::uint32_t>(schema);
    out.head = state_.head;
    out.base = state_.base;
    out.entries = out.head.seq - std::min(out.base.seq, out.head.seq);
    out.records = static_cast<std::uint64_t>(records);
    SIGILLO_CHECK(check_chain(out, progress));
    SIGILLO_CHECK(check_buckets(out, progress));
    return out;
  }

  base::Result<std::optional<base::Bytes>> read(const RecordKey& key) override {
    SIGILLO_TRY(auto rows, RowQueries::prepare(db_));
    SIGILLO_TRY(auto row, rows.row(key));
    return row ? std::optional(std::move(row->sealed)) : std::nullopt;
  }

  base::Result<std::optional<base::Digest>> hash_at(std::uint64_t seq) override {
    if (state_.base.seq > 0 && seq == state_.base.seq) return std::optional(state_.base.hash);
    if (seq == 0) return std::optional(base::Digest{});
    SIGILLO_TRY(auto query, db_.prepare(kSelectLedger));
    SIGILLO_TRY(const auto entries, read_entries(query, seq - 1, 1));
    if (entries.empty() || entries.front().seq != seq) return std::optional<base::Digest>{};
    return std::optional(entries.front().hash);
  }

 private:
  // An opening replays from the last fold on. Here it is all that is there, for once.
  base::Result<void> check_chain(const StoreContents& contents, const FileProgress& progress) {
    SIGILLO_TRY(auto query, db_.prepare(kSelectLedger));
    auto hash = contents.base.hash;
    auto seq = contents.base.seq;
    while (seq < contents.head.seq) {
      SIGILLO_TRY(const auto entries, read_entries(query, seq, kEntriesAPage));
      if (entries.empty()) return base::Error(Errc::corrupt, "the ledger ends before its head");
      for (const auto& entry : entries) {
        if (entry.seq != ++seq) return base::Error(Errc::corrupt, "the ledger has a gap");
        hash = chain_hash(hash, entry);
        if (hash != entry.hash) return base::Error(Errc::corrupt, "the ledger's chain does not hold");
      }
      if (progress && !progress(seq - contents.base.seq, total(contents))) return stopped();
    }
    if (hash != contents.head.hash) return base::Error(Errc::corrupt, "the ledger's chain does not hold");
    return base::ok();
  }

  base::Result<void> check_buckets(const StoreContents& contents, const FileProgress& progress) {
    SIGILLO_TRY(auto rows, RowQueries::prepare(db_));
    for (std::uint32_t id = 0; id < FreshRows::kBuckets; ++id) {
      const auto bucket = static_cast<std::uint16_t>(id);
      SIGILLO_TRY(const auto loaded, rows.bucket(bucket, state_.prf));
      if (loaded.hash != state_.rows.at(bucket).hash)
        return base::Error(Errc::stale, "a record is not the one that the ledger accounts for");
      if (progress && id % kBucketsAStep == 0 && !progress(contents.entries + id, total(contents)))
        return stopped();
    }
    return base::ok();
  }

  static std::uint64_t total(const StoreContents& contents) { return contents.entries + FreshRows::kBuckets; }

  Database db_;
  State state_;
};

}  // namespace

base::Result<void> copy_store_file(const std::string& from, const std::string& to,
                                   const base::Secret& page_key, const FileProgress& progress) {
  SIGILLO_CHECK(make_file(to));
  const auto copied = [&]() -> base::Result<void> {
    SIGILLO_TRY(auto source, Database::open(from, page_key, Database::Access::read));
    source.checkpoint_on_close(false);
    SIGILLO_CHECK(source.run("BEGIN"));
    SIGILLO_CHECK(check_space(source, to));  // its first read: the snapshot is this moment's
    SIGILLO_TRY(auto target, Database::open_to_fill(to, page_key, source));
    return fill(source, target, progress);
  };
  const auto done = copied();
  if (!done && done.error().is(Errc::unavailable) && (done.error().raw() & 0xff) == kFull) return no_space();
  if (!done) return done.error();
  const auto synced = sync_file(to);
  if (!synced && (synced.error().raw() == ENOSPC || synced.error().raw() == EDQUOT)) return no_space();
  return synced;
}

base::Result<std::unique_ptr<StoreFile>> StoreFile::open(const std::string& path, const StoreKeys& keys) {
  struct stat info {};
  if (::stat((path + "-wal").c_str(), &info) == 0 && info.st_size > 0)
    return base::Error(Errc::unavailable, "a WAL stands beside the file: somebody has it open, or had");
  SIGILLO_TRY(auto db, Database::open(path, keys.page_key, Database::Access::frozen));
  SIGILLO_CHECK(check_schema_is_ours(db));
  std::unique_ptr<StoreFile> file = std::make_unique<File>(std::move(db), keys.fresh_key.clone());
  return file;
}

}  // namespace sigillo::sealed_store
