#include "admin_client.hpp"

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include <fcntl.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <provisioning/command.hpp>
#include <provisioning/terminal.hpp>

#include "typed_shares.hpp"

namespace sigillo::provisioning {
namespace {

namespace json = boost::json;
using appliance::ActionFailure;
using appliance::ActionOutcome;

constexpr std::size_t kAnswerMax = 256 * 1024 * 1024;  // a list of acts grows; a server's error does not

// The kernel lets a socket's name have 108 bytes: a longer path goes through its folder's descriptor.
int connect_to(const std::filesystem::path& path) {
  const int folder = ::open(path.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return -1;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = "/proc/self/fd/" + std::to_string(folder) + '/' + path.filename().string();
  int fd = -1;
  if (name.size() < sizeof address.sun_path) {
    std::ranges::copy(name, address.sun_path);
    fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      const int why = errno;
      ::close(fd);
      errno = why;
      fd = -1;
    }
  }
  const int why = errno;
  ::close(folder);
  errno = why;
  return fd;
}

bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

ActionFailure cut() {
  return {"connection", "The running appliance did not answer to the end.",
          "Whether it was done is in its ledger and its log; `sigillo status` says how it stands."};
}

ActionFailure parse_failure(const json::object& error) {
  const auto text = [&error](std::string_view name) {
    const auto* member = error.if_contains(name);
    return member != nullptr && member->is_string() ? std::string(member->get_string()) : std::string();
  };
  return {text("code"), text("what"), text("next")};
}

class Remote final : public Reach {
 public:
  explicit Remote(std::string path) : path_(std::move(path)) {}
  ActionOutcome ask(appliance::AdminRequest request, const appliance::Progress& progress) override {
    const int fd = connect_to(path_);
    if (fd < 0) return cut();
    auto outcome = converse(fd, std::move(request), progress);
    ::close(fd);
    return outcome;
  }

 private:
  ActionOutcome converse(int fd, appliance::AdminRequest request, const appliance::Progress& progress) {
    json::object line{{"schema", "sigillo.admin/1"},
                      {"action", request.action},
                      {"parameters", std::move(request.parameters)},
                      {"secret_bytes", request.secret.size()}};
    if (request.act) line["act"] = to_json(*request.act);
    if (!send_all(fd, json::serialize(line) + '\n')) return cut();
    for (std::string buffer;;) {
      const auto next = read_line(fd, buffer);
      if (!next) return cut();
      boost::system::error_code error;
      const json::value value = json::parse(*next, error);
      if (error || !value.is_object()) return cut();
      const auto& object = value.get_object();
      if (const auto* result = object.if_contains("result"); result != nullptr && result->is_object())
        return result->get_object();
      if (const auto* failure = object.if_contains("error"); failure != nullptr && failure->is_object())
        return parse_failure(failure->get_object());
      if (object.contains("give") && !send_all(fd, request.secret.expose_text())) return cut();
      if (const auto* news = object.if_contains("progress"); news != nullptr && news->is_object())
        tell(news->get_object(), progress);
    }
  }

  static std::optional<std::string> read_line(int fd, std::string& buffer) {
    char piece[16384];
    std::size_t seen = 0;
    for (;;) {
      if (const auto end = buffer.find('\n', seen); end != std::string::npos) {
        std::string line = buffer.substr(0, end);
        buffer.erase(0, end + 1);
        return line;
      }
      seen = buffer.size();
      if (seen > kAnswerMax) return std::nullopt;
      const ssize_t got = ::recv(fd, piece, sizeof piece, 0);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return std::nullopt;
      buffer.append(piece, static_cast<std::size_t>(got));
    }
  }

  static void tell(const json::object& news, const appliance::Progress& progress) {
    const auto number = [&news](std::string_view name) {
      const auto* member = news.if_contains(name);
      return member != nullptr && member->is_int64() ? static_cast<std::uint64_t>(member->get_int64()) : 0;
    };
    const auto* text = news.if_contains("text");
    progress(
        number("done"), number("total"),
        text != nullptr && text->is_string() ? std::string_view(text->get_string()) : std::string_view());
  }

  std::string path_;
};

class Local final : public Reach {
 public:
  explicit Local(const appliance::Config& config)
      : host_(config, clock_), administration_(host_, clock_, appliance::Administration::Place::command) {}
  base::Result<void> open(const base::Secret& pin) { return host_.unseal(pin, "command"); }
  ActionOutcome ask(appliance::AdminRequest request, const appliance::Progress& progress) override {
    return administration_.perform(std::move(request), progress);
  }

 private:
  const base::SystemClock clock_;
  appliance::Host host_;
  appliance::Administration administration_;
};

// Whether anything takes connections there. An address that cannot be asked counts as silent: the anchor is
// still between two copies.
bool answers(const std::string& endpoint) {
  const auto parsed = appliance::parse_endpoint(endpoint);
  if (!parsed) return false;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (::getaddrinfo(parsed->first.c_str(), std::to_string(parsed->second).c_str(), &hints, &found) != 0)
    return false;
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, &::freeaddrinfo);
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    const int fd = ::socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
    if (fd < 0) continue;
    const bool connected = ::connect(fd, at->ai_addr, at->ai_addrlen) == 0;
    ::close(fd);
    if (connected) return true;
  }
  return false;
}

ActionFailure not_opened(const base::Error& error, const appliance::Config& config) {
  if (error.is(sealed_store::Errc::fenced))
    return {"refused", "An appliance with the anchor of " + config.store.path + " is running elsewhere.",
            "Nothing was changed. Stop it, and run the same command again."};
  const bool hsm = error.number() / 100 == 2;
  return {hsm ? "hsm-unavailable" : "failed",
          "The appliance of " + config.file + " cannot be opened: " + sentence(error) + '.',
          "Nothing was changed. Correct that, and run the same command again."};
}

}  // namespace

const std::string& token_name(const appliance::HsmConfig& config) {
  return config.token_label.empty() ? config.token_serial : config.token_label;
}

// A file that is not there (a service's credential, while the service is stopped) is no reason not to ask.
base::Result<base::Secret> token_pin(const appliance::Config& config) {
  const auto& file = config.hsm.pin_file;
  std::error_code failed;
  const bool there = !file.empty() && std::filesystem::exists(file, failed);
  if (there || failed) return appliance::read_pin_file(file);
  if (!file.empty()) std::fprintf(stderr, "The PIN's file %s is not there.\n", file.c_str());
  for (;;) {
    SIGILLO_TRY(auto typed, ask_secret("PIN of the token \"" + token_name(config.hsm) +
                                       "\", or an authorisation share: "));
    // A mistyped share that is tried as a PIN costs the token one of its tries.
    if (typed.size() <= kTypedPinMax) return typed;
    auto parsed = base::parse_share(typed);
    if (auto* const share = std::get_if<base::Share>(&parsed))
      return combine_typed(base::ShareKind::authorisation, std::move(*share));
    std::fprintf(stderr, "%s\n", std::get<base::ShareFault>(parsed).sentence().c_str());
  }
}

base::Result<std::unique_ptr<hsm::Token>> open_with_pin(const appliance::Config& config) {
  SIGILLO_TRY(const auto pin, token_pin(config));
  return appliance::open_token(config.hsm, pin);
}

std::variant<std::unique_ptr<Reach>, ActionFailure> reach(const appliance::Config& config, Wanted wanted) {
  const std::string path = appliance::admin_socket(config);
  if (const int fd = connect_to(path); fd >= 0) {
    ::close(fd);
    if (wanted != Wanted::stopped) return std::make_unique<Remote>(path);
    return ActionFailure{"refused", "The appliance of " + config.file + " is running.",
                         "Nothing was changed. Stop it, and run the same command again."};
  }
  if (errno == EACCES || errno == EPERM)
    return ActionFailure{"refused", "The officers' socket " + path + " is another user's.",
                         "Run this as the appliance's user, or as root."};
  // Attack on a running appliance: taking over its anchor would fence it, and it would answer no more.
  for (const auto& endpoint : {config.server.monitor, config.server.listen}) {
    if (answers(endpoint))
      return ActionFailure{
          "refused", "Something answers on " + endpoint + ", but not on the officers' socket " + path + '.',
          "Nothing was changed. The appliance's log says why it has no socket; or stop it."};
  }
  if (wanted == Wanted::running)
    return ActionFailure{"stopped", "No appliance of " + config.file + " is running.",
                         "Start it: sigillod --config " + config.file};
  auto local = std::make_unique<Local>(config);
  if (wanted == Wanted::stopped) return local;
  auto pin = token_pin(config);
  if (!pin) return not_opened(pin.error(), config);
  if (const auto opened = local->open(*pin); !opened) return not_opened(opened.error(), config);
  return local;
}

}  // namespace sigillo::provisioning
