// AdminPeer: one connection of the officers' socket, as lines with deadlines. It owns the descriptor. Thread
// rule: one thread, but shut(), which any thread may call.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <base/clock.hpp>
#include <base/secret.hpp>

namespace sigillo::api {

class AdminPeer {
 public:
  explicit AdminPeer(int descriptor) : fd_(descriptor) {}
  ~AdminPeer();
  AdminPeer(const AdminPeer&) = delete;
  AdminPeer& operator=(const AdminPeer&) = delete;

  bool is_officers_user() const;  // root, or the user of this process
  // Nothing where it does not come whole in time, or is longer.
  std::optional<std::string> read_line(std::size_t bytes_max, base::Duration within);
  std::optional<base::Secret> read_secret(std::size_t bytes, base::Duration within);
  // All of it within that time, or none of the connection is left.
  bool write_line(std::string_view line, base::Duration within);
  // Whole, or not at all where the peer does not keep up: news that the next line makes old.
  void offer_line(std::string_view line);
  void shut();

 private:
  bool wait(short events, std::int64_t until_ms) const;
  bool write(std::string_view bytes, std::int64_t until_ms);
  const int fd_;
  bool broken_ = false;
};

}  // namespace sigillo::api
