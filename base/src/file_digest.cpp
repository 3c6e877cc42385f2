#include <base/file_digest.hpp>

#include <cerrno>
#include <memory>
#include <vector>

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sigillo::base {
namespace {

constexpr std::size_t kPiece = 1024 * 1024;

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

Error failed(const char* what) {
  return {FileErrc::failed, what, static_cast<unsigned long>(errno)};
}

}  // namespace

Result<FileDigest> digest_of_file(const std::filesystem::path& path,
                                  const std::function<bool(std::uint64_t)>& read) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC)};
  if (file.fd < 0) return failed("a file could not be opened");
  struct stat info {};
  if (::fstat(file.fd, &info) != 0 || !S_ISREG(info.st_mode)) return failed("it is not a regular file");
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  if (!context || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1) std::abort();
  std::vector<Byte> piece(kPiece);
  FileDigest out;
  for (;;) {
    const ssize_t got = ::read(file.fd, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed("a file could not be read");
    if (got == 0) break;
    if (EVP_DigestUpdate(context.get(), piece.data(), static_cast<std::size_t>(got)) != 1) std::abort();
    out.bytes += static_cast<std::uint64_t>(got);
    if (read && !read(out.bytes)) return Error(FileErrc::failed, "it was told to stop", ECANCELED);
  }
  if (EVP_DigestFinal_ex(context.get(), out.sha256.data(), nullptr) != 1) std::abort();
  return out;
}

}  // namespace sigillo::base
