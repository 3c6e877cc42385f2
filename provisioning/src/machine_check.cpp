#include "machine_check.hpp"

#include <fstream>

#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <hsm/token_setup.hpp>
#include <provisioning/command.hpp>

namespace sigillo::provisioning {
namespace {

using Weight = Finding::Weight;

constexpr std::uint64_t kDiskMin = 256ULL << 20, kDiskMeant = 4ULL << 30;
constexpr unsigned short kColumns = 80, kLines = 24;

void check_tokens(const CeremonyPlan& plan, const hsm::ModuleFacts& facts, bool begun,
                  std::vector<Finding>& out) {
  out.push_back(
      {Weight::good, "module " + plan.module + ": " + facts.manufacturer + ", " + facts.library, {}});
  if (facts.software()) {
    // Attack: the keys are files of the host, and whoever copies the disk has them, PIN or not, to try at
    // leisure.
    if (plan.allow_test_module)
      out.push_back({Weight::warning,
                     "this is SoftHSM2, a software token: its keys are files of this machine",
                     "For a rehearsal only. hsm.allow_test_module = true in the plan says so."});
    else
      out.push_back({Weight::failure, "this is SoftHSM2, a software token: not for production",
                     "Name the HSM's module; for a rehearsal write hsm.allow_test_module = true."});
  }
  for (const auto* label : {&plan.token_label, &plan.spare_label}) {
    const bool there = facts.find(*label) != nullptr;
    if (there && !begun)
      out.push_back(
          {Weight::failure, "a token " + *label + " is there already", "Name another label in the plan."});
  }
  if (facts.blank == 0 && !begun)
    out.push_back({Weight::failure, "no slot has a token that is not initialised",
                   "Free one with the HSM's own tools; a ceremony takes two, the second for the backup."});
}

void check_folder(const CeremonyPlan& plan, std::vector<Finding>& out) {
  struct stat status {};
  const auto parent = plan.folder.parent_path();
  if (::stat(parent.c_str(), &status) == 0 && (status.st_mode & S_IWOTH) != 0 &&
      (status.st_mode & S_ISVTX) == 0)
    out.push_back({Weight::failure, parent.string() + " can be written by everyone", "chmod o-w it."});
  if (::stat(plan.folder.c_str(), &status) == 0 && (status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
    out.push_back({Weight::failure, plan.folder.string() + " is open to others", "chmod 700 it."});
  struct statvfs disk {};
  if (::statvfs(plan.folder.c_str(), &disk) != 0) {
    out.push_back(
        {Weight::failure, plan.folder.string() + " cannot be looked at", "See that it is a folder."});
    return;
  }
  const auto free = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
  const std::string words = std::to_string(free >> 20) + " MiB are free in " + plan.folder.string();
  if (free < kDiskMin)
    out.push_back({Weight::failure, words, "Free 256 MiB at least."});
  else if (free < kDiskMeant)
    out.push_back({Weight::warning, words, "4 GiB or more are meant for a store that grows."});
  else
    out.push_back({Weight::good, words, {}});
}

void check_host(std::vector<Finding>& out) {
  std::ifstream swaps("/proc/swaps");
  std::string line;
  std::getline(swaps, line);
  if (std::getline(swaps, line) && !line.empty())
    out.push_back({Weight::warning, "swap is on",
                   "Secrets are locked in memory; what the module copies is not. swapoff -a."});
  else
    out.push_back({Weight::good, "no swap", {}});
  winsize window{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col != 0 &&
      (window.ws_col < kColumns || window.ws_row < kLines))
    out.push_back({Weight::warning, "the terminal is smaller than 80 columns and 24 lines",
                   "A share's code may not fit: make the window larger."});
  else
    out.push_back({Weight::good, "the terminal is large enough", {}});
}

}  // namespace

std::string_view name(Finding::Weight weight) {
  switch (weight) {
    case Weight::good:
      return "good";
    case Weight::warning:
      return "warning";
    case Weight::failure:
      return "FAILURE";
  }
  return "FAILURE";
}

std::vector<Finding> check_machine(const CeremonyPlan& plan, bool begun) {
  std::vector<Finding> out;
  const auto facts = hsm::look_at_module(plan.module);
  if (facts)
    check_tokens(plan, *facts, begun, out);
  else
    out.push_back({Weight::failure, "module " + plan.module + ": " + sentence(facts.error()),
                   "Name the absolute path of a PKCS#11 module that this machine can load."});
  check_folder(plan, out);
  check_host(out);
  return out;
}

}  // namespace sigillo::provisioning
