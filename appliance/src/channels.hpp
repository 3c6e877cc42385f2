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

// The queue that a courier's deliveries stand in, and no other courier's: the first of a medium has the
// medium's, each that is enrolled later the next number. None is ever given twice, for something of the one
// before may stand in it. Nothing once they are used up. Of those that had one queue together nobody knows
// who was first: the medium's is of the one that was sealed to.
Queue outbox_of(const Channel& courier);
std::optional<std::uint8_t> next_outbox(const std::vector<Channel>& channels, Role role);
// Of when the couriers of a medium had one queue together: gives all but the one that is sealed to their own,
// and what is new is sealed to that one as before. Those changed.
std::vector<Channel> part_outboxes(std::vector<Channel>& channels);

class ChannelRegistry {
 public:
  void set(std::vector<Channel> channels);  // who was there before keeps its figures
  // By the key of its certificate, or by the one of before a renewal while that is good.
  ChannelPtr find(Role role, std::string_view name, const base::Digest& certificate_key,
                  base::Instant now) const;
  std::vector<Channel> all() const;
  // The courier that what leaves now is sealed to: of those of the medium that have a delivery key, the one
  // that was enrolled last (of those that were parted, the one that was sealed to before), an active one
  // before one that is suspended: what is sealed to that waits until it is active again. Nothing where none
  // is enrolled, or all are revoked.
  ChannelPtr courier(Medium medium) const;
  // All of the medium, revoked ones too.
  std::vector<ChannelPtr> couriers(Medium medium) const;
  // Every queue that a delivery of the medium may stand in: the medium's first, which what is moved leaves.
  std::vector<Queue> outboxes(Medium medium) const;
  // When the first certificate of an active channel ends, of those whose end is known.
  std::optional<base::Instant> first_end() const;

 private:
  mutable std::shared_mutex mutex_;
  std::vector<ChannelPtr> channels_;
};

}  // namespace sigillo::appliance
