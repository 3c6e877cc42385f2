// Shared by the tests of hsm: errors, names, and the module's raw functions beside the Pkcs11Token that uses
// them.
#pragma once

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <p11-kit/pkcs11.h>

#include <atomic>
#include <memory>

#include <support/softhsm_fixture.hpp>

namespace sigillo::hsm::test {

template <class T>
void expect_errc(const base::Result<T>& result, Errc expected) {
  ASSERT_FALSE(result) << "expected error " << static_cast<int>(expected);
  EXPECT_TRUE(result.error().is(expected)) << result.error().number() << " raw 0x" << std::hex
                                           << result.error().raw() << ": " << result.error().detail();
}

inline std::string fresh_label() {
  static std::atomic<int> next{1};
  return "sigillo.test-" + std::to_string(next++);
}

// By OpenSSL alone, so that the code under test does not judge itself.
inline bool verify(KeyType type, base::ByteView point, base::ByteView digest, base::ByteView signature) {
  char name[] = "P-256";
  char name384[] = "P-384";
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, type == KeyType::ec_p256 ? name : name384,
                                       0),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, const_cast<base::Byte*>(point.data()),
                                        point.size()),
      OSSL_PARAM_construct_end()};
  const std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> from(
      EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr), EVP_PKEY_CTX_free);
  EVP_PKEY* raw = nullptr;
  if (EVP_PKEY_fromdata_init(from.get()) != 1 ||
      EVP_PKEY_fromdata(from.get(), &raw, EVP_PKEY_PUBLIC_KEY, const_cast<OSSL_PARAM*>(params)) != 1) {
    return false;
  }
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(raw, EVP_PKEY_free);
  const int half = static_cast<int>(signature.size() / 2);
  const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> pair(ECDSA_SIG_new(), ECDSA_SIG_free);
  ECDSA_SIG_set0(pair.get(), BN_bin2bn(signature.data(), half, nullptr),
                 BN_bin2bn(signature.data() + half, half, nullptr));
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(pair.get(), &der);
  const std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> context(
      EVP_PKEY_CTX_new(key.get(), nullptr), EVP_PKEY_CTX_free);
  const bool good =
      EVP_PKEY_verify_init(context.get()) == 1 &&
      EVP_PKEY_verify(context.get(), der, static_cast<std::size_t>(size), digest.data(), digest.size()) == 1;
  OPENSSL_free(der);
  return good;
}

// The same module in the same process: what another user of it can do to us.
class RawModule {
 public:
  RawModule() {
    testing::softhsm_token();
    void* library = ::dlopen(testing::softhsm_module().c_str(), RTLD_NOW | RTLD_LOCAL);
    const auto get = reinterpret_cast<CK_C_GetFunctionList>(::dlsym(library, "C_GetFunctionList"));
    if (get == nullptr || get(&functions_) != CKR_OK) std::abort();
    CK_SLOT_ID slots[16];
    CK_ULONG count = 16;
    functions_->C_GetSlotList(CK_TRUE, slots, &count);
    for (CK_ULONG i = 0; i < count; ++i) {
      CK_TOKEN_INFO info{};
      functions_->C_GetTokenInfo(slots[i], &info);
      if ((info.flags & CKF_TOKEN_INITIALIZED) != 0) slot_ = slots[i];
    }
  }
  RawModule(CK_FUNCTION_LIST* functions, CK_SLOT_ID slot) : functions_(functions), slot_(slot) {}
  CK_FUNCTION_LIST* operator->() const { return functions_; }
  CK_SLOT_ID slot() const { return slot_; }
  CK_SESSION_HANDLE session() const {
    CK_SESSION_HANDLE session = 0;
    functions_->C_OpenSession(slot_, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session);
    return session;
  }

  void plant_extractable(const KeyId& id) const { plant(id, CKA_EXTRACTABLE, true); }
  // A secret key of 32 bytes that is as it should be, but for one attribute.
  void plant(const KeyId& id, CK_ATTRIBUTE_TYPE odd, bool value) const {
    CK_OBJECT_CLASS of_class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_GENERIC_SECRET;
    CK_ULONG size = 32;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE, odd_value = value ? CK_TRUE : CK_FALSE;
    base::Bytes version;
    base::append_be(version, id.version);
    std::vector<CK_ATTRIBUTE> attributes = {{CKA_CLASS, &of_class, sizeof of_class},
                                            {CKA_KEY_TYPE, &type, sizeof type},
                                            {CKA_VALUE_LEN, &size, sizeof size},
                                            {CKA_TOKEN, &yes, 1},
                                            {CKA_LABEL, const_cast<char*>(id.label.data()), id.label.size()},
                                            {CKA_ID, version.data(), version.size()}};
    for (const auto& [attribute, usual] : {std::pair{CKA_PRIVATE, &yes},
                                           {CKA_SENSITIVE, &yes},
                                           {CKA_EXTRACTABLE, &no},
                                           {CKA_SIGN, &yes},
                                           {CKA_VERIFY, &no},
                                           {CKA_ENCRYPT, &no},
                                           {CKA_DECRYPT, &no},
                                           {CKA_WRAP, &no},
                                           {CKA_UNWRAP, &no},
                                           {CKA_DERIVE, &no}}) {
      attributes.push_back({attribute, attribute == odd ? &odd_value : usual, 1});
    }
    CK_MECHANISM mechanism{CKM_GENERIC_SECRET_KEY_GEN, nullptr, 0};
    CK_OBJECT_HANDLE key = 0;
    ASSERT_EQ(functions_->C_GenerateKey(session(), &mechanism, attributes.data(), attributes.size(), &key),
              CKR_OK);
  }

 private:
  CK_FUNCTION_LIST* functions_ = nullptr;
  CK_SLOT_ID slot_ = 0;
};

}  // namespace sigillo::hsm::test
