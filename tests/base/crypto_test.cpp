// Known answers of the standards; and that what was altered does not open.
#include <base/crypto.hpp>
#include <base/hmac_key.hpp>

#include <gtest/gtest.h>

#include <set>
#include <thread>

namespace sigillo::base {
namespace {

Secret secret_of_hex(std::string_view hex) {
  return Secret(*from_hex(hex));
}

TEST(Crypto, Sha256IsThatOfFips180) {
  EXPECT_EQ(to_hex(sha256({view("abc")})),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_hex(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256({view("a"), {}, view("bc")}), sha256({view("abc")}));
}

TEST(Crypto, HmacIsThatOfRfc4231) {
  EXPECT_EQ(to_hex(hmac_sha256(Secret(Bytes(20, 0x0b)), {view("Hi "), view("There")})),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(to_hex(hmac_sha256(Secret(view("Jefe")), {view("what do ya want for nothing?")})),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(to_hex(hmac_sha256(Secret(Bytes(131, 0xaa)),
                               {view("Test Using Larger Than Block-Size Key - Hash Key First")})),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(Crypto, AnHmacKeyGivesTheSameForEveryMessageFromEveryThread) {
  const HmacKey key(Secret(view("Jefe")));
  const auto ask = [&key] {
    for (int n = 0; n < 500; ++n) {
      const Bytes message(static_cast<std::size_t>(n), 0x5a);
      ASSERT_EQ(key({message, view("!")}), hmac_sha256(Secret(view("Jefe")), {message, view("!")}));
    }
  };
  std::thread other(ask);
  ask();
  other.join();
}

TEST(Crypto, HkdfIsThatOfRfc5869) {
  const auto key = Bytes(22, 0x0b);
  const auto salt = *from_hex("000102030405060708090a0b0c");
  const auto info = *from_hex("f0f1f2f3f4f5f6f7f8f9");
  EXPECT_EQ(to_hex(hkdf_sha256(key, salt, info, 42).expose()),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
}

TEST(Crypto, Pbkdf2IsThatOfRfc7914Section11) {
  EXPECT_EQ(to_hex(pbkdf2_sha256(Secret(view("passwd")), view("salt"), 1, 64).expose()),
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
            "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783");
}

// NIST's GCM example (McGrew and Viega, test case 16): 256-bit key, with associated data.
TEST(Crypto, ASealedTextOfTheStandardOpens) {
  const auto key = secret_of_hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
  const auto associated = *from_hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  const auto sealed = *from_hex(
      "cafebabefacedbaddecaf888"
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e"
      "6393ba7a0abcc9f662"
      "76fc6ece0f4e1768cddf8853bb2d551b");
  const auto opened = aead_open(key, associated, sealed);
  ASSERT_TRUE(opened);
  EXPECT_EQ(to_hex(opened->expose()),
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525"
            "b16aedf5aa0de657ba637b39");
}

TEST(Crypto, WhatIsSealedOpensAndNoBitOfItMayChange) {
  const Secret key(Bytes(32, 7));
  for (const std::string plain : {"", "K7QF-2M9X", "a longer text, of more than one block of the cipher"}) {
    const Bytes sealed = aead_seal(key, view("table/row/1"), view(plain));
    ASSERT_EQ(sealed.size(), 12 + plain.size() + 16);
    const auto opened = aead_open(key, view("table/row/1"), sealed);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->expose_text(), plain);
    for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
      Bytes altered = sealed;
      altered[bit / 8] ^= static_cast<Byte>(1U << (bit % 8));
      EXPECT_FALSE(aead_open(key, view("table/row/1"), altered)) << bit;
    }
    EXPECT_FALSE(aead_open(key, view("table/row/2"), sealed)) << "a row moved to another place";
    EXPECT_FALSE(aead_open(Secret(Bytes(32, 8)), view("table/row/1"), sealed));
    for (std::size_t cut = 0; cut < sealed.size(); ++cut)
      EXPECT_FALSE(aead_open(key, view("table/row/1"), ByteView(sealed).first(cut)));
  }
}

TEST(Crypto, ANonceIsNeverTheSame) {
  const Secret key(Bytes(32, 7));
  std::set<std::string> nonces;
  for (int i = 0; i < 2000; ++i) nonces.insert(to_hex(ByteView(aead_seal(key, {}, {})).first(12)));
  EXPECT_EQ(nonces.size(), 2000U);
}

}  // namespace
}  // namespace sigillo::base
