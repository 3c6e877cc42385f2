#include "nss_token.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace sigillo::hsm::test {
namespace {

constexpr const char* kLabel = "NSS Certificate DB";

struct Database {
  std::filesystem::path folder;
  std::string arguments;
  Database() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sigillo-nss-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    folder = pattern;
    arguments = "configdir='sql:" + pattern + "' certPrefix='' keyPrefix='' secmod='secmod.db'";
  }
  ~Database() {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
};
const Database& database() {
  static const Database made;
  return made;
}

void must(CK_RV rv, const char* what) {
  if (rv == CKR_OK) return;
  std::fprintf(stderr, "%s: 0x%lx\n", what, rv);
  std::abort();
}

// A new database has no PIN: its security officer logs in with an empty one, and sets the user's.
RawModule initialise() {
  CK_FUNCTION_LIST* functions = nullptr;
  const auto get = reinterpret_cast<CK_C_GetFunctionList>(
      ::dlsym(::dlopen(SIGILLO_NSS_MODULE, RTLD_NOW | RTLD_LOCAL), "C_GetFunctionList"));
  if (get == nullptr) std::abort();
  must(get(&functions), "C_GetFunctionList");
  struct {
    CK_C_INITIALIZE_ARGS standard{};
    void* more = nullptr;
  } given;
  given.standard.flags = CKF_OS_LOCKING_OK;
  given.standard.pReserved = const_cast<char*>(database().arguments.c_str());
  must(functions->C_Initialize(&given.standard), "C_Initialize");
  CK_SLOT_ID slots[16];
  CK_ULONG count = 16;
  must(functions->C_GetSlotList(CK_TRUE, slots, &count), "C_GetSlotList");
  for (CK_ULONG i = 0; i < count; ++i) {
    CK_TOKEN_INFO info{};
    must(functions->C_GetTokenInfo(slots[i], &info), "C_GetTokenInfo");
    if (!std::string(reinterpret_cast<const char*>(info.label), 32).starts_with(kLabel)) continue;
    RawModule raw(functions, slots[i]);
    const auto session = raw.session();
    base::Byte none = 0;
    const auto pin = testing::user_pin();
    must(functions->C_Login(session, CKU_SO, &none, 0), "C_Login");
    must(functions->C_InitPIN(session, const_cast<base::Byte*>(pin.expose().data()), pin.size()),
         "C_InitPIN");
    must(functions->C_Logout(session), "C_Logout");
    must(functions->C_CloseSession(session), "C_CloseSession");
    return raw;
  }
  std::abort();
}

}  // namespace

RawModule& nss_raw() {
  static RawModule raw = initialise();
  return raw;
}

Pkcs11Token& nss_token() {
  static const std::unique_ptr<Pkcs11Token> token = [] {
    nss_raw();
    TokenOptions options;
    options.module = SIGILLO_NSS_MODULE;
    options.token_label = kLabel;
    options.init_arguments = database().arguments;
    auto opened = Pkcs11Token::open(options, testing::user_pin());
    if (!opened) must(opened.error().raw() != 0 ? opened.error().raw() : 1, opened.error().detail());
    return std::move(*opened);
  }();
  return *token;
}

}  // namespace sigillo::hsm::test
