#include <algorithm>

#include <hsm/token.hpp>

namespace sigillo::hsm {

base::Result<base::Secret> derive(Token& token, KeyRef key, std::string_view label, base::ByteView context,
                                  std::size_t bytes) {
  if (bytes == 0 || bytes > 64) return base::Error(Errc::caller_fault, "a derived key has 1 to 64 bytes");
  base::Secret out(bytes);
  std::size_t filled = 0;
  for (std::uint32_t i = 1; filled < bytes; ++i) {
    base::Bytes input;
    base::append_be(input, i);
    base::append(input, base::view(label));
    input.push_back(0x00);
    base::append(input, context);
    base::append_be(input, static_cast<std::uint32_t>(bytes * 8));
    auto block = token.hmac(key, input);
    if (!block) return block.error();
    const std::size_t take = std::min(block->size(), bytes - filled);
    std::copy_n(block->begin(), take, out.writable().begin() + static_cast<std::ptrdiff_t>(filled));
    base::wipe(*block);
    filled += take;
  }
  return out;
}

}  // namespace sigillo::hsm
