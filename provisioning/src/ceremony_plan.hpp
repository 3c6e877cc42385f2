// What a ceremony is to make, and who is there: written down before the day, as TOML, and checked whole
// before anything is touched. No secret is in it. Thread rule: a value, and pure functions but for reading
// the file.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace sigillo::provisioning {

struct Attendant {
  std::string id;        // of officers: 1 to 32 of [a-z0-9-], their name in acts and in the ledger
  std::string name;      // as people write it: "Nicolò D'Amico"
  std::string key = {};  // of an officer who brings one in a token: its PKCS#11 URI; empty: made on the day
};

struct CeremonyPlan {
  std::string appliance;         // its name: in shares, receipts and checkpoints
  std::filesystem::path folder;  // absolute; where everything that is made goes
  std::string module, token_label, spare_module, spare_label;
  bool allow_test_module = false;
  std::string listen = "0.0.0.0:8443", monitor = "127.0.0.1:9464";
  std::string server_names;  // of its certificate: "DNS:pin.example.it,IP:192.0.2.10"
  unsigned threshold = 0;
  std::vector<Attendant> custodians, officers;
  std::string text;  // as it was read; its digest is in the transcript
};

// A sentence where it is refused: which key, and what to do.
std::variant<CeremonyPlan, std::string> read_plan(const std::filesystem::path& file);
std::variant<CeremonyPlan, std::string> parse_plan(const std::string& text, const std::string& name);

// Of a person, UTF-8: 1 to 64 bytes, no control characters and no blank at its ends.
bool is_name(std::string_view text);

// A plan to begin from: 3 of 5, two officers.
extern const char* const kExamplePlan;

}  // namespace sigillo::provisioning
