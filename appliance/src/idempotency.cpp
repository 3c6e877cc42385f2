#include "idempotency.hpp"

namespace sigillo::appliance::idempotency {
namespace {

base::Digest fingerprint(const base::Secret& key, const Id& id, const Idempotency& request) {
  return base::hmac_sha256(key, {base::view("fingerprint"), id, request.request_digest.expose()});
}

base::Secret answer_key(const base::Secret& key, const Id& id, const Idempotency& request) {
  const auto input = base::Secret::concat({request.request_digest.expose(), base::view(request.key)});
  return base::hkdf_sha256(input.expose(), key.expose(), id, 32);
}

}  // namespace

Id record_id(const base::Secret& key, const std::string& channel, const Idempotency& request) {
  const auto digest = base::hmac_sha256(key, {base::view("id"), base::view(channel), base::ByteView(),
                                              base::view("\n"), base::view(request.key)});
  Id id;
  std::copy_n(digest.begin(), id.size(), id.begin());
  return id;
}

std::vector<Id> record_ids(const std::vector<base::Secret>& keys, const std::string& channel,
                           const Idempotency& request) {
  std::vector<Id> out;
  for (const auto& key : keys) out.push_back(record_id(key, channel, request));
  return out;
}

IdempotencyRecord keep(const base::Secret& key, const Id& id, const Idempotency& request,
                       const Rendered& answer, bool secret, base::Instant now) {
  return {fingerprint(key, id, request),
          now,
          secret,
          answer.status,
          answer.request_id,
          base::aead_seal(answer_key(key, id, request), id, answer.body.expose())};
}

std::optional<std::variant<Refusal, Rendered>> replay(const base::Secret& key, const Id& id,
                                                      const Idempotency& request,
                                                      const IdempotencyRecord& record, base::Instant now) {
  if (now >= record.at + kKept) return std::nullopt;
  if (!base::constant_time_equal(base::ByteView(fingerprint(key, id, request)),
                                 base::ByteView(record.fingerprint))) {
    return Refusal::idempotency_key_reused;
  }
  if (record.secret && (record.sealed.empty() || now >= record.at + kSecretKept))
    return Refusal::secret_no_longer_available;
  auto body = base::aead_open(answer_key(key, id, request), id, record.sealed);
  if (!body) return Refusal::secret_no_longer_available;
  return Rendered{record.status, std::move(*body), record.request_id};
}

}  // namespace sigillo::appliance::idempotency
