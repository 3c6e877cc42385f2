// Keys, ledger and checkpoint: what the auditor and the relying services read.
#include <appliance/ledger_export.hpp>

#include <algorithm>

#include "checkpoints.hpp"
#include "ops.hpp"
#include "receipts.hpp"

namespace sigillo::appliance {

base::Task<Reply> run(Session& session, const GetKeys&) {
  co_return session.answer(KeySet{key_set(*session.context().keys())});
}

base::Task<Reply> run(Session& session, const ReadLedger& request) {
  co_await session.context().dispatcher.hop();
  auto entries = session.context().store.ledger(request.after, request.limit);
  if (!entries) co_return Outage::store_unavailable;
  LedgerPage page{{}, request.after};
  for (const auto& entry : *entries) page.entries.push_back(entry_json(entry));
  if (!entries->empty()) page.next_after = entries->back().seq;
  // Reading the ledger is in the ledger, before what was read leaves; but for a page of nothing but such
  // readings, or an auditor who pages to the end would never reach it.
  const bool of_interest = std::ranges::any_of(*entries, [](const sealed_store::LedgerEntry& entry) {
    return entry.event.kind != static_cast<std::uint16_t>(EventKind::ledger_read);
  });
  if (!of_interest) co_return session.answer(page);
  auto read = session.event(EventKind::ledger_read, {}, EventOutcome::none, std::to_string(request.after));
  Changes changes{.events = {std::move(read)}, .witnessed = false};
  // It renders first: after its commit it is on the store's writer, where others wait to be told of theirs.
  co_return co_await session.commit(std::move(changes), std::move(page));
}

base::Task<Reply> run(Session& session, const GetCheckpoint&) {
  const auto& context = session.context();
  Changes changes{.events = {session.event(EventKind::ledger_checkpoint, {})}};
  auto committed = co_await context.store.commit(std::move(changes));
  if (!committed) co_return outage_of(committed.error());
  // Whatever is the head by now is durable; a checkpoint never runs ahead of the disk.
  auto note = co_await sign_checkpoint(context, context.store.head());
  if (!note) co_return outage_of(note.error());
  co_return session.answer(Checkpoint{std::move(*note)});
}

base::Task<Reply> run(Session& session, const RefusedAtDoor&) {
  co_return co_await session.decline(DoorRefusal{});
}

}  // namespace sigillo::appliance
