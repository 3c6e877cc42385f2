// A network HSM, imitated by the shim in front of SoftHSM2: each call takes its latency, and only so many run
// at once. What the Dispatcher and the Token make of it must follow sessions / latency.
#include <hsm/dispatcher.hpp>

#include <chrono>

#include <fault/control.hpp>

#include "contract.hpp"

namespace sigillo::hsm {
namespace {

using std::chrono::duration;
using std::chrono::steady_clock;

constexpr std::uint64_t kLatencyUs = 10'000;

fault::Control& control() {
  static const auto made = [] {
    auto control = std::make_unique<fault::Control>((testing::softhsm_directory() / "faults").string());
    ::setenv(fault::kControlVariable, control->path().c_str(), 1);
    return control;
  }();
  return *made;
}

// As a verification: the second call is made with what the first one gave.
base::Task<bool> two_calls(Dispatcher& dispatcher, KeyRef key) {
  const auto first = co_await dispatcher.hmac(key, base::Secret(base::view("subject")));
  if (!first) co_return false;
  const auto second = co_await dispatcher.hmac(key, base::Secret(base::ByteView(*first)));
  co_return static_cast<bool>(second);
}

class Crowd {
 public:
  // Starts them all, and gives the seconds until the last has ended.
  double run(Dispatcher& dispatcher, KeyRef key, std::size_t count) {
    left_ = count;
    good_ = 0;
    const auto begin = steady_clock::now();
    for (std::size_t i = 0; i < count; ++i) {
      const auto done = [this](bool good) { ended(good); };
      base::start(two_calls(dispatcher, key), done);
    }
    std::unique_lock lock(mutex_);
    all_.wait(lock, [&] { return left_ == 0; });
    EXPECT_EQ(good_, count);
    return duration<double>(steady_clock::now() - begin).count();
  }

 private:
  void ended(bool good) {
    const std::lock_guard lock(mutex_);
    good_ += good ? 1 : 0;
    if (--left_ == 0) all_.notify_one();
  }
  std::mutex mutex_;
  std::condition_variable all_;
  std::size_t left_ = 0, good_ = 0;
};

TEST(NetworkHsm, ThroughputFollowsSessionsOverLatency) {
  control();
  TokenOptions options = testing::softhsm_options();
  options.module = SIGILLO_FAULT_MODULE;
  for (const std::size_t sessions : {1U, 4U, 8U}) {
    options.sessions_max = sessions;
    auto token = Pkcs11Token::open(options, testing::user_pin());
    ASSERT_TRUE(token) << token.error().detail();
    const auto key = (*token)->generate_key({test::fresh_label()}, KeyType::hmac_sha256);
    ASSERT_TRUE(key);
    ASSERT_EQ((*token)->parallelism(), sessions);
    Dispatcher dispatcher(**token, {.workers = (*token)->parallelism()});
    control()->parallel = sessions;
    control()->latency_us = kLatencyUs;
    const std::size_t verifications = 8 * sessions;
    const double ideal =
        2.0 * static_cast<double>(verifications * kLatencyUs) / 1e6 / static_cast<double>(sessions);
    // The machine may be busy in one round, and is hardly in each; what the product would lose, it loses
    // always.
    double best = 1e9;
    for (int round = 0; round < 5 && best > 1.2 * ideal; ++round) {
      control()->in_device_max = 0;
      best = std::min(best, Crowd().run(dispatcher, *key, verifications));
    }
    EXPECT_LE(best, 1.2 * ideal) << sessions << " sessions";
    EXPECT_GE(best, 0.99 * ideal) << "the imitation lets more through than it says";
    EXPECT_EQ(control()->in_device_max, sessions);
    std::printf("%zu sessions of %.0f ms: %.0f verifications/s of %.0f\n", sessions,
                static_cast<double>(kLatencyUs) / 1e3, static_cast<double>(verifications) / best,
                static_cast<double>(verifications) / ideal);
    control().clear();
  }
}

TEST(NetworkHsm, MoreWorkersThanTheHsmHasSessionsQueueAndAllAreServed) {
  TokenOptions options = testing::softhsm_options();
  options.module = SIGILLO_FAULT_MODULE;
  control()->sessions_max = 4;  // the login's and three more, whatever the pool would like
  auto token = Pkcs11Token::open(options, testing::user_pin());
  ASSERT_TRUE(token) << token.error().detail();
  const auto key = (*token)->generate_key({test::fresh_label()}, KeyType::hmac_sha256);
  ASSERT_TRUE(key);
  Dispatcher dispatcher(**token, {.workers = 16});
  control()->latency_us = 1'000;
  Crowd().run(dispatcher, *key, 64);
  EXPECT_EQ((*token)->parallelism(), 3U);
  control().clear();
}

}  // namespace
}  // namespace sigillo::hsm
