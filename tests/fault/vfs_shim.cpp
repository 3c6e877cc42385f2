#include "vfs_shim.hpp"

#include <sqlite3.h>

#include <array>
#include <mutex>
#include <optional>

namespace sigillo::fault {
namespace {

struct Plan {
  FileCall call;
  std::uint64_t n;
  FileFault fault;
  bool lasting;
};

std::mutex mutex;
std::optional<Plan> plan;
bool has_fired = false;
std::array<std::uint64_t, kFileCalls> counts{};
sqlite3_vfs* real = nullptr;

bool writes(FileCall call) {
  return call == FileCall::write || call == FileCall::sync || call == FileCall::truncate ||
         call == FileCall::remove;
}

// The fault that this call is to have, if any.
std::optional<FileFault> strike(FileCall call) {
  const std::lock_guard lock(mutex);
  const auto count = ++counts[static_cast<std::size_t>(call)];
  if (!plan) return std::nullopt;
  const bool now = call == plan->call && count == plan->n;
  const bool still =
      plan->lasting && has_fired && (call == plan->call || (writes(call) && writes(plan->call)));
  if (now) has_fired = true;
  return now || still ? std::optional(plan->fault) : std::nullopt;
}

int code(FileFault fault, int io_error) {
  switch (fault) {
    case FileFault::full:
      return io_error == SQLITE_IOERR_WRITE ? SQLITE_FULL : io_error;
    case FileFault::read_only:
      return io_error == SQLITE_IOERR_WRITE ? SQLITE_READONLY : io_error;
    case FileFault::io_error:
    case FileFault::torn:
      return io_error;
  }
  return io_error;
}

// SQLite allocates szOsFile bytes: ours, and behind them the real one's.
struct ShimFile {
  sqlite3_file base;
  sqlite3_file* under;
};

sqlite3_file* under(sqlite3_file* file) {
  return reinterpret_cast<ShimFile*>(file)->under;
}

int close_file(sqlite3_file* file) {
  return under(file)->pMethods->xClose(under(file));
}
int read_file(sqlite3_file* file, void* out, int size, sqlite3_int64 at) {
  if (const auto fault = strike(FileCall::read)) return code(*fault, SQLITE_IOERR_READ);
  return under(file)->pMethods->xRead(under(file), out, size, at);
}
int write_file(sqlite3_file* file, const void* from, int size, sqlite3_int64 at) {
  if (const auto fault = strike(FileCall::write)) {
    if (*fault == FileFault::torn) (void)under(file)->pMethods->xWrite(under(file), from, size / 2, at);
    return code(*fault, SQLITE_IOERR_WRITE);
  }
  return under(file)->pMethods->xWrite(under(file), from, size, at);
}
int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
  if (const auto fault = strike(FileCall::truncate)) return code(*fault, SQLITE_IOERR_TRUNCATE);
  return under(file)->pMethods->xTruncate(under(file), size);
}
int sync_file(sqlite3_file* file, int flags) {
  if (const auto fault = strike(FileCall::sync)) return code(*fault, SQLITE_IOERR_FSYNC);
  return under(file)->pMethods->xSync(under(file), flags);
}
int file_size(sqlite3_file* file, sqlite3_int64* size) {
  return under(file)->pMethods->xFileSize(under(file), size);
}
int lock_file(sqlite3_file* file, int level) {
  if (const auto fault = strike(FileCall::lock)) return code(*fault, SQLITE_IOERR_LOCK);
  return under(file)->pMethods->xLock(under(file), level);
}
int unlock_file(sqlite3_file* file, int level) {
  return under(file)->pMethods->xUnlock(under(file), level);
}
int check_lock(sqlite3_file* file, int* out) {
  return under(file)->pMethods->xCheckReservedLock(under(file), out);
}
int control(sqlite3_file* file, int op, void* arg) {
  return under(file)->pMethods->xFileControl(under(file), op, arg);
}
int sector_size(sqlite3_file* file) {
  return under(file)->pMethods->xSectorSize(under(file));
}
int characteristics(sqlite3_file* file) {
  return under(file)->pMethods->xDeviceCharacteristics(under(file));
}
int shm_map(sqlite3_file* file, int page, int size, int extend, void volatile** out) {
  return under(file)->pMethods->xShmMap(under(file), page, size, extend, out);
}
int shm_lock(sqlite3_file* file, int at, int n, int flags) {
  return under(file)->pMethods->xShmLock(under(file), at, n, flags);
}
void shm_barrier(sqlite3_file* file) {
  under(file)->pMethods->xShmBarrier(under(file));
}
int shm_unmap(sqlite3_file* file, int remove) {
  return under(file)->pMethods->xShmUnmap(under(file), remove);
}

// Version 2: without xFetch, so that no read goes past xRead.
const sqlite3_io_methods kMethods = {2,           close_file,  read_file,       write_file,  truncate_file,
                                     sync_file,   file_size,   lock_file,       unlock_file, check_lock,
                                     control,     sector_size, characteristics, shm_map,     shm_lock,
                                     shm_barrier, shm_unmap,   nullptr,         nullptr};

int open_file(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  auto* shim = reinterpret_cast<ShimFile*>(file);
  shim->base.pMethods = nullptr;
  shim->under = reinterpret_cast<sqlite3_file*>(shim + 1);
  if (strike(FileCall::open)) return SQLITE_CANTOPEN;
  const int opened = real->xOpen(real, name, shim->under, flags, out_flags);
  if (opened == SQLITE_OK) shim->base.pMethods = &kMethods;
  return opened;
}
int remove_file(sqlite3_vfs*, const char* name, int sync_folder) {
  if (const auto fault = strike(FileCall::remove)) return code(*fault, SQLITE_IOERR_DELETE);
  return real->xDelete(real, name, sync_folder);
}

}  // namespace

void VfsShim::install() {
  static sqlite3_vfs shim = [] {
    real = sqlite3_vfs_find(nullptr);
    auto copy = *real;  // what is not replaced (time, randomness, paths) is the real one's
    copy.zName = "sigillo-fault";
    copy.szOsFile = static_cast<int>(sizeof(ShimFile)) + real->szOsFile;
    copy.xOpen = open_file;
    copy.xDelete = remove_file;
    return copy;
  }();
  sqlite3_vfs_register(&shim, 1);
}

void VfsShim::fail(FileCall call, std::uint64_t n, FileFault fault, bool lasting) {
  const std::lock_guard lock(mutex);
  plan = Plan{call, n, fault, lasting};
  has_fired = false;
  counts = {};
}

void VfsShim::repair() {
  const std::lock_guard lock(mutex);
  plan.reset();
  counts = {};
}

bool VfsShim::fired() {
  const std::lock_guard lock(mutex);
  return has_fired;
}

std::uint64_t VfsShim::calls(FileCall call) {
  const std::lock_guard lock(mutex);
  return counts[static_cast<std::size_t>(call)];
}

}  // namespace sigillo::fault
