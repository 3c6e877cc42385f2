// FileWitness: a witness that outlives kill -9: the head in a file, by one small write.
// Thread rule: one thread at a time.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstring>

#include <sealed_store/store.hpp>

namespace sigillo::sealed_store::testing {

class FileWitness final : public HeadWitness {
 public:
  explicit FileWitness(const std::string& path)
      : fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {}
  ~FileWitness() override { ::close(fd_); }

  base::Result<std::optional<Head>> recorded() override {
    Head head;
    if (::pread(fd_, &head, sizeof head, 0) != sizeof head) return std::optional<Head>{};
    return std::optional(head);
  }
  base::Result<void> take_over(const Head& accepted) override { return record(accepted); }
  base::Result<void> record(const Head& head) override {
    if (::pwrite(fd_, &head, sizeof head, 0) != sizeof head)
      return base::Error(Errc::unavailable, "witness file");
    return base::ok();
  }

 private:
  int fd_;
};

}  // namespace sigillo::sealed_store::testing
