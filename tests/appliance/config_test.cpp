#include <appliance/config.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace sigillo::appliance {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view kRequired = R"([server]
certificate = "/etc/sigillo/server.pem"
channel_ca = "/etc/sigillo/ca.pem"
[store]
path = "/var/lib/sigillo/sigillo.db"
[hsm]
module = "/usr/lib/softhsm/libsofthsm2.so"
token_label = "sigillo"
pin_file = "/run/credentials/token-pin"
)";

class ConfigFile : public testing::Test {
 protected:
  ConfigFile() {
    std::string form = (std::filesystem::temp_directory_path() / "sigillo-config-XXXXXX").string();
    folder_ = mkdtemp(form.data());
  }
  ~ConfigFile() override { std::filesystem::remove_all(folder_); }

  std::string path() const { return folder_ / "sigillo.toml"; }
  std::variant<Config, ConfigError> load_text(std::string_view text) const {
    std::ofstream(path(), std::ios::binary) << text;
    return load_config(path());
  }
  // The required keys, and these after them.
  std::variant<Config, ConfigError> load(std::string_view more) const {
    return load_text(std::string(kRequired) + std::string(more));
  }
  std::optional<Config> taken(std::string_view more) const {
    auto loaded = load(more);
    if (auto* error = std::get_if<ConfigError>(&loaded)) {
      ADD_FAILURE() << error->message;
      return std::nullopt;
    }
    return std::get<Config>(std::move(loaded));
  }
  std::string refused(std::string_view more) const {
    const auto loaded = load(more);
    const auto* error = std::get_if<ConfigError>(&loaded);
    EXPECT_TRUE(error != nullptr) << "taken: " << more;
    return error != nullptr ? error->message : std::string();
  }

  std::filesystem::path folder_;
};

TEST_F(ConfigFile, TheRequiredKeysAloneGiveTheInpsProfile) {
  const auto config = taken("");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->file, path());
  EXPECT_EQ(config->server.listen, "127.0.0.1:8443");
  EXPECT_EQ(config->anchor.mode, AnchorMode::strict);
  EXPECT_EQ(config->quotas.per_second, 200U);
  EXPECT_EQ(config->quotas.burst, 400U);
  EXPECT_EQ(config->profile, "inps");
  EXPECT_FALSE(config->allow_weak_policy);
  EXPECT_EQ(config->policy.credential.provisional_validity, base::days(60));
  EXPECT_EQ(config->policy.guess.limit, 10U);
  EXPECT_EQ(config->policy.guess.delay_max, base::hours(1));
  EXPECT_EQ(config->policy.verifier.pbkdf2_iterations, 0U);
  EXPECT_TRUE(config->policy.recovery.keeps_level);
}

TEST_F(ConfigFile, TheStrictProfileFollowsNist) {
  const auto config = taken("[policy]\nprofile = \"strict\"\n");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->profile, "strict");
  EXPECT_EQ(config->policy.credential.provisional_validity, base::days(21));
  EXPECT_EQ(config->policy.delivery.electronic_half, ElectronicHalf::on_demand);
  EXPECT_EQ(config->policy.delivery.sms_validity, base::minutes(10));
  EXPECT_FALSE(config->policy.recovery.keeps_level);
  EXPECT_EQ(config->policy.verifier.pbkdf2_iterations, 10'000U);
}

TEST_F(ConfigFile, EveryKeyIsTaken) {
  const auto loaded = load_text(R"(
[server]
listen = "[::1]:9443"
monitor = "localhost:9000"
certificate = "/c.pem"
channel_ca = "/a.pem"
names = "pin.example.it, 192.0.2.10"
[store]
path = "/s.db"
node = 7
[hsm]
module = "/m.so"
token_label = "label"
token_serial = "1234"
softhsm2_conf = "/softhsm2.conf"
pin_file = "/pin"
sessions = 12
deadline = "2s"
[anchor]
mode = "interval"
interval = "3s"
[audit]
issuer = "pin.example.it"
checkpoint_folder = "/checkpoints"
checkpoint_url = "https://witness.example.it/add"
checkpoint_interval = "5m"
[alarms]
spray = "off"
spray_window = "5m"
spray_misses = 200
spray_share = 10
[quotas]
per_second = 50
burst = 60
[messages]
folder = "/texts"
[policy]
profile = "inps"
language = "de"
[policy.credential]
provisional_validity = "30d"
definitive_validity = "90d"
[policy.guess]
limit = 5
delay_from = 2
delay_first = "1m"
delay_max = "2h"
[policy.contacts]
quarantine = "14d"
[policy.halves]
letters_per_day = 1
letters_per_30d = 2
electronic_per_day = 1
[policy.delivery]
lease = "45s"
attempts = 4
electronic_half = "on-demand"
[policy.recovery]
link_validity = "12h"
limit = 1
window = "60d"
keeps_level = false
[policy.verifier]
stretch = "pbkdf2-sha256:20000"
[dev]
allow_weak_policy = false
)");
  ASSERT_TRUE(std::holds_alternative<Config>(loaded)) << std::get<ConfigError>(loaded).message;
  const auto& config = std::get<Config>(loaded);
  EXPECT_EQ(config.server.listen, "[::1]:9443");
  EXPECT_EQ(config.server.names, "pin.example.it, 192.0.2.10");
  EXPECT_EQ(config.store.node, 7U);
  EXPECT_EQ(config.hsm.token_serial, "1234");
  EXPECT_EQ(config.hsm.sessions, 12U);
  EXPECT_EQ(config.hsm.deadline, base::seconds(2));
  EXPECT_EQ(config.anchor.mode, AnchorMode::interval);
  EXPECT_EQ(config.anchor.interval, base::seconds(3));
  EXPECT_EQ(config.audit.checkpoint_url, "https://witness.example.it/add");
  EXPECT_EQ(config.audit.checkpoint_interval, base::minutes(5));
  EXPECT_FALSE(config.spray.on);
  EXPECT_EQ(config.spray.window, base::minutes(5));
  EXPECT_EQ(config.spray.misses, 200U);
  EXPECT_EQ(config.spray.share, 10U);
  EXPECT_EQ(config.quotas.burst, 60U);
  EXPECT_EQ(config.messages_folder, "/texts");
  EXPECT_EQ(config.policy.language, Language::de);
  EXPECT_EQ(config.policy.credential.definitive_validity, base::days(90));
  EXPECT_EQ(config.policy.guess.limit, 5U);
  EXPECT_EQ(config.policy.guess.delay_from, 2U);
  EXPECT_EQ(config.policy.guess.delay_first, base::minutes(1));
  EXPECT_EQ(config.policy.contacts_quarantine, base::days(14));
  EXPECT_EQ(config.policy.halves.letters_per_30d, 2U);
  EXPECT_EQ(config.policy.halves.electronic_per_day, 1U);
  EXPECT_EQ(config.policy.delivery.lease, base::seconds(45));
  EXPECT_EQ(config.policy.delivery.attempts, 4U);
  EXPECT_EQ(config.policy.delivery.electronic_half, ElectronicHalf::on_demand);
  EXPECT_EQ(config.policy.recovery.link_validity, base::hours(12));
  EXPECT_EQ(config.policy.recovery.window, base::days(60));
  EXPECT_FALSE(config.policy.recovery.keeps_level);
  EXPECT_EQ(config.policy.verifier.pbkdf2_iterations, 20'000U);
}

TEST_F(ConfigFile, AnUnknownKeyIsRefusedWithItsLineAndWhatThereIs) {
  EXPECT_THAT(refused("sesions = 4\n"),
              AllOf(StartsWith(path() + ":10: "), HasSubstr("hsm.sesions"), HasSubstr("sessions")));
  EXPECT_THAT(refused("[polcy]\nprofile = \"inps\"\n"),
              AllOf(HasSubstr(":10: polcy"), HasSubstr("[policy]")));
  EXPECT_THAT(refused("[policy.guess]\nlimits = 4\n"),
              AllOf(HasSubstr("policy.guess.limits"), HasSubstr("delay_from")));
  EXPECT_THAT(refused("[hsm.sessions]\nmax = 4\n"), HasSubstr("hsm.sessions"));
  EXPECT_THAT(refused("[policy]\nguess = 4\n"), HasSubstr("policy.guess"));
  EXPECT_THAT(refused("[[quotas]]\nburst = 4\n"), HasSubstr("quotas"));
}

TEST_F(ConfigFile, ADuplicateKeyOrTableIsRefusedWithItsLine) {
  EXPECT_THAT(refused("pin_file = \"/other\"\n"), AllOf(HasSubstr(":10: "), HasSubstr("pin_file")));
  EXPECT_THAT(refused("[hsm]\n"), HasSubstr(":10: "));
  EXPECT_THAT(refused("deadline = \n"), HasSubstr(":10: "));
}

TEST_F(ConfigFile, AWrongTypeIsRefusedWithWhatIsWanted) {
  const std::pair<const char*, const char*> wrong[] = {
      {"sessions = \"4\"", "whole number"},
      {"sessions = 4.0", "whole number"},
      {"sessions = true", "whole number"},
      {"sessions = -4", "whole number"},
      {"sessions = 4294967296", "whole number"},
      {"deadline = 5", "duration"},
      {"deadline = \"5\"", "duration"},
      {"deadline = \"5 s\"", "duration"},
      {"softhsm2_conf = \"softhsm2.conf\"", "absolute path"},
      {"softhsm2_conf = 1", "absolute path"},
      {"softhsm2_conf = \"\"", "absolute path"},
      {"token_serial = \"12345678901234567\"", "1 to 16"},
      {"[policy]\nlanguage = \"fr\"", "\"de\""},
      {"[policy]\nprofile = \"INPS\"", "\"strict\""},
      {"[anchor]\nmode = \"none\"", "\"interval\""},
      {"[policy.recovery]\nkeeps_level = \"no\"", "true or false"},
      {"[policy.recovery]\nkeeps_level = 0", "true or false"},
      {"[policy.verifier]\nstretch = \"pbkdf2-sha256:\"", "pbkdf2-sha256:N"},
      {"[policy.verifier]\nstretch = \"pbkdf2-sha256:0\"", "pbkdf2-sha256:N"},
      {"[policy.verifier]\nstretch = \"pbkdf2-sha256:10000x\"", "pbkdf2-sha256:N"},
      {"[audit]\ncheckpoint_url = \"http://witness.example.it\"", "https"},
      {"[audit]\nissuer = \"a b\"", "printable"},
      {"[alarms]\nspray = false", "\"off\""},
      {"[alarms]\nspray = \"no\"", "\"off\""},
      {"[alarms]\nspray_share = 101", "1 to 100"}};
  for (const auto& [text, wanted] : wrong)
    EXPECT_THAT(refused(std::string(text) + "\n"), HasSubstr(wanted)) << text;
}

TEST_F(ConfigFile, ZeroNeverMeansUnlimited) {
  for (const char* text :
       {"sessions = 0", "deadline = \"0s\"", "[policy.guess]\nlimit = 0", "[policy.guess]\ndelay_from = 0",
        "[policy.guess]\ndelay_first = \"0s\"", "[policy.credential]\nprovisional_validity = \"0d\"",
        "[policy.halves]\nletters_per_30d = 0", "[policy.delivery]\nattempts = 0",
        "[policy.recovery]\nlimit = 0", "[alarms]\nspray_misses = 0", "[alarms]\nspray_share = 0",
        "[alarms]\nspray_window = \"0s\"", "[quotas]\nper_second = 0\nburst = 0"}) {
    refused(std::string(text) + "\n");
    if (std::string_view(text).starts_with("[quotas]")) continue;
    refused(std::string(text) + "\n[dev]\nallow_weak_policy = true\n");
  }
}

// Each policy value just past its floor: refused, and taken on a development appliance; at the floor taken.
TEST_F(ConfigFile, APolicyWeakerThanItsProfileIsForDevelopmentOnly) {
  struct Case {
    const char *profile, *table, *weaker, *floor;
  };
  const Case cases[] = {
      {"inps", "credential", "provisional_validity = \"61d\"", "provisional_validity = \"60d\""},
      {"strict", "credential", "provisional_validity = \"22d\"", "provisional_validity = \"21d\""},
      {"inps", "credential", "definitive_validity = \"181d\"", "definitive_validity = \"180d\""},
      {"inps", "guess", "limit = 11", "limit = 10"},
      {"inps", "guess", "delay_from = 4", "delay_from = 3"},
      {"inps", "guess", "delay_first = \"29s\"", "delay_first = \"30s\""},
      {"inps", "guess", "delay_max = \"59m\"", "delay_max = \"1h\""},
      {"inps", "contacts", "quarantine = \"6d\"", "quarantine = \"7d\""},
      {"inps", "halves", "letters_per_day = 2", "letters_per_day = 1"},
      {"inps", "halves", "letters_per_30d = 5", "letters_per_30d = 4"},
      {"inps", "halves", "electronic_per_day = 4", "electronic_per_day = 3"},
      {"inps", "recovery", "link_validity = \"25h\"", "link_validity = \"24h\""},
      {"inps", "recovery", "limit = 4", "limit = 3"},
      {"inps", "recovery", "window = \"29d\"", "window = \"30d\""},
      {"strict", "recovery", "keeps_level = true", "keeps_level = false"},
      {"inps", "delivery", "lease = \"61s\"", "lease = \"60s\""},
      {"inps", "delivery", "attempts = 11", "attempts = 10"},
      {"strict", "delivery", "electronic_half = \"at-request\"", "electronic_half = \"on-demand\""},
      {"strict", "verifier", "stretch = \"none\"", "stretch = \"pbkdf2-sha256:10000\""},
      {"strict", "verifier", "stretch = \"pbkdf2-sha256:9999\"", "stretch = \"pbkdf2-sha256:10001\""}};
  for (const auto& each : cases) {
    const std::string head =
        std::string("[policy]\nprofile = \"") + each.profile + "\"\n[policy." + each.table + "]\n";
    const std::string key = std::string("policy.") + each.table + '.' +
                            std::string(each.weaker, std::string_view(each.weaker).find(' '));
    EXPECT_THAT(refused(head + each.weaker + "\n"),
                AllOf(HasSubstr(":13: " + key), HasSubstr("weaker"), HasSubstr(each.profile),
                      HasSubstr("allow_weak_policy")));
    EXPECT_TRUE(taken(head + each.weaker + "\n[dev]\nallow_weak_policy = true\n"));
    EXPECT_TRUE(taken(head + each.floor + "\n"));
  }
}

TEST_F(ConfigFile, TheProfileCountsWhereverItStands) {
  EXPECT_THAT(
      refused("[policy.credential]\nprovisional_validity = \"30d\"\n[policy]\nprofile = \"strict\"\n"),
      HasSubstr("strict"));
  const auto config =
      taken("[policy.credential]\nprovisional_validity = \"20d\"\n[policy]\nprofile = \"strict\"\n");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->policy.credential.provisional_validity, base::days(20));
}

TEST_F(ConfigFile, ADevelopmentApplianceTakesAnyDurationAndTurnsDelaysAndQuotasOff) {
  const auto config = taken(
      "[policy.credential]\nprovisional_validity = \"2s\"\ndefinitive_validity = "
      "\"300d\"\n[policy.guess]\ndelay_from = 1000\n"
      "[quotas]\nper_second = 0\nburst = 0\n[dev]\nallow_weak_policy = true\n");
  ASSERT_TRUE(config);
  EXPECT_TRUE(config->allow_weak_policy);
  EXPECT_EQ(config->policy.credential.provisional_validity, base::seconds(2));
  EXPECT_EQ(config->policy.guess.delay_from, 1000U);
  EXPECT_EQ(config->quotas.per_second, 0U);
}

TEST_F(ConfigFile, ValuesThatDoNotGoTogetherAreRefused) {
  EXPECT_THAT(refused("[policy.guess]\nlimit = 2\n"), HasSubstr("delay_from"));
  EXPECT_THAT(refused("[policy.guess]\ndelay_first = \"2h\"\n"), HasSubstr("delay_max"));
  EXPECT_THAT(refused("[anchor]\nmode = \"interval\"\ninterval = \"2m\"\n"), HasSubstr("anchor.interval"));
  EXPECT_THAT(refused("deadline = \"2m\"\n"), HasSubstr("hsm.deadline"));
  for (const char* window : {"59s", "61m"}) {
    EXPECT_THAT(refused(std::string("[alarms]\nspray_window = \"") + window + "\"\n"),
                HasSubstr("alarms.spray_window"));
  }
  EXPECT_THAT(refused("[quotas]\nper_second = 5\nburst = 0\n[dev]\nallow_weak_policy = true\n"),
              HasSubstr("quotas.burst"));
  for (const char* monitor : {"0.0.0.0:9464", "192.0.2.1:9464", "example.it:9464", "[::]:9464"}) {
    std::string text(kRequired);
    text.insert(text.find("[store]"), std::string("monitor = \"") + monitor + "\"\n");
    const auto loaded = load_text(text);
    ASSERT_TRUE(std::holds_alternative<ConfigError>(loaded)) << monitor;
    EXPECT_THAT(std::get<ConfigError>(loaded).message, HasSubstr("loopback"));
  }
}

TEST_F(ConfigFile, AMissingKeyIsNamed) {
  for (const char* key : {"certificate", "channel_ca", "path", "module", "token_label"}) {
    std::string text(kRequired);
    const auto at = text.find(std::string(key) + " =");
    text.erase(at, text.find('\n', at) + 1 - at);
    const auto loaded = load_text(text);
    ASSERT_TRUE(std::holds_alternative<ConfigError>(loaded)) << key;
    EXPECT_THAT(std::get<ConfigError>(loaded).message, AllOf(HasSubstr(key), HasSubstr("missing"))) << key;
  }
}

TEST_F(ConfigFile, AFileThatEveryoneCanWriteIsRefused) {
  ASSERT_TRUE(taken(""));
  ASSERT_EQ(chmod(path().c_str(), 0666), 0);
  const auto loaded = load_config(path());
  ASSERT_TRUE(std::holds_alternative<ConfigError>(loaded));
  EXPECT_THAT(std::get<ConfigError>(loaded).message, HasSubstr("chmod"));
}

TEST_F(ConfigFile, WhatIsNoFileIsRefused) {
  for (const std::string& bad : {folder_.string(), folder_.string() + "/absent.toml", std::string()}) {
    EXPECT_TRUE(std::holds_alternative<ConfigError>(load_config(bad))) << bad;
  }
  EXPECT_TRUE(std::holds_alternative<ConfigError>(load_text(std::string(2U << 20, '#'))));
  EXPECT_TRUE(std::holds_alternative<ConfigError>(load_text(std::string("\0\xff\xfe", 3))));
  EXPECT_TRUE(std::holds_alternative<ConfigError>(load_text("")));
}

// OpenSSL reads what comes of it as configuration: "DNS:a,URI:..." or "a,critical" would be more than a name.
TEST(CertificateNames, AreDnsNamesAndAddressesAndNothingElse) {
  EXPECT_EQ(certificate_names("pin.example.it"), "DNS:pin.example.it");
  EXPECT_EQ(certificate_names("pin.example.it,192.0.2.10 , 2001:db8::1"),
            "DNS:pin.example.it,IP:192.0.2.10,IP:2001:db8::1");
  for (const char* wrong :
       {"", " ", ",", "a.it,", "a.it,,b.it", "a b", "DNS:a.it", "*.example.it", "a.it;b.it", "192.0.2.999",
        "1.2.3", ".a.it", "-a.it", "a_b.it", "a.it\n", "@section", "fe80::1%lo"}) {
    EXPECT_FALSE(certificate_names(wrong)) << wrong;
  }
  EXPECT_FALSE(certificate_names(std::string(254, 'a')));
}

TEST(Endpoint, IsHostAndPort) {
  EXPECT_EQ(parse_endpoint("127.0.0.1:8443"), std::pair(std::string("127.0.0.1"), std::uint16_t{8443}));
  EXPECT_EQ(parse_endpoint("[::1]:1"), std::pair(std::string("::1"), std::uint16_t{1}));
  EXPECT_EQ(parse_endpoint("pin.example.it:65535"),
            std::pair(std::string("pin.example.it"), std::uint16_t{65535}));
  for (const char* bad :
       {"", ":", ":8443", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:-1",
        "127.0.0.1:84a", "::1:8443", "[]:8443", "[::1]", "a b:1", "host: 1", "http://host:1"}) {
    EXPECT_FALSE(parse_endpoint(bad)) << bad;
  }
}

}  // namespace
}  // namespace sigillo::appliance
