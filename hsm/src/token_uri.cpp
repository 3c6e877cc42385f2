#include <p11-kit/uri.h>

#include <hsm/personal_token.hpp>

#include "module.hpp"

namespace sigillo::hsm {
namespace {

constexpr std::string_view kScheme = "pkcs11:";
constexpr std::size_t kUriMax = 2048;

struct Free {
  void operator()(P11KitUri* uri) const { p11_kit_uri_free(uri); }
};

std::string text_of(const char* text) {
  return text == nullptr ? std::string() : std::string(text);
}

base::ByteView attribute(P11KitUri* uri, CK_ATTRIBUTE_TYPE type) {
  const CK_ATTRIBUTE* found = p11_kit_uri_get_attribute(uri, type);
  if (found == nullptr || found->pValue == nullptr) return {};
  return {static_cast<const base::Byte*>(found->pValue), found->ulValueLen};
}

// A field of CK_TOKEN_INFO that the URI does not name is all zero bytes.
template <std::size_t N>
std::string field(const unsigned char (&raw)[N]) {
  return raw[0] == 0 ? std::string() : trimmed(raw);
}

// "file:/media/anna/pin" and "/media/anna/pin" are a file. RFC 7512 also has a program's output and whatever
// an implementation likes: neither is started or guessed.
std::optional<std::string> file_of(std::string source) {
  if (source.starts_with("file:")) source.erase(0, 5);
  if (source.starts_with("//")) source.erase(0, 2);
  if (!source.starts_with('/')) return std::nullopt;
  return source;
}

}  // namespace

bool is_token_uri(std::string_view text) {
  return text.starts_with(kScheme);
}

std::string TokenUri::shown() const {
  return '"' + (token.empty() ? serial : token) + '"';
}

std::variant<TokenUri, std::string> parse_token_uri(const std::string& text) {
  const std::unique_ptr<P11KitUri, Free> uri(p11_kit_uri_new());
  if (!uri || text.size() > kUriMax ||
      p11_kit_uri_parse(text.c_str(), P11_KIT_URI_FOR_ANY, uri.get()) != P11_KIT_URI_OK)
    return "it is no PKCS#11 URI, such as pkcs11:token=anna;object=sign";
  // Whoever lists the processes of a machine reads arguments.
  if (p11_kit_uri_get_pin_value(uri.get()) != nullptr)
    return "a PIN does not belong into a URI: leave pin-value out, and name a file by pin-source or type it";
  if (p11_kit_uri_any_unrecognized(uri.get()) != 0) return "it has an attribute that RFC 7512 does not know";
  TokenUri out;
  out.text = text;
  const CK_TOKEN_INFO& token = *p11_kit_uri_get_token_info(uri.get());
  out.token = field(token.label);
  out.serial = field(token.serialNumber);
  out.manufacturer = field(token.manufacturerID);
  out.model = field(token.model);
  out.object = std::string(base::text(attribute(uri.get(), CKA_LABEL)));
  const auto id = attribute(uri.get(), CKA_ID);
  out.id.assign(id.begin(), id.end());
  if (out.token.empty() && out.serial.empty()) return "it names no token: add token= or serial=";
  if (out.object.empty() && out.id.empty()) return "it names no key: add object= or id=";
  if (p11_kit_uri_get_module_name(uri.get()) != nullptr)
    return "it names a module by module-name: name its file by module-path";
  out.module_path = text_of(p11_kit_uri_get_module_path(uri.get()));
  if (!out.module_path.empty() && out.module_path.front() != '/') return "its module-path is not absolute";
  const std::string source = text_of(p11_kit_uri_get_pin_source(uri.get()));
  if (!source.empty()) {
    auto file = file_of(source);
    if (!file) return "its pin-source is not the absolute path of a file";
    out.pin_source = std::move(*file);
  }
  return out;
}

}  // namespace sigillo::hsm
