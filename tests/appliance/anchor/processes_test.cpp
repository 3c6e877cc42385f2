// Two real processes on one SoftHSM2: what the anchor's protocol asks of the module, and what the protocol
// holds: kills at every call, and copies that race.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <sstream>

#include <support/softhsm_fixture.hpp>

extern char** environ;

namespace sigillo::appliance {
namespace {

class Process {
 public:
  Process() {
    testing::softhsm_options();  // the token, initialised
    int in[2], out[2];
    if (::pipe(in) != 0 || ::pipe(out) != 0) std::abort();
    for (const int ours : {in[1], out[0]}) ::fcntl(ours, F_SETFD, FD_CLOEXEC);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    for (const int theirs : {in[0], out[1]}) posix_spawn_file_actions_addclose(&actions, theirs);
    const char* arguments[] = {SIGILLO_ANCHOR_PEER, nullptr};
    if (posix_spawn(&pid_, SIGILLO_ANCHOR_PEER, &actions, nullptr, const_cast<char**>(arguments), environ) !=
        0)
      std::abort();
    posix_spawn_file_actions_destroy(&actions);
    ::close(in[0]);
    ::close(out[1]);
    to_ = ::fdopen(in[1], "w");
    from_ = ::fdopen(out[0], "r");
  }
  // Ended by its own hand. Killed while it connects anew, SoftHSM2 may have emptied the token's own file,
  // which each login rewrites, and no process would find the token again.
  ~Process() {
    std::fclose(to_);
    ::waitpid(pid_, nullptr, 0);
    std::fclose(from_);
  }
  Process(const Process&) = delete;

  void tell(const std::string& line) {
    std::fprintf(to_, "%s\n", line.c_str());
    std::fflush(to_);
  }
  std::string hear() {  // "" once it is dead
    char line[4096];
    if (std::fgets(line, sizeof line, from_) == nullptr) return "";
    return std::string(line, std::string_view(line).find('\n'));
  }
  std::string ask(const std::string& line) {
    tell(line);
    return hear();
  }

 private:
  pid_t pid_ = -1;
  FILE* to_ = nullptr;
  FILE* from_ = nullptr;
};

std::uint64_t number(const std::string& text) {
  return std::strtoull(text.c_str(), nullptr, 10);
}

class AnchorOfTwo : public ::testing::Test {
 protected:
  // One that serves from what the token shows; the first of a token founds it.
  std::unique_ptr<Process> serve(const std::string& branch) {
    auto process = std::make_unique<Process>();
    const auto found = process->ask("recorded");
    EXPECT_EQ(process->ask("takeover " + branch + " " + std::to_string(found == "none" ? 0 : number(found))),
              "ok");
    return process;
  }
};

TEST(TwoProcesses, AnObjectIsDestroyedOnce) {
  Process a, b;
  for (int round = 0; round < 100; ++round) {
    const std::string name = "once-" + std::to_string(round);
    ASSERT_EQ(a.ask("create " + name), "ok");
    ASSERT_NE(b.ask("anew").find(name), std::string::npos);
    a.tell("destroy " + name);
    b.tell("destroy " + name);
    const bool by_a = a.hear() == "ok", by_b = b.hear() == "ok";
    ASSERT_NE(by_a, by_b) << "round " << round;
    ASSERT_NE(a.ask("destroy " + name), "ok") << "nor later";
    ASSERT_NE(b.ask("destroy " + name), "ok");
  }
}

TEST(TwoProcesses, AHandleOfADestroyedObjectIsNeverThatOfAnother) {
  Process a, b;
  ASSERT_EQ(a.ask("create first"), "ok");
  ASSERT_NE(b.ask("anew").find("first"), std::string::npos);
  ASSERT_EQ(b.ask("destroy first"), "ok");
  for (int i = 0; i < 50; ++i) ASSERT_EQ(a.ask("create later-" + std::to_string(i)), "ok");
  EXPECT_NE(a.ask("destroy first"), "ok");
  const auto left = a.ask("anew");
  for (int i = 0; i < 50; ++i) {
    EXPECT_NE(left.find("later-" + std::to_string(i)), std::string::npos);
    EXPECT_EQ(a.ask("destroy later-" + std::to_string(i)), "ok");
  }
}

// B makes an object after A did, without having looked between: SoftHSM2 2.6.1 then shows B no list with A's.
TEST(TwoProcesses, AListAnewShowsWhatAnotherMadeBeforeOneself) {
  Process a, b;
  b.ask("list");
  ASSERT_EQ(a.ask("create theirs"), "ok");
  ASSERT_EQ(b.ask("create ours"), "ok");
  RecordProperty("a plain list shows it", b.ask("list").find("theirs") != std::string::npos ? 1 : 0);
  EXPECT_NE(b.ask("anew").find("theirs"), std::string::npos);
  EXPECT_EQ(b.ask("destroy theirs"), "ok");
  EXPECT_EQ(b.ask("destroy ours"), "ok");
}

// What an anchor's cells rest on: what one process wrote is what the other reads after that, whatever it has
// read or made before, and what one destroyed the other cannot read nor write.
TEST(TwoProcesses, WhatOneWroteTheOtherReadsAndWhatOneDestroyedIsGone) {
  Process a, b;
  for (int round = 0; round < 20; ++round) {
    const std::string name = "cell-" + std::to_string(round);
    ASSERT_EQ(a.ask("cell " + name), "ok");
    ASSERT_NE(b.ask("anew").find(name), std::string::npos);
    for (int i = 0; i < 10; ++i) {
      const std::string value = name + "-" + std::to_string(i);
      ASSERT_EQ(a.ask("write " + name + " " + value), "ok");
      if (i == 5) {
        ASSERT_EQ(b.ask("create other-" + name), "ok");
      }
      ASSERT_EQ(b.ask("read " + name), value);
      ASSERT_EQ(b.ask("write " + name + " theirs"), "ok");
      ASSERT_EQ(a.ask("read " + name), "theirs");
    }
    ASSERT_EQ(b.ask("destroy " + name), "ok");
    ASSERT_NE(a.ask("read " + name), "theirs");
    ASSERT_NE(a.ask("write " + name + " late"), "ok");
    ASSERT_EQ(b.ask("anew").find("late"), std::string::npos);
    ASSERT_EQ(b.ask("destroy other-" + name), "ok");
  }
}

// A kill at any call of a start and of three records, with the call's effect and without: the next start
// finds all that was recorded, or one more that was under way, and serves.
TEST_F(AnchorOfTwo, AfterAKillAtAnyCallTheNextStartServes) {
  serve("k");
  for (const char* when : {"before", "after"}) {
    bool died = true;
    for (int call = 1; died; ++call) {
      SCOPED_TRACE(std::string(when) + " " + std::to_string(call));
      ASSERT_LT(call, 60);
      std::uint64_t sure = 0, tried = 0;
      {
        Process process;
        ASSERT_EQ(process.ask("die " + std::to_string(call) + " " + when), "ok");
        const auto found = process.ask("recorded");
        sure = tried = number(found);
        died = found.empty() || process.ask("takeover k " + found).empty();
        for (int i = 0; i < 3 && !died; ++i) {
          ++tried;
          const auto answer = process.ask("record k " + std::to_string(tried));
          died = answer.empty();
          if (!died) {
            ASSERT_EQ(answer, "ok");
            sure = tried;
          }
        }
      }
      Process next;
      const auto found = next.ask("recorded");
      ASSERT_FALSE(found.empty());
      ASSERT_NE(found, "none");
      if (sure > 0) {
        EXPECT_GE(number(found), sure);
        EXPECT_LE(number(found), tried);
      }
      ASSERT_EQ(next.ask("takeover k " + found), "ok");
      ASSERT_EQ(next.ask("record k " + std::to_string(number(found) + 1)), "ok");
    }
  }
}

// One records without pause while another starts, again and again, until that one has taken over. What the
// loser recorded last is never beyond what the winner was shown, and the loser is fenced.
TEST_F(AnchorOfTwo, OfTwoThatRaceOneGoesOn) {
  auto runs = serve("r");
  std::uint64_t seq = number(Process().ask("recorded"));
  int beside = 0;
  for (int round = 0; round < 25; ++round) {
    SCOPED_TRACE(round);
    auto starts = std::make_unique<Process>();
    for (bool taken = false; !taken;) {
      starts->tell("recorded");
      runs->tell("records r " + std::to_string(seq) + " " + std::to_string(round % 7));
      const auto shown = starts->hear();
      const bool may = !shown.empty() && shown.find_first_not_of("0123456789") == std::string::npos;
      if (may) starts->tell("takeover r " + shown);
      const auto last = runs->hear();
      seq = number(last);
      taken = may && starts->hear() == "ok";
      if (!taken) {
        ++beside;
        ASSERT_EQ(last.find(' '), std::string::npos) << "neither goes on: " << last;
        continue;
      }
      ASSERT_LE(seq, number(shown)) << "recorded by the loser, and unknown to the winner";
      // An error: it could not find out yet, as where the other's files were half written; never ok.
      auto told = runs->ask("check");
      for (int tries = 0; told.starts_with("error") && tries < 100; ++tries) told = runs->ask("check");
      ASSERT_EQ(told, "fenced");
      ASSERT_EQ(runs->ask("record r 1000000"), "fenced");
      seq = number(shown);
    }
    runs = std::move(starts);
    ASSERT_EQ(runs->ask("record r " + std::to_string(++seq)), "ok");
  }
  RecordProperty("starts that stopped", beside);
}

// Two that start at once: never both, and after them a third always.
TEST_F(AnchorOfTwo, OfTwoThatStartTogetherAtMostOneServes) {
  serve("s");
  int none = 0;
  for (int round = 0; round < 25; ++round) {
    SCOPED_TRACE(round);
    {
      Process a, b;
      a.tell("recorded");
      b.tell("recorded");
      const auto head_a = a.hear(), head_b = b.hear();
      a.tell("takeover s " + std::to_string(number(head_a)));
      b.tell("takeover s " + std::to_string(number(head_b)));
      const bool by_a = a.hear() == "ok", by_b = b.hear() == "ok";
      none += !by_a && !by_b;
      if (by_a && by_b) {  // one after the other: then the first is fenced
        const bool a_goes_on = a.ask("record s 7") == "ok", b_goes_on = b.ask("record s 7") == "ok";
        ASSERT_FALSE(a_goes_on && b_goes_on);
      }
    }
    serve("s");
  }
  RecordProperty("rounds without a winner", none);
}

}  // namespace
}  // namespace sigillo::appliance
