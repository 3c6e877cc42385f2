// Who is told by which record of the head.
#include "witness_thread.hpp"

#include <vector>

#include "testing.hpp"

namespace sigillo::sealed_store::testing {
namespace {

// A record begins when the thread asks for it, and ends when the test lets it.
class StepWitness final : public HeadWitness {
 public:
  base::Result<std::optional<Head>> recorded() override { return std::optional<Head>(); }
  base::Result<void> take_over(const Head&) override { return base::ok(); }
  base::Result<void> record(const Head& head) override {
    std::unique_lock lock(mutex_);
    begun_.push_back(head.seq);
    changed_.notify_all();
    changed_.wait(lock, [this, mine = begun_.size()] { return mine <= let_end_; });
    return base::ok();
  }

  std::uint64_t begun(std::size_t which) {  // the head that it records
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return begun_.size() >= which; });
    return begun_[which - 1];
  }
  void let_end(std::size_t many) {
    const std::lock_guard lock(mutex_);
    let_end_ = many;
    changed_.notify_all();
  }
  std::size_t count() const {
    const std::lock_guard lock(mutex_);
    return begun_.size();
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::uint64_t> begun_;
  std::size_t let_end_ = 0;
};

struct WitnessThreads : ::testing::Test {
  ~WitnessThreads() override { witness.let_end(1'000'000); }
  void commit(std::uint64_t seq) {
    const std::lock_guard lock(state.mutex);
    state.head.seq = seq;
  }
  WitnessThread::Done tells(std::atomic<int>& many) {
    return [&many](const base::Result<void>& recorded) {
      EXPECT_OK(recorded);
      ++many;
      many.notify_all();
    };
  }
  static void wait_for(std::atomic<int>& many, int wanted) {
    for (int now = many; now < wanted; now = many) many.wait(now);
  }

  State state{base::Secret(32)};
  StepWitness witness;
  WitnessThread thread{witness, options(""), state, Head{}, [](bool) {}};
};

TEST_F(WitnessThreads, who_asks_while_a_record_is_made_is_told_by_it_where_their_entry_is_in_it) {
  std::atomic<int> first = 0;
  std::atomic<int> later = 0;
  commit(7);
  thread.await(tells(first));
  EXPECT_EQ(witness.begun(1), 7u);
  thread.await(tells(first));  // of the same commit
  commit(8);
  thread.await(tells(later));
  witness.let_end(1);
  EXPECT_EQ(witness.begun(2), 8u);
  EXPECT_EQ(first, 2);
  EXPECT_EQ(later, 0);
  witness.let_end(2);
  wait_for(later, 1);
}

TEST_F(WitnessThreads, a_record_does_not_begin_just_before_a_commit_under_way_ends) {
  const base::Bytes work(16 << 20);
  std::atomic<int> told = 0;
  int asked = 0;
  std::uint64_t seq = 1;
  int together = 0;
  constexpr int kRounds = 20;
  for (int round = 0; round < kRounds; ++round) {
    // One that takes a while: as long is a commit waited for after it.
    const auto slow = witness.count() + 1;
    commit(++seq);
    thread.await(tells(told));
    EXPECT_EQ(witness.begun(slow), seq);
    static_cast<void>(base::sha256({work}));
    witness.let_end(slow);
    wait_for(told, ++asked);

    thread.coming(true);
    commit(++seq);
    thread.await(tells(told));
    static_cast<void>(base::sha256({base::ByteView(work).first(1 << 19)}));  // time to begin, wrongly
    commit(++seq);
    thread.await(tells(told));
    thread.coming(false);
    together += witness.begun(slow + 1) == seq ? 1 : 0;
    witness.let_end(slow + 2);
    wait_for(told, asked += 2);
  }
  EXPECT_GE(together, kRounds / 4) << "of " << kRounds;  // this thread may be held up for longer
}

TEST_F(WitnessThreads, a_commit_that_does_not_end_holds_up_nobody) {
  std::atomic<int> told = 0;
  witness.let_end(10);
  thread.coming(true);
  commit(3);
  thread.await(tells(told));
  thread.await(tells(told));
  thread.coming(true);  // and the next
  thread.stop();
  EXPECT_EQ(told, 2);
}

}  // namespace
}  // namespace sigillo::sealed_store::testing
