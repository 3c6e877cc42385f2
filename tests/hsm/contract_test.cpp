// What every Token does, typed over the implementations: the fake is proved by the same scenarios as a real
// module.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <thread>

#include <hsm/fake_token.hpp>
#include <support/softhsm_fixture.hpp>

#include "contract.hpp"
#include "nss_token.hpp"

namespace sigillo::hsm {
namespace {

using test::expect_errc;
using test::fresh_label;

struct Fake {
  static constexpr bool kData = true;
  static constexpr bool kBackup = true;
  FakeToken token;
  FakeToken& get() { return token; }
  void plant_extractable(const KeyId& id) { token.plant_extractable(id); }
};

struct SoftHsm {
  static constexpr bool kData = true;
  static constexpr bool kBackup = true;
  Pkcs11Token& get() { return testing::softhsm_token(); }
  void plant_extractable(const KeyId& id) { test::RawModule().plant_extractable(id); }
};

// The soft token of NSS: keys, and no data objects (hsm/src/profile.cpp).
struct Nss {
  static constexpr bool kData = false;
  static constexpr bool kBackup = false;
  Pkcs11Token& get() { return test::nss_token(); }
  void plant_extractable(const KeyId& id) { test::nss_raw().plant_extractable(id); }
};

template <class T>
class TokenContract : public ::testing::Test {
 protected:
  T implementation_;
  CeremonyToken& token_ = implementation_.get();
};
#ifdef SIGILLO_CONTRACT_NSS
using Implementations = ::testing::Types<Nss>;
#else
using Implementations = ::testing::Types<Fake, SoftHsm>;
#endif
TYPED_TEST_SUITE(TokenContract, Implementations);

TYPED_TEST(TokenContract, RandomFillsAndDiffers) {
  base::Bytes a(1024), b(1024);
  ASSERT_TRUE(this->token_.random(a));
  ASSERT_TRUE(this->token_.random(b));
  EXPECT_NE(a, b);
  EXPECT_GT(std::set<base::Byte>(a.begin(), a.end()).size(), 100U);
  EXPECT_TRUE(this->token_.random({}));
  base::Bytes too_many(1025);
  expect_errc(this->token_.random(too_many), Errc::caller_fault);
}

TYPED_TEST(TokenContract, HmacIsAFunctionOfKeyAndMessage) {
  const auto one = this->token_.generate_key({fresh_label()}, KeyType::hmac_sha256);
  const auto two = this->token_.generate_key({fresh_label()}, KeyType::hmac_sha256);
  ASSERT_TRUE(one && two);
  const auto a = this->token_.hmac(*one, base::view("message"));
  ASSERT_TRUE(a);
  EXPECT_EQ(*a, *this->token_.hmac(*one, base::view("message")));
  EXPECT_NE(*a, *this->token_.hmac(*one, base::view("another")));
  EXPECT_NE(*a, *this->token_.hmac(*two, base::view("message")));
  EXPECT_TRUE(this->token_.hmac(*one, {}));
  EXPECT_TRUE(this->token_.hmac(*one, base::Bytes(4096)));
  expect_errc(this->token_.hmac(*one, base::Bytes(4097)), Errc::caller_fault);
}

TYPED_TEST(TokenContract, SignaturesVerifyUnderThePublicKey) {
  for (const auto& [type, size] : {std::pair{KeyType::ec_p256, 32U}, std::pair{KeyType::ec_p384, 48U}}) {
    const auto key = this->token_.generate_key({fresh_label()}, type);
    ASSERT_TRUE(key);
    const auto point = this->token_.public_key(*key);
    ASSERT_TRUE(point);
    EXPECT_EQ(point->size(), 2 * size + 1);
    base::Bytes digest(size, 0x42);
    const auto signature = this->token_.sign(*key, digest);
    ASSERT_TRUE(signature);
    EXPECT_EQ(signature->size(), 2 * size);
    EXPECT_TRUE(test::verify(type, *point, digest, *signature));
    digest[0] ^= 1;
    EXPECT_FALSE(test::verify(type, *point, digest, *signature));
    expect_errc(this->token_.sign(*key, base::Bytes(size - 1)), Errc::caller_fault);
    expect_errc(this->token_.hmac(*key, base::view("x")), Errc::caller_fault);
  }
}

TYPED_TEST(TokenContract, AMacKeyNeitherSignsNorHasAPublicHalf) {
  const auto key = this->token_.generate_key({fresh_label()}, KeyType::hmac_sha256);
  ASSERT_TRUE(key);
  expect_errc(this->token_.sign(*key, base::Bytes(32)), Errc::caller_fault);
  expect_errc(this->token_.public_key(*key), Errc::caller_fault);
}

TYPED_TEST(TokenContract, AnAbsentKeyIsNotFound) {
  const KeyId id{fresh_label()};
  expect_errc(this->token_.find_key(id), Errc::no_such_key);
  expect_errc(this->token_.find_key({id.label, 0}), Errc::no_such_key);
  expect_errc(this->token_.destroy_key(id), Errc::no_such_key);
  expect_errc(this->token_.hmac(KeyRef(), base::view("x")), Errc::no_such_key);
  expect_errc(this->token_.hmac(KeyRef(4'000'000), base::view("x")), Errc::no_such_key);
}

TYPED_TEST(TokenContract, ASecondKeyOfANameIsRefused) {
  const KeyId id{fresh_label()};
  ASSERT_TRUE(this->token_.generate_key(id, KeyType::hmac_sha256));
  expect_errc(this->token_.generate_key(id, KeyType::hmac_sha256), Errc::already_exists);
  expect_errc(this->token_.generate_key(id, KeyType::ec_p256), Errc::already_exists);
}

TYPED_TEST(TokenContract, ANameThatIsNotOursIsRefused) {
  expect_errc(this->token_.generate_key({"verifier", 1}, KeyType::hmac_sha256), Errc::caller_fault);
  expect_errc(this->token_.generate_key({fresh_label(), 0}, KeyType::hmac_sha256), Errc::caller_fault);
}

TYPED_TEST(TokenContract, VersionZeroIsTheNewest) {
  const std::string label = fresh_label();
  const auto first = this->token_.generate_key({label, 1}, KeyType::hmac_sha256);
  const auto tenth = this->token_.generate_key({label, 10}, KeyType::hmac_sha256);
  ASSERT_TRUE(first && tenth);
  const auto newest = this->token_.find_key({label, 0});
  ASSERT_TRUE(newest);
  EXPECT_EQ(*this->token_.hmac(*newest, base::view("x")), *this->token_.hmac(*tenth, base::view("x")));
  EXPECT_NE(*this->token_.hmac(*newest, base::view("x")), *this->token_.hmac(*first, base::view("x")));
}

TYPED_TEST(TokenContract, AKeyThatCanBeExportedIsRefused) {
  const KeyId id{fresh_label()};
  this->implementation_.plant_extractable(id);
  expect_errc(this->token_.find_key(id), Errc::bad_attributes);
}

TYPED_TEST(TokenContract, KeysAreListedByNameAndVersion) {
  const std::string label = fresh_label();
  ASSERT_TRUE(this->token_.generate_key({label, 2}, KeyType::ec_p384));
  ASSERT_TRUE(this->token_.generate_key({label, 1}, KeyType::hmac_sha256));
  ASSERT_TRUE(this->token_.generate_key({label, 3}, KeyType::ec_p256));
  const auto all = this->token_.list_keys();
  ASSERT_TRUE(all);
  std::vector<KeyInfo> ours;
  std::ranges::copy_if(*all, std::back_inserter(ours), [&](const KeyInfo& k) { return k.id.label == label; });
  ASSERT_EQ(ours.size(), 3U);
  EXPECT_EQ(ours[0].id.kid(), label + "-v1");
  EXPECT_EQ(ours[0].type, KeyType::hmac_sha256);
  EXPECT_EQ(ours[1].type, KeyType::ec_p384);
  EXPECT_EQ(ours[2].type, KeyType::ec_p256);
}

TYPED_TEST(TokenContract, ADestroyedKeyIsGoneForItsHoldersToo) {
  const KeyId mac{fresh_label()};
  const KeyId pair{fresh_label()};
  const auto mac_ref = this->token_.generate_key(mac, KeyType::hmac_sha256);
  const auto pair_ref = this->token_.generate_key(pair, KeyType::ec_p256);
  ASSERT_TRUE(mac_ref && pair_ref);
  ASSERT_TRUE(this->token_.hmac(*mac_ref, base::view("x")));
  ASSERT_TRUE(this->token_.destroy_key(mac));
  ASSERT_TRUE(this->token_.destroy_key(pair));
  expect_errc(this->token_.hmac(*mac_ref, base::view("x")), Errc::no_such_key);
  expect_errc(this->token_.sign(*pair_ref, base::Bytes(32)), Errc::no_such_key);
  expect_errc(this->token_.find_key(mac), Errc::no_such_key);
  ASSERT_TRUE(this->token_.generate_key(pair, KeyType::ec_p256))
      << "its public object must not be left behind";
}

TYPED_TEST(TokenContract, DataIsReplacedByMakingTheNewOneFirst) {
  if constexpr (!TypeParam::kData) GTEST_SKIP() << "keeps no data objects";
  const std::string label = fresh_label();
  ASSERT_TRUE(this->token_.list_data(label)->empty());
  const auto old = this->token_.create_data(label, base::view("one"));
  ASSERT_TRUE(old);
  const auto now = this->token_.create_data(label, base::view("two"));
  ASSERT_TRUE(now);
  EXPECT_EQ(this->token_.list_data(label)->size(), 2U);
  ASSERT_TRUE(this->token_.destroy_data(*old));
  const auto left = this->token_.list_data(label);
  ASSERT_TRUE(left);
  ASSERT_EQ(left->size(), 1U);
  EXPECT_EQ(base::text(left->front().value), "two");
  EXPECT_EQ(left->front().handle, *now);
  expect_errc(this->token_.destroy_data(*old), Errc::no_such_key);
  EXPECT_TRUE(this->token_.destroy_data(*now));
}

TYPED_TEST(TokenContract, DataOfAnyLengthIsReadWhole) {
  if constexpr (!TypeParam::kData) GTEST_SKIP() << "keeps no data objects";
  const std::string label = fresh_label();
  for (const std::size_t size : {1U, 61U, 255U, 256U, 257U, 511U, 512U, 513U, 2000U}) {
    const base::Bytes value(size, static_cast<base::Byte>(size));
    const auto handle = this->token_.create_data(label, value);
    ASSERT_TRUE(handle);
    const auto listed = this->token_.list_data(label);
    ASSERT_TRUE(listed);
    ASSERT_EQ(listed->size(), 1U);
    EXPECT_EQ(listed->front().value, value);
    EXPECT_TRUE(this->token_.destroy_data(*handle));
  }
}

TYPED_TEST(TokenContract, DataOfOtherLabelsIsNotListed) {
  if constexpr (!TypeParam::kData) GTEST_SKIP() << "keeps no data objects";
  const std::string label = fresh_label();
  ASSERT_TRUE(this->token_.create_data(label, base::view("mine")));
  EXPECT_TRUE(this->token_.list_data(label + "x")->empty());
}

TYPED_TEST(TokenContract, RewritableDataIsRewrittenInItsPlace) {
  if constexpr (!TypeParam::kData) GTEST_SKIP() << "keeps no data objects";
  const std::string label = fresh_label();
  const auto fixed = this->token_.create_data(label, base::view("one"));
  const auto handle = this->token_.create_rewritable_data(label, base::view("one"));
  ASSERT_TRUE(fixed && handle);
  EXPECT_NE(*fixed, *handle);
  for (const std::string value : {"two", "one", "three"}) {
    ASSERT_TRUE(this->token_.rewrite_data(*handle, base::view(value)));
    const auto read = this->token_.read_data(*handle);
    ASSERT_TRUE(read);
    EXPECT_EQ(base::text(*read), value);
    const auto listed = this->token_.list_data(label);
    ASSERT_TRUE(listed);
    std::map<DataHandle, std::string> values;
    for (const auto& object : *listed) values[object.handle] = base::text(object.value);
    EXPECT_EQ(values, (std::map<DataHandle, std::string>{{*fixed, "one"}, {*handle, value}}));
    EXPECT_EQ(listed->size(), 2U);
  }
  EXPECT_EQ(base::text(*this->token_.read_data(*fixed)), "one");
  expect_errc(this->token_.rewrite_data(*fixed, base::view("two")), Errc::caller_fault);
  EXPECT_EQ(base::text(*this->token_.read_data(*fixed)), "one");
  ASSERT_TRUE(this->token_.destroy_data(*handle));
  expect_errc(this->token_.destroy_data(*handle), Errc::no_such_key);
  expect_errc(this->token_.rewrite_data(*handle, base::view("four")), Errc::no_such_key);
  expect_errc(this->token_.read_data(*handle), Errc::no_such_key);
  expect_errc(this->token_.read_data(4'000'000), Errc::no_such_key);
  const auto left = this->token_.list_data(label);
  ASSERT_TRUE(left);
  ASSERT_EQ(left->size(), 1U);
  EXPECT_EQ(left->front().handle, *fixed);
  EXPECT_TRUE(this->token_.destroy_data(*fixed));
}

TYPED_TEST(TokenContract, RewritableDataOfAnyLengthIsReadWhole) {
  if constexpr (!TypeParam::kData) GTEST_SKIP() << "keeps no data objects";
  const std::string label = fresh_label();
  const auto handle = this->token_.create_rewritable_data(label, base::Bytes(128, 0xff));
  ASSERT_TRUE(handle);
  EXPECT_EQ(*this->token_.read_data(*handle), base::Bytes(128, 0xff));
  for (std::size_t size = 1; size <= 128; ++size) {
    base::Bytes value(size);
    for (std::size_t i = 0; i < size; ++i) value[i] = static_cast<base::Byte>(i + 2 * size);
    ASSERT_TRUE(this->token_.rewrite_data(*handle, value));
    const auto read = this->token_.read_data(*handle);
    ASSERT_TRUE(read);
    EXPECT_EQ(*read, value);
  }
  EXPECT_EQ(this->token_.list_data(label)->front().value.size(), 128U);
  for (const std::size_t size : {255U, 256U, 257U, 600U}) {
    ASSERT_TRUE(this->token_.rewrite_data(*handle, base::Bytes(size, 7)));
    EXPECT_EQ(*this->token_.read_data(*handle), base::Bytes(size, 7));
    EXPECT_EQ(this->token_.list_data(label)->front().value.size(), size);
  }
  EXPECT_TRUE(this->token_.destroy_data(*handle));
}

TYPED_TEST(TokenContract, RewritableDataOfOtherLabelsIsNotListed) {
  if constexpr (!TypeParam::kData) GTEST_SKIP() << "keeps no data objects";
  const std::string label = fresh_label();
  ASSERT_TRUE(this->token_.create_rewritable_data(label, base::view("mine")));
  EXPECT_TRUE(this->token_.list_data(label + "x")->empty());
  EXPECT_TRUE(this->token_.list_data(base::to_hex(base::view("mine")))->empty());
  EXPECT_EQ(this->token_.list_data(label)->size(), 1U);
}

TYPED_TEST(TokenContract, EightThreadsGetTheAnswersOfOne) {
  const auto mac = this->token_.generate_key({fresh_label()}, KeyType::hmac_sha256);
  const auto pair = this->token_.generate_key({fresh_label()}, KeyType::ec_p256);
  ASSERT_TRUE(mac && pair);
  const auto expected = *this->token_.hmac(*mac, base::view("message"));
  const auto point = *this->token_.public_key(*pair);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      const std::string label = fresh_label();
      for (int i = 0; i < 40; ++i) {
        const auto answer = this->token_.hmac(*mac, base::view("message"));
        if (!answer || *answer != expected) ++wrong;
        const base::Bytes digest(32, static_cast<base::Byte>(t * 40 + i));
        const auto signature = this->token_.sign(*pair, digest);
        if (!signature || !test::verify(KeyType::ec_p256, point, digest, *signature)) ++wrong;
        base::Bytes sample(16);
        if (!this->token_.random(sample)) ++wrong;
        if constexpr (!TypeParam::kData) continue;
        const auto handle = this->token_.create_data(label, digest);
        const auto listed = this->token_.list_data(label);
        if (!handle || !listed || listed->size() != 1 || !this->token_.destroy_data(*handle)) ++wrong;
        const auto kept = this->token_.create_rewritable_data(label, base::view("x"));
        if (!kept || !this->token_.rewrite_data(*kept, digest)) ++wrong;
        const auto read = this->token_.read_data(*kept);
        if (!read || *read != digest || !this->token_.destroy_data(*kept)) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TYPED_TEST(TokenContract, SelfTestPassesAndLeavesNothing) {
  if constexpr (!TypeParam::kData) GTEST_SKIP() << "keeps no data objects";
  const auto before = this->token_.list_keys()->size();
  const auto passed = this->token_.self_test();
  EXPECT_TRUE(passed) << passed.error().detail() << " raw " << passed.error().raw();
  EXPECT_EQ(this->token_.list_keys()->size(), before);
  EXPECT_GE(this->token_.parallelism(), 1U);
}

base::Secret wrapping_key(base::Byte first = 1) {
  base::Secret key(kWrappingKeyBytes);
  key.writable()[0] = first;
  return key;
}

constexpr KeyType kTypes[] = {KeyType::hmac_sha256, KeyType::ec_p256, KeyType::ec_p384};

TYPED_TEST(TokenContract, AnOpenKeyIsNotFoundForUse) {
  for (const KeyType type : kTypes) {
    const KeyId id{fresh_label()};
    ASSERT_TRUE(this->token_.generate_open_key(id, type));
    expect_errc(this->token_.find_key(id), Errc::no_such_key);
    expect_errc(this->token_.find_key(open_name(id)), Errc::bad_attributes);
    expect_errc(this->token_.generate_open_key(id, type), Errc::already_exists);
    EXPECT_TRUE(this->token_.destroy_open_key(id));
    expect_errc(this->token_.destroy_open_key(id), Errc::no_such_key);
  }
}

TYPED_TEST(TokenContract, AWrappedKeyComesBackAsTheSameKeyClosed) {
  if constexpr (!TypeParam::kBackup)
    GTEST_SKIP() << "an open key and its closed copy get into each other's way";
  for (const KeyType type : kTypes) {
    const KeyId id{fresh_label()};
    ASSERT_TRUE(this->token_.generate_open_key(id, type));
    const auto wrapped = this->token_.wrap_open_key(id, wrapping_key());
    ASSERT_TRUE(wrapped) << wrapped.error().detail() << " raw " << wrapped.error().raw();
    EXPECT_EQ(wrapped->check_value.size(), kCheckValueBytes);
    EXPECT_EQ(wrapped->point.empty(), type == KeyType::hmac_sha256);
    const auto key = this->token_.unwrap_key(*wrapped, wrapping_key());
    ASSERT_TRUE(key) << key.error().detail() << " raw " << key.error().raw();
    EXPECT_EQ(*check_value(this->token_, *key, type), wrapped->check_value);
    expect_errc(this->token_.unwrap_key(*wrapped, wrapping_key()), Errc::already_exists);
    ASSERT_TRUE(this->token_.destroy_open_key(id));
    expect_errc(this->token_.wrap_open_key(id, wrapping_key()), Errc::no_such_key);
    EXPECT_EQ(*check_value(this->token_, *this->token_.find_key(id), type), wrapped->check_value);
  }
}

TYPED_TEST(TokenContract, AnotherWrappingKeyOrAnotherKeysBytesGiveNothing) {
  if constexpr (!TypeParam::kBackup)
    GTEST_SKIP() << "an open key and its closed copy get into each other's way";
  for (const KeyType type : kTypes) {
    const KeyId one{fresh_label()}, two{fresh_label()};
    ASSERT_TRUE(this->token_.generate_open_key(one, type));
    ASSERT_TRUE(this->token_.generate_open_key(two, type));
    auto wrapped = this->token_.wrap_open_key(one, wrapping_key());
    const auto other = this->token_.wrap_open_key(two, wrapping_key());
    ASSERT_TRUE(wrapped && other);
    EXPECT_NE(wrapped->check_value, other->check_value);
    EXPECT_FALSE(this->token_.unwrap_key(*wrapped, wrapping_key(2)));
    wrapped->wrapped = other->wrapped;
    expect_errc(this->token_.unwrap_key(*wrapped, wrapping_key()), Errc::bad_attributes);
    expect_errc(this->token_.find_key(one), Errc::no_such_key);
    expect_errc(this->token_.wrap_open_key(one, base::Secret(16)), Errc::caller_fault);
  }
}

}  // namespace
}  // namespace sigillo::hsm
