// The whole door under arbitrary bytes: the first byte chooses role and operation, the rest is the body (or
// the query). A verdict always comes, and a problem always has a status of the client's side. The header gate
// gets the same bytes.
#include <cstdint>
#include <cstdlib>

#include "admit.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sigillo;
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data + 1), size - 1);

  api::HeadStore store;
  api::RequestHead head;
  (void)api::read_head(rest, store, head);

  const auto all = api::routes();
  const auto& route = all[data[0] % all.size()];
  const auto role = static_cast<appliance::Role>(api::kRoleFirst + (data[0] / all.size()) % api::kRoleLast);
  std::string path(route.pattern);
  if (const auto hole = path.find("{id}"); hole != std::string::npos) path.replace(hole, 4, "id-1");
  const bool get = route.method == api::Method::get;
  if (get && route.takes_query) path.append("?").append(rest);
  const auto got =
      api::test::ask(role, api::name(route.method), path, get ? std::string_view() : rest, "key");
  if (const auto* const problem = api::test::problem_of(got)) {
    if (problem->status() < 400 || problem->status() >= 500) std::abort();
  }
  return 0;
}
