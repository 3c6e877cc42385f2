#include <hsm/pkcs11_token.hpp>

#include "ec_public.hpp"
#include "pkcs11_token_impl.hpp"

namespace sigillo::hsm {
namespace {

constexpr std::size_t kRandomMax = 1024;
constexpr std::size_t kMessageMax = 4096;

using Kind = DataTable::Kind;

base::Error fault(const char* what) {
  return {Errc::caller_fault, what};
}

bool well_formed(const KeyId& id) {
  return id.label.starts_with("sigillo.") && id.label.size() <= 64;
}

}  // namespace

Pkcs11Token::Pkcs11Token(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Pkcs11Token::~Pkcs11Token() = default;

base::Result<std::unique_ptr<Pkcs11Token>> Pkcs11Token::open(const TokenOptions& options,
                                                             const base::Secret& pin) {
  SIGILLO_TRY(auto connection, Connection::open(options, pin));
  return std::unique_ptr<Pkcs11Token>(new Pkcs11Token(std::make_unique<Impl>(std::move(connection))));
}

base::Result<void> Pkcs11Token::random(std::span<base::Byte> out) {
  if (out.size() > kRandomMax) return fault("more than 1,024 random bytes at once");
  if (out.empty()) return base::ok();
  return impl_->connection->call(Retry::idempotent, [&](Lease& lease) {
    return lease.check(Function::random,
                       lease.module()->C_GenerateRandom(lease.session(), out.data(), out.size()));
  });
}

base::Result<base::Digest> Pkcs11Token::hmac(KeyRef key, base::ByteView message) {
  if (message.size() > kMessageMax) return fault("a message of more than 4 KiB");
  const auto work = [&](Lease& lease) -> base::Result<base::Digest> {
    SIGILLO_TRY(const KeyObject object, impl_->keys.resolve(lease, key, impl_->objects));
    if (object.type != KeyType::hmac_sha256) return fault("HMAC with a key that signs");
    base::Digest out;
    SIGILLO_CHECK(sign_with(lease, object.handle, CKM_SHA256_HMAC, message, out));
    return out;
  };
  return impl_->connection->call(Retry::idempotent, work);
}

base::Result<base::Bytes> Pkcs11Token::sign(KeyRef key, base::ByteView digest) {
  const auto work = [&](Lease& lease) -> base::Result<base::Bytes> {
    SIGILLO_TRY(const KeyObject object, impl_->keys.resolve(lease, key, impl_->objects));
    if (object.type == KeyType::hmac_sha256) return fault("ECDSA with a MAC key");
    if (digest.size() != coordinate_bytes(object.type))
      return fault("a digest of another length than the curve's");
    return ecdsa(lease, object, digest);
  };
  return impl_->connection->call(Retry::idempotent, work);
}

base::Result<base::Bytes> Pkcs11Token::public_key(KeyRef key) {
  const auto work = [&](Lease& lease) -> base::Result<base::Bytes> {
    SIGILLO_TRY(const KeyObject object, impl_->keys.resolve(lease, key, impl_->objects));
    SIGILLO_TRY(const KeyId id, impl_->keys.id_of(key));
    const std::lock_guard one_at_a_time(impl_->objects);
    return read_public_key(lease, id, object);
  };
  return impl_->connection->call(Retry::idempotent, work);
}

base::Result<KeyRef> Pkcs11Token::find_key(const KeyId& id) {
  const auto work = [&](Lease& lease) -> base::Result<KeyRef> {
    KeyId wanted = id;
    if (wanted.version == 0) {
      SIGILLO_TRY(const auto all, list_key_objects(lease));
      for (const KeyInfo& info : all) {
        if (info.id.label == id.label) wanted.version = std::max(wanted.version, info.id.version);
      }
      if (wanted.version == 0) return base::Error(Errc::no_such_key, "no key of this label");
    }
    SIGILLO_TRY(const KeyObject found, find_key_object(lease, wanted));
    return impl_->keys.remember(lease, wanted, found);
  };
  return impl_->with_objects(Retry::idempotent, work);
}

base::Result<std::vector<KeyInfo>> Pkcs11Token::list_keys() {
  return impl_->with_objects(Retry::idempotent, list_key_objects);
}

base::Result<KeyRef> Pkcs11Token::generate_key(const KeyId& id, KeyType type) {
  if (!well_formed(id) || id.version == 0)
    return fault("a key's label starts with \"sigillo.\", its version is 1 or more");
  const auto work = [&](Lease& lease) { return generate_key_objects(lease, id, type); };
  SIGILLO_CHECK(impl_->change_objects(work));
  return find_key(
      id);  // and so with its attributes checked: what the module made is not what it was asked for on trust
}

base::Result<void> Pkcs11Token::destroy_key(const KeyId& id) {
  if (!well_formed(id)) return fault("not a key of ours");
  const auto work = [&](Lease& lease) {
    impl_->keys.forget(lease, id);
    return destroy_key_objects(lease, id);
  };
  return impl_->change_objects(work);
}

base::Result<DataHandle> Pkcs11Token::create_data(const std::string& label, base::ByteView value) {
  const auto work = [&](Lease& lease) { return impl_->data.create(lease, Kind::fixed, label, value); };
  return impl_->change_objects(work);
}

base::Result<DataHandle> Pkcs11Token::create_rewritable_data(const std::string& label, base::ByteView value) {
  const auto work = [&](Lease& lease) { return impl_->data.create(lease, Kind::rewritable, label, value); };
  return impl_->change_objects(work);
}

// Made again after a lost login it meets the handle of an earlier one, and does nothing. It makes no object
// and destroys none: lists stay as good as they were (list_data_anew).
base::Result<void> Pkcs11Token::rewrite_data(DataHandle handle, base::ByteView value) {
  const auto work = [&](Lease& lease) { return impl_->data.rewrite(lease, handle, value); };
  return impl_->with_objects(Retry::only_if_nothing_was_done, work);
}

base::Result<base::Bytes> Pkcs11Token::read_data(DataHandle handle) {
  const auto work = [&](Lease& lease) { return impl_->data.read(lease, handle); };
  return impl_->with_objects(Retry::idempotent, work);
}

base::Result<std::vector<DataObject>> Pkcs11Token::list_data(const std::string& label) {
  const auto work = [&](Lease& lease) { return impl_->data.list(lease, label); };
  return impl_->with_objects(Retry::idempotent, work);
}

// Attack: (1) two copies of the appliance run. (2) One makes its object, then the other. (3) The second's
// SoftHSM2 has counted the first's change as its own, and lists the token without it.
base::Result<std::vector<DataObject>> Pkcs11Token::list_data_anew(const std::string& label) {
  constexpr int kTries = 4;
  for (int n = 0; n < kTries; ++n) {
    if (impl_->changed) {
      SIGILLO_CHECK(impl_->connection->restart([this] { impl_->changed = false; }));
    }
    auto listed = list_data(label);
    if (!listed || !impl_->changed) return listed;
  }
  return base::Error(Errc::unavailable, "the token is being changed all the time");
}

base::Result<void> Pkcs11Token::destroy_data(DataHandle handle) {
  const auto work = [&](Lease& lease) { return impl_->data.destroy(lease, handle); };
  return impl_->change_objects(work);
}

base::Result<TokenIdentity> Pkcs11Token::identity() {
  return impl_->connection->call(Retry::idempotent, [&](Lease& lease) -> base::Result<TokenIdentity> {
    return read_identity(lease.module(), impl_->connection->slot());
  });
}

TokenState Pkcs11Token::state() const {
  return impl_->connection->state();
}

std::uint64_t Pkcs11Token::logins() const {
  return impl_->connection->logins();
}

base::Duration Pkcs11Token::blocked_for() const {
  return impl_->connection->blocked_for();
}

std::size_t Pkcs11Token::parallelism() const {
  return impl_->connection->parallelism();
}

}  // namespace sigillo::hsm
