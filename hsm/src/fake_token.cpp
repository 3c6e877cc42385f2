#include <hsm/fake_token.hpp>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <map>
#include <mutex>

#include "ec_public.hpp"

namespace sigillo::hsm {
namespace {

constexpr std::size_t kCalls = 14;

struct FakeKey {
  KeyId id;
  KeyType type = KeyType::hmac_sha256;
  bool alive = true;
  bool extractable = false;
  base::Secret value{};
  std::shared_ptr<EVP_PKEY> pair{};
};

struct FakeData {
  std::string label;
  base::Bytes value;
  bool rewritable = false;
};

struct Fault {
  std::uint64_t at;
  Errc error;
  bool after_effect;
};

struct FreeContext {
  void operator()(EVP_PKEY_CTX* p) const { EVP_PKEY_CTX_free(p); }
};

}  // namespace

class FakeToken::Impl {
 public:
  // Counts the call, lets it hang and fail as planned, and does it.
  template <class Work>
  auto run(Call call, Work&& work) -> decltype(work()) {
    std::optional<base::Error> lost;
    {
      std::unique_lock lock(mutex_);
      const auto kind = static_cast<std::size_t>(call);
      const std::uint64_t n = ++counts_[kind];
      if (hang_[kind]) {
        ++hanging_;
        changed_.notify_all();
        changed_.wait(lock, [&] { return !hang_[kind]; });
        --hanging_;
      }
      if (all_) return base::Error(*all_, "every call was told to fail");
      auto& faults = faults_[kind];
      const auto fault = std::ranges::find(faults, n, &Fault::at);
      if (fault != faults.end()) {
        if (!fault->after_effect) return base::Error(fault->error, "this call was told to fail");
        lost.emplace(fault->error, "this answer was told to get lost");
      }
    }
    auto result = [&] {
      const std::lock_guard lock(token_);
      return work();
    }();
    if (lost) return *lost;
    return result;
  }

  void plan(Call call, std::uint64_t n, Errc error, bool after_effect) {
    const std::lock_guard lock(mutex_);
    const auto kind = static_cast<std::size_t>(call);
    faults_[kind].push_back({counts_[kind] + n, error, after_effect});
  }

  FakeKey* find(const KeyId& id) {
    const auto key = std::ranges::find_if(keys, [&](const FakeKey& k) { return k.alive && k.id == id; });
    return key == keys.end() ? nullptr : &*key;
  }
  base::Result<FakeKey*> at(KeyRef ref) {
    if (ref.slot() == 0 || ref.slot() > keys.size())
      return base::Error(Errc::no_such_key, "no such reference");
    FakeKey& row = keys[ref.slot() - 1];
    // A key made anew under the name is what a reference to the old one then means, as with a real token.
    FakeKey* key = find(row.id);
    if (key == nullptr) return base::Error(Errc::no_such_key, "the key was destroyed");
    return key;
  }
  DataHandle add(FakeData object) {
    data.emplace(next_data, std::move(object));
    return next_data++;
  }
  KeyRef ref(const FakeKey& key) const { return KeyRef(static_cast<std::uint32_t>(&key - keys.data() + 1)); }

  std::mutex mutex_;  // the plan of faults
  std::condition_variable changed_;
  std::array<std::uint64_t, kCalls> counts_{};
  std::array<bool, kCalls> hang_{};
  std::array<std::vector<Fault>, kCalls> faults_;
  std::optional<Errc> all_;
  std::size_t hanging_ = 0;

  std::mutex token_;  // what is on the token
  std::vector<FakeKey> keys;
  std::map<DataHandle, FakeData> data;
  DataHandle next_data = 1;
  bool refuses_rewriting = false;
};

FakeToken::FakeToken() : impl_(std::make_unique<Impl>()) {}
FakeToken::~FakeToken() = default;

void FakeToken::fail(Call call, std::uint64_t n, Errc error) {
  impl_->plan(call, n, error, false);
}
void FakeToken::fail_after_effect(Call call, std::uint64_t n, Errc error) {
  impl_->plan(call, n, error, true);
}

void FakeToken::fail_all(Errc error) {
  const std::lock_guard lock(impl_->mutex_);
  impl_->all_ = error;
}

void FakeToken::heal() {
  const std::lock_guard lock(impl_->mutex_);
  impl_->all_.reset();
  for (auto& faults : impl_->faults_) faults.clear();
  impl_->hang_.fill(false);
  impl_->changed_.notify_all();
}

void FakeToken::hang(Call call) {
  const std::lock_guard lock(impl_->mutex_);
  impl_->hang_[static_cast<std::size_t>(call)] = true;
}

void FakeToken::await_hanging(std::size_t n) {
  std::unique_lock lock(impl_->mutex_);
  impl_->changed_.wait(lock, [&] { return impl_->hanging_ >= n; });
}

std::uint64_t FakeToken::count(Call call) const {
  const std::lock_guard lock(impl_->mutex_);
  return impl_->counts_[static_cast<std::size_t>(call)];
}

std::uint64_t FakeToken::count_all() const {
  const std::lock_guard lock(impl_->mutex_);
  std::uint64_t sum = 0;
  for (const auto n : impl_->counts_) sum += n;
  return sum;
}

void FakeToken::refuse_rewriting(bool refuse) {
  const std::lock_guard lock(impl_->token_);
  impl_->refuses_rewriting = refuse;
}

void FakeToken::plant_extractable(const KeyId& id) {
  const std::lock_guard lock(impl_->token_);
  impl_->keys.push_back({id, KeyType::hmac_sha256, true, true, base::Secret(32)});
}

KeyRef FakeToken::plant_hmac(const KeyId& id, base::ByteView value) {
  const std::lock_guard lock(impl_->token_);
  impl_->keys.push_back({id, KeyType::hmac_sha256, true, false, base::Secret(value)});
  return impl_->ref(impl_->keys.back());
}

base::Result<void> FakeToken::random(std::span<base::Byte> out) {
  return impl_->run(Call::random, [&]() -> base::Result<void> {
    if (out.size() > 1024) return base::Error(Errc::caller_fault, "more than 1,024 random bytes at once");
    if (!out.empty()) base::random_bytes(out);
    return base::ok();
  });
}

base::Result<base::Digest> FakeToken::hmac(KeyRef key, base::ByteView message) {
  return impl_->run(Call::hmac, [&]() -> base::Result<base::Digest> {
    SIGILLO_TRY(const FakeKey* found, impl_->at(key));
    if (found->type != KeyType::hmac_sha256)
      return base::Error(Errc::caller_fault, "HMAC with a key that signs");
    if (message.size() > 4096) return base::Error(Errc::caller_fault, "a message of more than 4 KiB");
    return base::hmac_sha256(found->value, {message});
  });
}

base::Result<base::Bytes> FakeToken::sign(KeyRef key, base::ByteView digest) {
  return impl_->run(Call::sign, [&]() -> base::Result<base::Bytes> {
    SIGILLO_TRY(const FakeKey* found, impl_->at(key));
    const std::size_t size = coordinate_bytes(found->type);
    if (size == 0 || digest.size() != size)
      return base::Error(Errc::caller_fault, "not this key's kind of digest");
    const std::unique_ptr<EVP_PKEY_CTX, FreeContext> context(EVP_PKEY_CTX_new(found->pair.get(), nullptr));
    base::ByteArray<128> der;
    std::size_t length = der.size();
    if (EVP_PKEY_sign_init(context.get()) != 1 ||
        EVP_PKEY_sign(context.get(), der.data(), &length, digest.data(), digest.size()) != 1) {
      return base::Error(Errc::unavailable, "OpenSSL did not sign");
    }
    auto signature = signature_from_der({der.data(), length}, size);
    if (!signature) return base::Error(Errc::unavailable, "OpenSSL gave no signature");
    return std::move(*signature);
  });
}

base::Result<base::Bytes> FakeToken::public_key(KeyRef key) {
  return impl_->run(Call::public_key, [&]() -> base::Result<base::Bytes> {
    SIGILLO_TRY(const FakeKey* found, impl_->at(key));
    if (!found->pair) return base::Error(Errc::caller_fault, "a MAC key has no public half");
    base::Bytes point(2 * coordinate_bytes(found->type) + 1);
    std::size_t size = 0;
    if (EVP_PKEY_get_octet_string_param(found->pair.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                        point.size(), &size) != 1 ||
        size != point.size()) {
      return base::Error(Errc::unavailable, "OpenSSL gave no public key");
    }
    return point;
  });
}

base::Result<KeyRef> FakeToken::find_key(const KeyId& id) {
  return impl_->run(Call::find_key, [&]() -> base::Result<KeyRef> {
    KeyId wanted = id;
    for (const FakeKey& key : impl_->keys) {
      if (id.version == 0 && key.alive && key.id.label == id.label) {
        wanted.version = std::max(wanted.version, key.id.version);
      }
    }
    const FakeKey* found = impl_->find(wanted);
    if (found == nullptr) return base::Error(Errc::no_such_key, "no key of this label and version");
    if (found->extractable) return base::Error(Errc::bad_attributes, "a key that is extractable");
    return impl_->ref(*found);
  });
}

base::Result<std::vector<KeyInfo>> FakeToken::list_keys() {
  return impl_->run(Call::list_keys, [&]() -> base::Result<std::vector<KeyInfo>> {
    std::vector<KeyInfo> out;
    for (const FakeKey& key : impl_->keys) {
      if (key.alive) out.push_back({key.id, key.type});
    }
    std::ranges::sort(out, {}, &KeyInfo::id);
    return out;
  });
}

base::Result<KeyRef> FakeToken::generate_key(const KeyId& id, KeyType type) {
  return impl_->run(Call::generate_key, [&]() -> base::Result<KeyRef> {
    if (!id.label.starts_with("sigillo.") || id.version == 0)
      return base::Error(Errc::caller_fault, "not our name");
    if (impl_->find(id) != nullptr)
      return base::Error(Errc::already_exists, "a key of this label and version is there");
    FakeKey key{id, type};
    if (type == KeyType::hmac_sha256) {
      key.value = base::Secret(32);
      base::random_bytes(key.value.writable());
    } else {
      EVP_PKEY* made = EVP_EC_gen(type == KeyType::ec_p384 ? "P-384" : "P-256");
      if (made == nullptr) return base::Error(Errc::unavailable, "OpenSSL made no key");
      key.pair = {made, EVP_PKEY_free};
    }
    impl_->keys.push_back(std::move(key));
    return impl_->ref(impl_->keys.back());
  });
}

base::Result<void> FakeToken::destroy_key(const KeyId& id) {
  return impl_->run(Call::destroy_key, [&]() -> base::Result<void> {
    FakeKey* found = impl_->find(id);
    if (found == nullptr) return base::Error(Errc::no_such_key, "no key of this label and version");
    found->alive = false;
    found->value.wipe();
    return base::ok();
  });
}

base::Result<DataHandle> FakeToken::create_data(const std::string& label, base::ByteView value) {
  return impl_->run(Call::create_data, [&]() -> base::Result<DataHandle> {
    return impl_->add({label, {value.begin(), value.end()}, false});
  });
}

base::Result<DataHandle> FakeToken::create_rewritable_data(const std::string& label, base::ByteView value) {
  return impl_->run(Call::create_data, [&]() -> base::Result<DataHandle> {
    return impl_->add({label, {value.begin(), value.end()}, true});
  });
}

base::Result<void> FakeToken::rewrite_data(DataHandle handle, base::ByteView value) {
  return impl_->run(Call::rewrite_data, [&]() -> base::Result<void> {
    const auto found = impl_->data.find(handle);
    if (found == impl_->data.end()) return base::Error(Errc::no_such_key, "no such data object");
    if (!found->second.rewritable) return base::Error(Errc::caller_fault, "a data object that is fixed");
    if (impl_->refuses_rewriting) return base::Error(Errc::caller_fault, "told to let no label change");
    found->second.value.assign(value.begin(), value.end());
    return base::ok();
  });
}

base::Result<base::Bytes> FakeToken::read_data(DataHandle handle) {
  return impl_->run(Call::read_data, [&]() -> base::Result<base::Bytes> {
    const auto found = impl_->data.find(handle);
    if (found == impl_->data.end()) return base::Error(Errc::no_such_key, "no such data object");
    return found->second.value;
  });
}

base::Result<std::vector<DataObject>> FakeToken::list_data(const std::string& label) {
  return impl_->run(Call::list_data, [&]() -> base::Result<std::vector<DataObject>> {
    std::vector<DataObject> out;
    for (const auto& [handle, object] : impl_->data) {
      if (object.label == label) out.push_back({handle, object.value});
    }
    return out;
  });
}

base::Result<void> FakeToken::destroy_data(DataHandle handle) {
  return impl_->run(Call::destroy_data, [&]() -> base::Result<void> {
    if (impl_->data.erase(handle) == 0) return base::Error(Errc::no_such_key, "no such data object");
    return base::ok();
  });
}

base::Result<void> FakeToken::self_test() {
  return impl_->run(Call::self_test, []() -> base::Result<void> { return base::ok(); });
}

std::size_t FakeToken::parallelism() const {
  return 4;
}

// ---- the ceremony. A wrapped key is AES-256-GCM of its value here: nobody but this class reads it.

base::Result<void> FakeToken::generate_open_key(const KeyId& id, KeyType type) {
  if (find_key(id)) return base::Error(Errc::already_exists, "a key of this label and version is there");
  SIGILLO_CHECK(generate_key(open_name(id), type));
  return impl_->run(Call::generate_key, [&]() -> base::Result<void> {
    impl_->find(open_name(id))->extractable = true;
    return base::ok();
  });
}

base::Result<WrappedKey> FakeToken::wrap_open_key(const KeyId& id, const base::Secret& wrapping_key) {
  if (wrapping_key.size() != kWrappingKeyBytes)
    return base::Error(Errc::caller_fault, "a wrapping key has 32 bytes");
  const KeyId name = open_name(id);
  WrappedKey out{.id = id, .type = KeyType::hmac_sha256, .wrapped = {}, .point = {}, .check_value = {}};
  KeyRef ref;
  SIGILLO_CHECK(impl_->run(Call::find_key, [&]() -> base::Result<void> {
    const FakeKey* key = impl_->find(name);
    if (key == nullptr) return base::Error(Errc::no_such_key, "no open key of this label and version");
    ref = impl_->ref(*key);
    out.type = key->type;
    base::Secret value = key->value.clone();
    if (key->pair) {
      base::Byte* der = nullptr;
      const int size = i2d_PrivateKey(key->pair.get(), &der);
      value = base::Secret(base::ByteView(der, static_cast<std::size_t>(size)));
      OPENSSL_clear_free(der, static_cast<std::size_t>(size));
    }
    out.wrapped = base::aead_seal(wrapping_key, base::view(kCheckText), value.expose());
    return base::ok();
  }));
  if (out.type != KeyType::hmac_sha256) {
    SIGILLO_TRY(out.point, public_key(ref));
  }
  SIGILLO_TRY(out.check_value, check_value(*this, ref, out.type));
  return out;
}

base::Result<KeyRef> FakeToken::unwrap_key(const WrappedKey& key, const base::Secret& wrapping_key) {
  SIGILLO_CHECK(impl_->run(Call::generate_key, [&]() -> base::Result<void> {
    if (impl_->find(key.id) != nullptr)
      return base::Error(Errc::already_exists, "a key of this label and version is there");
    if (wrapping_key.size() != kWrappingKeyBytes)
      return base::Error(Errc::caller_fault, "a wrapping key has 32 bytes");
    const auto value = base::aead_open(wrapping_key, base::view(kCheckText), key.wrapped);
    if (!value) return base::Error(Errc::caller_fault, "not wrapped under this key");
    FakeKey made{.id = key.id, .type = key.type};
    if (key.type == KeyType::hmac_sha256) {
      made.value = value->clone();
    } else {
      const base::Byte* der = value->expose().data();
      EVP_PKEY* pair = d2i_PrivateKey(EVP_PKEY_EC, nullptr, &der, static_cast<long>(value->size()));
      if (pair == nullptr) return base::Error(Errc::caller_fault, "not a private key");
      made.pair = {pair, EVP_PKEY_free};
    }
    impl_->keys.push_back(std::move(made));
    return base::ok();
  }));
  SIGILLO_TRY(const auto ref, find_key(key.id));
  const auto value = check_value(*this, ref, key.type);
  if (value && *value == key.check_value) return ref;
  (void)destroy_key(key.id);
  if (!value) return value.error();
  return base::Error(Errc::bad_attributes, "what was unwrapped has another check value");
}

base::Result<void> FakeToken::destroy_open_key(const KeyId& id) {
  return destroy_key(open_name(id));
}

}  // namespace sigillo::hsm
