// With the arena locked, as in the appliance: where secrets are, and what is left where they were.
#include <base/secret.hpp>

#include <gtest/gtest.h>
#include <openssl/crypto.h>

#include <fstream>
#include <sstream>

namespace sigillo::base {
namespace {

constexpr std::size_t kArena = 1U << 20;

class SecretArena : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    ASSERT_TRUE(lock_secret_arena(kArena)) << "the memory lock limit is under 1 MiB";
  }
};

// The flags the kernel has for the mapping that holds an address.
std::string mapping_flags(const void* address) {
  std::ifstream maps("/proc/self/smaps");
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t from = 0;
    std::uintptr_t to = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &from, &to) == 2) inside = from <= wanted && wanted < to;
    if (inside && line.starts_with("VmFlags:")) return line + ' ';
  }
  return {};
}

TEST_F(SecretArena, ASecretIsLockedAndLeftOutOfCoreDumps) {
  const Secret secret(view("K7QF2M9X"));
  EXPECT_EQ(CRYPTO_secure_allocated(secret.expose().data()), 1);
  const std::string flags = mapping_flags(secret.expose().data());
  EXPECT_NE(flags.find(" lo "), std::string::npos) << flags;  // VM_LOCKED
  EXPECT_NE(flags.find(" dd "), std::string::npos) << flags;  // VM_DONTDUMP
}

TEST_F(SecretArena, NothingOfASecretIsLeftWhereItWas) {
  const Byte* place = nullptr;
  {
    const Secret secret(view("K7QF2M9X and a tail that makes it longer than any list pointer"));
    place = secret.expose().data();
  }
  // The arena's free list writes two pointers into a freed block; the rest must be zero.
  const ByteView after(place, 62);
  EXPECT_EQ(text(after).find("K7QF"), std::string_view::npos);
  for (std::size_t i = 2 * sizeof(void*); i < after.size(); ++i) EXPECT_EQ(after[i], 0) << i;
}

TEST_F(SecretArena, AFullArenaThrowsAndDoesNotSpillOntoTheHeap) {
  EXPECT_THROW(static_cast<void>(Secret(2 * kArena)), std::bad_alloc);
}

}  // namespace
}  // namespace sigillo::base
