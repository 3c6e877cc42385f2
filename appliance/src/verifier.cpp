#include "verifier.hpp"

namespace sigillo::appliance {
namespace {

constexpr std::string_view kDomain = "sigillo/pin/v1";
constexpr std::uint32_t kNoGeneration = 0;   // tokens and cards do not belong to one
constexpr std::uint16_t kActiveVersion = 0;  // of the dummy, which outlives a rotation; no key has version 0

// What the HSM made of what was shown, for one comparison: it is wiped, compared or not.
class Macs {
 public:
  Macs() { macs_.reserve(kHalves); }
  ~Macs() {
    for (auto& mac : macs_) base::wipe(mac);
  }
  Macs(const Macs&) = delete;
  Macs& operator=(const Macs&) = delete;
  void add(base::Digest& mac) {
    macs_.push_back(mac);
    base::wipe(mac);
  }
  const base::Digest& operator[](std::size_t i) const { return macs_[i]; }
  std::size_t size() const { return macs_.size(); }

 private:
  static constexpr std::size_t kHalves = 2;  // and no more, or a copy would stay where they were
  std::vector<base::Digest> macs_;
};

}  // namespace

Verifier::Verifier(hsm::Dispatcher& dispatcher, const KeyRing& ring, std::uint32_t iterations)
    : dispatcher_(dispatcher), ring_(ring), iterations_(iterations), most_(iterations) {
  dummy_.key_version = kActiveVersion;
  dummy_.iterations = iterations_;
  base::random_bytes(dummy_.salt);
  base::random_bytes(dummy_.mac);
}

base::Task<base::Result<base::Digest>> Verifier::mac(SecretRole role, const Id& owner,
                                                     std::uint32_t generation, const PinVerifier& stored,
                                                     base::ByteView secret) const {
  const auto keys = ring_.snapshot();
  const auto key =
      keys->verifiers.find(stored.key_version == kActiveVersion ? keys->verifier : stored.key_version);
  if (key == keys->verifiers.end())
    co_return base::Error(hsm::Errc::no_such_key, "verifier key of the record");
  // A charge goes on on the store's own thread, which everybody waits for: no place to stretch a PIN.
  if (std::max(stored.iterations, most_) > 0) co_await dispatcher_.hop();
  base::Bytes prefix(kDomain.begin(), kDomain.end());
  prefix.push_back(static_cast<base::Byte>(role));
  base::append(prefix, owner);
  base::append_be(prefix, generation);
  base::append(prefix, stored.salt);
  base::Secret message;
  if (stored.iterations == 0) {
    message = base::Secret::concat({prefix, secret});
  } else {
    const auto stretched = base::pbkdf2_sha256(base::Secret(secret), stored.salt, stored.iterations, 32);
    message = base::Secret::concat({prefix, stretched.expose()});
  }
  // Attack: (1) wait until the policy stretches more, or less, (2) guess once at a name: a verifier of before
  // would take less time than the dummy, or more, and so tell that there is one. What is missing to the most
  // is done, and thrown away.
  if (stored.iterations < most_)
    static_cast<void>(base::pbkdf2_sha256(base::Secret(secret), stored.salt, most_ - stored.iterations, 32));
  co_return co_await dispatcher_.hmac(key->second, std::move(message));
}

base::Task<Evaluation> Verifier::pin(sealed_store::ChargedAttempt attempt, SubjectIndex subject,
                                     const SubjectRecord& record, lifecycle::Against against,
                                     const Pin& pin) const {
  struct Comparison {
    SecretRole role;
    const PinVerifier* stored;
    base::ByteView shown;
  };
  std::vector<Comparison> comparisons;
  bool match = true;
  switch (against) {
    case lifecycle::Against::nothing:
      match = false;
      comparisons.push_back({SecretRole::first_half, &dummy_, pin.first_half()});
      if (pin.is_whole()) comparisons.push_back({SecretRole::second_half, &dummy_, pin.second_half()});
      break;
    case lifecycle::Against::first_half:
      comparisons.push_back(
          {SecretRole::first_half, &std::get<Provisional>(record.state).first->verifier, pin.first_half()});
      break;
    case lifecycle::Against::halves:
      comparisons.push_back(
          {SecretRole::first_half, &std::get<Provisional>(record.state).first->verifier, pin.first_half()});
      comparisons.push_back({SecretRole::second_half, &std::get<Provisional>(record.state).second->verifier,
                             pin.second_half()});
      break;
    case lifecycle::Against::definitive:
      comparisons.push_back(
          {SecretRole::definitive, &std::get<Definitive>(record.state).verifier, pin.characters()});
      break;
  }
  // Both MACs first, then both comparisons: no word, and no time, says which half was wrong; and a failure
  // between the two has compared nothing.
  Macs macs;
  for (const auto& comparison : comparisons) {
    auto mac =
        co_await this->mac(comparison.role, subject, record.generation, *comparison.stored, comparison.shown);
    if (!mac) co_return NotEvaluated{std::move(attempt), mac.error()};
    macs.add(*mac);
  }
  for (std::size_t i = 0; i < macs.size(); ++i) {
    const bool equal =
        base::constant_time_equal(base::ByteView(macs[i]), base::ByteView(comparisons[i].stored->mac));
    match = static_cast<bool>(static_cast<unsigned>(match) & static_cast<unsigned>(equal));
  }
  co_return Evaluated{std::move(attempt), match};
}

base::Task<Evaluation> Verifier::secret(sealed_store::ChargedAttempt attempt, SecretRole role, Id owner,
                                        const PinVerifier* stored, const base::Secret& shown) const {
  const bool real = stored != nullptr;
  const PinVerifier& against = real ? *stored : dummy_;
  auto mac = co_await this->mac(role, owner, kNoGeneration, against, shown.expose());
  if (!mac) co_return NotEvaluated{std::move(attempt), mac.error()};
  const bool equal = base::constant_time_equal(base::ByteView(*mac), base::ByteView(against.mac));
  co_return Evaluated{std::move(attempt), real && equal};
}

Evaluated Verifier::contacts(sealed_store::ChargedAttempt attempt,
                             const std::vector<ContactPair>& pairs) const {
  unsigned match = pairs.empty() ? 0 : 1;
  for (const auto& pair : pairs) {
    // Digests have one length, so the time tells nothing of what is registered.
    const auto given = base::sha256({base::view(pair.given)});
    const auto registered = base::sha256({base::view(pair.registered)});
    match &=
        static_cast<unsigned>(base::constant_time_equal(base::ByteView(given), base::ByteView(registered)));
    match &= static_cast<unsigned>(!pair.registered.empty());
  }
  return Evaluated{std::move(attempt), match != 0};
}

base::Task<base::Result<PinVerifier>> Verifier::make(SecretRole role, Id owner, std::uint32_t generation,
                                                     base::ByteView secret) const {
  PinVerifier verifier;
  verifier.key_version = ring_.snapshot()->verifier;
  verifier.iterations = iterations_;
  base::random_bytes(verifier.salt);
  auto mac = co_await this->mac(role, owner, generation, verifier, secret);
  if (!mac) co_return mac.error();
  verifier.mac = *mac;
  co_return verifier;
}

bool Verifier::outdated(const PinVerifier& verifier) const {
  return verifier.key_version != ring_.snapshot()->verifier || verifier.iterations != iterations_;
}

base::Secret health_card_secret(const HealthCard& card) {
  const std::string expires = card.expires.text();
  return base::Secret::concat({base::view(card.number), base::view("|"), base::view(expires)});
}

}  // namespace sigillo::appliance
