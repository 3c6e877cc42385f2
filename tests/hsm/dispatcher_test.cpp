#include <hsm/dispatcher.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <thread>

#include <hsm/fake_token.hpp>

namespace sigillo::hsm {
namespace {

using base::sync_wait;
using Call = FakeToken::Call;

// Starts a task now and gives its value later.
template <class T>
std::future<T> launch(base::Task<T> task) {
  auto promise = std::make_shared<std::promise<T>>();
  auto future = promise->get_future();
  const auto done = [promise](T value) { promise->set_value(std::move(value)); };
  base::start(std::move(task), done);
  return future;
}

base::Secret message(std::string_view text) {
  return base::Secret(base::view(text));
}

// The event is that a worker has come back out of the module.
base::Result<base::Digest> once_a_worker_is_back(Dispatcher& dispatcher, KeyRef key) {
  for (;;) {
    auto answer = sync_wait(dispatcher.hmac(key, message("x")));
    if (answer || !answer.error().is(Errc::unavailable)) return answer;
    std::this_thread::yield();
  }
}

class DispatcherTest : public ::testing::Test {
 protected:
  FakeToken token_;
  KeyRef mac_ = token_.plant_hmac({"sigillo.mac"}, base::Bytes(32, 7));
  KeyRef pair_ = *token_.generate_key({"sigillo.pair"}, KeyType::ec_p256);
};

TEST_F(DispatcherTest, AnswersAreThoseOfTheToken) {
  Dispatcher dispatcher(token_, {.workers = 2});
  const auto mac = sync_wait(dispatcher.hmac(mac_, message("x")));
  ASSERT_TRUE(mac);
  EXPECT_EQ(*mac, *token_.hmac(mac_, base::view("x")));
  EXPECT_EQ(sync_wait(dispatcher.sign(pair_, base::Digest{}))->size(), 64U);
  EXPECT_EQ(sync_wait(dispatcher.random(33))->size(), 33U);
  EXPECT_EQ(dispatcher.calls(), 3U);
  sync_wait(dispatcher.hop());
  EXPECT_EQ(dispatcher.calls(), 3U) << "a hop does not touch the token";
  EXPECT_TRUE(dispatcher.healthy());
}

base::Task<std::thread::id> thread_after_hop(Dispatcher& dispatcher) {
  co_await dispatcher.hop();
  co_return std::this_thread::get_id();
}

TEST_F(DispatcherTest, ACoroutineGoesOnOnADecider) {
  Dispatcher dispatcher(token_, {.deciders = 1});
  const auto first = sync_wait(thread_after_hop(dispatcher));
  EXPECT_NE(first, std::this_thread::get_id());
  EXPECT_EQ(first, sync_wait(thread_after_hop(dispatcher))) << "there is one decider";
}

base::Task<std::monostate> hold_a_decider(Dispatcher& dispatcher, std::promise<void>& held,
                                          std::future<void> let_go) {
  co_await dispatcher.hop();
  held.set_value();
  let_go.wait();
  co_return std::monostate{};
}

TEST_F(DispatcherTest, WhatWaitsForADeciderIsCounted) {
  Dispatcher dispatcher(token_, {.deciders = 1});
  std::promise<void> held;
  std::promise<void> let_go;
  auto holder = launch(hold_a_decider(dispatcher, held, let_go.get_future()));
  held.get_future().wait();
  std::vector<std::future<std::monostate>> others;
  for (int i = 0; i < 3; ++i) others.push_back(launch(dispatcher.hop()));
  EXPECT_EQ(dispatcher.load().undecided, 3U);
  EXPECT_EQ(dispatcher.load().queued, 0U) << "none of them waits for the module";
  let_go.set_value();
  holder.get();
  for (auto& other : others) other.get();
  EXPECT_EQ(dispatcher.load().undecided, 0U);
}

TEST_F(DispatcherTest, ACallThatHangsEndsAtItsDeadlineAndItsLateAnswerIsLost) {
  Dispatcher dispatcher(token_, {.workers = 1, .deadline = {50}});
  token_.hang(Call::hmac);
  const auto late = sync_wait(dispatcher.hmac(mac_, message("x")));
  ASSERT_FALSE(late);
  EXPECT_TRUE(late.error().is(Errc::deadline));
  EXPECT_FALSE(dispatcher.healthy());
  token_.await_hanging(1);  // still inside, after its caller went on
  token_.heal();
  const auto next = once_a_worker_is_back(dispatcher, mac_);
  ASSERT_TRUE(next);
  dispatcher.set_healthy(true);
  EXPECT_TRUE(dispatcher.healthy());
}

TEST_F(DispatcherTest, WithEveryWorkerLostInTheModuleCallsFailAtOnceAndHopsGoOn) {
  Dispatcher dispatcher(token_, {.workers = 2, .deadline = {50}});
  token_.hang(Call::hmac);
  auto first = launch(dispatcher.hmac(mac_, message("x")));
  EXPECT_TRUE(first.get().error().is(Errc::deadline));
  EXPECT_FALSE(dispatcher.healthy());
  EXPECT_TRUE(sync_wait(dispatcher.random(8))) << "one worker is left";
  dispatcher.set_healthy(true);
  EXPECT_TRUE(dispatcher.healthy());
  auto second = launch(dispatcher.hmac(mac_, message("x")));
  EXPECT_TRUE(second.get().error().is(Errc::deadline));
  EXPECT_FALSE(dispatcher.healthy());
  for (int i = 0; i < 100; ++i) {
    const auto refused = sync_wait(dispatcher.random(8));
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().is(Errc::unavailable)) << "at once, not at its deadline";
    sync_wait(dispatcher.hop());  // who has a charge to settle goes on
  }
  EXPECT_EQ(token_.count(Call::random), 1U);
  dispatcher.set_healthy(true);
  EXPECT_FALSE(dispatcher.healthy()) << "with all workers in the module nobody can know it";
  token_.heal();
  EXPECT_TRUE(once_a_worker_is_back(dispatcher, mac_));
  EXPECT_TRUE(dispatcher.healthy());
}

TEST_F(DispatcherTest, WhatExpiredInTheQueueIsNeverBegun) {
  Dispatcher dispatcher(token_, {.workers = 1, .deadline = {50}});
  token_.hang(Call::hmac);
  auto hung = launch(dispatcher.hmac(mac_, message("x")));
  token_.await_hanging(1);
  auto queued = launch(dispatcher.random(8));
  EXPECT_TRUE(hung.get().error().is(Errc::deadline));
  EXPECT_TRUE(queued.get().error().is(Errc::deadline));
  token_.heal();
  EXPECT_TRUE(once_a_worker_is_back(dispatcher, mac_));
  EXPECT_EQ(token_.count(Call::random), 0U);
}

TEST_F(DispatcherTest, WhatWaitedTooLongWhileNothingHangsIsOverdueAndTheTokenIsWell) {
  Dispatcher dispatcher(token_, {.workers = 1, .deciders = 1, .deadline = {50}});
  std::promise<void> held;
  std::promise<void> let_go;
  auto holder = launch(hold_a_decider(dispatcher, held, let_go.get_future()));
  held.get_future().wait();
  const auto late = launch(dispatcher.hmac(mac_, message("x"))).get();
  EXPECT_FALSE(late);
  EXPECT_TRUE(!late && late.error().is(QueueErrc::overdue)) << "the module answered; nobody had the time";
  EXPECT_TRUE(dispatcher.healthy());
  let_go.set_value();
  holder.get();
}

TEST_F(DispatcherTest, BeyondTheQueuesBoundACallIsRefusedAtOnce) {
  Dispatcher dispatcher(token_, {.workers = 1, .deadline = base::minutes(1), .queue_max = 2});
  token_.hang(Call::hmac);
  auto hung = launch(dispatcher.hmac(mac_, message("0")));
  token_.await_hanging(1);
  auto first = launch(dispatcher.random(8));
  auto second = launch(dispatcher.random(8));
  const auto third = sync_wait(dispatcher.random(8));
  ASSERT_FALSE(third);
  EXPECT_TRUE(third.error().is(QueueErrc::full)) << "and not that the HSM is away";
  sync_wait(dispatcher.hop());  // one who must settle a charge is neither refused nor kept waiting
  EXPECT_TRUE(dispatcher.healthy()) << "overload is no illness";
  token_.heal();
  EXPECT_TRUE(hung.get() && first.get() && second.get());
}

TEST_F(DispatcherTest, OneWorkerAndOneDeciderKeepTheOrder) {
  Dispatcher dispatcher(token_, {.workers = 1, .deciders = 1});
  token_.hang(Call::random);
  auto gate = launch(dispatcher.random(1));
  token_.await_hanging(1);
  std::vector<int> order;  // the one decider writes it
  std::vector<std::future<bool>> all;
  for (int i = 0; i < 100; ++i) {
    const auto numbered = [](Dispatcher& d, std::vector<int>& out, int n) -> base::Task<bool> {
      const auto made = co_await d.random(1);
      out.push_back(n);
      co_return static_cast<bool>(made);
    };
    all.push_back(launch(numbered(dispatcher, order, i)));
  }
  token_.heal();
  for (auto& one : all) EXPECT_TRUE(one.get());
  ASSERT_EQ(order.size(), 100U);
  EXPECT_TRUE(std::ranges::is_sorted(order));
}

TEST_F(DispatcherTest, DestructionRunsWhatIsQueuedAndWaitsForWhatHangs) {
  std::vector<std::future<base::Result<base::Digest>>> all;
  std::thread destroyer;
  {
    auto dispatcher = std::make_unique<Dispatcher>(token_, DispatcherOptions{.workers = 2});
    token_.hang(Call::hmac);
    for (int i = 0; i < 20; ++i) all.push_back(launch(dispatcher->hmac(mac_, message("x"))));
    token_.await_hanging(2);
    destroyer = std::thread([owned = std::move(dispatcher)]() mutable { owned.reset(); });
  }
  token_.heal();
  destroyer.join();
  for (auto& one : all) EXPECT_TRUE(one.get());
}

base::Task<base::Result<base::Digest>> chain(Dispatcher& dispatcher, KeyRef key, int length) {
  base::Digest last{};
  for (int i = 0; i < length; ++i) {
    SIGILLO_CO_TRY(last, co_await dispatcher.hmac(key, base::Secret(last)));
  }
  co_return last;
}

TEST_F(DispatcherTest, ManyCoroutinesOfManyCallsAllEndRight) {
  base::Digest expected{};
  for (int i = 0; i < 50; ++i) expected = *token_.hmac(mac_, expected);
  Dispatcher dispatcher(token_, {.workers = 4});
  std::vector<std::future<base::Result<base::Digest>>> all;
  for (int i = 0; i < 200; ++i) all.push_back(launch(chain(dispatcher, mac_, 50)));
  for (auto& one : all) {
    const auto result = one.get();
    ASSERT_TRUE(result);
    EXPECT_EQ(*result, expected);
  }
}

// Answers race with their deadline: each coroutine is resumed once, whoever wins.
TEST_F(DispatcherTest, AtTheDeadlineEitherWinsAndNeverBoth) {
  Dispatcher dispatcher(token_, {.workers = 2, .deadline = {1}});
  std::vector<std::future<base::Result<base::Digest>>> all;
  for (int i = 0; i < 5'000; ++i) all.push_back(launch(dispatcher.hmac(mac_, message("x"))));
  std::size_t good = 0;
  std::size_t late = 0;
  for (auto& one : all) {
    const auto result = one.get();
    if (result)
      ++good;
    else if (result.error().is(Errc::deadline) || result.error().is(Errc::unavailable) ||
             result.error().is(QueueErrc::overdue) || result.error().is(QueueErrc::full))
      ++late;
  }
  EXPECT_EQ(good + late, all.size());
}

TEST_F(DispatcherTest, ARequestThatIsWrongInItselfIsNoIllness) {
  Dispatcher dispatcher(token_, {});
  EXPECT_TRUE(sync_wait(dispatcher.hmac(KeyRef(), message("x"))).error().is(Errc::no_such_key));
  EXPECT_TRUE(dispatcher.healthy());
  token_.fail(Call::hmac, 1, Errc::unavailable);
  EXPECT_FALSE(sync_wait(dispatcher.hmac(mac_, message("x"))));
  EXPECT_FALSE(dispatcher.healthy());
}

TEST_F(DispatcherTest, AKeyThatWasThereAndIsGoneIsAnIllness) {
  Dispatcher dispatcher(token_, {});
  ASSERT_TRUE(token_.destroy_key({"sigillo.mac"}));
  EXPECT_TRUE(sync_wait(dispatcher.hmac(mac_, message("x"))).error().is(Errc::no_such_key));
  EXPECT_FALSE(dispatcher.healthy());
}

TEST_F(DispatcherTest, ACallThatSucceedsSaysNothingOfTheOneThatFailed) {
  Dispatcher dispatcher(token_, {});
  token_.fail(Call::hmac, 1, Errc::unavailable);
  EXPECT_FALSE(sync_wait(dispatcher.hmac(mac_, message("x"))));
  EXPECT_TRUE(sync_wait(dispatcher.random(8)));
  EXPECT_TRUE(sync_wait(dispatcher.hmac(mac_, message("x"))));
  EXPECT_FALSE(dispatcher.healthy());
  dispatcher.set_healthy(true);
  EXPECT_TRUE(dispatcher.healthy());
}

}  // namespace
}  // namespace sigillo::hsm
