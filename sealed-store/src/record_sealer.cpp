#include <sealed_store/record_sealer.hpp>

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace sigillo::sealed_store {
namespace {

constexpr base::Byte kVersion = 1;
constexpr std::size_t kPrefixBytes = 3;  // version and key id

base::ByteArray<18> associated_data(const RecordKey& key) {
  base::ByteArray<18> out{kVersion, key.table};
  std::copy(key.id.begin(), key.id.end(), out.begin() + 2);
  return out;
}

}  // namespace

RecordSealer::RecordSealer(std::map<std::uint16_t, base::Secret> keys) : keys_(std::move(keys)) {
  if (keys_.empty()) std::abort();  // a bug: nothing could be sealed, and nothing may be stored unsealed
}

std::uint16_t RecordSealer::key_of(base::ByteView sealed) {
  if (sealed.size() < kPrefixBytes || sealed[0] != kVersion) return 0;
  return base::read_be<std::uint16_t>(sealed.subspan(1, 2));
}

void RecordSealer::share_count(const RecordSealer& before) {
  if (before.keys_.rbegin()->first != keys_.rbegin()->first) return;
  before.uses_->fetch_add(*uses_);
  uses_ = before.uses_;
}

base::Bytes RecordSealer::seal(const RecordKey& key, base::ByteView plaintext) const {
  const auto& [id, secret] = *keys_.rbegin();
  if (uses_->fetch_add(1) >= kUsesMax) {
    uses_->fetch_sub(1);
    return {};
  }
  base::Bytes out{kVersion};
  base::append_be(out, id);
  base::append(out, base::aead_seal(secret, associated_data(key), plaintext));
  return out;
}

base::Result<base::Secret> RecordSealer::open(const RecordKey& key, base::ByteView sealed) const {
  if (sealed.size() < kPrefixBytes || sealed[0] != kVersion) {
    return base::Error(Errc::corrupt, "sealed record of an unknown shape");
  }
  const auto secret = keys_.find(base::read_be<std::uint16_t>(sealed.subspan(1, 2)));
  if (secret == keys_.end()) return base::Error(Errc::corrupt, "sealed record under an unknown key");
  auto plaintext = base::aead_open(secret->second, associated_data(key), sealed.subspan(kPrefixBytes));
  if (!plaintext) return base::Error(Errc::corrupt, "sealed record does not authenticate");
  return std::move(*plaintext);
}

}  // namespace sigillo::sealed_store
