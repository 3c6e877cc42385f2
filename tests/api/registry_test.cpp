// Who goes first when the places of those who are not authenticated yet are all taken.
#include <gtest/gtest.h>

#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "registry.hpp"

namespace sigillo::api::test {
namespace {

class Peer {
 public:
  Peer(Registry& registry, std::atomic<std::uint32_t>& taken) {
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends_.data()), 0);
    watch_.emplace(registry, ends_[0], Place(taken));
  }
  ~Peer() {
    watch_.reset();
    for (const int end : ends_) ::close(end);
  }
  Watch& watch() { return *watch_; }
  bool was_ended() const {
    char byte = 0;
    return ::recv(ends_[1], &byte, 1, MSG_DONTWAIT) == 0;
  }

 private:
  std::array<int, 2> ends_{};
  std::optional<Watch> watch_;
};

TEST(Registry_, TheOldestThatSaidNothingGoesAndWhoSpokeStays) {
  Registry registry;
  std::atomic<std::uint32_t> taken = 0;
  Peer first(registry, taken), spoke(registry, taken), known(registry, taken), last(registry, taken);
  spoke.watch().heard();
  known.watch().heard();
  known.watch().leave_place();
  EXPECT_EQ(taken, 3U);
  EXPECT_TRUE(registry.displace_one());
  EXPECT_TRUE(first.was_ended());
  EXPECT_FALSE(last.was_ended());
  EXPECT_EQ(taken, 2U);
  first.watch().leave_place();  // it sees its end later: the place is not given back twice
  EXPECT_EQ(taken, 2U);
  EXPECT_TRUE(registry.displace_one());
  EXPECT_TRUE(last.was_ended());
  EXPECT_FALSE(registry.displace_one());
  EXPECT_FALSE(spoke.was_ended());
  EXPECT_FALSE(known.was_ended());
  EXPECT_EQ(taken, 1U);
}

}  // namespace
}  // namespace sigillo::api::test
