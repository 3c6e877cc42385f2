#include "config_keys.hpp"

#include <algorithm>
#include <charconv>

#include <hsm/profile.hpp>

namespace sigillo::appliance {
namespace {

using base::Duration;

bool valid_endpoint(std::string_view text) {
  return parse_endpoint(text).has_value();
}

// /readyz and /metrics are plain HTTP and ask nobody's name.
bool valid_monitor(std::string_view text) {
  const auto endpoint = parse_endpoint(text);
  return endpoint &&
         (endpoint->first == "localhost" || endpoint->first == "::1" || endpoint->first.starts_with("127."));
}

// The origin line of a C2SP checkpoint and a JSON string: nothing in it may need an escape or end a line.
bool valid_issuer(std::string_view text) {
  return !text.empty() && text.size() <= 128 && std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '+';
  });
}

bool valid_names(std::string_view text) {
  return certificate_names(text).has_value();
}

bool valid_url(std::string_view text) {
  return text.starts_with("https://") && text.size() > 8 && text.size() <= 2048 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

// PKCS#11 pads a token's label with blanks to 32 bytes, and its serial number to 16.
bool valid_label(std::string_view text) {
  return !text.empty() && text.size() <= 32;
}
bool valid_serial(std::string_view text) {
  return !text.empty() && text.size() <= 16;
}

bool set_anchor_mode(Config& config, std::string_view text) {
  if (text != "strict" && text != "interval") return false;
  config.anchor.mode = text == "strict" ? AnchorMode::strict : AnchorMode::interval;
  return true;
}

bool set_spray(Config& config, std::string_view text) {
  if (text != "on" && text != "off") return false;
  config.spray.on = text == "on";
  return true;
}

bool set_profile(Config& config, std::string_view text) {
  if (text != "inps" && text != "strict") return false;
  config.profile = text;
  return true;
}

bool set_language(Config& config, std::string_view text) {
  if (text != "it" && text != "de" && text != "en") return false;
  config.policy.language = text == "it" ? Language::it : text == "de" ? Language::de : Language::en;
  return true;
}

bool set_electronic_half(Config& config, std::string_view text) {
  if (text != "at-request" && text != "on-demand") return false;
  config.policy.delivery.electronic_half =
      text == "at-request" ? ElectronicHalf::at_request : ElectronicHalf::on_demand;
  return true;
}

bool set_stretch(Config& config, std::string_view text) {
  constexpr std::string_view kPrefix = "pbkdf2-sha256:";
  std::uint32_t& iterations = config.policy.verifier.pbkdf2_iterations;
  if (text == "none") {
    iterations = 0;
    return true;
  }
  if (!text.starts_with(kPrefix)) return false;
  text.remove_prefix(kPrefix.size());
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), iterations);
  return error == std::errc() && stop == text.data() + text.size() && iterations >= 1 &&
         iterations <= 1'000'000;
}

Duration& canary(Config& config) {
  if (!config.hsm.canary) config.hsm.canary.emplace();
  return *config.hsm.canary;
}

bool set_module_profile(Config& config, std::string_view text) {
  if (text != "auto" && hsm::find_profile(text) == nullptr) return false;
  config.hsm.profile = text;
  return true;
}

bool valid_arguments(std::string_view text) {
  return text.size() <= 1024 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < 0x7f; });
}

std::int64_t unranked(Config&) {
  return 0;
}

// clang-format off
#define AT(type, member) [](Config& c) -> type& { return c.member; }
const ConfigKey kKeys[] = {
    {"server.listen", TextAt{AT(std::string, server.listen), valid_endpoint, "HOST:PORT, such as \"127.0.0.1:8443\" or \"[::1]:8443\""}},
    {"server.monitor", TextAt{AT(std::string, server.monitor), valid_monitor, "HOST:PORT on loopback, such as \"127.0.0.1:9464\": it is plain HTTP"}},
    {"server.certificate", PathAt{AT(std::string, server.certificate)}, Tighter::free, true},
    {"server.channel_ca", PathAt{AT(std::string, server.channel_ca)}, Tighter::free, true},
    {"server.names", TextAt{AT(std::string, server.names), valid_names, "DNS names and IP addresses with commas between them, such as \"pin.example.it, 192.0.2.10\""}},

    {"store.path", PathAt{AT(std::string, store.path)}, Tighter::free, true},
    {"store.node", CountAt{AT(std::uint32_t, store.node)}},

    {"admin.socket", PathAt{AT(std::string, admin.socket)}},

    {"hsm.module", PathAt{AT(std::string, hsm.module)}, Tighter::free, true},
    {"hsm.token_label", TextAt{AT(std::string, hsm.token_label), valid_label, "1 to 32 characters"}},
    {"hsm.token_serial", TextAt{AT(std::string, hsm.token_serial), valid_serial, "1 to 16 characters"}},
    {"hsm.softhsm2_conf", PathAt{AT(std::string, hsm.softhsm2_conf)}},
    {"hsm.pin_file", PathAt{AT(std::string, hsm.pin_file)}},
    {"hsm.profile", ChoiceAt{set_module_profile, unranked, "\"auto\", \"network\", \"nss\", \"p11-kit-remote\" or \"softhsm2\""}},
    {"hsm.init_arguments", TextAt{AT(std::string, hsm.init_arguments), valid_arguments, "at most 1024 printable ASCII characters"}},
    {"hsm.canary", DurationAt{canary}},
    {"hsm.allow_test_module", FlagAt{AT(bool, hsm.allow_test_module)}},
    {"hsm.sessions", CountAt{AT(std::uint32_t, hsm.sessions), 1024}},
    {"hsm.deadline", DurationAt{AT(Duration, hsm.deadline)}},

    {"anchor.mode", ChoiceAt{set_anchor_mode, unranked, "\"strict\" or \"interval\""}},
    {"anchor.interval", DurationAt{AT(Duration, anchor.interval)}},

    {"audit.issuer", TextAt{AT(std::string, audit.issuer), valid_issuer, "1 to 128 printable ASCII characters without blank, quote, backslash or plus"}},
    {"audit.checkpoint_folder", PathAt{AT(std::string, audit.checkpoint_folder)}},
    {"audit.checkpoint_url", TextAt{AT(std::string, audit.checkpoint_url), valid_url, "an https:// URL"}},
    {"audit.checkpoint_ca", PathAt{AT(std::string, audit.checkpoint_ca)}},
    {"audit.checkpoint_interval", DurationAt{AT(Duration, audit.checkpoint_interval)}},
    {"audit.checkpoints_kept", CountAt{AT(std::uint32_t, audit.checkpoints_kept)}},
    {"audit.segment_folder", PathAt{AT(std::string, audit.segment_folder)}},
    {"audit.segment_entries", CountAt{AT(std::uint32_t, audit.segment_entries)}},
    {"audit.keep_for", DurationAt{AT(Duration, audit.keep_for)}},
    {"audit.keep_entries", CountAt{AT(std::uint32_t, audit.keep_entries)}},

    {"alarms.spray", ChoiceAt{set_spray, unranked, "\"on\" or \"off\""}},
    {"alarms.spray_window", DurationAt{AT(Duration, spray.window)}},
    {"alarms.spray_misses", CountAt{AT(std::uint32_t, spray.misses), 1'000'000}},
    {"alarms.spray_share", CountAt{AT(std::uint32_t, spray.share), 100}},

    {"quotas.per_second", CountAt{AT(std::uint32_t, quotas.per_second), UINT32_MAX, true}},
    {"quotas.burst", CountAt{AT(std::uint32_t, quotas.burst), UINT32_MAX, true}},

    {"messages.folder", PathAt{AT(std::string, messages_folder)}},

    {"policy.profile", ChoiceAt{set_profile, unranked, "\"inps\" or \"strict\""}},
    {"policy.language", ChoiceAt{set_language, unranked, "\"it\", \"de\" or \"en\""}},
    {"policy.credential.provisional_validity", DurationAt{AT(Duration, policy.credential.provisional_validity)}, Tighter::down},
    {"policy.credential.definitive_validity", DurationAt{AT(Duration, policy.credential.definitive_validity)}, Tighter::down},
    {"policy.guess.limit", CountAt{AT(std::uint32_t, policy.guess.limit)}, Tighter::down},
    {"policy.guess.delay_from", CountAt{AT(std::uint32_t, policy.guess.delay_from)}, Tighter::down},
    {"policy.guess.delay_first", DurationAt{AT(Duration, policy.guess.delay_first)}, Tighter::up},
    {"policy.guess.delay_max", DurationAt{AT(Duration, policy.guess.delay_max)}, Tighter::up},
    {"policy.contacts.quarantine", DurationAt{AT(Duration, policy.contacts_quarantine)}, Tighter::up},
    {"policy.halves.letters_per_day", CountAt{AT(std::uint32_t, policy.halves.letters_per_day)}, Tighter::down},
    {"policy.halves.letters_per_30d", CountAt{AT(std::uint32_t, policy.halves.letters_per_30d)}, Tighter::down},
    {"policy.halves.electronic_per_day", CountAt{AT(std::uint32_t, policy.halves.electronic_per_day)}, Tighter::down},
    {"policy.delivery.lease", DurationAt{AT(Duration, policy.delivery.lease)}, Tighter::down},
    {"policy.delivery.attempts", CountAt{AT(std::uint32_t, policy.delivery.attempts), 1000}, Tighter::down},
    {"policy.delivery.electronic_half", ChoiceAt{set_electronic_half,
       [](Config& c) -> std::int64_t { return c.policy.delivery.electronic_half == ElectronicHalf::on_demand ? 1 : 0; },
       "\"at-request\" or \"on-demand\""}, Tighter::up},
    {"policy.recovery.link_validity", DurationAt{AT(Duration, policy.recovery.link_validity)}, Tighter::down},
    {"policy.recovery.limit", CountAt{AT(std::uint32_t, policy.recovery.limit)}, Tighter::down},
    {"policy.recovery.window", DurationAt{AT(Duration, policy.recovery.window)}, Tighter::up},
    {"policy.recovery.keeps_level", FlagAt{AT(bool, policy.recovery.keeps_level)}, Tighter::down},
    {"policy.verifier.stretch", ChoiceAt{set_stretch,
       [](Config& c) -> std::int64_t { return c.policy.verifier.pbkdf2_iterations; },
       "\"none\" or \"pbkdf2-sha256:N\" with N from 1 to 1000000"}, Tighter::up},

    {"dev.allow_weak_policy", FlagAt{AT(bool, allow_weak_policy)}},
};
#undef AT
// clang-format on

struct Measure {
  Config& config;
  std::int64_t operator()(const DurationAt& place) const { return place.at(config).ms; }
  std::int64_t operator()(const CountAt& place) const { return place.at(config); }
  std::int64_t operator()(const FlagAt& place) const { return place.at(config) ? 1 : 0; }
  std::int64_t operator()(const PathAt&) const { return 0; }
  std::int64_t operator()(const TextAt&) const { return 0; }
  std::int64_t operator()(const ChoiceAt& place) const { return place.rank(config); }
};

}  // namespace

std::span<const ConfigKey> config_keys() {
  return kKeys;
}

std::int64_t measure(const Place& place, Config& config) {
  return std::visit(Measure{config}, place);
}

}  // namespace sigillo::appliance
