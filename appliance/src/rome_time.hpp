// The wall clock in Italy: what a citizen reads on a letter, and what a document's last day ends by.
// Thread rule: a pure function.
#pragma once

#include <chrono>

#include <base/clock.hpp>

namespace sigillo::appliance {

// Italy's summer time is the Union's (Directive 2000/84/EC): from 01:00 UTC of March's last Sunday to that of
// October's. Said here and not asked of the system, so that a host without a zone database does not shift a
// day. Before 1996, when October took September's place, an autumn month can be off by an hour: no instant of
// ours is that old.
std::chrono::local_time<std::chrono::milliseconds> rome_wall_clock(base::Instant instant);

}  // namespace sigillo::appliance
