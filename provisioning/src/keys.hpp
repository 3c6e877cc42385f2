// The two halves of `sigillo keys`: what a running appliance does (keys_command.cpp), and what is done to a
// token beside it (keys_backup.cpp). Thread rule: one thread.
#pragma once

#include <provisioning/command.hpp>

namespace sigillo::provisioning {

// create, backup prepare|prove|commit, restore.
void add_key_ceremony(CLI::App& keys, Context& context);

}  // namespace sigillo::provisioning
