// The files of `sigillo audit`: an output that appears under its name whole or not at all, an input read in
// large pieces, and a progress bar on standard error where that is a terminal and it takes long.
// Thread rule: one owner, one thread. Errors: Errc::file, raw is errno; Errc::exists.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <streambuf>
#include <string>
#include <string_view>
#include <vector>

#include <base/result.hpp>

namespace sigillo::provisioning {

class Progress {
 public:
  Progress(std::string doing, std::uint64_t total);  // total 0: not known
  ~Progress();                                       // the line is cleared
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void at(std::uint64_t done);

 private:
  std::string doing_;
  std::uint64_t total_;
  bool terminal_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point next_;
};

// Written beside its target under a name that nobody else has, synced, then renamed; removed by the
// destructor where finish() did not succeed. Mode 0600. "-" is standard output and has none of this.
class PendingFile {
 public:
  static base::Result<PendingFile> create(const std::string& target, bool replace);
  PendingFile(PendingFile&& other) noexcept;
  PendingFile& operator=(PendingFile&&) = delete;
  ~PendingFile();

  base::Result<void> write(std::string_view text);
  // Errc::exists where the target appeared meanwhile and may not be replaced.
  base::Result<void> finish();

 private:
  PendingFile(int fd, std::filesystem::path target, std::string temporary, bool replace)
      : fd_(fd), target_(std::move(target)), temporary_(std::move(temporary)), replace_(replace) {}
  base::Result<void> flush();

  int fd_;
  std::filesystem::path target_;
  std::string temporary_;  // empty: standard output
  bool replace_;
  std::string buffer_;
};

class InputBuffer final : public std::streambuf {
 public:
  static base::Result<std::unique_ptr<InputBuffer>> open(const std::string& file);  // "-" is standard input
  ~InputBuffer() override;
  InputBuffer(const InputBuffer&) = delete;
  InputBuffer& operator=(const InputBuffer&) = delete;
  // A read that failed, or a line that is longer than any of an export: the stream ends there.
  const std::optional<base::Error>& trouble() const { return trouble_; }

 protected:
  int_type underflow() override;

 private:
  InputBuffer(int fd, std::uint64_t size);

  int fd_;
  std::uint64_t read_ = 0;
  std::size_t line_ = 0;  // bytes since the last newline
  std::optional<base::Error> trouble_;
  std::vector<char> buffer_;
  Progress progress_;
};

}  // namespace sigillo::provisioning
