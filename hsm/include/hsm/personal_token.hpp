// PersonalToken: a token of a person's own (a smart card, a stick), which holds one key that signs: EC on
// P-256, named by a PKCS#11 URI (RFC 7512). It is an officer's and no part of the appliance: found, asked for
// its public half, opened with the person's PIN for as long as the object lives, and only read and signed
// with. Errors: hsm::Errc; Errc::credential where the PIN was refused, or was not tried because one more
// wrong one would lock it. Thread rule: one thread. Owned by whoever signs. Never: tries a PIN twice, makes
// or changes an object, takes a PIN from the URI.
#pragma once

#include <memory>
#include <string>
#include <variant>

#include <base/bytes.hpp>
#include <base/crypto.hpp>
#include <base/result.hpp>
#include <base/secret.hpp>

namespace sigillo::hsm {

// "pkcs11:token=anna;object=sign?module-path=/usr/lib/opensc-pkcs11.so&pin-source=/media/anna/pin"
struct TokenUri {
  std::string text;                                // as it was written
  std::string token, serial, manufacturer, model;  // which token; one of the first two is there
  std::string object;                              // which key: CKA_LABEL,
  base::Bytes id;                                  // CKA_ID; one of the two is there
  std::string module_path;                         // absolute, or empty
  std::string pin_source;                          // absolute path of a file, or empty
  std::string shown() const;                       // the token as a person knows it
};
bool is_token_uri(std::string_view text);
// Else a sentence that says what is wrong with it.
std::variant<TokenUri, std::string> parse_token_uri(const std::string& text);

// What the token says of its PIN (CK_TOKEN_INFO.flags).
struct PinState {
  bool wanted = true;    // a PIN is to be given
  bool own_pad = false;  // it is typed at the reader, and this process does not see it
  bool wrong_before = false;
  bool final_try = false;  // one more wrong one locks it
  bool locked = false;
};

class PersonalToken {
 public:
  // Loads the module, finds the token, opens a session that can only read. No PIN is needed for that.
  static base::Result<std::unique_ptr<PersonalToken>> open(const TokenUri& uri);
  ~PersonalToken();  // C_CloseSession, C_Finalize
  PersonalToken(const PersonalToken&) = delete;
  PersonalToken& operator=(const PersonalToken&) = delete;

  base::Result<PinState> pin_state() const;
  // Once. `pin` is empty where the reader has a pad of its own.
  base::Result<void> log_in(base::Secret pin);
  // SEC 1 uncompressed; from a public key or a certificate beside the private one. Before log_in it is what
  // anybody can read, where the token shows it.
  base::Result<base::ByteArray<65>> public_point();
  // After log_in: that the one private key of that name is on P-256, may sign, and cannot be had out.
  base::Result<void> find_key();
  // After find_key: r || s over a digest, verified against public_point() before it is given away.
  base::Result<base::Bytes> sign(const base::Digest& digest);

 private:
  class Impl;
  explicit PersonalToken(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sigillo::hsm
