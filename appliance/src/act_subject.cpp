// Erasing a citizen, by two officers (docs/RETENTION.md).
#include "actions.hpp"
#include "erasure.hpp"

namespace sigillo::appliance {
namespace {

namespace json = boost::json;

constexpr std::size_t kDigestHex = 64;

bool is_digest(const std::optional<std::string>& text) {
  return text && text->size() == kDigestHex && base::from_hex(*text);
}

}  // namespace

std::string erasure_commitment(const base::Secret& opening) {
  constexpr base::ByteArray<1> kEnd{0};
  return base::to_hex(base::sha256({base::view("sigillo/erase/v1"), kEnd, opening.expose()}));
}

// Acts are kept for ever, and a codice fiscale is not kept at all: what officers sign is a commitment to it,
// of 32 random bytes and the codice fiscale, which come beside the act and are forgotten with it.
ActionOutcome subject_erase(ActionCall& call) {
  const auto commitment = text_of(call.parameters, "subject");
  const auto reason = text_of(call.parameters, "reason_sha256");
  if (!is_digest(commitment) || !is_digest(reason) || !only(call.parameters, {"subject", "reason_sha256"}))
    return invalid("An erasure is of a \"subject\", by a \"reason_sha256\".");
  if (erasure_commitment(call.secret) != *commitment)
    return refused("What was given is not the citizen whose erasure the officers signed.",
                   "Nothing was changed. Give the same codice fiscale as when the act was made.");
  const auto subject = call.secret.size() > kErasureSalt
                           ? Subject::parse(call.secret.expose_text().substr(kErasureSalt))
                           : std::nullopt;
  if (!subject) return invalid("What the act is about is no codice fiscale.");
  auto event = call.event(EventKind::erased);
  event.reference = *reason;
  const auto erased = erase(call.context(), *subject, std::move(event));
  if (!erased)
    return failed(erased.error(), "Nothing is known to be erased",
                  "Correct that, and have a new act signed: what is erased by then is erased.");
  return json::object{{"known", erased->known},
                      {"deliveries", erased->deliveries},
                      {"links", erased->links},
                      {"conversions", erased->conversions},
                      {"authorizations", erased->authorizations},
                      {"contact_uses", erased->contact_uses},
                      {"wrong_guesses", erased->wrong_guesses},
                      {"seq", erased->seq}};
}

}  // namespace sigillo::appliance
