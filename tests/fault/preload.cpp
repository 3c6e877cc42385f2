// Preloaded into a whole server: the disk and the clock beneath it, failing as the control file says. Of the
// files under SIGILLO_FAULT_FOLDER (the store's) every open, read, write, sync, truncate and unlink is a
// point "disk.<call>"; `code` is the errno. What is struck at "disk.space" is told of no room. Every clock
// that tells the date is moved by clock_offset_ms. All else is passed on. It stands below the real SQLCipher,
// which calls the C library for its files.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <cstring>

#include "strike.hpp"

namespace {

using sigillo::fault::Action;
using sigillo::fault::CallPoint;

constexpr std::size_t kFilesMax = 65'536;
std::array<std::atomic<bool>, kFilesMax> ours;  // by descriptor

const char* folder() {
  static const char* const path = ::getenv("SIGILLO_FAULT_FOLDER");
  return path;
}
bool watched(const char* path) {
  return folder() != nullptr && path != nullptr && std::strncmp(path, folder(), std::strlen(folder())) == 0;
}
bool watched(int file) {
  return file >= 0 && static_cast<std::size_t>(file) < kFilesMax && ours[static_cast<std::size_t>(file)];
}
int remember(int file, bool is_ours) {
  if (file >= 0 && static_cast<std::size_t>(file) < kFilesMax) ours[static_cast<std::size_t>(file)] = is_ours;
  return file;
}

#define SIGILLO_POINT(call)                                             \
  const CallPoint& point_##call() {                                     \
    static const CallPoint* const point = new CallPoint("disk." #call); \
    return *point;                                                      \
  }
SIGILLO_POINT(open)
SIGILLO_POINT(read)
SIGILLO_POINT(write)
SIGILLO_POINT(sync)
SIGILLO_POINT(truncate)
SIGILLO_POINT(unlink)
SIGILLO_POINT(space)

template <class R>
R failed(std::uint64_t code) {
  errno = static_cast<int>(code);
  return static_cast<R>(-1);
}

// A call of a watched file: struck, or made by `call`.
template <class R, class F>
R through(const CallPoint& point, F call) {
  const auto verdict = point.strike();
  if (verdict.action == Action::fail) return failed<R>(verdict.code);
  const R result = call();
  if (verdict.action == Action::kill_after) sigillo::fault::die();
  return verdict.action == Action::fail_after ? failed<R>(verdict.code) : result;
}

// A write may also reach the file by half.
template <class F>
ssize_t written(std::size_t size, F write_bytes) {
  const auto verdict = point_write().strike();
  if (verdict.action == Action::fail) return failed<ssize_t>(verdict.code);
  const bool torn = verdict.action == Action::tear || verdict.action == Action::tear_and_kill;
  const ssize_t result = write_bytes(torn ? size / 2 : size);
  if (verdict.action == Action::kill_after || verdict.action == Action::tear_and_kill) sigillo::fault::die();
  return torn || verdict.action == Action::fail_after ? failed<ssize_t>(verdict.code) : result;
}

int open_path(int folder_file, const char* path, int flags, mode_t mode) {
  const auto call = [&] { return static_cast<int>(::syscall(SYS_openat, folder_file, path, flags, mode)); };
  if (!watched(path)) return remember(call(), false);
  return remember(through<int>(point_open(), call), true);
}

mode_t mode_of(int flags, va_list& more) {
  const bool makes = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
  return makes ? static_cast<mode_t>(va_arg(more, unsigned)) : 0;
}

void move(timespec& at) {
  const std::int64_t offset = sigillo::fault::block().clock_offset_ms;
  std::int64_t ns = at.tv_nsec + (offset % 1'000) * 1'000'000;
  at.tv_sec += offset / 1'000 + (ns < 0 ? -1 : ns / 1'000'000'000);
  at.tv_nsec = static_cast<long>(ns < 0 ? ns + 1'000'000'000 : ns % 1'000'000'000);
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = mode_of(flags, more);
  va_end(more);
  return open_path(AT_FDCWD, path, flags, mode);
}
int open64(const char* path, int flags, ...) __attribute__((alias("open")));
int openat(int folder_file, const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = mode_of(flags, more);
  va_end(more);
  return open_path(folder_file, path, flags, mode);
}
int openat64(int folder_file, const char* path, int flags, ...) __attribute__((alias("openat")));

int close(int file) {
  remember(file, false);
  return static_cast<int>(::syscall(SYS_close, file));
}

ssize_t read(int file, void* to, std::size_t size) {
  const auto call = [&] { return static_cast<ssize_t>(::syscall(SYS_read, file, to, size)); };
  return watched(file) ? through<ssize_t>(point_read(), call) : call();
}
ssize_t pread(int file, void* to, std::size_t size, off_t at) {
  const auto call = [&] { return static_cast<ssize_t>(::syscall(SYS_pread64, file, to, size, at)); };
  return watched(file) ? through<ssize_t>(point_read(), call) : call();
}
ssize_t pread64(int file, void* to, std::size_t size, off_t at) __attribute__((alias("pread")));

ssize_t write(int file, const void* from, std::size_t size) {
  const auto call = [&](std::size_t n) { return static_cast<ssize_t>(::syscall(SYS_write, file, from, n)); };
  return watched(file) ? written(size, call) : call(size);
}
ssize_t pwrite(int file, const void* from, std::size_t size, off_t at) {
  const auto call = [&](std::size_t n) {
    return static_cast<ssize_t>(::syscall(SYS_pwrite64, file, from, n, at));
  };
  return watched(file) ? written(size, call) : call(size);
}
ssize_t pwrite64(int file, const void* from, std::size_t size, off_t at) __attribute__((alias("pwrite")));

int fsync(int file) {
  const auto call = [&] { return static_cast<int>(::syscall(SYS_fsync, file)); };
  return watched(file) ? through<int>(point_sync(), call) : call();
}
int fdatasync(int file) {
  const auto call = [&] { return static_cast<int>(::syscall(SYS_fdatasync, file)); };
  return watched(file) ? through<int>(point_sync(), call) : call();
}
int ftruncate(int file, off_t size) {
  const auto call = [&] { return static_cast<int>(::syscall(SYS_ftruncate, file, size)); };
  return watched(file) ? through<int>(point_truncate(), call) : call();
}
int ftruncate64(int file, off_t size) __attribute__((alias("ftruncate")));
int unlink(const char* path) {
  const auto call = [&] { return static_cast<int>(::syscall(SYS_unlink, path)); };
  return watched(path) ? through<int>(point_unlink(), call) : call();
}

// Struck it is no failure: the file system says that it is full.
int statvfs(const char* path, struct statvfs* out) {
  using Real = int (*)(const char*, struct statvfs*);
  static const Real real = reinterpret_cast<Real>(::dlsym(RTLD_NEXT, "statvfs"));
  const int result = real(path, out);
  if (result == 0 && watched(path) && point_space().strike().action == Action::fail) out->f_bavail = 0;
  return result;
}
int statvfs64(const char* path, struct statvfs64* out) __attribute__((alias("statvfs")));

int clock_gettime(clockid_t clock, timespec* out) {
  using Real = int (*)(clockid_t, timespec*);
  static const Real real =
      reinterpret_cast<Real>(::dlsym(RTLD_NEXT, "clock_gettime"));  // the kernel's fast one
  const int result = real(clock, out);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) move(*out);
  return result;
}
int gettimeofday(timeval* out, void*) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  *out = {now.tv_sec, static_cast<suseconds_t>(now.tv_nsec / 1'000)};
  return 0;
}
time_t time(time_t* out) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != nullptr) *out = now.tv_sec;
  return now.tv_sec;
}

}  // extern "C"
