// Control: what the fault libraries of this folder (the PKCS#11 shim, the preloaded disk and clock) are told,
// and what they count: one small file, mapped by the libraries inside the process under test and by the test
// outside it, named by the environment variable SIGILLO_FAULT_CONTROL. It outlives a kill -9, and no thread,
// socket or system call is needed to read it. control.py is the same layout for the tests in Python. Thread
// rule: any thread, any process; a rule is armed last and disarmed first.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

namespace sigillo::fault {

inline constexpr const char* kControlVariable = "SIGILLO_FAULT_CONTROL";
inline constexpr std::uint64_t kMagic = 0x534947494c4c4f32;

enum class Action : std::uint64_t {
  none,
  fail,             // in place of the call; `code` is the CK_RV or errno
  fail_after,       // the call is made, its answer is replaced
  fail_until_init,  // as fail, until C_Initialize: a module that only a reload brings back
  hang,             // until the rule is disarmed, then the call is made
  kill,             // SIGKILL to the own process, in place of the call
  kill_after,       // the call is made first
  tear,             // a write reaches the file by half, and fails
  tear_and_kill,    // by half, and nothing after it
};

// At which call what happens. `point`: a name ("C_Sign", "disk.write"), the beginning of names where it ends
// in '_' or '.' ("C_", but for C_Initialize and C_Finalize; "disk."), or empty: every call of every library.
struct Rule {
  std::atomic<Action> action;  // none: not armed
  char point[32];
  std::uint64_t at;     // strikes from the at-th matching call after arming on (from 1)
  std::uint64_t times;  // so many calls; 0: until disarmed
  std::uint64_t code;
  std::atomic<std::uint64_t> seen;    // matching calls since arming
  std::atomic<std::uint64_t> struck;  // of these, how many it struck
};

struct Point {
  char name[32];
  std::atomic<std::uint64_t> calls;  // begun since the file was made
};

enum class Outage : std::uint64_t { none, device_removed, token_absent };

inline constexpr std::size_t kRules = 16;
inline constexpr std::size_t kPoints = 128;

struct Block {
  std::uint64_t magic;
  std::atomic<std::uint64_t> points_lock, points_used;
  std::atomic<std::uint64_t> hanging;     // calls that hang now
  std::atomic<std::uint64_t> latency_us;  // of each call that goes to the device
  std::atomic<std::uint64_t> parallel;    // calls in the device at once; the others queue. 0: no bound
  std::atomic<std::uint64_t> in_device, in_device_max;
  std::atomic<std::uint64_t> sessions_max;  // C_OpenSession: CKR_SESSION_COUNT above. 0: no bound
  std::atomic<std::uint64_t> token_flags;   // added to CK_TOKEN_INFO.flags
  std::atomic<Outage> outage;
  std::atomic<std::uint64_t> sessions_epoch;  // raised: every session opened before is dead
  std::atomic<std::int64_t> clock_offset_ms;  // added to the wall clock
  Rule rules[kRules];
  Point points[kPoints];
};

// The test's end. Makes the file anew; the process under test maps it at its start.
class Control {
 public:
  explicit Control(std::string path);
  ~Control();
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

  const std::string& path() const { return path_; }
  Block& operator*() { return *block_; }
  Block* operator->() { return block_; }

  // A rule that is free, or has struck all its times, armed.
  Rule& arm(std::string_view point, Action action, std::uint64_t code, std::uint64_t at = 1,
            std::uint64_t times = 1);
  Rule& hang(std::string_view point) { return arm(point, Action::hang, 0, 1, 0); }
  static void disarm(Rule& rule) { rule.action = Action::none; }
  void clear();  // no rule, no outage, no flag, no bound; who hangs goes on
  void begin_outage(Outage outage);
  void kill_sessions();  // every session opened until now is dead

  std::uint64_t calls(std::string_view point) const;  // by exact name; 0 where no library has it yet
  // Wait, without a bound of their own: a test that waits for ever is ended by its runner.
  void await_calls(std::string_view point, std::uint64_t count) const;
  void await_hanging(std::uint64_t count = 1) const;

 private:
  const std::string path_;
  Block* block_;
};

}  // namespace sigillo::fault
