#include "resealer.hpp"

#include <chrono>

#include <base/log.hpp>

namespace sigillo::appliance {
namespace {

// 2,000 records a second at most: a batch is one commit of a few milliseconds, which charges stand behind.
constexpr std::size_t kBatch = 100;
constexpr std::chrono::milliseconds kPause{50};

}  // namespace

Resealer::Resealer(const Context& context) : context_(context) {
  const auto keys = context.keys();
  wanted_ = state_.running = keys->sealer->keys() > 1;
  thread_ = std::thread([this] { loop(); });
}

Resealer::~Resealer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

Resealer::State Resealer::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

void Resealer::wake() {
  {
    const std::lock_guard lock(mutex_);
    wanted_ = true;
    state_.running = true;
  }
  changed_.notify_all();
}

Resealer::State Resealer::await(base::Duration wait) const {
  std::unique_lock lock(mutex_);
  const auto before = state_.seen;
  changed_.wait_for(lock, std::chrono::milliseconds(wait.ms),
                    [&] { return stopping_ || !state_.running || state_.seen != before; });
  return state_;
}

void Resealer::loop() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || wanted_; });
      if (stopping_) return;
      wanted_ = false;
      state_ = {.running = true};
    }
    const auto done = run();
    {
      const std::lock_guard lock(mutex_);
      state_.failed = !done;
      state_.running = wanted_;
      if (!done) base::log::error("reseal-failed", done.error());
      if (done && state_.resealed > 0) base::log::info("resealed", {{"records", state_.resealed}});
    }
    changed_.notify_all();
  }
}

base::Result<void> Resealer::run() {
  std::optional<sealed_store::RecordKey> after;
  for (;;) {
    SIGILLO_TRY(const auto page, context_.store.scan(after, kBatch));
    if (page.empty()) return base::ok();
    SIGILLO_CHECK(batch(page, context_.keys()));
    after = page.back();
    if (!pause()) return base::ok();
  }
}

base::Result<void> Resealer::batch(const std::vector<sealed_store::RecordKey>& keys, KeySnapshot now) {
  sealed_store::Changes changes;
  for (const auto& key : keys) {
    SIGILLO_TRY(auto sealed, context_.store.read(key));
    if (!sealed || sealed_store::RecordSealer::key_of(*sealed) == now->record_key) continue;
    SIGILLO_TRY(const auto plain, now->sealer->open(key, *sealed));
    changes.replacements.push_back({key, std::move(*sealed), now->sealer->seal(key, plain.expose())});
  }
  const auto count = changes.replacements.size();
  if (count > 0) {
    // Not anchored: a store that is put back to before it says the same under the older key.
    changes.witnessed = false;
    const auto committed = base::sync_wait(context_.store.commit(std::move(changes)));
    if (!committed) return committed.error();
  }
  const std::lock_guard lock(mutex_);
  state_.seen += keys.size();
  state_.resealed += count;
  changed_.notify_all();
  return base::ok();
}

bool Resealer::pause() {
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(lock, kPause, [this] { return stopping_; });
}

}  // namespace sigillo::appliance
