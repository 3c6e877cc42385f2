// VfsShim: SQLite's file system with a fault in it, below the real SQLCipher. It becomes the process's
// default VFS, counts the calls of each kind, and fails the N-th: once, or it and all after it until
// repaired. Thread rule: any thread may do I/O; plans are made by the test's.
#pragma once

#include <cstdint>

namespace sigillo::fault {

enum class FileCall : std::uint8_t { open, read, write, sync, truncate, remove, lock };
inline constexpr int kFileCalls = 7;

enum class FileFault : std::uint8_t {
  io_error,   // EIO: the call has done nothing
  full,       // ENOSPC at a write; elsewhere as io_error
  torn,       // a write that reached the disk by half, and failed
  read_only,  // EROFS
};

class VfsShim {
 public:
  static void install();  // before the first database is opened
  // The n-th call from now on (from 1) of this kind fails; with `lasting` every later one, of writing kinds
  // too.
  static void fail(FileCall call, std::uint64_t n, FileFault fault, bool lasting);
  static void repair();
  static bool fired();                        // since fail()
  static std::uint64_t calls(FileCall call);  // since fail() or repair()
};

}  // namespace sigillo::fault
