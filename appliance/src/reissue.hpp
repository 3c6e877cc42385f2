// Reissue: who is locked until a new credential because of a restore that could not say who was active after
// its snapshot: everybody who was not issued one since, known or not, by one moment that is kept and nothing
// a subject. (Where the ledger's tail says who it was, each has a mark in a counter: guard.hpp.) Attack it
// stops: (1) guess nine times, (2) have the machine's disk lost, and the backup of before put in its place,
// (3) guess on. Old rows that are put back change nothing: they say an issue of before. Thread rule:
// immutable. Never: tells one who exists from one who does not; both are covered.
#pragma once

#include <appliance/guard.hpp>
#include <appliance/subject_record.hpp>

namespace sigillo::appliance {

// Table::restore, one: the last restore.
struct RestoreRecord {
  base::Instant at{};
  std::optional<base::Instant> reissue_before;  // of it or of an earlier one: everybody
  std::uint64_t replaced_seq = 0;               // of the anchor that it took the place of; 0 for none
  base::Digest replaced_hash{};
  template <class V>
  void fields(V&& v) {
    v(at, reissue_before, replaced_seq, replaced_hash);
  }
};

class Reissue {
 public:
  Reissue() = default;
  explicit Reissue(std::optional<base::Instant> before) : before_(before) {}

  bool covers(const SubjectRecord& record) const {
    return before_ && (!record.issued || *record.issued < *before_);
  }
  // The counter as it is to be believed. The PIN's of who is covered is the mark. Of contacts and health card
  // one try is left, of the whole limit that may have been used: a match, a branch or 30 days end that, as
  // ever, and the first two are kept by note_ended.
  sealed_store::GuardValue seen(guard::Counter counter, const sealed_store::GuardValue& stored,
                                const SubjectRecord& record, const guard::Limits& limits) const;

  // A match or a branch has ended this counter. True where the record changed, and has to be put.
  bool note_ended(guard::Counter counter, SubjectRecord& record, base::Instant now) const;

 private:
  std::optional<base::Instant> before_;
};

}  // namespace sigillo::appliance
