#include "ledger_tail.hpp"

#include <algorithm>
#include <fstream>

#include <appliance/guard.hpp>
#include <appliance/ledger_events.hpp>
#include <appliance/ledger_export.hpp>
#include <sealed_store/ledger_entry.hpp>

namespace sigillo::appliance {
namespace {

using sealed_store::Head;

// What is only looked at, refused unlooked, or of a delivery's way: neither a count nor a credential moved.
constexpr EventKind kMovesNobody[] = {
    EventKind::refused,           EventKind::denied,
    EventKind::status_read,       EventKind::delivery_acknowledged,
    EventKind::delivery_given_up, EventKind::shared_contact,
    EventKind::existence_told,
    EventKind::count_ended,  // its value says it all
};

bool is(const sealed_store::Event& event, EventKind kind) {
  return event.kind == static_cast<std::uint16_t>(kind);
}

struct Signed {
  bool intact = false;
  std::string detail;
  std::optional<CheckpointBody> end;
};

std::variant<Signed, std::string> check(const std::vector<std::string>& files,
                                        const ExportCheck::Keys& keys) {
  ExportCheck check(keys);
  Signed out;
  for (const auto& file : files) {
    std::ifstream in(file, std::ios::binary);
    if (!in) return file + " cannot be read";
    const auto report = check.take(in);
    out.intact = report.verdict == ExportVerdict::intact;
    out.detail = file + ": " + std::string(name(report.verdict)) + ", at entry " + std::to_string(report.at) +
                 ". " + report.detail;
    out.end = report.checkpoint;
    if (!out.intact) break;
  }
  return out;
}

// The chain from the snapshot's head on, hash by hash.
class Walk {
 public:
  Walk(LedgerTail& tail, const std::optional<Head>& anchor, bool vouched)
      : tail_(tail), anchor_(anchor), vouched_(vouched) {}

  // Nothing, or what is wrong with this entry.
  std::optional<std::string> step(const sealed_store::LedgerEntry& entry) {
    auto& end = tail_.end;
    if (entry.seq < end.seq) return std::nullopt;
    if (entry.seq == end.seq && entry.hash == end.hash) return std::nullopt;
    if (entry.seq == end.seq || (entry.seq == end.seq + 1 && chain_hash(end.hash, entry) != entry.hash))
      return "does not continue the snapshot: another history stands at entry " + std::to_string(entry.seq);
    if (entry.seq != end.seq + 1) return "has nothing for entry " + std::to_string(end.seq + 1);
    if (anchor_ && entry.seq > anchor_->seq && !vouched_) return std::nullopt;
    end = {entry.node, entry.seq, entry.hash, std::max(end.time, entry.event.time)};
    if (anchor_ && entry.seq == anchor_->seq) {
      if (entry.hash != anchor_->hash)
        return "is not the ledger that the HSM has anchored: another hash stands at entry " +
               std::to_string(entry.seq);
      tail_.reaches_anchor = true;
    }
    tail_.note(entry);
    return std::nullopt;
  }

 private:
  LedgerTail& tail_;
  const std::optional<Head>& anchor_;
  const bool vouched_;
};

}  // namespace

void LedgerTail::note(const sealed_store::LedgerEntry& entry) {
  const auto& event = entry.event;
  if (event.guard) counters[event.guard->first] = event.guard->second;
  const bool moved = std::ranges::none_of(kMovesNobody, [&](EventKind kind) { return is(event, kind); });
  if (event.subject != SubjectIndex{} && moved) active.insert(event.subject);
  if (is(event, EventKind::restored)) has_restore = true;
  if (is(event, EventKind::contacts_changed) || is(event, EventKind::requested) ||
      is(event, EventKind::substituted))
    contacts.insert(event.subject);
  if (is(event, EventKind::erased)) erased[event.subject] = event.reference;
  if (is(event, EventKind::authorization_turned)) {
    const bool granted = event.outcome == static_cast<std::uint16_t>(EventOutcome::granted);
    if (const auto id = parse_id(event.reference))
      authorizations[*id] = granted ? AuthorizationState::granted : AuthorizationState::void_;
  }
  note_shut(event);
}

void LedgerTail::note_shut(const sealed_store::Event& event) {
  // What was renewed has another key now: the one of before may have been stolen.
  if (is(event, EventKind::channel_suspended) || is(event, EventKind::channel_renewed))
    channels[event.reference.substr(0, event.reference.find(' '))] = ChannelStatus::suspended;
  if (is(event, EventKind::channel_revoked)) channels[event.reference] = ChannelStatus::revoked;
  if (is(event, EventKind::officer_suspended)) officers[event.operator_name] = OfficerStatus::suspended;
  if (is(event, EventKind::officer_revoked)) officers[event.operator_name] = OfficerStatus::revoked;
  if (is(event, EventKind::officer_resumed)) officers.erase(event.operator_name);
}

std::variant<LedgerTail, std::string> LedgerTail::read(const std::vector<std::string>& files,
                                                       const ExportCheck::Keys& keys, const Head& snapshot,
                                                       const std::optional<Head>& anchor) {
  LedgerTail out;
  out.end = snapshot;
  if (files.empty()) return out;
  auto checked = check(files, keys);
  if (auto* unread = std::get_if<std::string>(&checked)) return std::move(*unread);
  const auto& seal = std::get<Signed>(checked);
  Walk walk(out, anchor, seal.intact);
  for (const auto& file : files) {
    std::ifstream in(file, std::ios::binary);
    std::string line;
    while (std::getline(in, line)) {
      if (line.starts_with("{\"base\"") || line.starts_with("{\"checkpoint\"")) continue;
      const auto entry = parse_entry(line);
      if (!entry) {
        if (in.eof()) break;  // torn: the signature is gone as well
        return file + " has a line that is no entry";
      }
      if (auto wrong = walk.step(*entry)) return file + ' ' + *wrong;
    }
    if (in.bad()) return file + " cannot be read to its end";
  }
  // Attack: (1) cut what one did out of an export's end, (2) give it to the officers. What the HSM has not
  // anchored must be signed, up to its last entry.
  const bool is_signed = seal.intact && (out.end.seq == snapshot.seq ||
                                         (seal.end->seq == out.end.seq && seal.end->hash == out.end.hash));
  if (!out.reaches_anchor && !is_signed) return seal.detail;
  return out;
}

}  // namespace sigillo::appliance
