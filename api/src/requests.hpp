// The parse functions of the route table: one for each operation, each says which members the operation has,
// and which of them which role must or may give. What a function does not take, the role may not give. Each
// returns nothing where the input has a fault; the fault is in the input's Faults. Thread rule: pure
// functions.
#pragma once

#include <optional>

#include <appliance/operations.hpp>

namespace sigillo::api {

struct Input;
using Parsed = std::optional<appliance::Request>;

Parsed parse_request_pin(Input& in);
Parsed parse_remake_half(Input& in);
Parsed parse_verify(Input& in);
Parsed parse_activate(Input& in);
Parsed parse_renew(Input& in);
Parsed parse_open_conversion(Input& in);
Parsed parse_submit_evidence(Input& in);
Parsed parse_decide_conversion(Input& in);
Parsed parse_get_conversion(Input& in);
Parsed parse_authorize(Input& in);
Parsed parse_get_authorization(Input& in);
Parsed parse_recover(Input& in);
Parsed parse_confirm_recovery(Input& in);
Parsed parse_revoke(Input& in);
Parsed parse_confirm_revocation(Input& in);
Parsed parse_block(Input& in);
Parsed parse_change_contacts(Input& in);
Parsed parse_get_status(Input& in);
Parsed parse_lease_deliveries(Input& in);
Parsed parse_ack_deliveries(Input& in);
Parsed parse_get_keys(Input& in);
Parsed parse_read_ledger(Input& in);
Parsed parse_get_checkpoint(Input& in);

}  // namespace sigillo::api
