// Custodians' shares at a terminal, one after the other: of each it is told at once what was wrong with it,
// and the next is asked for. Thread rule: one thread.
#pragma once

#include <optional>

#include <base/result.hpp>
#include <base/shares.hpp>

namespace sigillo::provisioning {

// What the shares of `kind` give together; `first` was typed already. Errc::terminal where nobody types,
// Errc::ceremony where they do not fit together.
base::Result<base::Secret> combine_typed(base::ShareKind kind,
                                         std::optional<base::Share> first = std::nullopt);

}  // namespace sigillo::provisioning
