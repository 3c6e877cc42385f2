// Sink: where a courier hands its messages: the port to a transport. One sink here, the spool folder; an SMS
// gateway or a print house is another. Thread rule: one thread.
#pragma once

#include <string>

#include <base/result.hpp>
#include <channels/message.hpp>

namespace sigillo::channels {

class Sink {
 public:
  virtual ~Sink() = default;
  // Success means that the message will not get lost, whatever happens to this process next. The same
  // delivery_id may come twice (a crash before the acknowledgement): a sink takes the second for the first.
  // Errc::sink otherwise.
  virtual base::Result<void> take(const Message& message) = 0;
};

// One file a message, `<delivery_id>.json`, mode 0600, in a folder of this courier's own. A file of that name
// is whole and on disk: it is written under another name, synced, renamed, and the folder is synced.
class SpoolSink final : public Sink {
 public:
  // Makes the folder (0700) where it is not there; refuses one that others can read, and one that cannot be
  // written to.
  static base::Result<SpoolSink> open(const std::string& folder);
  SpoolSink(SpoolSink&& other) noexcept;
  SpoolSink& operator=(SpoolSink&&) = delete;
  ~SpoolSink() override;
  base::Result<void> take(const Message& message) override;

 private:
  explicit SpoolSink(int folder) : folder_(folder) {}
  int folder_ = -1;  // its file descriptor
};

}  // namespace sigillo::channels
