#include <base/result.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace sigillo::base {
namespace {

enum class Errc : std::uint16_t { first = 901, second = 902 };

Result<int> half(int value) {
  if (value % 2 != 0) return Error(Errc::first, "odd", 7);
  return value / 2;
}
Result<int> quarter(int value) {
  SIGILLO_TRY(const int once, half(value));
  SIGILLO_TRY(const int twice, half(once));
  return twice;
}
Result<void> must_be_even(int value) {
  SIGILLO_TRY([[maybe_unused]] const int ignored, half(value));
  return ok();
}
Result<std::string> named(int value) {
  SIGILLO_CHECK(must_be_even(value));
  return std::string("even");
}

TEST(Result, AValueIsPassedOn) {
  const auto result = quarter(12);
  ASSERT_TRUE(result);
  EXPECT_EQ(*result, 3);
}

TEST(Result, AnErrorIsPassedOnWithWhereItWasMade) {
  const auto result = quarter(6);
  ASSERT_FALSE(result);
  EXPECT_TRUE(result.error().is(Errc::first));
  EXPECT_FALSE(result.error().is(Errc::second));
  EXPECT_EQ(result.error().number(), 901);
  EXPECT_EQ(result.error().raw(), 7U);
  EXPECT_STREQ(result.error().detail(), "odd");
  EXPECT_NE(std::string_view(result.error().where().function_name()).find("half"), std::string_view::npos);
}

TEST(Result, AnErrorOfVoidCrossesToAnotherType) {
  EXPECT_EQ(*named(2), "even");
  ASSERT_FALSE(named(3));
  EXPECT_TRUE(named(3).error().is(Errc::first));
}

TEST(Result, AMoveOnlyValueComesOutWhole) {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(5));
  const auto value = std::move(result).value();
  EXPECT_EQ(*value, 5);
}

TEST(Result, AskingAFailureForItsValueIsABug) {
  const auto result = half(1);
  EXPECT_THROW(static_cast<void>(result.value()), std::bad_variant_access);
}

}  // namespace
}  // namespace sigillo::base
