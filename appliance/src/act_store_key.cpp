// The store key's rotation: the file is copied under the next key beside the one that serves, and takes its
// place in a pause that is as long as the last changes take. Attack on a pause: (1) have it hang, (2) every
// caller waits for ever. All that is waited for in it ends by itself: commits by the store's and the HSM's
// own deadlines, the copy's last round by how little is left.
#include <base/log.hpp>

#include <sealed_store/store_copy.hpp>

#include "actions.hpp"
#include "rotation.hpp"

namespace sigillo::appliance {
namespace {

using sealed_store::StoreCopy;

constexpr const char* kAgain = "The store is under its old key, and serves. Run the same command again.";
constexpr const char* kRest =
    "The store is under the new key, and serves. Run the same command again for the rest.";
constexpr std::uint64_t kFew = 256;  // changed buckets of 65,536: some ten milliseconds
constexpr int kRoundsMax = 12;       // a store that changes faster than it is copied is taken as it is

base::Result<std::unique_ptr<StoreCopy>> copied(ActionCall& call, const sealed_store::StoreOptions& options,
                                                const sealed_store::StoreKeys& from,
                                                const sealed_store::StoreKeys& to) {
  SIGILLO_TRY(auto copy, StoreCopy::begin(options, from, to));
  const auto progress = [&](std::uint64_t done) {
    call.progress(done, 0, "parts of the store copied");
    return !call.stopping();
  };
  for (int round = 0; round < kRoundsMax; ++round) {
    SIGILLO_TRY(const auto changed, copy->catch_up(progress));
    if (changed <= kFew && round > 0) break;
  }
  SIGILLO_CHECK(copy->verify());
  SIGILLO_TRY(const auto last, copy->catch_up(progress));
  static_cast<void>(last);
  return copy;
}

// The file gives way to its copy under another version of the key. How long nobody was answered.
std::variant<std::chrono::milliseconds, ActionFailure> exchange(ActionCall& call, std::uint16_t serving,
                                                                std::uint16_t next) {
  auto& parts = call.parts();
  const auto options = options_of(parts.config);
  auto from = store_keys(*parts.token, serving);
  auto to = store_keys(*parts.token, next);
  if (!from || !to)
    return failed((from ? to : from).error(), "The store's keys could not be derived", kAgain);
  auto copy = copied(call, options, *from, *to);
  if (!copy) return failed(copy.error(), "The store could not be copied", kAgain);

  std::optional<base::Error> kept_old;
  bool closed = false;
  const auto reopen = [&]() -> sealed_store::ReopenableStore::Opened {
    closed = true;
    if (const auto done = (*copy)->finish(); !done) {
      kept_old = done.error();
      return sealed_store::SqlCipherStore::open(options, std::move(*from), *parts.witness);
    }
    return sealed_store::SqlCipherStore::open(options, std::move(*to), *parts.witness);
  };
  const auto begun = std::chrono::steady_clock::now();
  const auto exchanged = parts.store->reopen(reopen);
  const auto pause =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun);
  if (!exchanged && !closed) return failed(exchanged.error(), "The store could not be closed", kAgain);
  if (!exchanged)
    return failed(
        exchanged.error(), "The store could not be opened again",
        "Nothing is answered until it is: that is tried each second. Run the same command again then.");
  if (kept_old) return failed(*kept_old, "The new file did not take the old one's place", kAgain);
  return pause;
}

}  // namespace

ActionOutcome rotate_store(ActionCall& call, const KeyEntry& next, const std::string& reference) {
  auto& parts = call.parts();
  // Not the active one where the token failed an earlier rotation after the exchange.
  const auto serving = store_version_of(*parts.token, parts.registered, parts.config.store.path);
  if (!serving) return failed(serving.error(), "The store's key could not be told", kAgain);
  std::chrono::milliseconds pause{0};
  if (*serving != next.version) {
    auto exchanged = exchange(call, *serving, next.version);
    if (auto* failure = std::get_if<ActionFailure>(&exchanged)) return std::move(*failure);
    pause = std::get<std::chrono::milliseconds>(exchanged);
    base::log::info("store-key-rotated", {{"pause_ms", pause.count()}});
  }
  const auto done = switch_to(work_of(call), next, call.context().now());
  if (!done) return failed(done.error(), "The key's state could not be written", kRest);
  auto event = call.event(EventKind::key_rotated);
  event.reference = reference;
  const auto noted = base::sync_wait(parts.store->commit({.events = {std::move(event)}}));
  if (!noted)
    return failed(noted.error(), "It is done, and could not be noted in the ledger",
                  "Nothing more is to be done.");
  return boost::json::object{{"kid", next.kid()},
                             {"use", "store"},
                             {"state", "active"},
                             {"check_value", base::to_hex(next.check_value)},
                             {"pause_ms", pause.count()}};
}

}  // namespace sigillo::appliance
