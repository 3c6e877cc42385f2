#include "channels.hpp"

#include <base/jwe.hpp>

#include <algorithm>
#include <map>

namespace sigillo::appliance {

base::Result<void> check_channels(const std::vector<Channel>& channels) {
  // Attack: (1) enrol one company, or one key, as two couriers, (2) let both halves of every PIN pass through
  // it. A delivery key, a certificate key and a declared owner belong to one channel that opens deliveries.
  std::map<std::string, std::string> opens;  // key or owner -> channel
  for (const auto& channel : channels) {
    if (channel.delivery_jwk.empty()) continue;
    const auto key = base::EcPublicKey::from_jwk(channel.delivery_jwk);
    if (!key) return base::Error(Errc::channel, "a delivery key is not a public EC P-256 JWK");
    const std::string names[] = {"delivery:" + base::to_hex(key->point()),
                                 "certificate:" + base::to_hex(channel.certificate_key),
                                 "owner:" + channel.owner};
    for (const auto& name : names) {
      if (!opens.emplace(name, channel.label()).second) {
        return base::Error(Errc::channel, "one key or owner could open what leaves by two ways");
      }
    }
  }
  std::vector<std::string> labels;
  for (const auto& channel : channels) labels.push_back(channel.label());
  std::ranges::sort(labels);
  if (std::ranges::adjacent_find(labels) != labels.end())
    return base::Error(Errc::channel, "a channel is enrolled twice");
  return base::ok();
}

ChannelRecord to_record(const Channel& channel) {
  return {static_cast<std::uint8_t>(channel.role),
          static_cast<std::uint8_t>(channel.status),
          channel.name,
          channel.owner,
          channel.delivery_jwk,
          channel.certificate_key};
}

std::optional<Channel> from_record(const ChannelRecord& record) {
  const bool known = record.role >= static_cast<int>(Role::portal) &&
                     record.role <= static_cast<int>(Role::auditor) &&
                     record.status >= static_cast<int>(ChannelStatus::active) &&
                     record.status <= static_cast<int>(ChannelStatus::revoked);
  if (!known) return std::nullopt;
  return Channel{static_cast<Role>(record.role), record.name,  static_cast<ChannelStatus>(record.status),
                 record.certificate_key,         record.owner, record.delivery_jwk};
}

Id channel_id(Role role, std::string_view name) {
  const std::string uri = channel_uri(role, name);
  const auto digest = base::sha256({base::view(uri)});
  Id id;
  std::copy_n(digest.begin(), id.size(), id.begin());
  return id;
}

void ChannelRegistry::set(std::vector<Channel> channels) {
  std::vector<ChannelPtr> made;
  for (auto& channel : channels) made.push_back(std::make_shared<const Channel>(std::move(channel)));
  const std::unique_lock lock(mutex_);
  channels_ = std::move(made);
}

ChannelPtr ChannelRegistry::find(Role role, std::string_view name,
                                 const base::Digest& certificate_key) const {
  const std::shared_lock lock(mutex_);
  const auto found = std::ranges::find_if(channels_, [&](const ChannelPtr& channel) {
    return channel->role == role && channel->name == name && channel->certificate_key == certificate_key;
  });
  return found == channels_.end() ? nullptr : *found;
}

ChannelPtr ChannelRegistry::courier(Medium medium) const {
  const std::shared_lock lock(mutex_);
  const auto found = std::ranges::find_if(channels_, [&](const ChannelPtr& channel) {
    return courier_medium(channel->role) == medium && channel->status == ChannelStatus::active &&
           !channel->delivery_jwk.empty();
  });
  return found == channels_.end() ? nullptr : *found;
}

}  // namespace sigillo::appliance
