// The two halves of `sigillo shares`: authorisation shares of a new PIN (shares_command.cpp), and backup
// shares of the same key (shares_backup.cpp). Thread rule: one thread.
#pragma once

#include <string>
#include <vector>

#include <provisioning/command.hpp>

namespace sigillo::provisioning {

// A sentence where they are refused, as who a ceremony's plan refuses.
std::string refuse_custodians(unsigned threshold, const std::vector<std::string>& custodians);

// renew-backup.
void add_backup_shares(CLI::App& shares, Context& context);

}  // namespace sigillo::provisioning
