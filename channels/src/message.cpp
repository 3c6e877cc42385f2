#include <channels/message.hpp>

#include <new>

#include <boost/json.hpp>

namespace sigillo::channels {
namespace {

namespace json = boost::json;

constexpr std::size_t kScratchBytes = 16 * 1024;  // the parser's own stack
constexpr std::size_t kValuesBytes = 112 * 1024;  // the values of a document of at most 16 KiB
constexpr std::size_t kDocumentMax = 16 * 1024;

// Where the locked memory ends: a document that needs more is refused, not spilled to the ordinary heap.
class Nothing final : public json::memory_resource {
  void* do_allocate(std::size_t, std::size_t) override { throw std::bad_alloc(); }
  void do_deallocate(void*, std::size_t, std::size_t) override {}
  bool do_is_equal(const json::memory_resource& other) const noexcept override { return this == &other; }
};

// The delivery_id of a document that has what the contract says every one has.
std::optional<std::string> delivery_id_of(const base::Secret& document) {
  Nothing nothing;
  base::Secret memory(kScratchBytes + kValuesBytes);
  const auto bytes = memory.writable();
  json::monotonic_resource values(bytes.data() + kScratchBytes, kValuesBytes, &nothing);
  json::parse_options options;
  options.max_depth = 16;
  try {
    json::parser parser(json::storage_ptr(&values), options, bytes.data(), kScratchBytes);
    parser.reset(&values);
    json::error_code error;
    const auto text = document.expose_text();
    if (parser.write(text.data(), text.size(), error) != text.size() || error) return std::nullopt;
    const json::value root = parser.release();
    if (!root.is_object()) return std::nullopt;
    for (const char* member : {"delivery_id", "kind", "text"}) {
      const auto* value = root.as_object().if_contains(member);
      if (value == nullptr || !value->is_string()) return std::nullopt;
    }
    const auto& id = root.as_object().at("delivery_id").as_string();
    return std::string(id.begin(), id.end());
  } catch (const std::exception&) {  // Boost.JSON's way to say that memory ended
    return std::nullopt;
  }
}

}  // namespace

const char* reason(Unopened why) {
  switch (why) {
    case Unopened::no_key_fits:
      return "cannot be opened with this courier's keys";
    case Unopened::not_of_the_contract:
      return "opened, and not a message of the contract";
    case Unopened::another_delivery:
      return "opened, and says another delivery_id";
  }
  return "";
}

Opened open_message(std::span<const base::EcPrivateKey> keys, const Lease& lease) {
  std::optional<base::Secret> document;
  for (const auto& key : keys) {
    document = base::open_jwe(key, lease.sealed);
    if (document) break;
  }
  if (!document) return {std::nullopt, Unopened::no_key_fits};
  if (document->size() > kDocumentMax) return {std::nullopt, Unopened::not_of_the_contract};
  const auto id = delivery_id_of(*document);
  if (!id) return {std::nullopt, Unopened::not_of_the_contract};
  // The id names the file, and a second delivery is known by it: both must speak of one message.
  if (*id != lease.delivery_id) return {std::nullopt, Unopened::another_delivery};
  return {Message{lease.delivery_id, std::move(*document)}, Unopened::no_key_fits};
}

}  // namespace sigillo::channels
