// Erasure: all that is kept of a subject leaves the store in one commit, and the ledger says so. What points
// at a subject is found three ways: its record by its index, conversions and authorizations by the queue that
// holds them by subject (and those of before that queue by the ledger's entries), what waits in other queues
// by looking at all of it. Thread rule: one caller, while nothing else changes records. Never: touches a
// guess counter of the subject, or an entry of the ledger.
#pragma once

#include <appliance/assembly.hpp>

#include "context.hpp"

namespace sigillo::appliance {

base::Task<base::Result<Erased>> erase(const Context& context, const Subject& subject,
                                       std::string_view reason);

}  // namespace sigillo::appliance
