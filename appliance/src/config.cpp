#include <appliance/config.hpp>

#include <arpa/inet.h>
#include <sys/stat.h>
#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "config_keys.hpp"

namespace sigillo::appliance {
namespace {

constexpr std::string_view kHostCharacters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
constexpr std::string_view kWeakAdvice = " (only a development appliance, dev.allow_weak_policy = true, may)";

// Takes one TOML value to its place; an empty text is success, any other completes "KEY must be ".
struct Assign {
  Config& config;
  const toml::node& node;

  std::string operator()(const DurationAt& place) const {
    constexpr const char* kWanted =
        "a duration above 0: a number and s, m, h or d in quotes, such as \"60d\"";
    const auto text = node.value_exact<std::string>();
    const auto duration = text ? base::parse_duration(*text) : std::nullopt;
    if (!duration || duration->ms == 0) return kWanted;
    place.at(config) = *duration;
    return {};
  }
  std::string operator()(const CountAt& place) const {
    const auto count = node.value_exact<std::int64_t>();
    const bool zero_is_off = place.zero_on_development && config.allow_weak_policy;
    if (!count || *count < (zero_is_off ? 0 : 1) || *count > place.max) {
      std::string wanted =
          "a whole number from 1 to " + std::to_string(place.max) + "; 0 never means unlimited";
      return place.zero_on_development ? wanted + std::string(kWeakAdvice) : wanted;
    }
    place.at(config) = static_cast<std::uint32_t>(*count);
    return {};
  }
  std::string operator()(const FlagAt& place) const {
    const auto flag = node.value_exact<bool>();
    if (!flag) return "true or false, without quotes";
    place.at(config) = *flag;
    return {};
  }
  std::string operator()(const PathAt& place) const {
    const auto text = node.value_exact<std::string>();
    if (!text || !text->starts_with('/') || text->find('\0') != std::string::npos) {
      return "an absolute path in quotes: the appliance does not depend on where it is started";
    }
    place.at(config) = *text;
    return {};
  }
  std::string operator()(const TextAt& place) const {
    const auto text = node.value_exact<std::string>();
    if (!text || !place.valid(*text)) return place.wanted;
    place.at(config) = *text;
    return {};
  }
  std::string operator()(const ChoiceAt& place) const {
    const auto text = node.value_exact<std::string>();
    return text && place.set(config, *text) ? std::string() : place.wanted;
  }
};

// The value as it would stand in the file; only of what the profile bounds.
struct Show {
  Config& config;
  std::string operator()(const DurationAt& place) const {
    return '"' + base::to_text(place.at(config)) + '"';
  }
  std::string operator()(const CountAt& place) const { return std::to_string(place.at(config)); }
  std::string operator()(const FlagAt& place) const { return place.at(config) ? "true" : "false"; }
  std::string operator()(const PathAt& place) const { return place.at(config); }
  std::string operator()(const TextAt& place) const { return place.at(config); }
  std::string operator()(const ChoiceAt& place) const { return std::to_string(place.rank(config)); }
};

const ConfigKey* find_key(std::string_view path) {
  for (const auto& key : config_keys()) {
    if (key.path == path) return &key;
  }
  return nullptr;
}

// "known in [server]: listen, monitor, ..."; of a table that is unknown itself, the tables there are.
std::string known_beside(const std::string& path) {
  std::string table = path.substr(0, path.rfind('.') == std::string::npos ? 0 : path.rfind('.'));
  std::string names;
  std::string last;
  for (const auto& key : config_keys()) {
    const auto dot = key.path.rfind('.');
    const std::string owner(key.path.substr(0, dot));
    const std::string name = table.empty() ? '[' + owner + ']' : std::string(key.path.substr(dot + 1));
    if ((!table.empty() && owner != table) || name == last) continue;
    names += (names.empty() ? "" : ", ") + name;
    last = name;
  }
  if (names.empty()) return known_beside({});
  return (table.empty() ? "the tables are " : "known in [" + table + "] are ") + names;
}

class Loader {
 public:
  explicit Loader(std::string file) { config_.file = std::move(file); }

  std::variant<Config, ConfigError> load(const toml::table& root) {
    if (!collect(root, "") || !assign_first("dev.allow_weak_policy") || !assign_first("policy.profile"))
      return error_;
    if (config_.profile == "strict") config_.policy = Policy::strict();
    profile_ = config_;
    for (const auto& [path, node] : nodes_) {
      if (!assign(path, *node)) return error_;
    }
    for (const auto& key : config_keys()) {
      if (!present(key) || !floor_holds(key)) return error_;
    }
    if (!together()) return error_;
    config_.hsm.allow_test_module |= config_.allow_weak_policy;
    config_.hsm.refused_pin_file =
        (std::filesystem::path(config_.store.path).parent_path() / "token-pin-refused").string();
    return config_;
  }

 private:
  bool fail(std::string_view path, const std::string& what) {
    const auto found = nodes_.find(std::string(path));
    const auto line = found == nodes_.end() ? 0 : found->second->source().begin.line;
    return fail_at(line, path, what);
  }
  bool fail_at(std::uint32_t line, std::string_view path, const std::string& what) {
    error_.message = config_.file + (line == 0 ? "" : ":" + std::to_string(line)) + ": " + std::string(path) +
                     ' ' + what + '.';
    return false;
  }

  bool collect(const toml::table& table, const std::string& prefix) {
    for (const auto& [name, node] : table) {
      const std::string path = prefix + std::string(name.str());
      const bool is_key = find_key(path) != nullptr;
      if (node.is_table() && !is_key && is_table(path)) {
        if (!collect(*node.as_table(), path + '.')) return false;
      } else if (is_key) {
        nodes_.emplace(path, &node);
      } else {
        return fail_at(name.source().begin.line, path,
                       "is not a key that there is: remove it or correct its name; " + known_beside(path));
      }
    }
    return true;
  }
  static bool is_table(const std::string& path) {
    for (const auto& key : config_keys()) {
      if (key.path.starts_with(path + '.')) return true;
    }
    return false;
  }

  // What the others depend on goes before them, wherever it stands in the file.
  bool assign_first(const char* path) {
    const auto found = nodes_.find(path);
    return found == nodes_.end() || assign(path, *found->second);
  }
  bool assign(const std::string& path, const toml::node& node) {
    const std::string wanted = std::visit(Assign{config_, node}, find_key(path)->place);
    return wanted.empty() || fail(path, "must be " + wanted);
  }

  bool present(const ConfigKey& key) {
    return !key.required || nodes_.contains(std::string(key.path)) || fail(key.path, "is missing: add it");
  }

  bool floor_holds(const ConfigKey& key) {
    if (key.tighter == Tighter::free || config_.allow_weak_policy) return true;
    const auto value = measure(key.place, config_);
    const auto floor = measure(key.place, profile_);
    if (key.tighter == Tighter::down ? value <= floor : value >= floor) return true;
    const std::string bound = std::holds_alternative<ChoiceAt>(key.place)
                                  ? "leave it out"
                                  : std::string(key.tighter == Tighter::down ? "at most " : "at least ") +
                                        std::visit(Show{profile_}, key.place);
    return fail(key.path, "is weaker than the profile \"" + config_.profile + "\" allows: " + bound +
                              std::string(kWeakAdvice));
  }

  // What no value can be wrong about alone.
  bool together() {
    const auto& guess = config_.policy.guess;
    if (config_.hsm.token_label.empty() && config_.hsm.token_serial.empty()) {
      return fail("hsm.token_label", "is missing: name the token by hsm.token_label or hsm.token_serial");
    }
    if (config_.server.listen == config_.server.monitor)
      return fail("server.monitor", "must be another endpoint than server.listen");
    if (guess.delay_from > guess.limit && !config_.allow_weak_policy) {
      return fail("policy.guess.delay_from",
                  "must be at most policy.guess.limit, or no delay ever comes" + std::string(kWeakAdvice));
    }
    if (guess.delay_max < guess.delay_first && !config_.allow_weak_policy)
      return fail("policy.guess.delay_max", "must be at least policy.guess.delay_first");
    if ((config_.quotas.per_second == 0) != (config_.quotas.burst == 0)) {
      return fail("quotas.burst", "must be 0 where quotas.per_second is 0, and only there");
    }
    if (config_.hsm.deadline > base::minutes(1))
      return fail("hsm.deadline", "must be at most \"1m\": a caller waits that long");
    if (config_.anchor.interval > base::minutes(1)) {
      return fail("anchor.interval",
                  "must be at most \"1m\": what it leaves open is given up at an unclean stop");
    }
    if (config_.spray.window < base::minutes(1) || config_.spray.window > base::hours(1)) {
      return fail("alarms.spray_window",
                  "must be from \"1m\" to \"1h\": so long a citizen has to come back with the right PIN");
    }
    return ledger();
  }

  bool ledger() {
    const auto& audit = config_.audit;
    const bool lets_go = audit.keep_for.ms > 0 || audit.keep_entries > 0;
    if (lets_go && audit.segment_folder.empty())
      return fail("audit.segment_folder", "is missing: what is let go of the ledger is put there first");
    if (audit.keep_for.ms > 0 && audit.keep_for < base::days(1) && !config_.allow_weak_policy)
      return fail("audit.keep_for", "must be at least \"1d\"" + std::string(kWeakAdvice));
    return true;
  }

  Config config_;
  Config profile_;  // as the profile alone has it
  ConfigError error_;
  std::map<std::string, const toml::node*> nodes_;
};

std::variant<std::string, ConfigError> read_file(const std::string& path) {
  constexpr std::uintmax_t kSizeMax = 1U << 20;
  struct stat status {};
  if (stat(path.c_str(), &status) != 0)
    return ConfigError{path + ": the configuration file is not there: name it by --config."};
  if (!S_ISREG(status.st_mode))
    return ConfigError{path + ": the configuration is not a regular file: name one by --config."};
  // Who can write here chooses the module that is loaded into the process.
  if ((status.st_mode & S_IWOTH) != 0)
    return ConfigError{path + ": the configuration file is writable by everyone: chmod o-w it."};
  if (static_cast<std::uintmax_t>(status.st_size) > kSizeMax)
    return ConfigError{path + ": the configuration file is over 1 MiB: it is not one."};
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in)
    return ConfigError{path +
                       ": the configuration file cannot be read: give the appliance's user the right to."};
  return std::move(text).str();
}

}  // namespace

std::variant<Config, ConfigError> load_config(const std::string& path) {
  std::error_code ignored;
  std::string file = std::filesystem::absolute(path, ignored).lexically_normal().string();
  if (ignored) file = path;
  auto text = read_file(file);
  if (auto* error = std::get_if<ConfigError>(&text)) return std::move(*error);
  try {
    const toml::table root = toml::parse(std::get<std::string>(text));
    return Loader(file).load(root);
  } catch (
      const toml::parse_error& error) {  // of the library as it is packaged; a duplicate key comes here too
    return ConfigError{file + ':' + std::to_string(error.source().begin.line) +
                       ": not TOML, or a key given twice: " + std::string(error.description()) + '.'};
  }
}

std::string admin_socket(const Config& config) {
  if (!config.admin.socket.empty()) return config.admin.socket;
  return (std::filesystem::path(config.store.path).parent_path() / "admin.sock").string();
}

// Nothing but what a name is made of: OpenSSL reads the result as its configuration language.
std::optional<std::string> certificate_names(std::string_view text) {
  constexpr std::size_t kNameMax = 253;
  std::string out;
  for (std::size_t from = 0; from <= text.size();) {
    const auto to = std::min(text.find(',', from), text.size());
    auto name = text.substr(from, to - from);
    from = to + 1;
    name.remove_prefix(std::min(name.find_first_not_of(' '), name.size()));
    name = name.substr(0, name.find_last_not_of(' ') + 1);
    const std::string one(name);
    in6_addr address{};
    const bool is_address =
        inet_pton(AF_INET, one.c_str(), &address) == 1 || inet_pton(AF_INET6, one.c_str(), &address) == 1;
    const bool is_host = !one.empty() && one.size() <= kNameMax && one.front() != '-' && one.front() != '.' &&
                         one.find_first_not_of(kHostCharacters) == std::string::npos &&
                         one.find_first_not_of("0123456789.-") != std::string::npos;
    if (!is_address && !is_host) return std::nullopt;
    out += (out.empty() ? "" : ",") + std::string(is_address ? "IP:" : "DNS:") + one;
  }
  return out;
}

std::optional<std::pair<std::string, std::uint16_t>> parse_endpoint(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const std::string_view allowed = bracketed ? "0123456789abcdefABCDEF:.%" : kHostCharacters;
  if (host.find_first_not_of(allowed) != std::string_view::npos) return std::nullopt;
  std::uint16_t port = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || stop != digits.data() + digits.size() || port == 0) return std::nullopt;
  return std::pair(std::string(host), port);
}

}  // namespace sigillo::appliance
