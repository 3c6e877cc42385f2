// sigillo token-signer: the other side of TokenProcess, and nothing that a person runs. It loads the module
// of an officer's token, logs in with the PIN that it is sent, signs what it is sent, and ends with its
// socket.
#include <cerrno>

#include <sys/prctl.h>
#include <sys/socket.h>
#include <CLI/CLI.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <hsm/personal_token.hpp>
#include <provisioning/command.hpp>

#include "token_process.hpp"

namespace sigillo::provisioning {
namespace {

namespace json = boost::json;

json::object failure(const base::Error& error) {
  return {{"number", error.number()}, {"raw", error.raw()}, {"detail", error.detail()}};
}

json::object said_of(const hsm::PinState& state) {
  return {{"wanted", state.wanted},
          {"own_pad", state.own_pad},
          {"wrong_before", state.wrong_before},
          {"final_try", state.final_try},
          {"locked", state.locked}};
}

template <class T>
json::object shown(const char* name, const base::Result<T>& bytes) {
  if (!bytes) return failure(bytes.error());
  return {{name, base::to_base64url(*bytes)}};
}

std::size_t receive(std::span<base::Byte> into) {
  for (;;) {
    const ssize_t got = ::recv(kTokenSignerFd, into.data(), into.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    return got < 0 ? 0 : static_cast<std::size_t>(got);
  }
}

class Signer {
 public:
  json::object answer(const json::object& question) {
    const auto* what = question.if_contains("do");
    const std::string_view to_do = what != nullptr && what->is_string() ? what->get_string() : "";
    if (to_do == "open") return open(question);
    if (token_ == nullptr) return failure({hsm::Errc::caller_fault, "no token is open"});
    if (to_do == "public") return shown("point", token_->public_point());
    if (to_do == "login") return log_in(question);
    if (to_do == "sign") return sign(question);
    return failure({hsm::Errc::caller_fault, "a question that is none"});
  }

 private:
  json::object open(const json::object& question) {
    auto parsed = hsm::parse_token_uri(std::string(question.at("uri").as_string()));
    auto* uri = std::get_if<hsm::TokenUri>(&parsed);
    if (uri == nullptr) return failure({hsm::Errc::caller_fault, "no URI of a token's key"});
    uri->module_path = question.at("module").as_string();
    auto opened = hsm::PersonalToken::open(*uri);
    if (!opened) return failure(opened.error());
    token_ = std::move(*opened);
    const auto state = token_->pin_state();
    return state ? said_of(*state) : failure(state.error());
  }

  json::object log_in(const json::object& question) {
    if (question.at("pin").as_bool()) {
      base::Secret pin(kTokenPinMax);
      const std::size_t size = receive(pin.writable());
      if (size == 0) return failure({hsm::Errc::caller_fault, "no PIN came"});
      return logged_in(base::Secret(pin.expose().first(size)));
    }
    return logged_in({});
  }
  json::object logged_in(base::Secret pin) {
    const auto state = token_->pin_state();
    if (!state) return failure(state.error());
    if (state->wanted) {
      if (const auto done = token_->log_in(std::move(pin)); !done) {
        auto said = failure(done.error());
        if (const auto now = token_->pin_state()) said["state"] = said_of(*now);
        return said;
      }
    }
    if (const auto found = token_->find_key(); !found) return failure(found.error());
    return shown("point", token_->public_point());
  }

  json::object sign(const json::object& question) {
    const auto bytes = base::from_base64url(question.at("digest").as_string());
    base::Digest digest{};
    if (!bytes || bytes->size() != digest.size())
      return failure({hsm::Errc::caller_fault, "no digest to sign"});
    std::ranges::copy(*bytes, digest.begin());
    return shown("signature", token_->sign(digest));
  }

  std::unique_ptr<hsm::PersonalToken> token_;
};

void serve(Context& context) {
  ::prctl(PR_SET_DUMPABLE, 0);
  Signer signer;
  std::string packet(kTokenPacketMax, '\0');
  bool asked = false;
  for (;;) {
    const std::size_t size = receive({reinterpret_cast<base::Byte*>(packet.data()), packet.size()});
    boost::system::error_code error;
    const auto question = json::parse(std::string_view(packet).substr(0, size), error);
    if (size == 0 || error || !question.is_object()) break;
    asked = true;
    const auto answer = json::serialize(signer.answer(question.get_object()));
    if (::send(kTokenSignerFd, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) break;
  }
  if (!asked)
    context.failed(Exit::local, "This is what other commands start to ask a token.",
                   "Say --officer NAME=pkcs11:... to a command that officers sign.");
}

}  // namespace

void add_token_signer(CLI::App& app, Context& context) {
  // Not in --help: no person's command.
  auto* command = app.add_subcommand(kTokenSigner, "Other commands start it.")->group("");
  command->callback([&context] { serve(context); });
}

}  // namespace sigillo::provisioning
