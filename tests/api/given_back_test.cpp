// What a request leaves on the heap once it was read: memory that is given back is looked through.
#include <malloc.h>

#include <cstdlib>
#include <new>

#include <gtest/gtest.h>

#include "admit.hpp"

namespace {

thread_local std::string_view watched_for;
thread_local int found = 0;

void give_back(void* place) {
  if (place != nullptr && !watched_for.empty()) {
    const std::string_view block(static_cast<const char*>(place), malloc_usable_size(place));
    if (block.find(watched_for) != std::string_view::npos) ++found;
  }
  std::free(place);
}

}  // namespace

void* operator new(std::size_t size) {
  if (void* const place = std::malloc(size == 0 ? 1 : size)) return place;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return std::malloc(size == 0 ? 1 : size);
}
void operator delete(void* place) noexcept {
  give_back(place);
}
void operator delete(void* place, std::size_t) noexcept {
  give_back(place);
}

namespace sigillo::api::test {
namespace {

TEST(GivenBack, NoPinIsInWhatAReadRequestLeavesOnTheHeap) {
  const std::string body = R"({"subject":"RSSMRA85T10A562S","pin":"K7QF2M9X"})";
  watched_for = "K7QF2M9X";
  {
    const auto read = ask(appliance::Role::portal, "POST", "/v1/verifications", body);
    EXPECT_EQ(problem_of(read), nullptr);
  }
  watched_for = {};
  EXPECT_EQ(found, 0);
}

}  // namespace
}  // namespace sigillo::api::test
