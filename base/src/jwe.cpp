#include <base/jwe.hpp>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cstdio>
#include <cstdlib>

#include <base/crypto.hpp>

#include "concat_kdf.hpp"

namespace sigillo::base {
namespace {

constexpr std::size_t kCoordinate = 32;
constexpr std::size_t kPoint = 1 + 2 * kCoordinate;
constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kIvBytes = 12;
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kHeaderMax = 2048;
constexpr std::string_view kEncryption = "A256GCM";
constexpr const char* kGroup = "prime256v1";

void must(bool held, const char* what) {
  if (held) return;
  std::fprintf(stderr, "sigillo: OpenSSL failed at %s\n", what);
  std::abort();
}

struct Free {
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(EVP_PKEY_CTX* p) const { EVP_PKEY_CTX_free(p); }
  void operator()(OSSL_PARAM_BLD* p) const { OSSL_PARAM_BLD_free(p); }
  void operator()(OSSL_PARAM* p) const { OSSL_PARAM_free(p); }
  void operator()(BIGNUM* p) const { BN_clear_free(p); }
};
template <class T>
using Own = std::unique_ptr<T, Free>;

// A key of this point, and of this scalar where one is given; nothing where they are none. The point is
// refused here when it is off the curve, and must be (RFC 7518 section 6.2.2 leaves it to us):
//  1. a portal sends a reply_key, or a courier gets an epk, on a weaker curve with a small subgroup;
//  2. the agreed secret tells d modulo that subgroup's order; a few dozen points give d whole (Biehl, Meyer,
//  Mueller 2000).
// P-256 has cofactor 1, so a point on it is a sound public key.
Own<EVP_PKEY> make_key(ByteView point, const Secret* d) {
  const Own<OSSL_PARAM_BLD> build(OSSL_PARAM_BLD_new());
  const Own<BIGNUM> scalar(d == nullptr ? nullptr
                                        : BN_secure_new());  // and so are the parameters made from it
  must(build && OSSL_PARAM_BLD_push_utf8_string(build.get(), OSSL_PKEY_PARAM_GROUP_NAME, kGroup, 0) == 1 &&
           OSSL_PARAM_BLD_push_octet_string(build.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                            point.size()) == 1,
       "EC parameters");
  if (d != nullptr) {
    must(scalar && BN_bin2bn(d->expose().data(), static_cast<int>(d->size()), scalar.get()) != nullptr &&
             OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_PRIV_KEY, scalar.get()) == 1,
         "EC parameters");
  }
  const Own<OSSL_PARAM> params(OSSL_PARAM_BLD_to_param(build.get()));
  const Own<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  must(params && context && EVP_PKEY_fromdata_init(context.get()) == 1, "EC key");
  EVP_PKEY* made = nullptr;
  const int selection = d == nullptr ? EVP_PKEY_PUBLIC_KEY : EVP_PKEY_KEYPAIR;
  if (EVP_PKEY_fromdata(context.get(), &made, selection, params.get()) != 1) return nullptr;
  Own<EVP_PKEY> key(made);
  if (d == nullptr) return key;
  const Own<EVP_PKEY_CTX> check(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
  must(check != nullptr, "EC key");
  if (EVP_PKEY_check(check.get()) != 1) return nullptr;  // d in range, and the point is d's
  return key;
}

ByteArray<kPoint> point_of(const EVP_PKEY* key) {
  ByteArray<kPoint> point{};
  std::size_t size = 0;
  must(
      EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size(), &size) == 1 &&
          size == kPoint,
      "EC point");
  return point;
}

// Z of RFC 7518 section 4.6.2: the x coordinate, with its leading zeros.
std::optional<Secret> agree(EVP_PKEY* own, EVP_PKEY* peer) {
  const Own<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, own, nullptr));
  Secret shared(kCoordinate);
  std::size_t size = shared.size();
  if (!context || EVP_PKEY_derive_init(context.get()) != 1 ||
      EVP_PKEY_derive_set_peer(context.get(), peer) != 1 ||
      EVP_PKEY_derive(context.get(), shared.writable().data(), &size) != 1 || size != kCoordinate) {
    return std::nullopt;
  }
  return shared;
}

// Strict base64url, as from_base64url, but what it is made into never leaves locked memory.
std::optional<Secret> secret_from_base64url(std::string_view text, std::size_t size) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  if (text.size() != (size * 4 + 2) / 3) return std::nullopt;
  Secret out(size);
  std::size_t written = 0;
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    const auto value = kAlphabet.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    out.writable()[written++] = static_cast<Byte>(bits >> held);
    bits &= (1U << held) - 1U;
  }
  if (bits != 0) return std::nullopt;
  return out;
}

Secret secret_to_base64url(const Secret& bytes) {
  Secret padded(bytes.size() * 4 / 3 + 5);  // EVP_EncodeBlock pads, and ends with a NUL
  const auto size = bytes.size();
  EVP_EncodeBlock(padded.writable().data(), bytes.expose().data(), static_cast<int>(size));
  for (Byte& c : padded.writable()) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return Secret(padded.expose().first((size * 4 + 2) / 3));
}

std::string_view text_member(const boost::json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string_view(value->get_string()) : std::string_view();
}

// kty, crv, x and y as a point; whether it is on the curve is make_key's to say.
std::optional<ByteArray<kPoint>> point_of(const boost::json::object& jwk) {
  if (text_member(jwk, "kty") != "EC" || text_member(jwk, "crv") != "P-256") return std::nullopt;
  const auto x = from_base64url(text_member(jwk, "x"));
  const auto y = from_base64url(text_member(jwk, "y"));
  if (!x || !y || x->size() != kCoordinate || y->size() != kCoordinate) return std::nullopt;
  ByteArray<kPoint> point{4};
  std::copy(y->begin(), y->end(), std::copy(x->begin(), x->end(), point.begin() + 1));
  return point;
}

std::optional<boost::json::object> parse_object(std::string_view text) {
  boost::system::error_code error;
  auto value = boost::json::parse(text, error);
  if (error || !value.is_object()) return std::nullopt;
  return std::move(value.get_object());
}

std::string quoted(std::string_view text) {
  return boost::json::serialize(boost::json::string(text));
}

// The five parts of the compact form (RFC 7516 section 3.1), and the header read.
struct Compact {
  std::string_view header_text, iv, ciphertext, tag;
  boost::json::object header;
};
std::optional<Compact> split(std::string_view compact) {
  std::array<std::string_view, 5> parts;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto dot = compact.find('.');
    if ((dot == std::string_view::npos) != (i + 1 == parts.size())) return std::nullopt;
    parts[i] = compact.substr(0, dot);
    compact.remove_prefix(dot == std::string_view::npos ? compact.size() : dot + 1);
  }
  if (!parts[1].empty() || parts[0].size() > kHeaderMax)
    return std::nullopt;  // direct agreement: no wrapped key
  const auto header = from_base64url(parts[0]);
  auto object = header ? parse_object(text(*header)) : std::nullopt;
  if (!object) return std::nullopt;
  return Compact{parts[0], parts[2], parts[3], parts[4], std::move(*object)};
}

}  // namespace

Secret concat_kdf(const Secret& shared, std::string_view algorithm, ByteView party_u, ByteView party_v,
                  std::size_t size) {
  constexpr ByteArray<4> kRound{0, 0, 0, 1};
  must(size >= 1 && size <= sizeof(Digest), "Concat KDF");  // one round gives no more
  Bytes info;
  for (const ByteView field : {view(algorithm), party_u, party_v}) {
    append_be(info, static_cast<std::uint32_t>(field.size()));
    append(info, field);
  }
  append_be(info, static_cast<std::uint32_t>(size * 8));
  Digest block = sha256({kRound, shared.expose(), info});
  Secret key(ByteView(block).first(size));
  wipe(block);
  return key;
}

std::optional<EcPublicKey> EcPublicKey::from_jwk(std::string_view json) {
  const auto jwk = parse_object(json);
  if (!jwk || jwk->contains("d")) return std::nullopt;  // who shows a private key has lost it
  if (const auto* kid = jwk->if_contains("kid"); kid != nullptr && !kid->is_string()) return std::nullopt;
  const auto point = point_of(*jwk);
  auto key = point ? from_point(*point) : std::nullopt;
  if (key) key->kid_ = text_member(*jwk, "kid");
  return key;
}

std::optional<EcPublicKey> EcPublicKey::from_point(ByteView sec1_uncompressed) {
  if (sec1_uncompressed.size() != kPoint || sec1_uncompressed[0] != 4 ||
      !make_key(sec1_uncompressed, nullptr))
    return std::nullopt;
  EcPublicKey key;
  std::copy(sec1_uncompressed.begin(), sec1_uncompressed.end(), key.point_.begin());
  return key;
}

std::string EcPublicKey::to_jwk(std::string_view kid, std::string_view use) const {
  const ByteView point(point_);
  std::string out = R"({"crv":"P-256",)";
  if (!kid.empty()) out += R"("kid":)" + quoted(kid) + ',';
  out += R"("kty":"EC",)";
  if (!use.empty()) out += R"("use":)" + quoted(use) + ',';
  out += R"("x":")" + to_base64url(point.subspan(1, kCoordinate)) + R"(","y":")" +
         to_base64url(point.subspan(1 + kCoordinate)) + R"("})";
  return out;
}

std::string EcPublicKey::thumbprint() const {
  return to_base64url(sha256({view(to_jwk({}))}));
}

EcPrivateKey EcPrivateKey::generate() {
  std::shared_ptr<EVP_PKEY> key(EVP_EC_gen(kGroup), EVP_PKEY_free);
  must(key != nullptr, "EC key generation");
  return EcPrivateKey(std::move(key));
}

// Parsed inside locked memory whole: a JSON library's own copies of `d` would outlive the key on the heap.
std::optional<EcPrivateKey> EcPrivateKey::from_jwk(const Secret& json) {
  constexpr std::size_t kJwkMax = 2048;
  if (json.size() > kJwkMax) return std::nullopt;
  Secret memory(8 * kJwkMax);
  boost::json::static_resource resource(memory.writable().data(), memory.size());
  try {
    boost::system::error_code error;
    boost::json::parser parser(&resource);
    parser.reset(&resource);
    parser.write(json.expose_text(), error);
    if (error) return std::nullopt;
    const boost::json::value value = parser.release();
    const auto* jwk = value.if_object();
    const auto point = jwk != nullptr ? point_of(*jwk) : std::nullopt;
    const auto d = point ? secret_from_base64url(text_member(*jwk, "d"), kCoordinate) : std::nullopt;
    auto key = d ? make_key(*point, &*d) : nullptr;
    if (!key) return std::nullopt;
    return EcPrivateKey(std::shared_ptr<EVP_PKEY>(key.release(), EVP_PKEY_free));
  } catch (const std::bad_alloc&) {  // the resource is full: no key is that large
    return std::nullopt;
  }
}

EcPublicKey EcPrivateKey::public_key() const {
  auto key = EcPublicKey::from_point(point_of(key_.get()));
  must(key.has_value(), "EC point");
  return std::move(*key);
}

Secret EcPrivateKey::to_jwk(std::string_view kid) const {
  const Own<BIGNUM> scalar(BN_secure_new());
  BIGNUM* target = scalar.get();
  Secret d(kCoordinate);
  must(
      target != nullptr && EVP_PKEY_get_bn_param(key_.get(), OSSL_PKEY_PARAM_PRIV_KEY, &target) == 1 &&
          BN_bn2binpad(target, d.writable().data(), static_cast<int>(d.size())) == static_cast<int>(d.size()),
      "EC private key");
  const std::string rest =
      public_key().to_jwk(kid);  // "d" is put between "crv" and what follows: the same order
  constexpr std::string_view kHead = R"({"crv":"P-256",)";
  return Secret::concat({view(kHead), view(R"("d":")"), secret_to_base64url(d).expose(), view(R"(",)"),
                         view(std::string_view(rest).substr(kHead.size()))});
}

std::string seal_jwe(const EcPublicKey& recipient, std::string_view kid, const Secret& plaintext) {
  const EcPrivateKey ephemeral = EcPrivateKey::generate();
  const auto peer = make_key(recipient.point(), nullptr);
  must(peer != nullptr, "recipient key");
  const auto shared = agree(ephemeral.get(), peer.get());
  must(shared.has_value(), "ECDH");
  std::string header = R"({"alg":"ECDH-ES","enc":"A256GCM","epk":)" + ephemeral.public_key().to_jwk({});
  if (!kid.empty()) header += R"(,"kid":)" + quoted(kid);
  header += '}';
  const std::string header_text = to_base64url(view(header));
  const Secret key = concat_kdf(*shared, kEncryption, {}, {}, kKeyBytes);
  const Bytes sealed = aead_seal(key, view(header_text), plaintext.expose());
  const ByteView parts(sealed);
  return header_text + ".." + to_base64url(parts.first(kIvBytes)) + '.' +
         to_base64url(parts.subspan(kIvBytes, parts.size() - kIvBytes - kTagBytes)) + '.' +
         to_base64url(parts.last(kTagBytes));
}

std::optional<Secret> open_jwe(const EcPrivateKey& key, std::string_view compact) {
  const auto parts = split(compact);
  if (!parts || text_member(parts->header, "alg") != "ECDH-ES" ||
      text_member(parts->header, "enc") != kEncryption)
    return std::nullopt;
  // What must be understood (RFC 7516 section 4.1.13) or undone (4.1.3) and is not in our form.
  if (parts->header.contains("crit") || parts->header.contains("zip")) return std::nullopt;
  const auto* epk = parts->header.if_contains("epk");
  const auto point = epk != nullptr && epk->is_object() ? point_of(epk->get_object()) : std::nullopt;
  const auto peer = point ? make_key(*point, nullptr) : nullptr;
  const auto iv = from_base64url(parts->iv);
  const auto ciphertext = from_base64url(parts->ciphertext);
  const auto tag = from_base64url(parts->tag);
  if (!peer || !iv || !ciphertext || !tag || iv->size() != kIvBytes || tag->size() != kTagBytes)
    return std::nullopt;
  const auto shared = agree(key.get(), peer.get());
  if (!shared) return std::nullopt;
  Bytes sealed;
  for (const auto* part : {&*iv, &*ciphertext, &*tag}) append(sealed, *part);
  return aead_open(concat_kdf(*shared, kEncryption, {}, {}, kKeyBytes), view(parts->header_text), sealed);
}

std::optional<std::string> jwe_kid(std::string_view compact) {
  const auto parts = split(compact);
  const auto* kid = parts ? parts->header.if_contains("kid") : nullptr;
  if (kid == nullptr || !kid->is_string()) return std::nullopt;
  return std::string(kid->get_string());
}

}  // namespace sigillo::base
