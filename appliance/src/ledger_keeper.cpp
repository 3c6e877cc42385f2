#include "ledger_keeper.hpp"

#include <base/log.hpp>

namespace sigillo::appliance {
namespace {

constexpr auto kRound = std::chrono::seconds(1);
constexpr base::Duration kPruneEvery = base::minutes(1);

}  // namespace

LedgerKeeper::LedgerKeeper(const Context& context, Segments& segments)
    : context_(context), segments_(segments), thread_([this] { loop(); }) {}

LedgerKeeper::~LedgerKeeper() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  segments_.stop();
  wake_.notify_all();
  thread_.join();
}

void LedgerKeeper::loop() {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, kRound, [this] { return stopping_; })) {
    lock.unlock();
    round();
    lock.lock();
  }
}

void LedgerKeeper::round() {
  if (context_.store.trouble()) return;
  const auto marked = segments_.mark();
  if (!marked) base::log::error("ledger-mark-failed", marked.error());
  if (!prunes_.due() && !(marked && *marked)) return;
  if (!prune()) prunes_.rest(kPruneEvery);
}

bool LedgerKeeper::prune() {
  const auto& audit = context_.config.audit;
  if (audit.segment_folder.empty()) return false;
  PruneLimits limits;
  if (audit.keep_for.ms > 0) limits.before = context_.now() - audit.keep_for;
  if (audit.keep_entries > 0) limits.keep = audit.keep_entries;
  if (!limits.before && !limits.keep) return false;  // only where an officer says so
  const auto pruned = segments_.prune(audit.segment_folder, limits);
  if (!pruned && !failing_) base::log::error("ledger-not-pruned", pruned.error());
  failing_ = !pruned;
  return pruned && *pruned;
}

}  // namespace sigillo::appliance
