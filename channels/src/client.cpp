#include <channels/client.hpp>

#include <algorithm>

#include <curl/curl.h>
#include <boost/json.hpp>

#include <channels/errc.hpp>
#include <channels/files.hpp>

namespace sigillo::channels {
namespace {

namespace json = boost::json;

// 100 leases of at most 16 KiB of plaintext each, in base64url.
constexpr std::size_t kAnswerMax = 4 * 1024 * 1024;
constexpr unsigned kRetryAfterMax = 3600;

struct CurlFree {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

struct Exchange {
  Stop& stop;
  bool may_stop;
  std::string answer;
};

std::size_t take_answer(const char* data, std::size_t, std::size_t size, void* context) {
  auto& exchange = *static_cast<Exchange*>(context);
  if (exchange.answer.size() + size > kAnswerMax) return 0;  // curl ends the exchange
  exchange.answer.append(data, size);
  return size;
}

// curl asks at least once a second, and at each event.
int ask_stop(void* context, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& exchange = *static_cast<Exchange*>(context);
  return exchange.may_stop && exchange.stop.requested() ? 1 : 0;
}

// The array of that name in an object that has it, or nothing.
const json::array* array_of(const json::value& root, std::string_view member) {
  const auto* object = root.if_object();
  const auto* value = object == nullptr ? nullptr : object->if_contains(member);
  return value == nullptr ? nullptr : value->if_array();
}
const json::string* text_of(const json::object& object, std::string_view member) {
  const auto* value = object.if_contains(member);
  return value == nullptr ? nullptr : value->if_string();
}

bool is_identifier(std::string_view text) {
  const auto fits = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), fits);
}

base::Error malformed() {
  return {Errc::malformed, "the appliance's answer is not of the contract"};
}

}  // namespace

class Client::Impl {
 public:
  Impl(ClientOptions options, base::Secret key, Stop& stop)
      : options_(std::move(options)), key_(std::move(key)), stop_(stop) {}

  base::Result<void> prepare() {
    curl_global_init(CURL_GLOBAL_DEFAULT);
    handle_.reset(curl_easy_init());
    for (const char* line : {"Content-Type: application/json", "Accept: application/json", "Expect:"}) {
      auto* longer = curl_slist_append(headers_.get(), line);
      if (longer == nullptr) return base::Error(Errc::file, "libcurl has no memory");
      static_cast<void>(headers_.release());
      headers_.reset(longer);
    }
    // The blob is not copied: the key stays in locked memory on our side (OpenSSL has its own form of it).
    curl_blob key{key_.writable().data(), key_.size(), CURL_BLOB_NOCOPY};
    CURL* handle = handle_.get();
    const bool set =
        handle != nullptr && option(CURLOPT_PROTOCOLS_STR, "https") && option(CURLOPT_PROXY, "") &&
        option(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_3)) &&
        option(CURLOPT_SSL_VERIFYPEER, 1L) && option(CURLOPT_SSL_VERIFYHOST, 2L) &&
        option(CURLOPT_CAINFO, options_.ca.c_str()) && option(CURLOPT_CAPATH, static_cast<char*>(nullptr)) &&
        option(CURLOPT_SSLCERT, options_.certificate.c_str()) && option(CURLOPT_SSLKEY_BLOB, &key) &&
        option(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1)) &&
        option(CURLOPT_NOSIGNAL, 1L) && option(CURLOPT_FOLLOWLOCATION, 0L) &&
        option(CURLOPT_TCP_KEEPALIVE, 1L) &&
        option(CURLOPT_TIMEOUT_MS, static_cast<long>(options_.timeout.ms)) &&
        option(CURLOPT_CONNECTTIMEOUT_MS,
               static_cast<long>(std::min(options_.timeout.ms, std::int64_t{10'000}))) &&
        option(CURLOPT_HTTPHEADER, headers_.get()) && option(CURLOPT_WRITEFUNCTION, &take_answer) &&
        option(CURLOPT_XFERINFOFUNCTION, &ask_stop) && option(CURLOPT_NOPROGRESS, 0L);
    if (!set) return base::Error(Errc::file, "libcurl does not take the server, CA, certificate or key");
    return base::ok();
  }

  base::Result<json::value> post(const char* path, const std::string& body, bool may_stop) {
    Exchange exchange{stop_, may_stop, {}};
    const std::string url = options_.server + path;
    option(CURLOPT_URL, url.c_str());
    option(CURLOPT_POSTFIELDSIZE, static_cast<long>(body.size()));
    option(CURLOPT_POSTFIELDS, body.data());
    option(CURLOPT_WRITEDATA, &exchange);
    option(CURLOPT_XFERINFODATA, &exchange);
    const CURLcode code = curl_easy_perform(handle_.get());
    if (code == CURLE_ABORTED_BY_CALLBACK) return base::Error(Errc::stopped, "told to end");
    if (code != CURLE_OK) return base::Error(Errc::unreachable, curl_easy_strerror(code), code);
    return understand(exchange.answer);
  }

 private:
  template <class T>
  bool option(CURLoption name, T value) {
    return curl_easy_setopt(handle_.get(), name, value) == CURLE_OK;
  }

  base::Result<json::value> understand(const std::string& answer) {
    long status = 0;
    curl_easy_getinfo(handle_.get(), CURLINFO_RESPONSE_CODE, &status);
    if (status == 429 || status == 503) {
      curl_off_t after = 0;
      curl_easy_getinfo(handle_.get(), CURLINFO_RETRY_AFTER, &after);
      const auto seconds = std::clamp<curl_off_t>(after, 0, kRetryAfterMax);
      return base::Error(Errc::busy, "the appliance asks to come back later",
                         static_cast<unsigned long>(seconds));
    }
    if (status != 200) {
      return base::Error(Errc::refused, "the appliance refuses (raw is the HTTP status)",
                         static_cast<unsigned long>(status));
    }
    json::error_code error;
    json::parse_options options;
    options.max_depth = 16;
    auto root = json::parse(answer, error, {}, options);
    if (error) return malformed();
    return root;
  }

  ClientOptions options_;
  base::Secret key_;
  Stop& stop_;
  std::unique_ptr<curl_slist, CurlFree> headers_;
  std::unique_ptr<CURL, CurlFree> handle_;  // after what it refers to
};

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::~Client() = default;

base::Result<std::unique_ptr<Client>> Client::create(const ClientOptions& options, Stop& stop) {
  SIGILLO_TRY(auto key, read_private_file(options.key));
  auto impl = std::make_unique<Impl>(options, std::move(key), stop);
  SIGILLO_CHECK(impl->prepare());
  return std::unique_ptr<Client>(new Client(std::move(impl)));
}

base::Result<std::vector<Lease>> Client::lease(unsigned max) {
  SIGILLO_TRY(const auto root,
              impl_->post("/v1/outbox/leases", json::serialize(json::object{{"max", max}}), true));
  const auto* deliveries = array_of(root, "deliveries");
  if (deliveries == nullptr) return malformed();
  std::vector<Lease> leases;
  for (const auto& delivery : *deliveries) {
    const auto* object = delivery.if_object();
    const auto* id = object == nullptr ? nullptr : text_of(*object, "delivery_id");
    const auto* sealed = object == nullptr ? nullptr : text_of(*object, "sealed");
    if (id == nullptr || sealed == nullptr || !is_identifier({id->data(), id->size()})) return malformed();
    const auto* attempt = object->if_contains("attempt");
    const bool counted = attempt != nullptr && attempt->is_int64() && attempt->get_int64() >= 0;
    leases.push_back({std::string(id->begin(), id->end()), std::string(sealed->begin(), sealed->end()),
                      counted ? static_cast<std::uint32_t>(attempt->get_int64()) : 0});
  }
  return leases;
}

base::Result<std::vector<std::string>> Client::acknowledge(std::span<const Ack> acks) {
  json::array list;
  for (const auto& ack : acks) {
    json::object entry{{"delivery_id", ack.delivery_id}, {"status", ack.delivered ? "delivered" : "failed"}};
    if (!ack.reason.empty()) entry["reason"] = ack.reason;
    list.push_back(std::move(entry));
  }
  SIGILLO_TRY(const auto root, impl_->post("/v1/outbox/acks",
                                           json::serialize(json::object{{"acks", std::move(list)}}), false));
  const auto* results = array_of(root, "results");
  if (results == nullptr) return malformed();
  std::vector<std::string> unknown;
  for (const auto& result : *results) {
    const auto* object = result.if_object();
    const auto* id = object == nullptr ? nullptr : text_of(*object, "delivery_id");
    const auto* word = object == nullptr ? nullptr : text_of(*object, "result");
    if (id == nullptr || word == nullptr) return malformed();
    if (*word != "recorded") unknown.emplace_back(id->begin(), id->end());
  }
  return unknown;
}

}  // namespace sigillo::channels
