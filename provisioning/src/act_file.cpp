#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "files.hpp"
#include "signing.hpp"

namespace sigillo::provisioning {
namespace {

using appliance::ActionFailure;

constexpr std::size_t kActFileMax = 256 * 1024;

ActionFailure not_an_act(const std::string& file) {
  return {"invalid", file + " is no act.", "Name the file that an officer's command wrote with --act."};
}

}  // namespace

std::variant<appliance::SignedAct, ActionFailure> read_act_file(const std::string& file) {
  const auto text = read_small_file(file, kActFileMax);
  if (!text)
    return ActionFailure{"invalid", file + ": " + sentence(text.error()) + '.', "Name another file."};
  boost::system::error_code error;
  const auto value = boost::json::parse(*text, error);
  if (error) return not_an_act(file);
  auto act = appliance::parse_signed_act(value);
  if (!act || !appliance::parse_act(act->text)) return not_an_act(file);
  return std::move(*act);
}

std::optional<ActionFailure> write_act_file(const std::string& file, const appliance::SignedAct& act) {
  const auto written =
      replace_file(file, base::view(boost::json::serialize(appliance::to_json(act)) + '\n'), 0644);
  if (written) return std::nullopt;
  return ActionFailure{"failed", file + ": " + sentence(written.error()) + '.', "Name another file."};
}

}  // namespace sigillo::provisioning
