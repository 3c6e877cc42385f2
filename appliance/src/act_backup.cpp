// A backup of the store: no officer signs for it. It shows nobody anything, opens nothing, and changes
// nothing but the ledger, which says that it was made; and what is to be made every night cannot wait for two
// people.
#include <cerrno>
#include <filesystem>

#include <base/log.hpp>
#include <base/pending_file.hpp>

#include "actions.hpp"
#include "backup.hpp"

namespace sigillo::appliance {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

// An absolute path whose last part is a name, in a folder that is there.
std::optional<fs::path> target_of(const json::object& parameters) {
  const auto said = text_of(parameters, "to");
  if (!said || said->empty() || said->find('\0') != std::string::npos) return std::nullopt;
  auto path = fs::path(*said).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();  // "x/" is x
  if (!path.is_absolute() || !path.has_filename()) return std::nullopt;
  return path;
}

std::string megabytes(std::uint64_t bytes) {
  return std::to_string(bytes / 1'000'000 + 1) + " MB";
}

ActionFailure not_made(const ActionCall& call, const fs::path& target, const base::Error& error) {
  const std::string what = "There is no backup in " + target.string();
  const bool no_space =
      error.is(sealed_store::FileErrc::no_space) ||
      (error.is(base::FileErrc::failed) && (error.raw() == ENOSPC || error.raw() == EDQUOT));
  if (no_space) {
    std::error_code ignored;
    const auto size = fs::file_size(call.context().config.store.path, ignored);
    return {"failed", what + ": its disk is full.",
            "Nothing is left there. A backup takes " + (ignored ? "what the store takes" : megabytes(size)) +
                ": make room, or name a folder on another disk."};
  }
  if (error.is(sealed_store::FileErrc::stopped))
    return {"sealed", what + ": the appliance is being sealed.",
            "Nothing is left there. Run it again later."};
  if (error.is(base::FileErrc::exists))
    return invalid(target.string() + " is there already.",
                   "Nothing was changed. Name a folder that is not there: each backup has its own.");
  if (error.is(base::FileErrc::failed) && error.raw() == EBUSY)
    return {"busy", what + ": another backup is being made there.",
            "Wait for its end, or name another folder."};
  if (error.is(base::FileErrc::failed) &&
      (error.raw() == EACCES || error.raw() == EROFS || error.raw() == EPERM))
    return refused(what + ": the appliance may not write there.",
                   "Give its user the folder; under systemd also ReadWritePaths= in a drop-in.");
  return failed(
      error, what,
      "Nothing is left there. Correct that, and run the same command again; where it is the store that "
      "does not hold, keep it as it is.");
}

}  // namespace

ActionOutcome backup_create(ActionCall& call) {
  const auto target = target_of(call.parameters);
  if (!target || !only(call.parameters, {"to"}))
    return invalid("A backup is made \"to\" the absolute path of a folder that is not there yet.");
  const auto progress = [&call](std::uint64_t done, std::uint64_t total, std::string_view text) {
    call.progress(done, total, text);
    return !call.stopping();
  };
  const auto made = make_backup(call.parts(), *target, progress);
  if (!made) {
    base::log::error("backup-not-made", made.error());
    return not_made(call, *target, made.error());
  }
  const auto digest = base::to_hex(manifest_digest(made->text));
  base::log::info("backed-up", {{"folder", target->string()}, {"seq", made->manifest.head.seq}});
  auto event = call.event(EventKind::backed_up);
  event.attempt = made->manifest.head.seq;
  event.reference = digest;
  const auto noted = base::sync_wait(call.parts().store->commit({.events = {std::move(event)}}));
  if (!noted)
    return failed(noted.error(), "The backup in " + target->string() + " is whole; it is not in the ledger",
                  "Look at `sigillo status`; the backup may be used.");
  std::uint64_t bytes = 0;
  json::array files;
  for (const auto& file : made->manifest.files) {
    files.push_back(json::value(file.name));
    bytes += file.bytes;
  }
  return json::object{{"folder", target->string()},
                      {"appliance", made->manifest.appliance},
                      {"made_at", base::to_rfc3339(made->manifest.made)},
                      {"manifest_sha256", digest},
                      {"seq", made->manifest.head.seq},
                      {"hash", base::to_hex(made->manifest.head.hash)},
                      {"entries", made->contents.entries},
                      {"records", made->contents.records},
                      {"bytes", bytes},
                      {"files", std::move(files)}};
}

}  // namespace sigillo::appliance
