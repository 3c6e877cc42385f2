// Checkpoints that this appliance signs, the one place where the ledger key is used, and the folder they go
// to. Thread rule: any thread; one at a time writes.
#pragma once

#include "context.hpp"

namespace sigillo::appliance {

// `head` signed as a note; `segment_from` where it is the end of a segment that is let go.
base::Task<base::Result<std::string>> sign_checkpoint(const Context& context, sealed_store::Head head,
                                                      std::optional<std::uint64_t> segment_from = {});

// Those beyond entry `after` are of a history that was left: their names are free for that of now, and the
// oldest by number are no more the oldest. They stay, as replaced-checkpoint-<seq>.txt.
base::Result<void> put_checkpoints_aside(const AuditConfig& audit, std::uint64_t after);

// Into the folder, whole or not at all, as checkpoint-<seq>.txt; the oldest beyond those that are kept go.
base::Result<void> write_checkpoint(const AuditConfig& audit, const sealed_store::Head& head,
                                    const std::string& note);

}  // namespace sigillo::appliance
