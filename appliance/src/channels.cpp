#include "channels.hpp"

#include <base/jwe.hpp>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>

namespace sigillo::appliance {
namespace {

// DER of a SubjectPublicKeyInfo of P-256 up to the point (RFC 5480).
constexpr base::ByteArray<26> kP256Spki = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                           0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                           0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};

// A public key is one key, whatever it is used for: the SHA-256 of its SubjectPublicKeyInfo, as certificates
// have it.
std::optional<std::string> name_of_delivery_key(const std::string& jwk) {
  const auto key = base::EcPublicKey::from_jwk(jwk);
  if (!key) return std::nullopt;
  return "key:" + base::to_hex(base::sha256({kP256Spki, key->point()}));
}

// Owners are compared as a person would: without regard to case and blanks.
std::string name_of_owner(const std::string& owner) {
  std::string out = "owner:";
  for (const char c : owner) {
    if (c != ' ' && c != '\t') out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

base::Result<std::vector<std::string>> keys_of(const Channel& channel) {
  std::vector<std::string> out{"key:" + base::to_hex(channel.certificate_key)};
  if (channel.former) out.push_back("key:" + base::to_hex(channel.former->certificate_key));
  for (const auto& key : channel.former_keys) out.push_back("key:" + base::to_hex(key));
  auto jwks = channel.former_delivery;
  if (!channel.delivery_jwk.empty()) jwks.push_back(channel.delivery_jwk);
  for (const auto& jwk : jwks) {
    auto name = name_of_delivery_key(jwk);
    if (!name) return base::Error(Errc::channel, "a delivery key is not a public EC P-256 JWK");
    out.push_back(std::move(*name));
  }
  std::ranges::sort(out);
  if (std::ranges::adjacent_find(out) != out.end())
    return base::Error(Errc::channel,
                       "one key for two purposes: certificates and deliveries have keys of their own");
  return out;
}

// What is new is sealed to the courier of the highest. Numbers say who came later, but those of when nothing
// said so: of these it is the one that was sealed to all the time, whose queue is the medium's.
auto rank(const Channel& courier) {
  const bool may = courier.status != ChannelStatus::revoked && !courier.delivery_jwk.empty();
  return std::tuple(may, may && courier.status == ChannelStatus::active, courier.outbox >= kFirstOutbox,
                    courier.outbox == 0, courier.outbox);
}

}  // namespace

bool opens_deliveries(Role role) {
  return courier_medium(role).has_value() || role == Role::contact_centre || role == Role::branch;
}

base::Result<void> check_channels(const std::vector<Channel>& channels) {
  // Attack: (1) enrol one company, or one key, as two couriers, (2) let both halves of every PIN pass through
  // it. A key belongs to one channel for good, also when that is revoked; an owner to one that opens
  // deliveries, and after its end to another of the same role.
  std::set<std::string> labels, keys;
  std::map<std::string, const Channel*> owners;
  for (const auto& channel : channels) {
    if (!labels.insert(channel.label()).second)
      return base::Error(Errc::channel, "a channel is enrolled twice");
    SIGILLO_TRY(const auto own, keys_of(channel));
    for (const auto& name : own) {
      if (!keys.insert(name).second)
        return base::Error(Errc::channel, "one key for two channels: it could open what leaves by two ways");
    }
    if (!opens_deliveries(channel.role) || channel.delivery_jwk.empty()) continue;
    const auto [other, added] = owners.emplace(name_of_owner(channel.owner), &channel);
    if (added) continue;
    const bool succeeds =
        other->second->role == channel.role &&
        (other->second->status == ChannelStatus::revoked || channel.status == ChannelStatus::revoked);
    if (!succeeds)
      return base::Error(Errc::channel, "one owner for two channels could open what leaves by two ways");
    if (channel.status != ChannelStatus::revoked) other->second = &channel;
  }
  return base::ok();
}

ChannelRecord to_record(const Channel& channel) {
  ChannelRecord out;
  out.role = static_cast<std::uint8_t>(channel.role);
  out.status = static_cast<std::uint8_t>(channel.status);
  out.name = channel.name;
  out.owner = channel.owner;
  out.delivery_jwk = channel.delivery_jwk;
  out.certificate_key = channel.certificate_key;
  out.ca_version = channel.ca_version;
  out.certificate_expires = channel.certificate_expires;
  if (channel.former)
    out.former = {channel.former->certificate_key, channel.former->until, channel.former->ca_version};
  out.former_delivery = channel.former_delivery;
  out.appendix.value = {channel.former_keys, {channel.outbox}};
  return out;
}

std::optional<Channel> from_record(const ChannelRecord& record) {
  const bool known = record.role >= static_cast<int>(Role::portal) &&
                     record.role <= static_cast<int>(Role::auditor) &&
                     record.status >= static_cast<int>(ChannelStatus::active) &&
                     record.status <= static_cast<int>(ChannelStatus::revoked);
  if (!known) return std::nullopt;
  Channel out;
  out.role = static_cast<Role>(record.role);
  out.name = record.name;
  out.status = static_cast<ChannelStatus>(record.status);
  out.certificate_key = record.certificate_key;
  out.owner = record.owner;
  out.delivery_jwk = record.delivery_jwk;
  out.ca_version = record.ca_version;
  out.certificate_expires = record.certificate_expires;
  if (record.former)
    out.former = {record.former->certificate_key, record.former->until, record.former->ca_version};
  out.former_delivery = record.former_delivery;
  out.former_keys = record.appendix.value.former_keys;
  out.outbox = record.appendix.value.outbox.value;
  return out;
}

Id channel_id(Role role, std::string_view name) {
  const std::string uri = channel_uri(role, name);
  const auto digest = base::sha256({base::view(uri)});
  Id id;
  std::copy_n(digest.begin(), id.size(), id.begin());
  return id;
}

Queue outbox_of(const Channel& courier) {
  // The media's own queues have their numbers.
  return courier.outbox != 0 ? static_cast<Queue>(courier.outbox)
                             : static_cast<Queue>(*courier_medium(courier.role));
}

std::optional<std::uint8_t> next_outbox(const std::vector<Channel>& channels, Role role) {
  if (std::ranges::find(channels, role, &Channel::role) == channels.end()) return 0;
  int highest = kFirstOutbox - 1;
  for (const auto& channel : channels) highest = std::max<int>(highest, channel.outbox);
  if (highest == kLastOutbox) return std::nullopt;
  return static_cast<std::uint8_t>(highest + 1);
}

std::vector<Channel> part_outboxes(std::vector<Channel>& channels) {
  std::vector<Channel> parted;
  int next = kFirstParted;
  for (const auto& channel : channels)
    if (channel.outbox < kFirstOutbox) next = std::max(next, channel.outbox + 1);
  for (auto& channel : channels) {
    if (!courier_medium(channel.role) || channel.outbox != 0) continue;
    // Attack: (1) have two couriers, one of them trusted less and never sealed to, (2) upgrade: it is given
    // all that is new, and no officer signed for that. Who was sealed to, the first of the list, still is.
    const auto stays = std::ranges::max_element(channels, {}, [&channel](const Channel& one) {
      return std::pair(one.role == channel.role && one.outbox == 0, rank(one));
    });
    if (&*stays == &channel) continue;
    if (next == kFirstOutbox) break;  // they share it: each is still given nothing but its own
    channel.outbox = static_cast<std::uint8_t>(next++);
    parted.push_back(channel);
  }
  return parted;
}

void ChannelRegistry::set(std::vector<Channel> channels) {
  std::vector<ChannelPtr> made;
  const std::unique_lock lock(mutex_);
  for (auto& channel : channels) {
    const auto before = std::ranges::find_if(channels_, [&](const ChannelPtr& known) {
      return !channel.figures && known->role == channel.role && known->name == channel.name;
    });
    if (before != channels_.end()) channel.figures = (*before)->figures;
    if (!channel.figures) channel.figures = std::make_shared<ChannelFigures>();
    made.push_back(std::make_shared<const Channel>(std::move(channel)));
  }
  channels_ = std::move(made);
}

ChannelPtr ChannelRegistry::find(Role role, std::string_view name, const base::Digest& certificate_key,
                                 base::Instant now) const {
  const std::shared_lock lock(mutex_);
  const auto found = std::ranges::find_if(channels_, [&](const ChannelPtr& channel) {
    const bool former = channel->former && channel->former->certificate_key == certificate_key &&
                        now < channel->former->until;
    return channel->role == role && channel->name == name &&
           (former || channel->certificate_key == certificate_key);
  });
  return found == channels_.end() ? nullptr : *found;
}

std::vector<Channel> ChannelRegistry::all() const {
  const std::shared_lock lock(mutex_);
  std::vector<Channel> out;
  for (const auto& channel : channels_) out.push_back(*channel);
  return out;
}

ChannelPtr ChannelRegistry::courier(Medium medium) const {
  ChannelPtr best;
  for (auto& one : couriers(medium)) {
    if (one->status == ChannelStatus::revoked || one->delivery_jwk.empty()) continue;
    if (!best || rank(*best) < rank(*one)) best = std::move(one);
  }
  return best;
}

std::vector<ChannelPtr> ChannelRegistry::couriers(Medium medium) const {
  const std::shared_lock lock(mutex_);
  std::vector<ChannelPtr> out;
  for (const auto& channel : channels_)
    if (courier_medium(channel->role) == medium) out.push_back(channel);
  return out;
}

std::vector<Queue> ChannelRegistry::outboxes(Medium medium) const {
  std::vector<Queue> out{static_cast<Queue>(medium)};
  for (const auto& one : couriers(medium))
    if (one->outbox != 0) out.push_back(outbox_of(*one));
  return out;
}

std::optional<base::Instant> ChannelRegistry::first_end() const {
  const std::shared_lock lock(mutex_);
  std::optional<base::Instant> first;
  for (const auto& channel : channels_) {
    if (channel->status != ChannelStatus::active || channel->certificate_expires.ms == 0) continue;
    if (!first || channel->certificate_expires < *first) first = channel->certificate_expires;
  }
  return first;
}

}  // namespace sigillo::appliance
