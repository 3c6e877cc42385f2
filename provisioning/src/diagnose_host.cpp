#include <array>
#include <cstring>
#include <filesystem>

#include <arpa/inet.h>
#include <grp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include <hsm/pkcs11_token.hpp>

#include "diagnose.hpp"

namespace sigillo::provisioning {
namespace {

constexpr rlim_t kMemlock = 8 * 1024 * 1024;
constexpr rlim_t kFiles = 4096;
constexpr std::uint64_t kMiB = 1024 * 1024;
constexpr std::uint64_t kDiskLow = 1024 * kMiB, kDiskOut = 100 * kMiB;

std::string octal(mode_t mode) {
  char text[8];
  std::snprintf(text, sizeof text, "%04o", mode & 07777);
  return text;
}

// `forbidden`: bits that others must not have.
void look_at(const std::string& what, const std::string& path, mode_t forbidden, Findings& out) {
  if (path.empty()) return;
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0)
    return out.failure(what + " " + path + ": " + std::strerror(errno),
                       "Put it there, or correct the path in the configuration.");
  if (info.st_uid != ::geteuid() && info.st_uid != 0)
    return out.failure(what + " " + path + " belongs to another user",
                       "Give it to root or to the user of the service: chown.");
  if ((info.st_mode & forbidden) != 0)
    return out.failure(what + " " + path + " has mode " + octal(info.st_mode) + ": others may " +
                           ((info.st_mode & forbidden & 0022) != 0 ? "write it" : "read it"),
                       "chmod " + octal(info.st_mode & ~forbidden) + ' ' + path);
  if (::access(path.c_str(), R_OK) != 0)
    return out.failure(what + " " + path + " cannot be read by this user",
                       "Run this as the user of the service, or let that user read it.");
  out.good(what + " " + path + ", mode " + octal(info.st_mode));
}

// Attack: (1) write into the folder of the module, (2) wait for the next start: the code that is loaded has
// the PIN. Who owns it can write it whatever its mode says, the service's own user too.
void look_at_module(const appliance::HsmConfig& config, Findings& out) {
  look_at("module", config.module, 0022, out);
  look_at("the module's folder", std::filesystem::path(config.module).parent_path().string(), 0022, out);
  const auto roots = hsm::only_root_writes(config.module);
  if (!roots || *roots) return;
  const std::string what = "the module or its folder is not root's: whoever owns it can exchange it";
  const std::string advice = "chown root " + config.module + ", and its folder.";
  config.allow_test_module ? out.warning(what, advice) : out.failure(what, advice);
}

std::string mebibytes(std::uint64_t bytes) {
  return std::to_string(bytes / kMiB) + " MiB";
}

struct Answer {
  int status = 0;
  std::string body;
};
// One GET to the monitor: it is plain HTTP on loopback. Nothing where nobody answers.
std::optional<Answer> get(const std::string& endpoint, const std::string& target) {
  const auto parsed = appliance::parse_endpoint(endpoint);
  if (!parsed) return {};
  const bool six = parsed->first.find(':') != std::string::npos;
  sockaddr_storage address{};
  socklen_t size = 0;
  if (six) {
    auto& in6 = reinterpret_cast<sockaddr_in6&>(address);
    in6 = {.sin6_family = AF_INET6, .sin6_port = htons(parsed->second)};
    if (::inet_pton(AF_INET6, parsed->first.c_str(), &in6.sin6_addr) != 1) return {};
    size = sizeof in6;
  } else {
    auto& in4 = reinterpret_cast<sockaddr_in&>(address);
    in4.sin_family = AF_INET;
    in4.sin_port = htons(parsed->second);
    const std::string host = parsed->first == "localhost" ? "127.0.0.1" : parsed->first;
    if (::inet_pton(AF_INET, host.c_str(), &in4.sin_addr) != 1) return {};
    size = sizeof in4;
  }
  const int fd = ::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return {};
  const timeval patience{3, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  std::string text;
  const std::string request = "GET " + target + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
      ::send(fd, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size())) {
    std::array<char, 4096> piece{};
    for (ssize_t got = 0; (got = ::recv(fd, piece.data(), piece.size(), 0)) > 0;)
      text.append(piece.data(), static_cast<std::size_t>(got));
  }
  ::close(fd);
  if (!text.starts_with("HTTP/1.1 ") || text.size() < 12) return {};
  const auto body = text.find("\r\n\r\n");
  return Answer{std::atoi(text.c_str() + 9), body == std::string::npos ? "" : text.substr(body + 4)};
}

}  // namespace

// Attack on oneself: (1) run this as root on an appliance that is stopped, (2) SQLite leaves its -wal and
// -shm to root, (3) the service starts and cannot open its own store. So root looks with the eyes of whoever
// owns the store.
void diagnose_user(const appliance::Config& config, Findings& out) {
  struct stat info {};
  if (::geteuid() != 0 || ::stat(config.store.path.c_str(), &info) != 0 || info.st_uid == 0) return;
  if (::setgroups(0, nullptr) == 0 && ::setegid(info.st_gid) == 0 && ::seteuid(info.st_uid) == 0)
    return out.good("looked at as user " + std::to_string(info.st_uid) + ", who owns the store");
  out.warning("looked at as root, and not as who owns the store",
              "Run it as the user of the service: sudo -u.");
}

void diagnose_files(const appliance::Config& config, Findings& out) {
  out.in("Files");
  const auto folder = std::filesystem::path(config.store.path).parent_path().string();
  look_at("configuration", config.file, 0022, out);
  look_at("the token PIN's file", config.hsm.pin_file, 0077, out);
  look_at("the store's folder", folder, 0077, out);
  look_at("the store", config.store.path, 0077, out);
  look_at("server certificate", config.server.certificate, 0022, out);
  look_at("channel CA", config.server.channel_ca, 0022, out);
  look_at("messages", config.messages_folder, 0022, out);
  look_at("checkpoints", config.audit.checkpoint_folder, 0022, out);
  look_at_module(config.hsm, out);
}

void diagnose_limits(Findings& out) {
  out.in("Limits (of this shell; the unit sets the service's own)");
  const auto limit = [](auto which) {
    rlimit value{};
    ::getrlimit(which, &value);
    return value;
  };
  const auto memlock = limit(RLIMIT_MEMLOCK).rlim_max;
  if (memlock >= kMemlock)
    out.good("memory that may be locked: " + (memlock == RLIM_INFINITY ? "any" : mebibytes(memlock)));
  else
    out.warning("only " + mebibytes(memlock) + " may be locked: secrets could reach the swap",
                "LimitMEMLOCK=8M in the unit, or `ulimit -l`.");
  const auto files = limit(RLIMIT_NOFILE).rlim_max;
  if (files >= kFiles)
    out.good("open files: " + std::to_string(files));
  else
    out.warning("only " + std::to_string(files) + " files may be open: so many connections less",
                "LimitNOFILE=16384 in the unit.");
  // Both programs end core dumps for themselves; this is what a shell beside them would leave.
  out.good("core dumps: switched off by the programs themselves");
  timex clock{};
  if (::adjtimex(&clock) == TIME_ERROR || (clock.status & STA_UNSYNC) != 0)
    out.warning("the clock is not synchronised",
                "Delays, expiries and receipts follow it: run chrony or systemd-timesyncd.");
  else
    out.good("the clock is synchronised");
}

void diagnose_disk(const appliance::Config& config, Findings& out) {
  out.in("Disk");
  const auto folder = std::filesystem::path(config.store.path).parent_path().string();
  struct statvfs info {};
  if (::statvfs(folder.c_str(), &info) != 0)
    return out.failure(folder + ": " + std::strerror(errno), "Correct store.path.");
  const std::uint64_t free = std::uint64_t{info.f_bavail} * info.f_frsize;
  const std::uint64_t whole = std::uint64_t{info.f_blocks} * info.f_frsize;
  const std::string what = folder + ": " + mebibytes(free) + " of " + mebibytes(whole) + " free";
  if (free < kDiskOut)
    out.failure(what, "When it is full, every answer is 503. Make room now.");
  else if (free < kDiskLow || free < whole / 5)
    out.warning(what, "The ledger grows with every guess: make room, or give it a file system of its own.");
  else
    out.good(what);
}

namespace {

constexpr double kRecordKeyHalf = 2147483648.0;  // of the 2^32 uses that AES-GCM with random nonces allows

// Of the running one alone: the count is in its memory, and in a store that it has open.
void diagnose_record_key(const appliance::Config& config, Findings& out) {
  constexpr std::string_view kName = "\nsigillo_record_key_uses ";
  const auto metrics = get(config.server.monitor, "/metrics");
  const auto at = metrics ? metrics->body.find(kName) : std::string::npos;
  if (at == std::string::npos) return;
  const double uses = std::strtod(metrics->body.c_str() + at + kName.size(), nullptr);
  if (uses < kRecordKeyHalf) return out.good("the record key has sealed less than half of what it may");
  out.warning("the record key has sealed more than half of what it may",
              "At 4,278,190,080 no channel is answered: sigillo keys rotate record, by two officers.");
}

}  // namespace

void diagnose_server(const appliance::Config& config, Findings& out) {
  out.in("Server");
  const auto ready = get(config.server.monitor, "/readyz");
  if (!ready)
    return out.warning("nobody answers on the monitor " + config.server.monitor,
                       "It is stopped, or starts just now: systemctl status sigillod.");
  diagnose_record_key(config, out);
  if (ready->status == 200) return out.good("it is ready, says " + config.server.monitor);
  if (ready->body.find("\"sealed\"") != std::string::npos)
    return out.warning("it is sealed: " + ready->body,
                       "Officers open it: sigillo unseal. The reason is beside.");
  out.failure("it is not ready: " + ready->body, "The reasons are in docs/OPERATIONS.md.");
}

}  // namespace sigillo::provisioning
