// Answers in their wire form: status and JSON, member for member and in the order of the contract. A body
// that holds a PIN in clear is a Secret, and the buffer it was written in is wiped. Problems are RFC 9457.
// Thread rule: pure functions; render() may run on a thread of the appliance.
#pragma once

#include <string>
#include <string_view>

#include <api/problem.hpp>
#include <appliance/channel.hpp>
#include <appliance/config.hpp>
#include <appliance/service.hpp>

namespace sigillo::api {

appliance::Rendered render(const appliance::Answer& answer, std::string_view request_id);
appliance::Rendered render(const Problem& problem, std::string_view request_id);
appliance::Rendered render_whoami(const appliance::Channel& channel, base::Instant certificate_expires_at,
                                  const appliance::Quotas& quotas);

}  // namespace sigillo::api
