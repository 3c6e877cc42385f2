#include <provisioning/command.hpp>

#include <cstdio>
#include <system_error>

#include <boost/json/serialize.hpp>

#include <base/pending_file.hpp>
#include <base/printable.hpp>
#include <hsm/token.hpp>

namespace sigillo::provisioning {
namespace {

void print(std::FILE* to, std::string text) {
  text += '\n';
  std::fputs(text.c_str(), to);
}

}  // namespace

void Context::result(std::string_view schema, boost::json::object members, std::string_view words) {
  if (!json) return print(stdout, std::string(words));
  members["schema"] = schema;
  print(stdout, base::printable(boost::json::serialize(members)));
}

void Context::failed(Exit code, std::string_view what, std::string_view next) {
  exit = code;
  const std::string said = base::printable_sentence(what);
  if (!json) return print(stderr, "sigillo: " + said + '\n' + std::string(next));
  const boost::json::object members{{"schema", "sigillo.error/1"}, {"what", said}, {"next", next}};
  print(stdout, boost::json::serialize(members));
}

std::string sentence(const base::Error& error) {
  const std::string number = std::to_string(error.number());
  // Whoever may not read a file is told so, and looks up no number.
  if ((error.is(Errc::file) || error.is(base::FileErrc::failed)) && error.raw() != 0)
    return std::string(error.detail()) + ": " +
           std::generic_category().message(static_cast<int>(error.raw())) + " (error " + number + ')';
  if (const char* const rv = hsm::rv_name(error); rv != nullptr)
    return std::string(error.detail()) + " (" + rv + ", error " + number + ')';
  char raw[32];
  std::snprintf(raw, sizeof raw, "0x%lx", error.raw());
  return std::string(error.detail()) + " (error " + number + ", raw " + raw + ')';
}

}  // namespace sigillo::provisioning
