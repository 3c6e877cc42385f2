// Message: one delivery, opened. Its document holds half a PIN or a token, so it is a Secret, and so is what
// reading it leaves behind: the JSON is taken apart in locked memory. Thread rule: values and pure functions.
#pragma once

#include <optional>
#include <span>
#include <string>

#include <base/jwe.hpp>
#include <base/secret.hpp>
#include <channels/client.hpp>

namespace sigillo::channels {

struct Message {
  std::string delivery_id;
  base::Secret document;  // the JSON of the contract's "Sealed texts": kind, pin?, to, text, ...
};

// Why a delivery could not be opened: the `reason` that is reported.
enum class Unopened : std::uint8_t { no_key_fits, not_of_the_contract, another_delivery };
const char* reason(Unopened why);

struct Opened {
  std::optional<Message> message;
  Unopened why = Unopened::no_key_fits;
};
// Tries each key: the newest and those of before a rotation. The delivery_id inside must be the one leased.
Opened open_message(std::span<const base::EcPrivateKey> keys, const Lease& lease);

}  // namespace sigillo::channels
