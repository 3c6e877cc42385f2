// kill -9 at random moments, again and again on one store: nothing that was acknowledged is missing
// afterwards.
#include <csignal>
#include <map>
#include <random>

#include <spawn.h>
#include <sys/wait.h>

#include <sealed_store/store_copy.hpp>

#include "file_witness.hpp"
#include "testing.hpp"

namespace sigillo::sealed_store::testing {
namespace {

struct Books {
  std::map<std::uint32_t, std::pair<std::uint64_t, unsigned>> charged;  // last seq, failures
  std::map<std::uint32_t, std::uint64_t> versions;
  std::size_t acknowledged = 0;

  void read(FILE* from, std::size_t lines) {
    char what = 0;
    std::uint32_t n = 0;
    unsigned long long a = 0;
    unsigned b = 0;
    for (std::size_t i = 0; i < lines && std::fscanf(from, " %c %u %llu %u", &what, &n, &a, &b) == 4; ++i) {
      if (what == 'C') charged[n] = {a, b};
      if (what == 'R') versions[n] = a;
      ++acknowledged;
    }
  }
};

enum class Mode : std::uint8_t { writes, rekeys };

void kill_again_and_again(int rounds, Mode mode) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  TempFolder folder;
  auto with = options(folder / "store.db");
  ASSERT_OK(SqlCipherStore::create(with, keys()));
  Books books;
  std::size_t kills = 0, rekeyed = 0;
  for (int round = 0; round < rounds; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    std::string program = SIGILLO_CRASH_CHILD;
    std::string where = folder / "";
    std::string rekey = "rekey";
    char* arguments[] = {program.data(), where.data(), mode == Mode::rekeys ? rekey.data() : nullptr,
                         nullptr};
    pid_t child = 0;
    ASSERT_EQ(::posix_spawn(&child, program.c_str(), &actions, nullptr, arguments, environ), 0);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    FILE* said = ::fdopen(ends[0], "r");
    books.read(said, random() % 1500);
    ::kill(child, SIGKILL);
    books.read(said, SIZE_MAX);  // what it had said before it died
    std::fclose(said);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << status;
    ++kills;

    FileWitness witness(folder / "witness");
    const auto old_opens = opens_with(with.path, keys().page_key);
    const auto new_opens = opens_with(with.path, next_keys().page_key);
    ASSERT_OK(old_opens);
    ASSERT_OK(new_opens);
    ASSERT_NE(*old_opens, *new_opens) << "exactly one key opens the one file";
    rekeyed += *new_opens ? 1 : 0;
    auto store = SqlCipherStore::open(with, *old_opens ? keys() : next_keys(), witness);
    ASSERT_OK(store);
    for (const auto& [n, last] : books.charged) {
      const auto [seq, failures] = last;
      EXPECT_GE((*store)->guard(guard_key(n)).failures, failures) << "a guess was given back";
      const auto entries = (*store)->ledger(seq - 1, 1);
      ASSERT_OK(entries);
      ASSERT_EQ(entries->size(), 1u);
      EXPECT_EQ(entries->front().event.subject, subject(n));
    }
    for (const auto& [n, version] : books.versions) {
      const auto record = read(**store, n);
      ASSERT_NE(record[0], '!') << record;
      EXPECT_GE(std::stoull(record), version);
    }
    EXPECT_EQ(chain_of(**store), "holds");
  }
  ::testing::Test::RecordProperty("kills", static_cast<int>(kills));
  EXPECT_GT(books.acknowledged, 100u);
  std::printf("kills %zu, acknowledged %zu, found under the second keys %zu\n", kills, books.acknowledged,
              rekeyed);
}

TEST(Crash, nothing_acknowledged_is_missing_after_kill_9) {
  kill_again_and_again(25, Mode::writes);
}

TEST(Crash, killed_while_the_file_changes_its_keys_there_is_one_good_store_with_everything) {
  kill_again_and_again(8, Mode::rekeys);
}

}  // namespace
}  // namespace sigillo::sealed_store::testing
