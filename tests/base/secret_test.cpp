#include <base/log.hpp>
#include <base/secret.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <concepts>
#include <ostream>
#include <type_traits>

namespace sigillo::base {
namespace {

template <class T>
concept Printable = requires(std::ostream& out, const T& value) {
  out << value;
};

static_assert(!std::is_copy_constructible_v<Secret> && !std::is_copy_assignable_v<Secret>);
static_assert(std::is_nothrow_move_constructible_v<Secret>);
static_assert(!Printable<Secret>);
static_assert(!std::equality_comparable<Secret>, "only in constant time");
static_assert(!std::is_constructible_v<log::Field, std::string_view, const Secret&>,
              "the log takes no secret");

TEST(Secret, AMoveLeavesNothingBehind) {
  Secret from(view("K7QF"));
  Secret to(std::move(from));
  EXPECT_EQ(to.expose_text(), "K7QF");
  EXPECT_TRUE(from.empty());  // NOLINT(bugprone-use-after-move): that is what is asked
  Secret other(view("other"));
  other = std::move(to);
  EXPECT_EQ(other.expose_text(), "K7QF");
  EXPECT_EQ(to.expose().data(), nullptr);
}

TEST(Secret, ANewOneIsZeroedAndAWipedOneIsEmpty) {
  Secret secret(64);
  for (const Byte byte : secret.expose()) EXPECT_EQ(byte, 0);
  secret.writable()[0] = 1;
  secret.wipe();
  EXPECT_TRUE(secret.empty());
  secret.wipe();
}

TEST(Secret, PartsAreJoinedInTheirOrder) {
  EXPECT_EQ(Secret::concat({view("AB"), {}, view("C")}).expose_text(), "ABC");
  EXPECT_TRUE(Secret::concat({}).empty());
}

TEST(Secret, AComparisonSeesEveryByteAndTheLength) {
  const Secret a(view("ABCD2345"));
  EXPECT_TRUE(constant_time_equal(a, a.clone()));
  for (std::size_t i = 0; i < a.size(); ++i) {
    Secret b = a.clone();
    b.writable()[i] ^= 1;
    EXPECT_FALSE(constant_time_equal(a, b)) << i;
  }
  EXPECT_FALSE(constant_time_equal(a.expose(), a.expose().first(7)));
  EXPECT_TRUE(constant_time_equal(Secret(), Secret()));
}

TEST(Secret, WhatWasASecretsWayInIsOverwritten) {
  std::string body = "the pin is K7QF-2M9X and this is longer than a short string";
  const char* const place = body.data();
  const std::size_t size = body.size();
  wipe(body);
  EXPECT_TRUE(body.empty());
  EXPECT_EQ(std::count(place, place + size, '\0'), static_cast<std::ptrdiff_t>(size));
  Bytes bytes{1, 2, 3};
  wipe(bytes);
  EXPECT_EQ(bytes, (Bytes{0, 0, 0}));
}

}  // namespace
}  // namespace sigillo::base
