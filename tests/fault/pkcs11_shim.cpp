// A PKCS#11 module in front of a real one (SIGILLO_FAULT_REAL, else SoftHSM2): it passes every call through,
// MACs and signatures beside each other and any other alone, and on the way does what the control file says:
// any CK_RV at the n-th call of any function, a hang, a kill, and a network HSM: a latency for each call that
// goes to the device, so many of them at once, a bound of sessions, outages, dead sessions, the flags of a
// PIN that is nearly locked.
#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <tuple>
#include <type_traits>
#include <vector>

#include <p11-kit/pkcs11.h>

#include "strike.hpp"

namespace {

using sigillo::fault::Action;
using sigillo::fault::block;
using sigillo::fault::CallPoint;
using sigillo::fault::Outage;

// What a call is to a network HSM's client library: `on` goes over the line, `local` does not (the library
// keeps it for the call that follows), and slots and the library itself know no session.
enum class Kind { library, slots, on, local };

// clang-format off
#define SIGILLO_LIBRARY(X) X(GetInfo) X(WaitForSlotEvent)
#define SIGILLO_SLOTS(X) X(GetSlotInfo) X(GetMechanismList) X(GetMechanismInfo) X(InitToken)
#define SIGILLO_ON(X)                                                                               \
  X(InitPIN) X(SetPIN) X(Login) X(Logout) X(CreateObject) X(CopyObject) X(DestroyObject)            \
  X(GetObjectSize) X(GetAttributeValue) X(SetAttributeValue) X(FindObjectsInit) X(Encrypt)          \
  X(EncryptFinal) X(Decrypt) X(DecryptFinal) X(Digest) X(DigestFinal) X(SignFinal)                  \
  X(SignRecover) X(Verify) X(VerifyFinal) X(VerifyRecover) X(GenerateKey) X(GenerateKeyPair)        \
  X(WrapKey) X(UnwrapKey) X(DeriveKey) X(SeedRandom) X(GenerateRandom)
#define SIGILLO_LOCAL(X)                                                                            \
  X(GetSessionInfo) X(GetOperationState) X(SetOperationState) X(FindObjects) X(FindObjectsFinal)    \
  X(EncryptInit) X(EncryptUpdate) X(DecryptInit) X(DecryptUpdate) X(DigestInit) X(DigestUpdate)     \
  X(DigestKey) X(SignUpdate) X(SignRecoverInit) X(VerifyInit) X(VerifyUpdate)                       \
  X(VerifyRecoverInit) X(DigestEncryptUpdate) X(DecryptDigestUpdate) X(SignEncryptUpdate)           \
  X(DecryptVerifyUpdate) X(GetFunctionStatus) X(CancelFunction)
// clang-format on

CK_FUNCTION_LIST* real() {
  static CK_FUNCTION_LIST* const list = [] {
    const char* path = ::getenv("SIGILLO_FAULT_REAL");
    void* library = ::dlopen(path != nullptr ? path : SIGILLO_SOFTHSM2_MODULE, RTLD_NOW | RTLD_LOCAL);
    CK_FUNCTION_LIST* found = nullptr;
    const auto get = library == nullptr
                         ? nullptr
                         : reinterpret_cast<CK_C_GetFunctionList>(::dlsym(library, "C_GetFunctionList"));
    if (get == nullptr || get(&found) != CKR_OK) std::abort();
    block().hanging = 0;  // of a process that was killed before
    block().in_device = 0;
    return found;
  }();
  return list;
}

// Shared by those who make MACs and signatures, for no client library of a network HSM lets these wait for
// each other. Whoever calls anything else is alone in the real module: SoftHSM2 2.6.1 crashes where a session
// is closed beside a call.
std::shared_mutex& inside() {
  static std::shared_mutex mutex;
  return mutex;
}

// The device of a network HSM: so many calls at once, each so long; who finds all places taken waits for the
// first that becomes free. Places are given by time and not by waking each other up: a device that has work
// does not stand still until a thread of its caller's is scheduled.
class Device {
 public:
  void pass() {
    using Clock = std::chrono::steady_clock;
    const std::chrono::microseconds latency(block().latency_us.load());
    if (latency.count() == 0) return;
    Clock::time_point done;
    {
      const std::lock_guard lock(mutex_);
      const auto now = Clock::now();
      places_.resize(std::max<std::size_t>(block().parallel, 1), now);
      const auto first = std::ranges::min_element(places_);
      done = (block().parallel == 0 ? now : std::max(now, *first)) + latency;
      *first = done;
      const auto busy =
          static_cast<std::uint64_t>(std::ranges::count_if(places_, [now](auto end) { return end > now; }));
      block().in_device = busy;
      if (busy > block().in_device_max) block().in_device_max = busy;
    }
    sigillo::fault::wait_until(done);
  }

 private:
  std::mutex mutex_;
  std::vector<std::chrono::steady_clock::time_point> places_;  // when each is free
};
Device& device() {
  static Device instance;
  return instance;
}

// Sessions by the epoch they were opened in; those of an earlier one are dead.
class Sessions {
 public:
  CK_RV check(CK_SESSION_HANDLE session) {
    const std::shared_lock lock(mutex_);
    const auto known = epoch_of_.find(session);
    const bool dead = known != epoch_of_.end() && known->second != block().sessions_epoch;
    return dead ? CKR_SESSION_HANDLE_INVALID : CKR_OK;
  }
  // While the caller is alone inside: the dead ones go, and with the last of them the login.
  bool room() {
    const std::lock_guard lock(mutex_);
    const std::uint64_t now = block().sessions_epoch;
    for (auto it = epoch_of_.begin(); it != epoch_of_.end();) {
      if (it->second == now) {
        ++it;
        continue;
      }
      real()->C_CloseSession(it->first);
      it = epoch_of_.erase(it);
    }
    return block().sessions_max == 0 || epoch_of_.size() < block().sessions_max;
  }
  void opened(CK_SESSION_HANDLE session) {
    const std::lock_guard lock(mutex_);
    epoch_of_[session] = block().sessions_epoch;
  }
  void closed(CK_SESSION_HANDLE session) {
    const std::lock_guard lock(mutex_);
    epoch_of_.erase(session);
  }
  void forget() {
    const std::lock_guard lock(mutex_);
    epoch_of_.clear();
  }

 private:
  std::shared_mutex mutex_;
  std::map<CK_SESSION_HANDLE, std::uint64_t> epoch_of_;
};
Sessions& sessions() {
  static Sessions instance;
  return instance;
}

// What the real module is asked, and what the imitation knows better.
enum class Call {
  plain,
  sign,
  initialize,
  finalize,
  slot_list,
  token_info,
  open_session,
  close_session,
  close_all
};

template <Call kCall, class F, class... Args>
CK_RV ask(F function, Args... args) {
  using Alone = std::unique_lock<std::shared_mutex>;
  using Beside = std::shared_lock<std::shared_mutex>;
  const std::conditional_t<kCall == Call::sign, Beside, Alone> lock(inside());
  if constexpr (kCall == Call::open_session) {
    if (!sessions().room()) return CKR_SESSION_COUNT;
  }
  const CK_RV rv = function(args...);
  const auto all = std::tuple(args...);
  if constexpr (kCall == Call::open_session) {
    if (rv == CKR_OK) sessions().opened(*std::get<4>(all));
  } else if constexpr (kCall == Call::close_session) {
    sessions().closed(std::get<0>(all));
  } else if constexpr (kCall == Call::close_all || kCall == Call::finalize) {
    sessions().forget();
  } else if constexpr (kCall == Call::token_info) {
    if (rv == CKR_OK) std::get<1>(all)->flags |= block().token_flags;
  } else if constexpr (kCall == Call::slot_list) {
    // A slot that lost its token is there only for who asks for empty ones too.
    if (block().outage == Outage::token_absent && std::get<0>(all) != 0) *std::get<2>(all) = 0;
  }
  return rv;
}

template <Kind kKind>
CK_RV away() {
  if constexpr (kKind == Kind::library) return CKR_OK;
  switch (block().outage.load()) {
    case Outage::none:
      return CKR_OK;
    case Outage::device_removed:
      return kKind == Kind::slots ? CKR_DEVICE_ERROR : CKR_DEVICE_REMOVED;
    case Outage::token_absent:
      return kKind == Kind::slots ? CKR_TOKEN_NOT_PRESENT : CKR_DEVICE_REMOVED;
  }
  return CKR_OK;
}

void disarm_until_init() {
  for (auto& rule : block().rules) {
    if (rule.action == Action::fail_until_init) rule.action = Action::none;
  }
}

template <Kind kKind, Call kCall, class F, class First, class... Rest>
CK_RV pass(const CallPoint& point, F function, First first, Rest... rest) {
  if constexpr (kCall == Call::initialize) disarm_until_init();
  const auto verdict = point.strike();
  if (verdict.action == Action::fail) return verdict.code;
  if (const CK_RV rv = away<kKind>(); rv != CKR_OK) return rv;
  if constexpr (kKind == Kind::on || kKind == Kind::local) {
    if (const CK_RV rv = sessions().check(first); rv != CKR_OK) return rv;
  }
  constexpr bool over_the_line = kKind == Kind::on || kCall == Call::open_session;
  if constexpr (over_the_line) device().pass();
  const CK_RV rv = ask<kCall>(function, first, rest...);
  if (verdict.action == Action::kill_after) sigillo::fault::die();
  return verdict.action == Action::fail_after ? verdict.code : rv;
}

template <auto kMember>
const CallPoint* point_of = nullptr;

template <auto kMember, Kind kKind, Call kCall, class F>
struct Shim;
template <auto kMember, Kind kKind, Call kCall, class... Args>
struct Shim<kMember, kKind, kCall, CK_RV (*)(Args...)> {
  static CK_RV call(Args... args) {
    return pass<kKind, kCall>(*point_of<kMember>, real()->*kMember, args...);
  }
};

template <auto kMember, Kind kKind, Call kCall = Call::plain>
void replace(CK_FUNCTION_LIST& list, const char* name) {
  constexpr bool framing = kCall == Call::initialize || kCall == Call::finalize;
  point_of<kMember> = new CallPoint(name, framing);  // as long as the process
  using F = std::remove_reference_t<decltype(list.*kMember)>;
  list.*kMember = Shim<kMember, kKind, kCall, F>::call;
}

CK_FUNCTION_LIST make_list() {
  CK_FUNCTION_LIST list = *real();
#define SIGILLO_LIBRARY_ENTRY(name) replace<&CK_FUNCTION_LIST::C_##name, Kind::library>(list, "C_" #name);
#define SIGILLO_SLOTS_ENTRY(name) replace<&CK_FUNCTION_LIST::C_##name, Kind::slots>(list, "C_" #name);
#define SIGILLO_ON_ENTRY(name) replace<&CK_FUNCTION_LIST::C_##name, Kind::on>(list, "C_" #name);
#define SIGILLO_LOCAL_ENTRY(name) replace<&CK_FUNCTION_LIST::C_##name, Kind::local>(list, "C_" #name);
  SIGILLO_LIBRARY(SIGILLO_LIBRARY_ENTRY)
  SIGILLO_SLOTS(SIGILLO_SLOTS_ENTRY)
  SIGILLO_ON(SIGILLO_ON_ENTRY)
  SIGILLO_LOCAL(SIGILLO_LOCAL_ENTRY)
  // Those of which the imitation knows more: each of them here, and in no list.
  replace<&CK_FUNCTION_LIST::C_Initialize, Kind::library, Call::initialize>(list, "C_Initialize");
  replace<&CK_FUNCTION_LIST::C_Finalize, Kind::library, Call::finalize>(list, "C_Finalize");
  replace<&CK_FUNCTION_LIST::C_GetSlotList, Kind::library, Call::slot_list>(list, "C_GetSlotList");
  replace<&CK_FUNCTION_LIST::C_GetTokenInfo, Kind::slots, Call::token_info>(list, "C_GetTokenInfo");
  replace<&CK_FUNCTION_LIST::C_OpenSession, Kind::slots, Call::open_session>(list, "C_OpenSession");
  replace<&CK_FUNCTION_LIST::C_CloseSession, Kind::on, Call::close_session>(list, "C_CloseSession");
  replace<&CK_FUNCTION_LIST::C_SignInit, Kind::local, Call::sign>(list, "C_SignInit");
  replace<&CK_FUNCTION_LIST::C_Sign, Kind::on, Call::sign>(list, "C_Sign");
  replace<&CK_FUNCTION_LIST::C_CloseAllSessions, Kind::slots, Call::close_all>(list, "C_CloseAllSessions");
  return list;
}

}  // namespace

extern "C" CK_RV C_GetFunctionList(CK_FUNCTION_LIST** out) {
  static CK_FUNCTION_LIST list = make_list();
  *out = &list;
  return CKR_OK;
}
