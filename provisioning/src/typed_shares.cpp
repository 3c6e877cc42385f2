#include "typed_shares.hpp"

#include <cstdio>

#include <provisioning/command.hpp>
#include <provisioning/terminal.hpp>

namespace sigillo::provisioning {
namespace {

// "Backup share 2 of 3, its four rows in one line: "
std::string question(base::ShareKind kind, const base::ShareCollector& collector) {
  std::string out(name(kind));
  out[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(out[0])));
  out += ' ' + std::to_string(collector.have() + 1);
  if (collector.have() > 0) out += " of " + std::to_string(collector.needed());
  return out + ", its four rows in one line: ";
}

void take(base::ShareCollector& collector, base::Share share) {
  const base::Share public_half{share.of, share.number, {}};
  const auto verdict = collector.add(std::move(share));
  std::fprintf(stderr, "%s\n", base::ShareCollector::sentence(verdict, public_half).c_str());
}

}  // namespace

base::Result<base::Secret> combine_typed(base::ShareKind kind, std::optional<base::Share> first) {
  base::ShareCollector collector({}, {}, kind);
  if (first) take(collector, std::move(*first));
  while (collector.have() == 0 || collector.have() < collector.needed()) {
    SIGILLO_TRY(const auto typed, ask_secret(question(kind, collector)));
    auto parsed = base::parse_share(typed);
    if (const auto* fault = std::get_if<base::ShareFault>(&parsed))
      std::fprintf(stderr, "%s\n", fault->sentence().c_str());
    else
      take(collector, std::get<base::Share>(std::move(parsed)));
  }
  auto combined = collector.pin();
  if (!combined)
    return base::Error(Errc::ceremony,
                       "they do not fit together: one was altered, check characters and all. Find out whose, "
                       "with other custodians");
  return std::move(*combined);
}

}  // namespace sigillo::provisioning
