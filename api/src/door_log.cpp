#include "door_log.hpp"

#include <base/log.hpp>

namespace sigillo::api {

bool DoorLog::is_for(Code code) {
  return code == Code::channel_revoked || code == Code::channel_suspended || code == Code::channel_unknown ||
         code == Code::role_not_permitted || code == Code::quota_exceeded;
}

bool DoorLog::is_first(Code code, const base::Digest& certificate_key, base::Instant now) {
  const std::lock_guard lock(mutex_);
  const std::int64_t hour = now.ms / base::hours(1).ms;
  if (std::exchange(hour_, hour) != hour) told_.clear();
  return told_.size() < kToldMax && told_.emplace(certificate_key, code).second;
}

void DoorLog::turned_away(Code code, const PeerIdentity& peer, base::Instant now) {
  if (!is_first(code, peer.certificate_key, now)) return;
  const auto& named = peer.channel;
  base::log::warn(
      "turned-away",
      {{"code", words(code).code},
       {"channel", named ? std::string(appliance::name(named->first)) + ':' + named->second : "none"},
       {"certificate_key", base::to_hex(peer.certificate_key)}});
}

}  // namespace sigillo::api
