// What `sigillo diagnose` finds: a list of findings, each good, a warning or a failure, the last two with
// advice; and the checks by area. A check that cannot go on says why and leaves the rest out. Never: changes
// a file, the store, the token or its anchor, or stands in the way of a serving appliance. Thread rule: one
// thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <appliance/config.hpp>
#include <hsm/token.hpp>

namespace sigillo::provisioning {

enum class Level : std::uint8_t { good, warning, failure };

struct Finding {
  Level level = Level::good;
  std::string area, what, advice;
};

class Findings {
 public:
  void in(std::string area) { area_ = std::move(area); }
  void good(std::string what) { all_.push_back({Level::good, area_, std::move(what), {}}); }
  void warning(std::string what, std::string advice) {
    all_.push_back({Level::warning, area_, std::move(what), std::move(advice)});
  }
  void failure(std::string what, std::string advice) {
    all_.push_back({Level::failure, area_, std::move(what), std::move(advice)});
  }
  const std::vector<Finding>& all() const { return all_; }
  std::size_t count(Level level) const;

 private:
  std::string area_;
  std::vector<Finding> all_;
};

// diagnose_host.cpp
void diagnose_user(const appliance::Config& config, Findings& out);
void diagnose_files(const appliance::Config& config, Findings& out);
void diagnose_limits(Findings& out);
void diagnose_disk(const appliance::Config& config, Findings& out);
void diagnose_server(const appliance::Config& config, Findings& out);

// diagnose_hsm.cpp. Nothing where the token cannot be had: what follows needs it.
std::unique_ptr<hsm::Token> diagnose_token(const appliance::Config& config, Findings& out);
void diagnose_keys(hsm::Token& token, Findings& out);
void diagnose_certificates(const appliance::Config& config, hsm::Token* token, Findings& out);
void diagnose_store(const appliance::Config& config, hsm::Token& token, Findings& out);

}  // namespace sigillo::provisioning
