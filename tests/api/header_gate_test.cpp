#include <gtest/gtest.h>

#include "header_gate.hpp"

namespace sigillo::api {
namespace {

std::string_view verdict(const std::string& block) {
  HeadStore store;
  RequestHead head;
  return read_head(block, store, head);
}

TEST(HeaderGate, TakesAPlainRequestApart) {
  HeadStore store;
  RequestHead head;
  const std::string block =
      "POST /v1/ledger?after=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\ncontent-type: "
      "application/json\r\n"
      "idempotency-key: k 1\r\nExpect: 100-Continue\r\n\r\n";
  ASSERT_EQ(read_head(block, store, head), "");
  EXPECT_EQ(head.method, "POST");
  EXPECT_EQ(head.path, "/v1/ledger");
  EXPECT_EQ(head.query, "after=1");
  EXPECT_EQ(head.content_length, 12U);
  EXPECT_EQ(head.idempotency_key, "k 1");
  EXPECT_TRUE(head.keep_alive && head.expects_continue && head.idempotency_key_given);
  EXPECT_FALSE(head.idempotency_key_repeated || head.encoded);
}

TEST(HeaderGate, RefusesWhatAProxyMightFrameDifferently) {
  const std::string get = "GET / HTTP/1.1\r\n", host = "Host: h\r\n", end = "\r\n";
  EXPECT_EQ(verdict(get + host + end), "");
  for (const std::string coding : {"chunked", "gzip", "identity", "gzip, chunked", "x"}) {
    EXPECT_NE(verdict(get + host + "Transfer-Encoding: " + coding + "\r\n" + end), "") << coding;
    EXPECT_NE(verdict(get + host + "Content-Length: 3\r\nTransfer-Encoding: " + coding + "\r\n" + end), "")
        << coding;
  }
  for (const std::string bad : {"", "Host: h\r\nHost: h\r\n", "Host: h\r\nhost: other\r\n", "Host:\r\n"}) {
    EXPECT_NE(verdict(get + bad + end), "") << bad;
  }
  for (const std::string length : {"3\r\nContent-Length: 3", "3\r\nContent-Length: 4", "3, 3", "+3", "-1",
                                   "0x3", "3 3", "", "99999999999999999999999"}) {
    EXPECT_NE(verdict(get + host + "Content-Length: " + length + "\r\n" + end), "") << length;
  }
  EXPECT_EQ(verdict(get + host + "X-A: b\r\n c\r\n" + end), "A header line is folded.");
  EXPECT_EQ(verdict(get + host + "X-A: b\r\n\tc\r\n" + end), "A header line is folded.");
  EXPECT_EQ(verdict(get + host + "X-A: b\nX-B: c\r\n" + end), "The header holds a stray LF.");
  EXPECT_EQ(verdict(get + host + "X-A: b\rX-B: c\r\n" + end), "The header holds a stray CR.");
  EXPECT_EQ(verdict(get + host + "X-A: b" + std::string(1, '\0') + "\r\n" + end), "The header holds a NUL.");
  EXPECT_NE(verdict(get + host + "X-A : b\r\n" + end), "");
  EXPECT_NE(verdict("GET / HTTP/1.0\r\n" + host + end), "");
  EXPECT_NE(verdict("GET / HTTP/2.0\r\n" + host + end), "");
  EXPECT_NE(verdict("GET  / HTTP/1.1\r\n" + host + end), "");
  EXPECT_NE(verdict("GET http://h/ HTTP/1.1\r\n" + host + end), "");
  EXPECT_NE(verdict("OPTIONS * HTTP/1.1\r\n" + host + end), "");
  EXPECT_NE(verdict(get + host + "Expect: something\r\n" + end), "");
  EXPECT_NE(verdict(get + host + "Content-Type: a/b\r\nContent-Type: a/c\r\n" + end), "");
}

TEST(HeaderGate, TakesJsonInUtf8AndNothingElse) {
  for (const auto* good : {"application/json", "Application/JSON", "application/json; charset=utf-8",
                           "application/json;charset=\"UTF-8\"", "application/json ; v=1"}) {
    EXPECT_TRUE(is_json(good)) << good;
  }
  for (const auto* bad : {"", "text/plain", "application/jsonx", "application/json; charset=latin1",
                          "application/problem+json", "application/x-www-form-urlencoded"}) {
    EXPECT_FALSE(is_json(bad)) << bad;
  }
}

}  // namespace
}  // namespace sigillo::api
