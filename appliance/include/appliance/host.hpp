// Host: the appliance as its process holds it, and the Service that the network side calls. Sealed: no token,
// no store, no key; every operation is answered `sealed`. Held: open to officers alone, for a reason that
// they must accept first. Open: it serves. seal() comes back when the store is closed, the derived keys are
// wiped and the token is logged out. Thread rule: any thread; set_doors() before the first unseal(). Never:
// tries a token PIN twice by itself.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <appliance/assembly.hpp>
#include <appliance/service.hpp>

namespace sigillo::appliance {

enum class Standing : std::uint8_t { sealed, held, open };
std::string_view name(Standing standing);

class Host final : public Service {
 public:
  Host(const Config& config, const base::Clock& clock);
  ~Host() override;  // as end()

  base::Task<Reply> execute(Call call) override;
  ChannelPtr channel(Role role, const std::string& name, const base::Digest& certificate_key) const override;
  Readiness readiness() const override;
  std::vector<Reading> readings() const override;
  base::Task<std::optional<std::string>> checkpoint() override;

  // What stands in front: told when the appliance opens, with the TLS key, then when it answers, and before
  // it closes. An error from `opened` seals again. The key signs until the appliance is sealed, and not
  // after.
  struct Doors {
    std::function<base::Result<void>(EVP_PKEY*)> opened;
    std::function<void()> serving = [] {};
    std::function<void()> closing;
  };
  void set_doors(Doors doors) { doors_ = std::move(doors); }

  // One login with this PIN, whatever comes of it. `how` goes into the ledger: "pin-file", "prompt",
  // "shares". Errc::standing where it is not sealed.
  base::Result<void> unseal(const base::Secret& pin, std::string_view how);
  // Back to sealed, from anything. `why` goes into the ledger and is what readiness says.
  void seal(std::string_view why);
  // Takes one reason for being held away; with the last one the appliance opens.
  base::Result<void> release(std::string_view hold);
  // What stands in front is told anew, with the TLS key that the certificate's file is of now.
  base::Result<void> renew_doors();
  // Closes what is open, and for good: a stop and no sealing.
  void end();
  // A first unseal that failed, or that had nothing to try: what readiness says.
  void note(std::string_view why);

  const Config& config() const { return config_; }
  Standing standing() const;
  std::vector<std::string> reasons() const;  // of not being open
  // A call hangs in the HSM's module, and everything else behind it: every worker, the anchor, or those who
  // would bring the device back. Nothing but a new process gets out of that. An HSM that is away is another
  // thing: its calls come back.
  bool hangs() const;
  // A call that is out for longer is taken for one that never comes back.
  base::Duration patience() const;
  // The appliance is being sealed: whoever holds a Lease ends soon.
  bool closing() const;

  // Keeps what is open from being closed.
  class Lease {
   public:
    Lease(Lease&& other) noexcept : host_(std::exchange(other.host_, nullptr)) {}
    Lease& operator=(Lease&&) = delete;
    ~Lease();
    Assembly& assembly() const;

   private:
    friend class Host;
    explicit Lease(const Host& host) : host_(&host) {}
    const Host* host_;
  };
  // Nothing where it does not stand at least so.
  std::optional<Lease> enter(Standing at_least) const;

 private:
  base::Result<void> open_doors();
  base::Result<void> show_key();
  void close(std::string_view why, bool sealing);

  const Config& config_;
  const base::Clock& clock_;
  Doors doors_;
  std::mutex changing_;  // one unseal, seal or release at a time
  mutable std::mutex mutex_;
  mutable std::condition_variable left_;
  mutable std::size_t leases_ = 0;
  Standing standing_ = Standing::sealed;
  std::optional<std::chrono::steady_clock::time_point> closing_;  // since when
  bool ended_ = false;                                            // under changing_
  std::vector<std::string> reasons_{"starting"};
  std::unique_ptr<Assembly> assembly_;
  std::vector<std::shared_ptr<hsm::KeyDoor>> tls_doors_;  // the newest signs new handshakes
};

}  // namespace sigillo::appliance
