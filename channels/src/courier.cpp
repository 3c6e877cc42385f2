#include <channels/courier.hpp>

#include <algorithm>

#include <base/crypto.hpp>
#include <base/log.hpp>
#include <channels/errc.hpp>

namespace sigillo::channels {

Courier::Courier(Client& client, Sink& sink, Stop& stop, std::vector<base::EcPrivateKey> keys,
                 CourierOptions options)
    : client_(client), sink_(sink), stop_(stop), keys_(std::move(keys)), options_(options) {}

base::Result<void> Courier::run() {
  while (!stop_.requested()) {
    const auto leased = round();
    if (leased) {
      failures_ = 0;
      if (options_.mode == Mode::once || (options_.mode == Mode::drain && *leased == 0)) return base::ok();
      if (*leased == 0) stop_.wait(options_.poll);
      continue;
    }
    if (leased.error().is(Errc::stopped)) break;
    base::log::error("courier.round", leased.error());
    if (options_.mode != Mode::forever) return leased.error();
    const auto pause = pause_after(leased.error());
    base::log::warn("courier.waits", {{"ms", pause.ms}, {"failures", failures_}});
    stop_.wait(pause);
  }
  // One last try: what stays unacknowledged is delivered twice.
  return unsettled_.empty() ? base::ok() : settle();
}

base::Result<std::size_t> Courier::round() {
  SIGILLO_CHECK(settle());
  SIGILLO_TRY(const auto leases, client_.lease(options_.lease_max));
  auto outcome = base::ok();
  for (const auto& lease : leases) {
    // Of what was leased and not handed over nothing is said: it comes back when its lease ends.
    if (stop_.requested()) break;
    outcome = deliver(lease);
    if (!outcome) break;
  }
  SIGILLO_CHECK(settle());
  if (!outcome) return outcome.error();
  return leases.size();
}

base::Result<void> Courier::deliver(const Lease& lease) {
  auto opened = open_message(keys_, lease);
  if (!opened.message) {
    unsettled_.push_back({lease.delivery_id, false, reason(opened.why)});
    base::log::warn("courier.failed", {{"delivery_id", lease.delivery_id}, {"reason", reason(opened.why)}});
    return base::ok();
  }
  // A sink that is full or away is this courier's trouble and not the message's: reporting it failed would
  // use up the ten attempts of every message in the queue within a minute.
  SIGILLO_CHECK(sink_.take(*opened.message));
  unsettled_.push_back({lease.delivery_id, true, {}});
  base::log::info("courier.delivered", {{"delivery_id", lease.delivery_id}, {"attempt", lease.attempt}});
  return base::ok();
}

base::Result<void> Courier::settle() {
  if (unsettled_.empty()) return base::ok();
  SIGILLO_TRY(const auto unknown, client_.acknowledge(unsettled_));
  for (const auto& id : unknown) base::log::warn("courier.unknown", {{"delivery_id", id}});
  unsettled_.clear();
  return base::ok();
}

base::Duration Courier::pause_after(const base::Error& error) {
  const unsigned doublings = std::min(failures_++, 20U);
  const auto step = std::min(base::Duration{1000LL << doublings}, options_.backoff_max);
  // Up to a quarter more, so that the couriers of an appliance that comes back do not come all at once.
  base::ByteArray<2> draw{};
  base::random_bytes(draw);
  const base::Duration spread{step.ms / 4 * base::read_be<std::uint16_t>(draw) / 65'536};
  const auto asked =
      error.is(Errc::busy) ? base::seconds(static_cast<std::int64_t>(error.raw())) : base::Duration{};
  return std::max(base::Duration{step.ms + spread.ms}, asked);
}

}  // namespace sigillo::channels
