// What `sigillo audit` does, without its words: write an export of the ledger, check one offline.
// docs/LEDGER.md has the formats. Thread rule: one thread. Never: signs a chain that it has not checked, or
// one that is behind what the HSM has of it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <appliance/config.hpp>
#include <appliance/export_check.hpp>
#include <provisioning/command.hpp>

namespace sigillo::provisioning {

struct ExportRequest {
  std::string config;
  std::string file;  // "-" is standard output
  bool force = false;
};
struct VerifyRequest {
  std::vector<std::string> files;  // segments, then an export, in their order; "-" is standard input
  std::string keys;                // empty: the files' own
  std::string acts;                // empty: no texts are looked at
};

void audit_export(const ExportRequest& request, Context& context);
void audit_verify(const VerifyRequest& request, Context& context);

void add_audit_prune(CLI::App& audit, Context& context);

Exit exit_of(appliance::ExportVerdict verdict);

}  // namespace sigillo::provisioning
