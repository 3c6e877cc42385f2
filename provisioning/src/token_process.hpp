// TokenProcess: the process that has an officer's token open, as the command that wants a signature sees it:
// this program, started anew as `sigillo token-signer` with one end of a socket and the environment that this
// one was started with (a command that opens an appliance may have set its HSM's settings meanwhile). One
// packet a question, one an answer, JSON but for the PIN, which is its own packet, out of locked memory into
// locked memory. It ends when the socket is closed. Thread rule: one thread.
#pragma once

#include <string>
#include <variant>

#include <sys/types.h>

#include <boost/json/object.hpp>

#include <appliance/administration.hpp>

namespace sigillo::provisioning {

inline constexpr const char* kTokenSigner = "token-signer";
inline constexpr int kTokenSignerFd = 3;
inline constexpr std::size_t kTokenPacketMax = 8192;
inline constexpr std::size_t kTokenPinMax = 256;

// Once, before anything changes the environment.
void keep_environment();

class TokenProcess {
 public:
  TokenProcess() = default;
  ~TokenProcess();
  TokenProcess(const TokenProcess&) = delete;
  TokenProcess& operator=(const TokenProcess&) = delete;

  bool start();
  // The answer; one with a member "detail" is a failure of the token's. Nothing where the process ended.
  std::optional<boost::json::object> ask(const boost::json::object& question);
  std::optional<boost::json::object> ask(const boost::json::object& question, const base::Secret& pin);

 private:
  std::optional<boost::json::object> answer();
  int fd_ = -1;
  pid_t pid_ = -1;
};

}  // namespace sigillo::provisioning
