#include <api/admin_socket.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <list>
#include <system_error>
#include <thread>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <api/server.hpp>
#include <base/log.hpp>

#include "admin_peer.hpp"

namespace sigillo::api {
namespace {

namespace json = boost::json;
using appliance::ActionFailure;

constexpr std::string_view kSchema = "sigillo.admin/1";
constexpr std::size_t kLineMax = 256 * 1024;
constexpr std::int64_t kSecretMax = 4096;
constexpr std::size_t kPeersMax = 8;
constexpr std::chrono::milliseconds kAcceptAgain{100};
constexpr base::Duration kAsking = base::seconds(10);
constexpr base::Duration kAnswering = base::seconds(30);

base::Error failed(Errc code, const char* what) {
  return {code, what, static_cast<unsigned long>(errno)};
}

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

struct Bound {
  Descriptor folder, lock, listener;
};

// Attack on a running appliance: a second one with the same path takes its socket away, and officers speak to
// the wrong one. So whoever has the socket holds a lock beside it for as long as it lives; a socket file
// without that lock is a dead one's. The kernel lets a name have 108 bytes: a longer path goes through the
// folder's descriptor.
base::Result<Bound> bind_socket(const std::filesystem::path& path) {
  Bound out;
  const std::string name = path.filename().string();
  out.folder = Descriptor(::open(path.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (out.folder.get() < 0) return failed(Errc::address, "the officers' socket's folder is not there");
  out.lock = Descriptor(
      ::openat(out.folder.get(), (name + ".lock").c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (out.lock.get() < 0) return failed(Errc::address, "the officers' socket's lock cannot be made");
  if (::flock(out.lock.get(), LOCK_EX | LOCK_NB) != 0)
    return failed(Errc::port, "another process has the officers' socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string short_path = "/proc/self/fd/" + std::to_string(out.folder.get()) + '/' + name;
  if (short_path.size() >= sizeof address.sun_path)
    return base::Error(Errc::address, "the officers' socket's name is too long");
  std::ranges::copy(short_path, address.sun_path);
  ::unlinkat(out.folder.get(), name.c_str(), 0);
  out.listener = Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (out.listener.get() < 0 ||
      ::bind(out.listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::fchmodat(out.folder.get(), name.c_str(), 0600, 0) != 0 ||
      ::listen(out.listener.get(), static_cast<int>(kPeersMax)) != 0) {
    return failed(Errc::address, "the officers' socket cannot be made");
  }
  return out;
}

std::string error_line(const ActionFailure& failure) {
  return json::serialize(
      json::object{{"error", {{"code", failure.code}, {"what", failure.what}, {"next", failure.next}}}});
}

struct Asked {
  appliance::AdminRequest request;
  std::size_t secret_bytes = 0;
};

std::optional<Asked> parse(const std::string& line) {
  boost::system::error_code error;
  const json::value value = json::parse(line, error);
  if (error || !value.is_object()) return std::nullopt;
  const auto& object = value.get_object();
  const json::value schema(kSchema);
  const auto* given = object.if_contains("schema");
  const auto* action = object.if_contains("action");
  const auto* parameters = object.if_contains("parameters");
  const auto* act = object.if_contains("act");
  const auto* secret = object.if_contains("secret_bytes");
  if (given == nullptr || *given != schema || action == nullptr || !action->is_string() ||
      parameters == nullptr || !parameters->is_object()) {
    return std::nullopt;
  }
  Asked out;
  out.request.action = action->get_string();
  out.request.parameters = parameters->get_object();
  if (act != nullptr) {
    out.request.act = appliance::parse_signed_act(*act);
    if (!out.request.act) return std::nullopt;
  }
  if (secret != nullptr) {
    if (!secret->is_int64() || secret->get_int64() < 0 || secret->get_int64() > kSecretMax)
      return std::nullopt;
    out.secret_bytes = static_cast<std::size_t>(secret->get_int64());
  }
  return out;
}

void converse(AdminPeer& peer, appliance::Administration& administration) {
  const auto line = peer.read_line(kLineMax, kAsking);
  if (!line) return;
  auto asked = parse(*line);
  if (!asked) {
    peer.write_line(error_line({"invalid", "The request is not of the form " + std::string(kSchema) + '.',
                                "Command and server are of different versions: use the server's."}),
                    kAnswering);
    return;
  }
  if (asked->secret_bytes > 0) {
    if (!peer.write_line(R"({"give":"secret"})", kAsking)) return;
    auto secret = peer.read_secret(asked->secret_bytes, kAsking);
    if (!secret) return;
    asked->request.secret = std::move(*secret);
  }
  const auto progress = [&peer](std::uint64_t done, std::uint64_t total, std::string_view text) {
    peer.offer_line(
        json::serialize(json::object{{"progress", {{"done", done}, {"total", total}, {"text", text}}}}));
  };
  const auto outcome = administration.perform(std::move(asked->request), progress);
  if (const auto* failure = std::get_if<ActionFailure>(&outcome)) {
    peer.write_line(error_line(*failure), kAnswering);
  } else {
    peer.write_line(json::serialize(json::object{{"result", std::get<json::object>(outcome)}}), kAnswering);
  }
}

}  // namespace

struct AdminSocket::Parts {
  struct Visit {
    explicit Visit(int descriptor) : peer(descriptor) {}
    AdminPeer peer;
    std::atomic<bool> over = false;
    std::thread thread;
  };

  Parts(Bound given, std::string socket_name, appliance::Administration& to_call)
      : bound(std::move(given)), name(std::move(socket_name)), administration(to_call) {}

  void accept_all();
  void welcome(int descriptor);
  void forget_those_over();

  Bound bound;
  const std::string name;
  appliance::Administration& administration;
  std::mutex mutex;
  bool closed = false;
  bool short_of_threads = false;
  std::list<Visit> visits;
  std::thread accepting;
};

void AdminSocket::Parts::accept_all() {
  for (;;) {
    const int fd = ::accept4(bound.listener.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (fd >= 0) {
      welcome(fd);
      continue;
    }
    const int why = errno;
    {
      const std::lock_guard lock(mutex);
      if (closed) return;
    }
    // Short of descriptors or memory: that passes, and officers want in all the more.
    if (why != EINTR && why != ECONNABORTED) std::this_thread::sleep_for(kAcceptAgain);
  }
}

void AdminSocket::Parts::forget_those_over() {
  visits.remove_if([](Visit& visit) {
    if (!visit.over.load()) return false;
    visit.thread.join();
    return true;
  });
}

void AdminSocket::Parts::welcome(int descriptor) {
  const std::lock_guard lock(mutex);
  forget_those_over();
  auto& visit = visits.emplace_back(descriptor);
  if (closed || visits.size() > kPeersMax || !visit.peer.is_officers_user()) {
    if (!visit.peer.is_officers_user()) base::log::warn("admin-refused");
    visits.pop_back();
    return;
  }
  const auto serve = [this, &visit] {
    converse(visit.peer, administration);
    visit.peer.shut();
    visit.over.store(true);
  };
  try {
    visit.thread = std::thread(serve);
    short_of_threads = false;
  } catch (const std::system_error&) {  // the system has none to spare: that passes, and officers come again
    visits.pop_back();
    if (!std::exchange(short_of_threads, true))
      base::log::warn("admin-not-served", {{"reason", "no thread"}});
  }
}

AdminSocket::AdminSocket(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {
  parts_->accepting = std::thread([parts = parts_.get()] { parts->accept_all(); });
}

base::Result<std::unique_ptr<AdminSocket>> AdminSocket::open(const std::string& path,
                                                             appliance::Administration& administration) {
  SIGILLO_TRY(auto bound, bind_socket(path));
  auto parts = std::make_unique<Parts>(std::move(bound), std::filesystem::path(path).filename().string(),
                                       administration);
  return std::unique_ptr<AdminSocket>(new AdminSocket(std::move(parts)));
}

void AdminSocket::close() {
  const std::lock_guard lock(parts_->mutex);
  if (std::exchange(parts_->closed, true)) return;
  ::unlinkat(parts_->bound.folder.get(), parts_->name.c_str(), 0);
  ::shutdown(parts_->bound.listener.get(), SHUT_RDWR);  // ends accept4()
  for (auto& visit : parts_->visits) visit.peer.shut();
}

AdminSocket::~AdminSocket() {
  close();
  parts_->accepting.join();
  for (auto& visit : parts_->visits) visit.thread.join();
}

}  // namespace sigillo::api
