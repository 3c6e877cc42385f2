// The files of `sigillo audit`: an input read in large pieces, and a progress bar on standard error where
// that is a terminal and it takes long; what it writes is a base::PendingFile. Thread rule: one owner, one
// thread. Errors: Errc::file, raw is errno.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <streambuf>
#include <string>
#include <string_view>
#include <vector>

#include <base/pending_file.hpp>
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

using base::PendingFile;

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
