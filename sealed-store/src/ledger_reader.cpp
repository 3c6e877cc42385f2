#include <sealed_store/sqlcipher_store.hpp>

#include "record_reader.hpp"
#include "schema.hpp"

namespace sigillo::sealed_store {
namespace {

class FileLedgerReader final : public LedgerReader {
 public:
  FileLedgerReader(Database db, Statement query) : db_(std::move(db)), query_(std::move(query)) {}

  base::Result<std::vector<LedgerEntry>> read(std::uint64_t after, std::size_t limit) override {
    return read_entries(query_, after, limit);
  }
  base::Result<LedgerBase> base() override { return read_base(db_); }
  base::Result<Head> head() override {
    SIGILLO_TRY(auto last, db_.prepare("SELECT seq FROM ledger ORDER BY seq DESC LIMIT 1"));
    std::int64_t seq = 0;
    {
      auto cursor = last();
      SIGILLO_TRY(const bool found, cursor.next());
      if (!found) return base::Error(Errc::corrupt, "the file's ledger is empty");
      seq = cursor.integer(0);
    }
    SIGILLO_TRY(const auto entries, read_entries(query_, static_cast<std::uint64_t>(seq - 1), 1));
    if (entries.empty()) return base::Error(Errc::corrupt, "the file's ledger has no last entry");
    const auto& entry = entries.back();
    return Head{entry.node, entry.seq, entry.hash, entry.event.time};
  }

 private:
  Database db_;
  Statement query_;
};

}  // namespace

base::Result<std::unique_ptr<LedgerReader>> LedgerReader::open(const std::string& path,
                                                               const base::Secret& page_key) {
  SIGILLO_TRY(auto db, Database::open(path, page_key, Database::Access::read));
  db.checkpoint_on_close(false);
  SIGILLO_CHECK(check_schema(db));
  SIGILLO_TRY(auto query, db.prepare(kSelectLedger));
  std::unique_ptr<LedgerReader> reader = std::make_unique<FileLedgerReader>(std::move(db), std::move(query));
  return reader;
}

}  // namespace sigillo::sealed_store
