// KeyUses: how often the record key has sealed, over restarts. AES-GCM with random nonces is good for 2^32
// uses of a key (NIST SP 800-38D, 8.3), so uses are reserved in the store a block ahead: a kill costs at most
// a block that was not used, and never one that was used and not counted. Thread rule: begin() and end() by
// the assembly, keep() by housekeeping, one at a time; the rest from any thread.
#pragma once

#include <mutex>

#include "context.hpp"

namespace sigillo::appliance {

// From here on: a warning; no more operations of channels, so that what officers do to rotate it has room.
inline constexpr std::uint64_t kUsesWarn = std::uint64_t{1} << 31;
inline constexpr std::uint64_t kUsesStop = sealed_store::RecordSealer::kUsesMax - (std::uint64_t{1} << 24);
inline constexpr std::uint64_t kUsesBlock = std::uint64_t{1} << 18;
inline constexpr const char* kRecordKeyUsedUp = "record-key-used-up";

struct KeyUsesRecord {
  std::uint64_t reserved = 0;
  template <class V>
  void fields(V&& v) {
    v(reserved);
  }
};

class KeyUses {
 public:
  explicit KeyUses(const Context& context) : context_(context) {}

  // The count goes on where the store has it, and the commit of the start reserves the next block.
  base::Result<void> begin(sealed_store::Changes& start);
  // As it stands: a clean stop costs nothing.
  void end(sealed_store::Changes& stop);
  void keep();
  // Of a record key that no longer seals: at most so many.
  base::Result<std::uint64_t> of(std::uint16_t record_key) const;

 private:
  sealed_store::Put put(std::uint64_t reserved);
  void tell(std::uint64_t uses);

  const Context& context_;
  std::mutex mutex_;
  std::uint16_t key_ = 0;
  std::uint64_t reserved_ = 0;
  std::uint64_t told_ = 0;  // the line that was passed last and said in the log
};

}  // namespace sigillo::appliance
