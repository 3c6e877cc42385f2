// ExportCheck: the offline check of exports and segments, one pass over each, memory for one line. Given in
// their order they are checked as one chain: each begins where the one before has ended. The last may begin
// anew, and is then held against those before it, for which eight bytes an entry are kept: it leaves them
// where its own entry `restored` says so, and what that one has replaced is theirs. What
// is wrong first is what is named. Thread rule: one thread.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include <appliance/acts_check.hpp>
#include <appliance/checkpoint.hpp>
#include <sealed_store/store.hpp>

namespace sigillo::appliance {

enum class ExportVerdict : std::uint8_t {
  intact,
  altered,
  gap,
  cut_tail,
  unknown_key,
  act_refused,  // the chain holds, and an act of officers is not signed as it must be
  unreadable
};
std::string_view name(ExportVerdict verdict);

// A restore that the ledger declares.
struct DeclaredFork {
  std::uint64_t at = 0;           // the entry that says so
  std::uint64_t after = 0;        // the last entry of before that is kept
  std::uint64_t replaced_to = 0;  // what the HSM had anchored until then; 0: nothing
  std::string locked;             // who was locked until re-issue: "all", or how many
};

struct ExportReport {
  ExportVerdict verdict = ExportVerdict::unreadable;
  std::uint64_t entries = 0;
  std::uint64_t from = 0;                      // the first entry: 1, or where the first file begins
  std::uint64_t at = 0;                        // the seq where it does not hold
  std::string detail;                          // a sentence
  std::uint64_t acts = 0, acts_unchecked = 0;  // of officers whose signatures hold; or who are not known here
  bool own_keys = false;                       // checked against the keys that the export carries itself
  std::optional<CheckpointBody>
      checkpoint;                        // where it is intact; of a segment's end it says where that began
  std::vector<DeclaredFork> restores;    // in the chain
  std::optional<std::uint64_t> left_at;  // the last entry that it shares with the files before it
};

class ExportCheck {
 public:
  using Keys = std::vector<base::EcPublicKey>;
  // `keys`: nothing where the files' own are to be used. `several`: the last of them may begin anew.
  explicit ExportCheck(std::optional<Keys> keys, bool several = false)
      : keys_(std::move(keys)), several_(several) {}

  // The next file. The report is of all so far; after one that is not intact there is no next.
  ExportReport take(std::istream& in, bool last = false);
  const ActsCheck& acts() const { return acts_; }

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

  // The first 64 bits of entries' hashes, from one entry on.
  struct Prints {
    std::uint64_t from = 0;
    std::vector<std::uint64_t> of;
    std::optional<std::uint64_t> at(std::uint64_t seq) const;
  };
  void begin_anew(std::uint64_t after, const base::Digest& hash);
  std::optional<ExportReport> follow(const sealed_store::LedgerEntry& entry);
  std::optional<ExportReport> undeclared();

  std::optional<Keys> keys_;
  ActsCheck acts_;
  const bool several_;
  Prints prints_, before_;  // of this chain, and of the one that a file began anew beside
  ExportReport report_;
  base::Digest previous_{};
  std::uint64_t last_ = 0;
};

}  // namespace sigillo::appliance
