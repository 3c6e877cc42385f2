#include <gtest/gtest.h>

#include <map>

#include "admit.hpp"

namespace sigillo::api::test {
namespace {

std::string concrete(std::string_view pattern) {
  std::string out(pattern);
  if (const auto hole = out.find("{id}"); hole != std::string::npos) out.replace(hole, 4, "some_ID-1");
  return out;
}

// The contract's table, written down a second time by hand: p portal, c contact-centre, b branch, o
// back-office, s e q w the couriers by SMS, e-mail, PEC, post, a auditor.
const std::map<std::string, std::string> kContract = {
    {"POST /v1/credentials", "pcb"},
    {"POST /v1/credentials/{id}/halves", "pc"},
    {"POST /v1/verifications", "pcb"},
    {"POST /v1/activations", "p"},
    {"POST /v1/renewals", "p"},
    {"POST /v1/conversions", "pb"},
    {"POST /v1/conversions/{id}/evidence", "pob"},
    {"POST /v1/conversions/{id}/decision", "ob"},
    {"GET /v1/conversions/{id}", "pob"},
    {"POST /v1/authorizations", "p"},
    {"GET /v1/authorizations/{id}", "p"},
    {"POST /v1/recoveries", "pb"},
    {"POST /v1/recoveries/{id}/confirmation", "p"},
    {"POST /v1/revocations", "pb"},
    {"POST /v1/revocations/{id}/confirmation", "p"},
    {"POST /v1/blocks", "cb"},
    {"POST /v1/contacts", "pcb"},
    {"POST /v1/status", "cbo"},
    {"POST /v1/outbox/leases", "seqw"},
    {"POST /v1/outbox/acks", "seqw"},
    {"GET /v1/keys", "pcboseqwa"},
    {"GET /v1/whoami", "pcboseqwa"},
    {"GET /v1/ledger", "a"},
    {"GET /v1/ledger/checkpoint", "a"},
};

TEST(Routes, EveryCellOfRoleAndOperationIsAsTheContractSays) {
  constexpr std::string_view kLetters = "pcboseqwa";  // in the order of the Role enum
  EXPECT_EQ(routes().size(), kContract.size());
  for (const Route& route : routes()) {
    const std::string operation = std::string(name(route.method)) + " " + std::string(route.pattern);
    ASSERT_TRUE(kContract.contains(operation)) << operation;
    for (std::uint8_t role = kRoleFirst; role <= kRoleLast; ++role) {
      const bool may = kContract.at(operation).find(kLetters[role - 1U]) != std::string::npos;
      const auto got = ask(static_cast<appliance::Role>(role), name(route.method), concrete(route.pattern),
                           route.method == Method::post ? "{}" : "", "k");
      const auto* const problem = problem_of(got);
      const bool refused = problem != nullptr && problem->code == Code::role_not_permitted;
      EXPECT_EQ(refused, !may) << operation << " as " << appliance::name(static_cast<appliance::Role>(role));
      EXPECT_EQ(got.route, &route);
    }
  }
}

TEST(Routes, EveryMutationNeedsAKeyBeforeItsValuesAreLookedAt) {
  for (const Route& route : routes()) {
    const bool needs = route.key == KeyRule::required;
    const bool free = route.method == Method::get || route.pattern == "/v1/verifications" ||
                      route.pattern == "/v1/status" || route.pattern.starts_with("/v1/outbox/");
    EXPECT_EQ(needs, !free) << route.pattern;
  }
}

TEST(Routes, UnknownPathsAndWrongMethods) {
  for (const auto* path :
       {"/", "/v1", "/v1/", "/v1/credentials/", "/v1/credentials/x", "/v1/credentials//halves",
        "/v1/credentials/a/b/halves", "/v1/conversions/", "/v1/conversions/a%2fb", "/v1/conversions/a.b",
        "/v2/keys", "/v1/KEYS", "/v1/keys/", "/v1/../v1/keys", "/metrics", "/readyz"}) {
    EXPECT_TRUE(match("GET", path).route == nullptr && match("GET", path).allow.empty()) << path;
  }
  EXPECT_EQ(match("GET", "/v1/conversions/" + std::string(64, 'a')).id.size(), 64U);
  EXPECT_EQ(match("GET", "/v1/conversions/" + std::string(65, 'a')).route, nullptr);
  EXPECT_EQ(match("PUT", "/v1/conversions").allow, "POST");
  EXPECT_EQ(match("POST", "/v1/conversions/x").allow, "GET");
  EXPECT_EQ(match("get", "/v1/keys").allow, "GET");
}

TEST(Routes, TheTableCanBeShown) {
  const auto table = role_table();
  EXPECT_NE(table.find("| `GET /v1/ledger` | | | | | | | | | x |  |"), std::string::npos) << table;
  EXPECT_NE(table.find("| `POST /v1/verifications` | x | x | x | | | | | | | optional |"), std::string::npos);
}

}  // namespace
}  // namespace sigillo::api::test
