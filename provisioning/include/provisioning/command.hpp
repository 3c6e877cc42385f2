// Command: what the officers' commands of `sigillo` have in common: words or JSON, and exit codes. Each
// command is a file of its own with a function that adds it to the program; main.cpp has the table of them.
// Owner: main. Thread rule: one thread.
// Never: takes a secret as an argument or from the environment, which others can read; prints one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include <base/result.hpp>

namespace CLI {
class App;
}

namespace sigillo::provisioning {

// Of every command (docs/OPERATIONS.md, Exit codes); each says in its help what they mean there.
enum class Exit : std::uint8_t {
  good = 0,
  local = 1,
  remote_or_sealed = 2,
  altered = 10,  // from here on: what `audit` found in a ledger (docs/LEDGER.md)
  gap = 11,
  cut_tail = 12,
  unknown_key = 13,
  bad_signature = 14,  // from here on: what `backup verify` found
  missing_file = 15,
  key_missing = 16,
  key_differs = 17,
  act_refused = 18,  // of `audit verify`
};

enum class Errc : std::uint16_t {
  exists = 601,       // what would be made is there
  file = 602,         // a file or folder could not be made; raw is errno
  certificate = 603,  // OpenSSL did not make a key or a certificate
  module = 604,       // no PKCS#11 module where it is looked for
  officer_key = 620,  // an officer's key file, or its password
  terminal = 621,     // nobody is there to be asked, or he gave up
  connection = 622,   // the running appliance's socket did not answer as it should
  transcript = 640,   // a ceremony's transcript does not hold; raw is the line
  ceremony = 641,     // the people stopped a ceremony, or it cannot be held like that
};

class Context {
 public:
  bool json = false;  // --format json
  Exit exit = Exit::good;

  // The outcome on standard output. JSON is one object whose `schema` is "sigillo.<command>/<version>";
  // members may be added under one version, never changed or removed: programs read it.
  void result(std::string_view schema, boost::json::object members, std::string_view words);
  // A failure: what failed and with which path, and what to do next. On standard error, or as JSON on
  // standard output with schema "sigillo.error/1".
  void failed(Exit code, std::string_view what, std::string_view next);
};

// "no slot holds an uninitialised token (error 209, raw 0x0)"; of a file with the system's words, "a file
// could not be opened: Permission denied (error 602)"; of the HSM with the standard's
// name, "the token failed at this call (CKR_DEVICE_ERROR, error 201)"
std::string sentence(const base::Error& error);

void add_audit(CLI::App& app, Context& context);
void add_backup(CLI::App& app, Context& context);
void add_channel(CLI::App& app, Context& context);
void add_key_commands(CLI::App& app, Context& context);
void add_officer(CLI::App& app, Context& context);
void add_state(CLI::App& app, Context& context);  // status, seal, unseal
void add_ceremony(CLI::App& app, Context& context);
void add_dev_init(CLI::App& app, Context& context);
void add_diagnose(CLI::App& app, Context& context);
void add_hsm(CLI::App& app, Context& context);
void add_policy(CLI::App& app, Context& context);
void add_restore(CLI::App& app, Context& context);
void add_shares(CLI::App& app, Context& context);
void add_subject(CLI::App& app, Context& context);
void add_token_signer(CLI::App& app, Context& context);  // no person's command
void add_validate_config(CLI::App& app, Context& context);

}  // namespace sigillo::provisioning
