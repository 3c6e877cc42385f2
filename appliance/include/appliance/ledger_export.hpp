// The ledger outside the appliance: an entry as a JSON object, and the lines that open and close an export or
// a segment. docs/LEDGER.md has the formats byte by byte. Thread rule: pure functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <appliance/checkpoint.hpp>
#include <base/jwe.hpp>
#include <base/result.hpp>
#include <sealed_store/store.hpp>

namespace sigillo::appliance {

// One line, members in a fixed order, hash included. parse_entry gives nothing for what is not exactly such
// an object.
std::string entry_json(const sealed_store::LedgerEntry& entry);
std::optional<sealed_store::LedgerEntry> parse_entry(std::string_view json);

// ---- exports
// ----------------------------------------------------------------------------------------------------------

// The closing line: {"checkpoint": "<signed note>", "keys": {JWK set}}.
std::string checkpoint_line(const std::string& note, const std::string& jwks);

// The first line of what does not begin with entry 1: {"base": "<signed note>"}, the end of the segment
// before.
std::string base_line(const std::string& note);

// The keys of a JWK set that may sign a checkpoint: all but those of receipts. Nothing where it is no JWK set
// of P-256 keys.
std::optional<std::vector<base::EcPublicKey>> parse_key_set(std::string_view jwks);

}  // namespace sigillo::appliance
