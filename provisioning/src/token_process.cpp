#include "token_process.hpp"

#include <cerrno>
#include <optional>

#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace sigillo::provisioning {
namespace {

std::vector<std::string>& environment() {
  static std::vector<std::string> kept;
  return kept;
}

bool send_packet(int fd, std::string_view packet) {
  for (;;) {
    const ssize_t sent = ::send(fd, packet.data(), packet.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    return sent == static_cast<ssize_t>(packet.size());
  }
}

}  // namespace

void keep_environment() {
  for (char** at = environ; *at != nullptr; ++at) environment().emplace_back(*at);
}

TokenProcess::~TokenProcess() {
  if (fd_ >= 0) ::close(fd_);
  if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
}

bool TokenProcess::start() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return false;
  fd_ = ends[0];
  std::vector<char*> given;
  for (auto& one : environment()) given.push_back(one.data());
  given.push_back(nullptr);
  std::string program = "sigillo", command = kTokenSigner;
  char* const arguments[] = {program.data(), command.data(), nullptr};
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  // What a module prints is no part of this command's answer.
  ::posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&files, ends[1], kTokenSignerFd);
  const int failed = ::posix_spawn(&pid_, "/proc/self/exe", &files, nullptr, arguments, given.data());
  ::posix_spawn_file_actions_destroy(&files);
  ::close(ends[1]);
  if (failed != 0) pid_ = -1;
  return failed == 0;
}

std::optional<boost::json::object> TokenProcess::answer() {
  std::string packet(kTokenPacketMax, '\0');
  ssize_t got = -1;
  do {
    got = ::recv(fd_, packet.data(), packet.size(), 0);
  } while (got < 0 && errno == EINTR);
  if (got <= 0) return std::nullopt;
  packet.resize(static_cast<std::size_t>(got));
  boost::system::error_code error;
  const auto value = boost::json::parse(packet, error);
  if (error || !value.is_object()) return std::nullopt;
  return value.get_object();
}

std::optional<boost::json::object> TokenProcess::ask(const boost::json::object& question) {
  if (!send_packet(fd_, boost::json::serialize(question))) return std::nullopt;
  return answer();
}

std::optional<boost::json::object> TokenProcess::ask(const boost::json::object& question,
                                                     const base::Secret& pin) {
  if (!send_packet(fd_, boost::json::serialize(question)) || !send_packet(fd_, pin.expose_text()))
    return std::nullopt;
  return answer();
}

}  // namespace sigillo::provisioning
