#include "checkpoints.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include <appliance/checkpoint.hpp>
#include <base/pending_file.hpp>

namespace sigillo::appliance {
namespace {

// The number in a checkpoint's name; nothing for whatever else lies in the folder.
std::optional<std::uint64_t> seq_of(std::string_view name) {
  constexpr std::string_view kPrefix = "checkpoint-";
  constexpr std::string_view kSuffix = ".txt";
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) return std::nullopt;
  name = name.substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size());
  std::uint64_t seq = 0;
  const auto [stop, error] = std::from_chars(name.data(), name.data() + name.size(), seq);
  if (error != std::errc() || stop != name.data() + name.size()) return std::nullopt;
  return seq;
}

// A folder that fills up would end the checkpoints, and with them the proof that no tail was cut.
void drop_oldest(const std::filesystem::path& folder, std::size_t kept) {
  std::vector<std::pair<std::uint64_t, std::filesystem::path>> found;
  std::error_code failed;
  for (std::filesystem::directory_iterator at(folder, failed), end; !failed && at != end;
       at.increment(failed)) {
    if (const auto seq = seq_of(at->path().filename().string())) found.emplace_back(*seq, at->path());
  }
  std::ranges::sort(found);
  for (std::size_t i = 0; i + kept < found.size(); ++i) std::filesystem::remove(found[i].second, failed);
}

}  // namespace

base::Task<base::Result<std::string>> sign_checkpoint(const Context& context, sealed_store::Head head,
                                                      std::optional<std::uint64_t> segment_from) {
  const std::string text = checkpoint_text(context.config.audit.issuer, head, segment_from);
  const auto digest = base::sha256({base::view(text)});
  const auto keys = context.keys();
  const auto signature = co_await context.dispatcher.sign(keys->ledger, digest);
  if (!signature) co_return signature.error();
  co_return signed_note(text, keys->ledger_public(), *signature);
}

base::Result<void> put_checkpoints_aside(const AuditConfig& audit, std::uint64_t after) {
  if (audit.checkpoint_folder.empty()) return base::ok();
  std::vector<std::filesystem::path> found;
  std::error_code failed;
  for (std::filesystem::directory_iterator at(audit.checkpoint_folder, failed), end; !failed && at != end;
       at.increment(failed)) {
    if (seq_of(at->path().filename().string()).value_or(0) > after) found.push_back(at->path());
  }
  for (const auto& path : found) {
    if (failed) break;
    std::filesystem::rename(path, path.parent_path() / ("replaced-" + path.filename().string()), failed);
  }
  if (failed)
    return base::Error(base::FileErrc::failed, "checkpoints of before could not be put aside",
                       static_cast<unsigned long>(failed.value()));
  return base::ok();
}

base::Result<void> write_checkpoint(const AuditConfig& audit, const sealed_store::Head& head,
                                    const std::string& note) {
  const std::filesystem::path folder(audit.checkpoint_folder);
  const auto path = folder / ("checkpoint-" + std::to_string(head.seq) + ".txt");
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored)) return base::ok();  // nothing happened since
  SIGILLO_TRY(auto file, base::PendingFile::create(path.string(), true));
  SIGILLO_CHECK(file.write(note));
  SIGILLO_CHECK(file.finish());
  drop_oldest(folder, audit.checkpoints_kept);
  return base::ok();
}

}  // namespace sigillo::appliance
