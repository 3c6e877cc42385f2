// ChannelRegistry: the enrolled channels in memory, as in the store. Whole objects are exchanged, so that a
// status that an officer changes is seen by the next request on a connection that is open. Thread rule: any
// thread.
#pragma once

#include <mutex>
#include <optional>
#include <shared_mutex>
#include <vector>

#include <appliance/assembly.hpp>
#include <appliance/channel.hpp>
#include <appliance/channel_record.hpp>
#include <appliance/records.hpp>
#include <base/result.hpp>

#include "channel_figures.hpp"

namespace sigillo::appliance {

// Whether a channel of the role has a delivery key.
bool opens_deliveries(Role role);
// Refuses a set in which one public key or one declared owner could open what leaves by two media, or a name
// twice.
base::Result<void> check_channels(const std::vector<Channel>& channels);

ChannelRecord to_record(const Channel& channel);
std::optional<Channel> from_record(const ChannelRecord& record);
Id channel_id(Role role, std::string_view name);

class ChannelRegistry {
 public:
  void set(std::vector<Channel> channels);  // who was there before keeps its figures
  // By the key of its certificate, or by the one of before a renewal while that is good.
  ChannelPtr find(Role role, std::string_view name, const base::Digest& certificate_key,
                  base::Instant now) const;
  std::vector<Channel> all() const;
  // The courier of a medium that has a delivery key, an active one before one that is suspended: what is
  // sealed to that waits until it is active again. Nothing where none is enrolled, or all are revoked.
  ChannelPtr courier(Medium medium) const;
  // When the first certificate of an active channel ends, of those whose end is known.
  std::optional<base::Instant> first_end() const;

 private:
  mutable std::shared_mutex mutex_;
  std::vector<ChannelPtr> channels_;
};

}  // namespace sigillo::appliance
