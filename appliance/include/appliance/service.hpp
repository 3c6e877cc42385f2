// Service: the one seam between the network side and the appliance. api/ knows this and nothing below it: no
// HSM, no store, no key. The shape allows the two sides to become two processes. Thread rule: any thread; a
// call goes on on the appliance's own threads and answers there.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <appliance/channel.hpp>
#include <appliance/operations.hpp>
#include <appliance/readings.hpp>
#include <base/secret.hpp>
#include <base/task.hpp>

namespace sigillo::appliance {

// An answer's bytes: in locked memory where a PIN is among them, and else not. Attack: (1) ask for the
// ledger by some dozens of connections at once, a thousand entries each, (2) read slowly: the locked memory,
// which is sized for secrets, has no room left for anybody's PIN, and that ends the process.
class Body {
 public:
  Body() = default;
  Body(base::Secret secret) : secret_(std::move(secret)) {}
  Body(std::string open) : open_(std::move(open)) {}
  base::ByteView expose() const { return secret_.empty() ? base::view(open_) : secret_.expose(); }
  std::string_view expose_text() const { return base::text(expose()); }

 private:
  base::Secret secret_;
  std::string open_;
};

// An answer in its wire form, opaque to the appliance, which keeps it for a repeated Idempotency-Key.
struct Rendered {
  std::uint16_t status = 0;
  Body body;
  std::string request_id = {};  // where the body names one, which a replay then bears too
};
using Render = std::function<Rendered(const Answer&)>;

struct Idempotency {
  std::string key;              // 1 to 64 printable ASCII characters, as sent
  base::Secret request_digest;  // SHA-256(method || path || body): what makes it the same request
};

struct Call {
  ChannelPtr channel;
  Request request;
  std::optional<Idempotency> idempotency;
  Render render;
};

// Nothing was told, and the caller may come again. It may have been done all the same, where the disk or the
// anchor failed once it was written: who repeats the Idempotency-Key is told so. 503.
enum class Outage : std::uint8_t {
  overloaded,
  hsm_unavailable,
  not_anchored,  // written, but not in the HSM yet: it may have been done
  store_unavailable,
  audit_unavailable,
  sealed
};

using Reply = std::variant<Rendered, Outage>;

struct Readiness {
  bool ready = false;
  std::vector<std::string>
      reasons;  // "hsm-unavailable", "clock-behind-ledger", "sealed", ... ; empty when ready
};

class Service {
 public:
  virtual ~Service() = default;

  virtual base::Task<Reply> execute(Call call) = 0;

  // The enrolled channel of that role, name and certificate key, whatever its status; nothing where none is.
  // In memory, asked at every request, so that a revocation ends connections that are open.
  virtual ChannelPtr channel(Role role, const std::string& name,
                             const base::Digest& certificate_key) const = 0;
  virtual Readiness readiness() const = 0;
  // Its own figures, for /metrics; cheap enough to be asked every few seconds.
  virtual std::vector<Reading> readings() const { return {}; }

  // The ledger's head, signed; nothing where it cannot be now. Nothing is noted of it: it leaves by itself.
  virtual base::Task<std::optional<std::string>> checkpoint() { co_return std::nullopt; }
};

}  // namespace sigillo::appliance
