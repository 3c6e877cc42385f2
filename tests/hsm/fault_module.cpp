#include "fault_module.hpp"

#include <dlfcn.h>

#include <array>
#include <condition_variable>
#include <cstdlib>
#include <mutex>

using sigillo::hsm::test::FaultControl;
using sigillo::hsm::test::Fn;
using sigillo::hsm::test::When;

namespace {

constexpr std::size_t kFunctions = static_cast<std::size_t>(Fn::all);

struct Fault {
  CK_RV rv = CKR_OK;
  long times = 0;
  When when = When::before;
};

struct State {
  std::mutex mutex;
  std::condition_variable changed;
  std::array<Fault, kFunctions> faults;
  std::array<bool, kFunctions> hang{};
  std::array<unsigned long, kFunctions> calls{};
  unsigned long hanging = 0;
  CK_FLAGS flags = 0;
  unsigned long sessions = 0;
  unsigned long sessions_max = 0;
};

State& state() {
  static State instance;
  return instance;
}

CK_FUNCTION_LIST* real() {
  static CK_FUNCTION_LIST* const list = [] {
    CK_FUNCTION_LIST* found = nullptr;
    void* library = ::dlopen(SIGILLO_SOFTHSM2_MODULE, RTLD_NOW | RTLD_LOCAL);
    const auto get = reinterpret_cast<CK_C_GetFunctionList>(::dlsym(library, "C_GetFunctionList"));
    if (get == nullptr || get(&found) != CKR_OK) std::abort();
    return found;
  }();
  return list;
}

template <class Call>
CK_RV pass(Fn function, Call call) {
  State& s = state();
  const auto i = static_cast<std::size_t>(function);
  Fault fault;
  {
    std::unique_lock lock(s.mutex);
    ++s.calls[i];
    s.changed.notify_all();
    if (s.hang[i]) {
      ++s.hanging;
      s.changed.notify_all();
      s.changed.wait(lock, [&] { return !s.hang[i]; });
      --s.hanging;
    }
    if (s.faults[i].times != 0) {
      fault = s.faults[i];
      if (s.faults[i].times > 0) --s.faults[i].times;
    }
  }
  if (fault.times != 0 && fault.when != When::after) return fault.rv;
  const CK_RV rv = call();
  return fault.times != 0 ? fault.rv : rv;
}

CK_RV initialize(void* arguments) {
  {
    const std::lock_guard lock(state().mutex);
    for (Fault& fault : state().faults) {
      if (fault.when == When::until_initialize) fault = {};
    }
  }
  return pass(Fn::initialize, [&] { return real()->C_Initialize(arguments); });
}
CK_RV finalize(void* reserved) {
  {
    const std::lock_guard lock(state().mutex);
    state().sessions = 0;
  }
  return pass(Fn::finalize, [&] { return real()->C_Finalize(reserved); });
}
CK_RV slot_list(unsigned char present, CK_SLOT_ID* slots, unsigned long* count) {
  return pass(Fn::slot_list, [&] { return real()->C_GetSlotList(present, slots, count); });
}
CK_RV token_info(CK_SLOT_ID slot, CK_TOKEN_INFO* info) {
  const CK_RV rv = pass(Fn::token_info, [&] { return real()->C_GetTokenInfo(slot, info); });
  const std::lock_guard lock(state().mutex);
  if (rv == CKR_OK) info->flags |= state().flags;
  return rv;
}
CK_RV open_session(CK_SLOT_ID slot, CK_FLAGS flags, void* app, CK_NOTIFY notify, CK_SESSION_HANDLE* session) {
  return pass(Fn::open_session, [&]() -> CK_RV {
    {
      const std::lock_guard lock(state().mutex);
      if (state().sessions_max != 0 && state().sessions >= state().sessions_max) return CKR_SESSION_COUNT;
      ++state().sessions;
    }
    const CK_RV rv = real()->C_OpenSession(slot, flags, app, notify, session);
    const std::lock_guard lock(state().mutex);
    if (rv != CKR_OK) --state().sessions;
    return rv;
  });
}
CK_RV close_session(CK_SESSION_HANDLE session) {
  const CK_RV rv = real()->C_CloseSession(session);
  const std::lock_guard lock(state().mutex);
  if (rv == CKR_OK) --state().sessions;
  return rv;
}
CK_RV close_all_sessions(CK_SLOT_ID slot) {
  const std::lock_guard lock(state().mutex);
  state().sessions = 0;
  return real()->C_CloseAllSessions(slot);
}
CK_RV session_info(CK_SESSION_HANDLE session, CK_SESSION_INFO* info) {
  return pass(Fn::session_info, [&] { return real()->C_GetSessionInfo(session, info); });
}
CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user, unsigned char* pin, unsigned long size) {
  return pass(Fn::login, [&] { return real()->C_Login(session, user, pin, size); });
}
CK_RV generate_random(CK_SESSION_HANDLE session, unsigned char* out, unsigned long size) {
  return pass(Fn::random, [&] { return real()->C_GenerateRandom(session, out, size); });
}
CK_RV sign_init(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  return pass(Fn::sign_init, [&] { return real()->C_SignInit(session, mechanism, key); });
}
CK_RV sign(CK_SESSION_HANDLE session, unsigned char* data, unsigned long size, unsigned char* out,
           unsigned long* out_size) {
  return pass(Fn::sign, [&] { return real()->C_Sign(session, data, size, out, out_size); });
}
CK_RV find_init(CK_SESSION_HANDLE session, CK_ATTRIBUTE* attributes, unsigned long count) {
  return pass(Fn::find_init, [&] { return real()->C_FindObjectsInit(session, attributes, count); });
}
CK_RV create(CK_SESSION_HANDLE session, CK_ATTRIBUTE* attributes, unsigned long count,
             CK_OBJECT_HANDLE* object) {
  return pass(Fn::create, [&] { return real()->C_CreateObject(session, attributes, count, object); });
}
CK_RV copy(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE* attributes, unsigned long count,
           CK_OBJECT_HANDLE* made) {
  return pass(Fn::copy, [&] { return real()->C_CopyObject(session, object, attributes, count, made); });
}

void set_fail(Fn function, CK_RV rv, long times, When when) {
  const std::lock_guard lock(state().mutex);
  for (std::size_t i = 0; i < kFunctions; ++i) {
    const bool framing =
        i == static_cast<std::size_t>(Fn::initialize) || i == static_cast<std::size_t>(Fn::finalize);
    if (i == static_cast<std::size_t>(function) || (function == Fn::all && !framing)) {
      state().faults[i] = {rv, times, when};
    }
  }
}
void set_flags(CK_FLAGS flags) {
  const std::lock_guard lock(state().mutex);
  state().flags = flags;
}
void set_sessions_max(unsigned long count) {
  const std::lock_guard lock(state().mutex);
  state().sessions_max = count;
}
void set_hang(Fn function) {
  const std::lock_guard lock(state().mutex);
  state().hang[static_cast<std::size_t>(function)] = true;
}
void await_hanging() {
  std::unique_lock lock(state().mutex);
  state().changed.wait(lock, [] { return state().hanging > 0; });
}
void release() {
  const std::lock_guard lock(state().mutex);
  state().hang.fill(false);
  state().changed.notify_all();
}
void heal() {
  const std::lock_guard lock(state().mutex);
  state().faults.fill({});
  state().hang.fill(false);
  state().flags = 0;
  state().sessions_max = 0;
  state().changed.notify_all();
}
unsigned long calls(Fn function) {
  const std::lock_guard lock(state().mutex);
  return state().calls[static_cast<std::size_t>(function)];
}
void await_calls(Fn function, unsigned long count) {
  std::unique_lock lock(state().mutex);
  state().changed.wait(lock, [&] { return state().calls[static_cast<std::size_t>(function)] >= count; });
}

}  // namespace

extern "C" {

extern const FaultControl sigillo_fault_control;  // a const is local to its file otherwise
const FaultControl sigillo_fault_control = {
    set_fail, set_flags, set_sessions_max, set_hang, await_hanging, release, heal, calls, await_calls};

CK_RV C_GetFunctionList(CK_FUNCTION_LIST** out) {
  static CK_FUNCTION_LIST list = [] {
    CK_FUNCTION_LIST made = *real();
    made.C_Initialize = initialize;
    made.C_Finalize = finalize;
    made.C_GetSlotList = slot_list;
    made.C_GetTokenInfo = token_info;
    made.C_OpenSession = open_session;
    made.C_CloseSession = close_session;
    made.C_CloseAllSessions = close_all_sessions;
    made.C_GetSessionInfo = session_info;
    made.C_Login = login;
    made.C_GenerateRandom = generate_random;
    made.C_SignInit = sign_init;
    made.C_Sign = sign;
    made.C_FindObjectsInit = find_init;
    made.C_CreateObject = create;
    made.C_CopyObject = copy;
    return made;
  }();
  *out = &list;
  return CKR_OK;
}

}  // extern "C"
