// ExportCheck: the offline check of exports and segments, one pass over each, memory for one line. Given in
// their order they are checked as one chain: each begins where the one before has ended. What is wrong first
// is what is named. Thread rule: one thread.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include <appliance/checkpoint.hpp>
#include <sealed_store/store.hpp>

namespace sigillo::appliance {

enum class ExportVerdict : std::uint8_t { intact, altered, gap, cut_tail, unknown_key, unreadable };
std::string_view name(ExportVerdict verdict);

struct ExportReport {
  ExportVerdict verdict = ExportVerdict::unreadable;
  std::uint64_t entries = 0;
  std::uint64_t from = 0;  // the first entry: 1, or where the first file begins
  std::uint64_t at = 0;    // the seq where it does not hold
  std::string detail;      // a sentence
  bool own_keys = false;   // checked against the keys that the export carries itself
  std::optional<CheckpointBody>
      checkpoint;  // where it is intact; of a segment's end it says where that began
};

class ExportCheck {
 public:
  using Keys = std::vector<base::EcPublicKey>;
  // `keys`: nothing where the files' own are to be used.
  explicit ExportCheck(std::optional<Keys> keys) : keys_(std::move(keys)) {}

  // The next file. The report is of all so far; after one that is not intact there is no next.
  ExportReport take(std::istream& in);

 private:
  struct File;
  ExportReport end(ExportVerdict verdict, std::uint64_t at, std::string detail);
  ExportReport broken(const File& file, std::uint64_t at, std::string detail);
  std::optional<ExportReport> open(File& file, const std::string& line);
  std::optional<ExportReport> entry(File& file, const std::string& line);
  ExportReport misplaced(File& file, sealed_store::LedgerEntry entry);
  ExportReport closing(File& file, const std::string& line);
  ExportReport compare(File& file, const NoteCheck& check);
  std::optional<ExportReport> signed_by(const NoteCheck& check, const char* what);

  std::optional<Keys> keys_;
  ExportReport report_;
  base::Digest previous_{};
  std::uint64_t last_ = 0;
};

}  // namespace sigillo::appliance
