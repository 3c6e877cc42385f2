#include "load_protocol.hpp"

#include <charconv>
#include <cstring>

#include "people.hpp"

namespace sigillo::bench {
namespace {

std::string http(std::string_view method, std::string_view path, std::string_view headers,
                 std::string_view body) {
  std::string out(method);
  out.append(" ").append(path).append(" HTTP/1.1\r\nHost: localhost\r\n").append(headers);
  if (!body.empty()) {
    out += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  }
  return out.append("\r\n").append(body);
}

class Http : public Protocol {
 public:
  std::size_t answer(std::string_view received, bool& expected) override {
    static constexpr std::string_view kLength = "\r\nContent-Length: ";
    const auto end = received.find("\r\n\r\n");
    if (end == std::string_view::npos) return 0;
    std::size_t size = 0;
    const auto at = received.find(kLength);
    if (at < end) std::from_chars(received.data() + at + kLength.size(), received.data() + end, size);
    const auto whole = end + 4 + size;
    if (received.size() < whole) return 0;
    const auto body = received.substr(end + 4, size);
    expected = received.substr(9, 3) == status_ && body.find(outcome_) != std::string_view::npos;
    return whole;
  }

 protected:
  Http(std::string_view status, std::string_view outcome) : status_(status), outcome_(outcome) {}
  void put(std::string_view placeholder, std::string_view value) {
    std::memcpy(text_.data() + text_.find(placeholder), value.data(), value.size());
  }
  std::string text_;

 private:
  std::string_view status_, outcome_;
};

class Whoami final : public Http {
 public:
  Whoami() : Http("200", "\"role\":") { text_ = http("GET", "/v1/whoami", "", ""); }
  std::string_view request(std::uint64_t) override { return text_; }
};

constexpr std::string_view kCodeHere = "CODECODECODECODE";
constexpr std::string_view kPinHere = "PINPINPI";
constexpr std::string_view kPinsHere = "PINPINPIHALFHALF";
constexpr std::string_view kKeyHere = "KEYKEYKEYKEYKEYK";
constexpr std::string_view kNumberHere = "NUMBERSN";

class Verify final : public Http {
 public:
  enum class Which { right, receipt, wrong, unknown, provisional };
  Verify(const Target& target, Which which)
      : Http("200", which == Which::wrong || which == Which::unknown ? "\"rejected\"" : "\"verified\""),
        target_(target),
        which_(which) {
    const bool whole = which == Which::provisional;
    std::string body = R"({"subject":")" + std::string(kCodeHere) + R"(","pin":")";
    body.append(whole ? kPinsHere : kPinHere).append("\"");
    body += which == Which::receipt ? R"(,"receipt":true})" : "}";
    text_ = http("POST", "/v1/verifications", "", body);
    pin_at_ = text_.find(whole ? kPinsHere : kPinHere);
    code_at_ = text_.find(kCodeHere);
  }
  std::string_view request(std::uint64_t k) override {
    // Right PINs at random over all; wrong ones in turn, so that nobody is locked before everybody was asked.
    const bool walks = which_ == Which::wrong || which_ == Which::unknown || which_ == Which::provisional;
    std::uint64_t n = walks ? target_.first + k : mix(target_.first + k);
    const auto range = which_ == Which::provisional ? target_.provisional : target_.active;
    if (range == 0) return {};
    n %= range;
    if (which_ == Which::provisional) n += target_.active;
    if (which_ == Which::unknown) n += 60'000'000;
    const auto code = code_of(n);
    std::memcpy(text_.data() + code_at_, code.data(), code.size());
    if (which_ == Which::provisional) {
      set_pin(0, pin_of(target_.seed, n, Secret::first_half));
      set_pin(kPinLength, pin_of(target_.seed, n, Secret::second_half));
    } else {
      const auto pin = pin_of(target_.seed, n, Secret::definitive);
      set_pin(0, which_ == Which::wrong ? wrong(pin) : pin);
    }
    return text_;
  }

 private:
  void set_pin(std::size_t offset, const PinText& pin) {
    std::memcpy(text_.data() + pin_at_ + offset, pin.data(), pin.size());
  }
  const Target target_;
  const Which which_;
  std::size_t code_at_ = 0, pin_at_ = 0;
};

std::string padded(std::uint64_t number, std::size_t width) {
  auto digits = std::to_string(number);
  return std::string(width - std::min(width, digits.size()), '0') + digits.substr(0, width);
}

std::string key_header() {
  return "Idempotency-Key: " + std::string(kKeyHere) + "\r\n";
}

class Issue final : public Http {
 public:
  explicit Issue(const Target& target) : Http("201", "\"provisional\""), target_(target) {
    const std::string number(kNumberHere);
    const std::string body = R"({"subject":")" + std::string(kCodeHere) + R"(","contacts":{"mobile":"+3933)" +
                             number + R"(","email":"c)" + number +
                             R"(@example.it","postal":{"name":"Mario Rossi","street":"Via Garibaldi 1",)" +
                             R"("postcode":"00153","city":"Roma","province":"RM","country":"IT"}}})";
    text_ = http("POST", "/v1/credentials", key_header(), body);
  }
  std::string_view request(std::uint64_t k) override {
    auto& text = line_ = text_;
    const auto n = target_.active + target_.provisional + target_.first + k;
    patch(text, kCodeHere, sigillo::bench::text(code_of(n)));
    patch(text, kKeyHere, padded(target_.run, 6) + padded(k, 10));
    patch(text, kNumberHere, padded(n, 8));
    patch(text, kNumberHere, padded(n, 8));
    return text;
  }

 private:
  static void patch(std::string& text, std::string_view placeholder, std::string_view value) {
    std::memcpy(text.data() + text.find(placeholder), value.data(), value.size());
  }
  const Target target_;
  std::string line_;
};

class Activate final : public Http {
 public:
  explicit Activate(const Target& target) : Http("201", "\"verified\""), target_(target) {
    const std::string body =
        R"({"subject":")" + std::string(kCodeHere) + R"(","pin":")" + std::string(kPinsHere) + R"("})";
    blank_ = http("POST", "/v1/activations", key_header(), body);
  }
  std::string_view request(std::uint64_t k) override {
    if (target_.first + k >= target_.provisional) return {};
    const auto n = target_.active + target_.first + k;
    text_ = blank_;
    put(kCodeHere, text(code_of(n)));
    put(kKeyHere, padded(target_.run, 6) + padded(k, 10));
    const auto at = blank_.find(kPinsHere);
    std::memcpy(text_.data() + at, pin_of(target_.seed, n, Secret::first_half).data(), kPinLength);
    std::memcpy(text_.data() + at + kPinLength, pin_of(target_.seed, n, Secret::second_half).data(),
                kPinLength);
    return text_;
  }

 private:
  const Target target_;
  std::string blank_;
};

// A simple bind (RFC 4511 section 4.2), again and again on one connection. Every length here is under 128,
// so it takes one byte.
class LdapBind final : public Protocol {
 public:
  LdapBind(const Target& target, bool right) : target_(target), right_(right) {
    const std::string name = "uid=" + std::string(kCodeHere) + ",ou=people,dc=bench";
    const auto byte = [](std::size_t value) { return std::string(1, static_cast<char>(value)); };
    std::string bind = "\x02\x01\x03\x04" + byte(name.size()) + name + "\x80" + byte(kPinLength);
    bind.append(kPinHere);
    text_ = "\x02\x01\x01\x60" + byte(bind.size()) + bind;
    text_ = "\x30" + byte(text_.size()) + text_;
    code_at_ = text_.find(kCodeHere);
    pin_at_ = text_.find(kPinHere);
  }
  std::string_view request(std::uint64_t k) override {
    const auto n = (right_ ? mix(target_.first + k) : target_.first + k) % target_.active;
    const auto code = code_of(n);
    const auto pin = pin_of(target_.seed, n, Secret::definitive);
    const auto shown = right_ ? pin : wrong(pin);
    std::memcpy(text_.data() + code_at_, code.data(), code.size());
    std::memcpy(text_.data() + pin_at_, shown.data(), shown.size());
    text_[4] = static_cast<char>(k % 127 + 1);
    return text_;
  }
  std::size_t answer(std::string_view received, bool& expected) override {
    if (received.size() < 2) return 0;
    const auto whole = 2 + static_cast<std::size_t>(static_cast<unsigned char>(received[1]));
    if (received.size() < whole) return 0;
    // 30 L, 02 01 id, 61 L, 0a 01 code
    expected = whole > 9 && received[5] == '\x61' && received[9] == (right_ ? 0 : 49);
    return whole;
  }

 private:
  const Target target_;
  const bool right_;
  std::string text_;
  std::size_t code_at_ = 0, pin_at_ = 0;
};

}  // namespace

std::unique_ptr<Protocol> make_protocol(const Target& target) {
  const auto& mode = target.mode;
  if (mode == "whoami" || mode == "connect") return std::make_unique<Whoami>();
  if (mode == "right") return std::make_unique<Verify>(target, Verify::Which::right);
  if (mode == "receipt") return std::make_unique<Verify>(target, Verify::Which::receipt);
  if (mode == "wrong") return std::make_unique<Verify>(target, Verify::Which::wrong);
  if (mode == "unknown") return std::make_unique<Verify>(target, Verify::Which::unknown);
  if (mode == "provisional") return std::make_unique<Verify>(target, Verify::Which::provisional);
  if (mode == "issue") return std::make_unique<Issue>(target);
  if (mode == "activate") return std::make_unique<Activate>(target);
  if (mode == "ldap-right" || mode == "ldap-wrong")
    return std::make_unique<LdapBind>(target, mode == "ldap-right");
  return nullptr;
}

}  // namespace sigillo::bench
