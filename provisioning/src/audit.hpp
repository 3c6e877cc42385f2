// What `sigillo audit` does, without its words: write an export of the ledger, check one offline.
// docs/LEDGER.md has the formats. Thread rule: one thread. Never: signs a chain that it has not checked, or
// one that is behind what the HSM has of it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <appliance/config.hpp>
#include <appliance/ledger_export.hpp>
#include <provisioning/command.hpp>

namespace sigillo::provisioning {

struct ExportRequest {
  std::string config;
  std::string file;  // "-" is standard output
  bool force = false;
};
struct VerifyRequest {
  std::string file;  // "-" is standard input
  std::string keys;  // empty: the export's own
};

void audit_export(const ExportRequest& request, Context& context);
void audit_verify(const VerifyRequest& request, Context& context);

Exit exit_of(appliance::ExportVerdict verdict);

}  // namespace sigillo::provisioning
