#include <provisioning/command.hpp>

#include <cstdio>

#include <boost/json/serialize.hpp>

#include <base/printable.hpp>

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
  char raw[32];
  std::snprintf(raw, sizeof raw, "0x%lx", error.raw());
  return std::string(error.detail()) + " (error " + std::to_string(error.number()) + ", raw " + raw + ')';
}

}  // namespace sigillo::provisioning
