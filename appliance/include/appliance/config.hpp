// Config: the appliance's configuration file (TOML), read once and checked whole. An unknown or duplicate
// key, a wrong type, a relative path, a policy below its floor is refused with the key's name and what to do
// (docs/OPERATIONS.md, Configuration). Thread rule: immutable after loading.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include <appliance/policy.hpp>
#include <base/clock.hpp>

namespace sigillo::appliance {

struct ServerConfig {
  std::string listen = "127.0.0.1:8443";
  std::string monitor = "127.0.0.1:9464";
  std::string certificate;  // PEM chain of the server certificate; its key is the HSM's `tls`
  std::string channel_ca;   // PEM of the CA that channel certificates are under
  std::string names;  // of the next server certificate, "a.example, 192.0.2.1"; empty: those of the last
};
struct StoreConfig {
  std::string path;
  std::uint32_t node = 1;
};
struct AdminConfig {
  std::string socket;  // of the officers; empty: admin.sock beside the store's file
};
struct HsmConfig {
  std::string module, token_label, token_serial, softhsm2_conf, pin_file;
  std::string profile = "auto";  // a module profile's name, or by the module's file
  std::string init_arguments;    // for C_Initialize, where the module wants some
  std::uint32_t sessions = 0;    // calls at once; 0: the module profile's
  base::Duration deadline = base::seconds(5);
  std::optional<base::Duration> canary;  // else 20 s, or less where the profile's idle limit wants it
  bool allow_test_module = false;        // SoftHSM2 and kin; true on a development appliance
  std::string refused_pin_file;          // beside the store: which PIN is not tried again
};
enum class AnchorMode : std::uint8_t { strict, interval };
struct AnchorConfig {
  AnchorMode mode = AnchorMode::strict;
  base::Duration interval = base::seconds(1);
};
struct AuditConfig {
  std::string issuer = "sigillo";  // `iss` of receipts and the origin of checkpoints
  std::string checkpoint_folder;   // empty: on demand only
  std::string checkpoint_url;      // https, empty: none
  std::string checkpoint_ca;       // PEM; empty: the system's
  base::Duration checkpoint_interval = base::minutes(1);
  std::uint32_t checkpoints_kept = 1'000;  // files in the folder; the oldest go
  std::string segment_folder;              // where what is let go of the ledger is put; empty: nothing is
  base::Duration keep_for{};               // entries older than this are let go; 0: age lets none go
  std::uint32_t keep_entries = 0;          // and all but so many of the last; 0: number lets none go
  std::uint32_t segment_entries = 1'000'000;
};
// Of one channel in one window: so many misses that stand, and so many for a hundred right PINs.
struct SprayAlarm {
  bool on = true;
  base::Duration window = base::minutes(10);
  std::uint32_t misses = 50, share = 25;
};
struct Quotas {
  std::uint32_t per_second = 200,
                burst = 400;  // per channel certificate; 0 only on a development appliance: off
};

struct Config {
  std::string file;  // absolute path it came from
  ServerConfig server;
  StoreConfig store;
  AdminConfig admin;
  HsmConfig hsm;
  AnchorConfig anchor;
  AuditConfig audit;
  SprayAlarm spray;
  Quotas quotas;
  std::string profile = "inps";
  Policy policy = Policy::inps();
  std::string messages_folder;  // texts in place of the built-in ones; empty: those
  bool allow_weak_policy = false;
};

std::string admin_socket(const Config& config);

struct ConfigError {
  std::string message;  // a sentence: file, line, key, what is wrong, what to do
};

std::variant<Config, ConfigError> load_config(const std::string& path);
// "a.example, 192.0.2.1" as a certificate has it, "DNS:a.example,IP:192.0.2.1". Nothing where one is neither.
std::optional<std::string> certificate_names(std::string_view text);
// "HOST:PORT" split and checked; IPv6 in brackets.
std::optional<std::pair<std::string, std::uint16_t>> parse_endpoint(std::string_view text);

}  // namespace sigillo::appliance
