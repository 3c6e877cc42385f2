// The other end of jwe_interop.py: reads one command a line on standard input, answers one line on standard
// output.
//   generate KID                  a private JWK
//   seal KID JWK HEX              a compact JWE of those bytes
//   open JWK COMPACT              the plaintext in hex, or "refused"
//   thumbprint JWK
#include <base/jwe.hpp>

#include <iostream>
#include <sstream>

namespace {

using namespace sigillo::base;

std::string answer(const std::string& line) {
  std::istringstream words(line);
  std::string command, first, second, third;
  words >> command >> first >> second >> third;
  if (command == "generate") return std::string(EcPrivateKey::generate().to_jwk(first).expose_text());
  if (command == "thumbprint") {
    const auto key = EcPublicKey::from_jwk(first);
    return key ? key->thumbprint() : "refused";
  }
  if (command == "seal") {
    const auto key = EcPublicKey::from_jwk(second);
    const auto plaintext = from_hex(third);
    return key && plaintext ? seal_jwe(*key, first, Secret(*plaintext)) : "refused";
  }
  const auto key = EcPrivateKey::from_jwk(Secret(view(first)));
  const auto opened = key ? open_jwe(*key, second) : std::nullopt;
  return opened ? to_hex(opened->expose()) : "refused";
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) std::cout << answer(line) << std::endl;
}
