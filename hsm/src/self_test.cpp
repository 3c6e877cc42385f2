#include <algorithm>
#include <array>

#include "ec_public.hpp"
#include "pkcs11_token_impl.hpp"

namespace sigillo::hsm {
namespace {

base::Error failed(const char* what) {
  return {Errc::self_test, what};
}

// RFC 4231, 4.3 (test case 2): the key "Jefe", here with the zeros that HMAC itself fills a short key with
// (FIPS 198-1, section 4, step 3), for modules refuse one shorter than the digest (SoftHSM2:
// CKR_KEY_SIZE_RANGE).
constexpr base::ByteArray<32> kHmacKey = {'J', 'e', 'f', 'e'};
constexpr std::string_view kHmacMessage = "what do ya want for nothing?";
constexpr base::Digest kHmacAnswer = {0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24,
                                      0x26, 0x08, 0x95, 0x75, 0xc7, 0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27,
                                      0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43};

base::Result<void> test_hmac(Lease& lease) {
  Template attributes;
  attributes.number(CKA_CLASS, CKO_SECRET_KEY).number(CKA_KEY_TYPE, CKK_GENERIC_SECRET);
  attributes.flag(CKA_TOKEN, false).flag(CKA_SIGN, true).bytes(CKA_VALUE, kHmacKey);
  SIGILLO_TRY(const auto key, create_object(lease, lease.session(), attributes));
  base::Digest out{};
  const auto signed_well = sign_with(lease, key, CKM_SHA256_HMAC, base::view(kHmacMessage), out);
  SIGILLO_CHECK(destroy_object(lease, key));
  SIGILLO_CHECK(signed_well);
  return out == kHmacAnswer ? base::ok() : failed("HMAC-SHA256 does not give the known answer");
}

base::Result<void> test_ecdsa(Lease& lease, KeyType type) {
  SIGILLO_TRY(const auto pair, generate_pair(lease, nullptr, type));
  base::Bytes digest(coordinate_bytes(type), 0x5a);
  const auto point = read_point(lease, pair.first, type);
  const auto signature = ecdsa(lease, {pair.second, type}, digest);
  SIGILLO_CHECK(destroy_object(lease, pair.first));
  SIGILLO_CHECK(destroy_object(lease, pair.second));
  SIGILLO_CHECK(point);
  SIGILLO_CHECK(signature);
  if (!verify(type, *point, digest, *signature)) return failed("an ECDSA signature does not verify");
  digest[0] ^= 1;
  if (verify(type, *point, digest, *signature))
    return failed("an ECDSA signature verifies for another digest");
  return base::ok();
}

// Not a test of its quality (SP 800-90B is the module's matter): that it is neither stuck nor absent.
base::Result<void> test_random(Token& token) {
  std::array<base::ByteArray<32>, 2> samples{};
  for (auto& sample : samples) {
    SIGILLO_CHECK(token.random(sample));
    if (std::ranges::count(sample, sample[0]) == 32) return failed("the random generator is stuck");
  }
  return samples[0] != samples[1] ? base::ok() : failed("the random generator repeats itself");
}

base::Result<void> test_data(Token& token) {
  base::Bytes mark(16);
  SIGILLO_CHECK(token.random(mark));
  const std::string label = "sigillo.self-test." + base::to_hex(mark);
  SIGILLO_TRY(const auto handle, token.create_data(label, mark));
  const auto listed = token.list_data(label);
  SIGILLO_CHECK(token.destroy_data(handle));
  SIGILLO_CHECK(listed);
  if (listed->size() != 1 || listed->front().value != mark)
    return failed("a data object is not read as it was written");
  SIGILLO_TRY(const auto after, token.list_data(label));
  return after.empty() ? base::ok() : failed("a destroyed data object is still there");
}

}  // namespace

base::Result<void> Pkcs11Token::self_test() {
  SIGILLO_CHECK(impl_->with_objects(Retry::idempotent, test_hmac));
  for (const KeyType type : {KeyType::ec_p256, KeyType::ec_p384}) {
    const auto work = [type](Lease& lease) { return test_ecdsa(lease, type); };
    SIGILLO_CHECK(impl_->with_objects(Retry::idempotent, work));
  }
  SIGILLO_CHECK(test_random(*this));
  return test_data(*this);
}

}  // namespace sigillo::hsm
