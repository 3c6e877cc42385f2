#include "officer_signer.hpp"

#include <provisioning/command.hpp>
#include <provisioning/officer_key.hpp>
#include <provisioning/terminal.hpp>

#include "files.hpp"
#include "token_process.hpp"

namespace sigillo::provisioning {
namespace {

namespace json = boost::json;
using appliance::ActionFailure;

constexpr const char* kUnchanged = "Nothing was signed, and nothing was changed.";

ActionFailure refused(const std::string& what, const std::string& next = kUnchanged) {
  return {"invalid", what, next};
}

class FileSigner final : public OfficerSigner {
 public:
  FileSigner(std::string file, PrivateKey key, const base::ByteArray<65>& point)
      : file_(std::move(file)), key_(std::move(key)), point_(point) {}
  const base::ByteArray<65>& point() const override { return point_; }
  std::variant<base::Bytes, ActionFailure> sign(const base::Digest& digest) override {
    auto signature = sign_digest(*key_, digest);
    if (!signature) return refused(file_ + ": " + sentence(signature.error()) + '.');
    return std::move(*signature);
  }

 private:
  std::string file_;
  PrivateKey key_;
  base::ByteArray<65> point_;
};

bool has(const json::object& answer, const char* name) {
  const auto* flag = answer.if_contains(name);
  return flag != nullptr && flag->is_bool() && flag->get_bool();
}

hsm::PinState state_of(const json::object& answer) {
  return {.wanted = has(answer, "wanted"),
          .own_pad = has(answer, "own_pad"),
          .wrong_before = has(answer, "wrong_before"),
          .final_try = has(answer, "final_try"),
          .locked = has(answer, "locked")};
}

std::string warning_of(const hsm::PinState& state) {
  if (state.locked) return " It is locked now.";
  if (state.final_try) return " One more wrong one locks it.";
  if (state.wrong_before) return " A few more wrong ones lock it.";
  return " Some tokens lock after three wrong ones.";
}

// The conversation with the process that has the token, and its failures as sentences.
class TokenSigner final : public OfficerSigner {
 public:
  explicit TokenSigner(const hsm::TokenUri& uri) : uri_(uri) {}

  std::optional<ActionFailure> open() {
    if (!process_.start())
      return refused("The process for the token " + uri_.shown() + " cannot be started.");
    auto said = process_.ask({{"do", "open"}, {"uri", uri_.text}, {"module", uri_.module_path}});
    if (const auto failure = failed(said)) return failure;
    state_ = state_of(*said);
    return std::nullopt;
  }
  // Whether the token shows its public half to everybody.
  bool read_public() {
    const auto said = process_.ask({{"do", "public"}});
    return said && !said->contains("detail") && take_point(*said);
  }
  std::optional<ActionFailure> log_in(const AskPin& ask) {
    const bool typed = state_.wanted && !state_.own_pad;
    std::optional<json::object> said;
    if (typed && !state_.locked && !state_.final_try) {
      const auto pin = ask(uri_, state_);
      if (!pin) return refused("The PIN of the token " + uri_.shown() + ": " + sentence(pin.error()) + '.');
      if (pin->empty() || pin->size() > kTokenPinMax)
        return refused("The PIN of the token " + uri_.shown() + " is empty or too long: it was not tried.");
      said = process_.ask({{"do", "login"}, {"pin", true}}, *pin);
    } else {
      said = process_.ask({{"do", "login"}, {"pin", false}});
    }
    if (const auto failure = failed(said)) return failure;
    if (!take_point(*said)) return gone();
    return std::nullopt;
  }

  const base::ByteArray<65>& point() const override { return point_; }
  std::variant<base::Bytes, ActionFailure> sign(const base::Digest& digest) override {
    const auto said = process_.ask({{"do", "sign"}, {"digest", base::to_base64url(digest)}});
    if (const auto failure = failed(said)) return *failure;
    const auto* text = said->if_contains("signature");
    auto signature = base::from_base64url(text != nullptr && text->is_string() ? text->get_string() : "");
    if (!signature || signature->size() != 64) return gone();
    return std::move(*signature);
  }

 private:
  ActionFailure gone() const {
    return refused("The module " + uri_.module_path + " ended while it had the token " + uri_.shown() +
                   " open.");
  }
  std::optional<ActionFailure> failed(const std::optional<json::object>& said) const {
    if (!said) return gone();
    const auto* detail = said->if_contains("detail");
    if (detail == nullptr) return std::nullopt;
    const auto number = said->at("number").to_number<std::uint16_t>();
    char raw[32];
    std::snprintf(raw, sizeof raw, "0x%llx",
                  static_cast<unsigned long long>(said->at("raw").to_number<std::uint64_t>()));
    std::string what = "The token " + uri_.shown() + ": " + std::string(detail->as_string()) + " (error " +
                       std::to_string(number) + ", raw " + raw + ").";
    const auto* state = said->if_contains("state");
    const bool tried = number == static_cast<std::uint16_t>(hsm::Errc::credential) && state != nullptr &&
                       !state_.final_try && !state_.locked;
    if (!tried) return refused(what);
    return refused(
        what + warning_of(state_of(state->as_object())),
        std::string(kUnchanged) + " It was tried once; see that it is the right one before you try again.");
  }
  bool take_point(const json::object& said) {
    const auto* text = said.if_contains("point");
    const auto bytes = base::from_base64url(text != nullptr && text->is_string() ? text->get_string() : "");
    if (!bytes || bytes->size() != point_.size()) return false;
    std::ranges::copy(*bytes, point_.begin());
    return true;
  }

  const hsm::TokenUri uri_;
  TokenProcess process_;
  hsm::PinState state_;
  base::ByteArray<65> point_{};
};

}  // namespace

OpenedSigner open_key_file(const std::string& file, const base::Secret& password) {
  auto key = read_officer_key(file, password);
  if (!key) return refused(file + ": " + sentence(key.error()) + '.');
  const auto point = public_point(**key);
  if (!point) return refused(file + ": " + sentence(point.error()) + '.');
  return std::make_unique<FileSigner>(file, std::move(*key), *point);
}

AskPin pin_of(const std::string& officer) {
  return [officer](const hsm::TokenUri& uri, const hsm::PinState& state) -> base::Result<base::Secret> {
    if (!uri.pin_source.empty()) return read_secret_file(uri.pin_source);
    const std::string warning = state.wrong_before ? " (a wrong one was given to it before)" : "";
    return ask_secret("PIN of the token " + uri.shown() + (officer.empty() ? "" : " of " + officer) +
                      warning + ": ");
  };
}

OpenedSigner open_token_key(const hsm::TokenUri& uri, const AskPin& ask) {
  auto signer = std::make_unique<TokenSigner>(uri);
  if (auto failure = signer->open()) return std::move(*failure);
  if (auto failure = signer->log_in(ask)) return std::move(*failure);
  return signer;
}

std::variant<base::ByteArray<65>, ActionFailure> token_public_key(const hsm::TokenUri& uri,
                                                                  const AskPin& ask) {
  TokenSigner signer(uri);
  if (auto failure = signer.open()) return std::move(*failure);
  if (!signer.read_public()) {
    if (auto failure = signer.log_in(ask)) return std::move(*failure);
  }
  return signer.point();
}

std::variant<hsm::TokenUri, ActionFailure> read_token_uri(const std::string& text,
                                                          const std::string& module) {
  auto parsed = hsm::parse_token_uri(text);
  // The text is not repeated: what is wrong with it may be that a PIN is in it.
  if (const auto* why = std::get_if<std::string>(&parsed))
    return refused("The PKCS#11 URI of a key is refused: " + *why + '.');
  auto& uri = std::get<hsm::TokenUri>(parsed);
  if (uri.module_path.empty()) uri.module_path = module;
  if (uri.module_path.empty())
    return refused("No module is named for the token " + uri.shown() + '.',
                   "Say --module FILE, or module-path= in the URI. Nothing was changed.");
  return std::move(uri);
}

}  // namespace sigillo::provisioning
