// FakeToken: the Token port in memory, with OpenSSL's own keys, and with faults on demand: the N-th call
// fails, all calls fail, a call hangs until it is released. The contract suite of tests/hsm proves it like a
// real module. What is on it lives as long as the object does, so that a test can restart an appliance on the
// same token. Thread rule: as Token. Never linked into a program that is shipped.
#pragma once

#include <memory>

#include <hsm/ceremony_token.hpp>

namespace sigillo::hsm {

class FakeToken final : public CeremonyToken {
 public:
  enum class Call : std::uint8_t {
    random,
    hmac,
    sign,
    public_key,
    find_key,
    list_keys,
    generate_key,
    destroy_key,
    create_data,  // of either kind
    list_data,
    destroy_data,
    rewrite_data,
    read_data,
    self_test,
  };

  FakeToken();
  ~FakeToken() override;

  // The n-th call of the kind from now on (1: the next) fails with the error; once. Its effect does not
  // happen.
  void fail(Call call, std::uint64_t n, Errc error);
  // As fail(), but what was asked for is done before the error is told: the answer got lost on its way.
  void fail_after_effect(Call call, std::uint64_t n, Errc error);
  // Every call of every kind fails, until heal().
  void fail_all(Errc error);
  void heal();  // all faults end, also planned ones; those who hang are released

  // Calls of the kind hang from now on, until heal(). await_hanging() returns when `n` of them do.
  void hang(Call call);
  void await_hanging(std::size_t n);

  // rewrite_data answers Errc::caller_fault, as with a module that lets no label change.
  void refuse_rewriting(bool refuse);

  std::uint64_t count(Call call) const;  // begun since start
  std::uint64_t count_all() const;

  // A key that find_key must refuse (it is extractable), and one with a known value for known answers.
  void plant_extractable(const KeyId& id);
  KeyRef plant_hmac(const KeyId& id, base::ByteView value);

  base::Result<void> random(std::span<base::Byte> out) override;
  base::Result<base::Digest> hmac(KeyRef key, base::ByteView message) override;
  base::Result<base::Bytes> sign(KeyRef key, base::ByteView digest) override;
  base::Result<base::Bytes> public_key(KeyRef key) override;
  base::Result<KeyRef> find_key(const KeyId& id) override;
  base::Result<std::vector<KeyInfo>> list_keys() override;
  base::Result<KeyRef> generate_key(const KeyId& id, KeyType type) override;
  base::Result<void> destroy_key(const KeyId& id) override;
  base::Result<DataHandle> create_data(const std::string& label, base::ByteView value) override;
  base::Result<std::vector<DataObject>> list_data(const std::string& label) override;
  base::Result<void> destroy_data(DataHandle handle) override;
  base::Result<std::vector<DataObject>> list_data_anew(const std::string& label) override {
    return list_data(label);
  }
  base::Result<DataHandle> create_rewritable_data(const std::string& label, base::ByteView value) override;
  base::Result<void> rewrite_data(DataHandle handle, base::ByteView value) override;
  base::Result<base::Bytes> read_data(DataHandle handle) override;
  base::Result<void> self_test() override;
  std::size_t parallelism() const override;

  base::Result<void> generate_open_key(const KeyId& id, KeyType type) override;
  base::Result<WrappedKey> wrap_open_key(const KeyId& id, const base::Secret& wrapping_key) override;
  base::Result<KeyRef> unwrap_key(const WrappedKey& key, const base::Secret& wrapping_key) override;
  base::Result<void> destroy_open_key(const KeyId& id) override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sigillo::hsm
