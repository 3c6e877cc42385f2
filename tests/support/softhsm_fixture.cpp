#include "softhsm_fixture.hpp"

#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace sigillo::testing {
namespace {

template <class T>
T must(base::Result<T> result, const char* what) {
  if (!result) {
    std::fprintf(stderr, "%s: error %u (raw 0x%lx): %s\n", what,
                 static_cast<unsigned>(result.error().number()), result.error().raw(),
                 result.error().detail());
    std::abort();
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

class Directory {
 public:
  Directory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sigillo-softhsm-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
    std::filesystem::create_directory(path_ / "tokens");
    std::ofstream(path_ / "softhsm2.conf") << "directories.tokendir = " << (path_ / "tokens").string()
                                           << "\nobjectstore.backend = file\nlog.level = ERROR\n";
    ::setenv("SOFTHSM2_CONF", (path_ / "softhsm2.conf").c_str(), 1);
  }
  ~Directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace

std::string softhsm_module() {
  return SIGILLO_SOFTHSM2_MODULE;
}

const std::filesystem::path& softhsm_directory() {
  static const Directory directory;
  return directory.path();
}

base::Secret user_pin() {
  return base::Secret(base::view("user-pin-1234"));
}
base::Secret so_pin() {
  return base::Secret(base::view("so-pin-56789"));
}

const hsm::TokenOptions& softhsm_options() {
  static const hsm::TokenOptions options = [] {
    softhsm_directory();
    hsm::TokenOptions made;
    made.module = softhsm_module();
    made.token_label = kTokenLabel;
    must(hsm::initialise_token(made.module, made.token_label, so_pin(), user_pin()), "initialise_token");
    return made;
  }();
  return options;
}

hsm::Pkcs11Token& softhsm_token() {
  // Static objects go in the reverse order of their making: the token before the module's own and OpenSSL's.
  static const std::unique_ptr<hsm::Pkcs11Token> token =
      must(hsm::Pkcs11Token::open(softhsm_options(), user_pin()), "Pkcs11Token::open");
  return *token;
}

}  // namespace sigillo::testing
