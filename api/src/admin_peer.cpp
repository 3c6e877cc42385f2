#include "admin_peer.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "registry.hpp"

namespace sigillo::api {

AdminPeer::~AdminPeer() {
  ::close(fd_);
}

bool AdminPeer::is_officers_user() const {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd_, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return peer.uid == 0 || peer.uid == ::geteuid();
}

bool AdminPeer::wait(short events, std::int64_t until_ms) const {
  for (;;) {
    const auto left = until_ms - steady_ms();
    if (left <= 0) return false;
    pollfd one{fd_, events, 0};
    const int ready = ::poll(&one, 1, static_cast<int>(left));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

std::optional<std::string> AdminPeer::read_line(std::size_t bytes_max, base::Duration within) {
  const auto until = steady_ms() + within.ms;
  std::string line;
  char piece[4096];
  while (line.size() <= bytes_max) {
    if (!wait(POLLIN, until)) return std::nullopt;
    const ssize_t got = ::recv(fd_, piece, sizeof piece, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return std::nullopt;
    line.append(piece, static_cast<std::size_t>(got));
    // A request is one line, and what is secret is not sent before it is asked for.
    if (const auto end = line.find('\n'); end != std::string::npos) {
      if (end + 1 != line.size()) return std::nullopt;
      line.pop_back();
      return line;
    }
  }
  return std::nullopt;
}

std::optional<base::Secret> AdminPeer::read_secret(std::size_t bytes, base::Duration within) {
  const auto until = steady_ms() + within.ms;
  base::Secret out(bytes);
  std::size_t have = 0;
  while (have < bytes) {
    if (!wait(POLLIN, until)) return std::nullopt;
    const ssize_t got = ::recv(fd_, out.writable().data() + have, bytes - have, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return std::nullopt;
    have += static_cast<std::size_t>(got);
  }
  return out;
}

bool AdminPeer::write(std::string_view bytes, std::int64_t until_ms) {
  while (!bytes.empty() && !broken_) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      broken_ = !wait(POLLOUT, until_ms);
    } else if (errno != EINTR) {
      broken_ = true;
    }
  }
  return !broken_;
}

bool AdminPeer::write_line(std::string_view line, base::Duration within) {
  return write(std::string(line) + '\n', steady_ms() + within.ms);
}

void AdminPeer::offer_line(std::string_view line) {
  pollfd one{fd_, POLLOUT, 0};
  if (broken_ || ::poll(&one, 1, 0) != 1) return;
  constexpr base::Duration kRest = base::seconds(1);  // of a line that was begun
  write_line(line, kRest);
}

void AdminPeer::shut() {
  ::shutdown(fd_, SHUT_RD);
}

}  // namespace sigillo::api
