#include "sandbox.hpp"

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include <sched.h>
#include <seccomp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <base/log.hpp>

namespace sigillo::api {
namespace {

// Attack: (1) find a hole in a parser, (2) run code in the process that has the keys, (3) start a shell, load
// a module, or look into the next process. The code is still in; what it would do next is gone.
constexpr const char* kForbidden[] = {
    // other programs and processes
    "execve", "execveat", "fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev", "kcmp",
    "pidfd_getfd", "process_madvise",
    // the system's shape
    "mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen", "fsmount", "fsconfig",
    "fspick", "mount_setattr", "swapon", "swapoff", "reboot", "acct", "quotactl", "sethostname",
    "setdomainname", "unshare", "setns",
    // the kernel
    "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "bpf", "perf_event_open",
    "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register", "iopl", "ioperm", "modify_ldt",
    "syslog", "personality",
    // keys and handles of others
    "add_key", "request_key", "keyctl", "open_by_handle_at", "name_to_handle_at",
    // who it is, and when
    "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setfsuid", "setfsgid", "setgroups",
    "capset", "clock_settime", "settimeofday", "clock_adjtime", "adjtimex"};

int forbid(scmp_filter_ctx filter) {
  for (const char* name : kForbidden) {
    const int call = seccomp_syscall_resolve_name(name);
    if (call == __NR_SCMP_ERROR) continue;  // not of this architecture
    if (const int code = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 0); code != 0) return code;
  }
  // Threads are made, processes are not. What clone3 is asked for cannot be seen: without it glibc takes
  // clone.
  const auto process = SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0);
  if (const int code = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1, process);
      code != 0)
    return code;
  return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

}  // namespace

void give_up_privileges() {
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  int code = filter == nullptr ? -ENOMEM : seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
  if (code == 0) code = forbid(filter);
  if (code == 0) code = seccomp_load(filter);
  seccomp_release(filter);
  if (code != 0) base::log::warn("sandbox-not-entered", {{"error", code}});
}

// Written out, and not libsystemd: it would bring its compression libraries into the process that has the
// keys.
void tell_supervisor(const std::string& state) {
  const char* const path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  const std::size_t size = path == nullptr ? 0 : std::strlen(path);
  if (size < 2 || size >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@')) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path, size);
  if (path[0] == '@') address.sun_path[0] = '\0';
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const auto usec = std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
  const std::string text = state + "\nMONOTONIC_USEC=" + std::to_string(usec);
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size);
  (void)::sendto(fd, text.data(), text.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&address), length);
  ::close(fd);
}

std::optional<base::Duration> heartbeat() {
  const char* const text = std::getenv("WATCHDOG_USEC");
  const auto usec = text == nullptr ? 0 : std::strtoll(text, nullptr, 10);
  if (usec < 2000) return {};
  return base::Duration{usec / 2000};
}

}  // namespace sigillo::api
