#include "outbox.hpp"

#include <boost/json.hpp>

namespace sigillo::appliance {
namespace {

namespace json = boost::json;

constexpr base::Duration kOutcomeKept = base::days(90);  // of a delivery that ended, for status

// JSON in locked memory: the members that hold no secret come from Boost.JSON, the two that do are written
// here.
class SecretText {
 public:
  explicit SecretText(std::size_t capacity) : buffer_(capacity) {}
  void raw(std::string_view text) {
    if (text.size() > buffer_.size() - size_) std::abort();  // the capacity is computed from what is written
    std::copy(text.begin(), text.end(), buffer_.writable().data() + size_);
    size_ += text.size();
  }
  void quoted(std::string_view text) {
    static constexpr std::string_view kHex = "0123456789abcdef";
    raw("\"");
    for (const char c : text) {
      if (c == '"' || c == '\\') {
        const char escaped[] = {'\\', c};
        raw({escaped, 2});
      } else if (static_cast<unsigned char>(c) < 0x20) {
        const char escaped[] = {'\\',          'u', '0', '0', kHex[static_cast<unsigned char>(c) >> 4],
                                kHex[c & 0x0f]};
        raw({escaped, 6});
      } else {
        raw({&c, 1});
      }
    }
    raw("\"");
  }
  base::Secret take() const { return base::Secret(buffer_.expose().first(size_)); }

 private:
  base::Secret buffer_;
  std::size_t size_ = 0;
};

json::object address_json(const Destination& to) {
  switch (to.medium) {
    case Medium::sms:
      return {{"mobile", to.address}};
    case Medium::email:
      return {{"email", to.address}};
    case Medium::pec:
      return {{"pec", to.address}};
    case Medium::post:
      return {{"postal",
               {{"name", to.postal->name},
                {"street", to.postal->street},
                {"postcode", to.postal->postcode},
                {"city", to.postal->city},
                {"province", to.postal->province},
                {"country", to.postal->country}}}};
    case Medium::voice:
    case Medium::counter:
      return {};
  }
  std::abort();
}

base::Secret plaintext(const Context& context, const Parcel& parcel, const Id& id, base::Instant now) {
  const bool link = parcel.kind == MessageKind::recovery_link || parcel.kind == MessageKind::revocation_link;
  json::object open{{"delivery_id", to_text(id)},          {"kind", name(parcel.kind)},
                    {"to", address_json(parcel.to)},       {"subject_hint", parcel.subject_hint},
                    {"created_at", base::to_rfc3339(now)}, {"expires_at", base::to_rfc3339(parcel.expires)}};
  if (link)
    open[parcel.kind == MessageKind::recovery_link ? "recovery_id" : "revocation_id"] = parcel.reference;
  const MessageValues values{parcel.secret,    to_text(id),    parcel.subject_hint,
                             parcel.reference, parcel.expires, parcel.event};
  const auto text = context.messages.render(parcel.kind, parcel.to.medium, context.policy().language, values);
  std::string head = json::serialize(open);
  head.pop_back();  // the closing brace: the secret members follow
  SecretText out(head.size() + 6 * (text.size() + (parcel.secret != nullptr ? parcel.secret->size() : 0)) +
                 64);
  out.raw(head);
  if (parcel.secret != nullptr) {
    out.raw(link ? ",\"token\":" : ",\"pin\":");
    out.quoted(parcel.secret->expose_text());
  }
  out.raw(",\"text\":");
  out.quoted(text.expose_text());
  out.raw("}");
  return out.take();
}

std::optional<std::string> seal_for(const Channel& channel, const base::Secret& plain) {
  const auto key = base::EcPublicKey::from_jwk(channel.delivery_jwk);
  if (!key) return std::nullopt;
  return base::seal_jwe(*key, key->kid(), plain);
}

bool has_key(const Channel& courier, const std::string& kid) {
  const auto is = [&kid](const std::string& jwk) {
    const auto key = base::EcPublicKey::from_jwk(jwk);
    return key && key->kid() == kid;
  };
  return is(courier.delivery_jwk) || std::ranges::any_of(courier.former_delivery, is);
}

}  // namespace

std::string Destination::masked() const {
  switch (medium) {
    case Medium::sms:
      return masked_number(address);
    case Medium::email:
    case Medium::pec:
      return masked_mail(address);
    case Medium::post:
      return masked_postal(*postal);
    case Medium::voice:
    case Medium::counter:
      return std::string(name(medium));
  }
  std::abort();
}

std::optional<Destination> destination(Medium medium, const Contacts& contacts) {
  const auto of = [medium](const std::optional<std::string>& address) -> std::optional<Destination> {
    if (!address) return std::nullopt;
    return Destination{medium, *address, std::nullopt};
  };
  switch (medium) {
    case Medium::sms:
      return of(contacts.mobile);
    case Medium::email:
      return of(contacts.email);
    case Medium::pec:
      return of(contacts.pec);
    case Medium::post:
      if (!contacts.postal) return std::nullopt;
      return Destination{medium, {}, contacts.postal};
    case Medium::voice:
    case Medium::counter:
      return Destination{medium, {}, std::nullopt};
  }
  std::abort();
}

Contacts plain(const RegisteredContacts& contacts) {
  const auto value = [](const auto& registered) {
    return registered ? std::optional<std::string>(registered->value) : std::nullopt;
  };
  return {value(contacts.mobile), value(contacts.email), value(contacts.pec), value(contacts.phone),
          contacts.postal ? std::optional<PostalAddress>(contacts.postal->value) : std::nullopt};
}

SubjectIndex outbox_turn(Medium medium) {
  SubjectIndex id;
  id.fill(0xff);
  id.back() = static_cast<base::Byte>(medium);
  return id;
}

bool is_open(DeliveryState state) {
  return state == DeliveryState::queued || state == DeliveryState::leased;
}

ChannelPtr recipient(const std::vector<ChannelPtr>& couriers, const DeliveryRecord& record) {
  const auto only = [&couriers](const auto& is) {
    ChannelPtr found;
    for (const auto& one : couriers) {
      if (!is(*one)) continue;
      if (found) return ChannelPtr();
      found = one;
    }
    return found;
  };
  if (const auto& label = record.courier.value; !label.empty())
    return only([&](const Channel& one) { return one.label() == label; });
  const auto kid = base::jwe_kid(record.sealed).value_or("");
  if (auto found = only([&](const Channel& one) { return has_key(one, kid); })) return found;
  return only([](const Channel& one) { return one.outbox == 0; });
}

std::variant<Refusal, Id> post(const Context& context, sealed_store::Changes& changes, const Parcel& parcel,
                               base::Instant now) {
  const auto courier = context.channels.courier(parcel.to.medium);
  if (!courier) return Refusal::delivery_not_possible;
  const Id id = random_id();
  auto sealed = seal_for(*courier, plaintext(context, parcel, id, now));
  if (!sealed) return Refusal::delivery_not_possible;
  const DeliveryRecord record{parcel.subject, parcel.to.medium,   DeliveryState::queued, 0, now, {},
                              parcel.expires, std::move(*sealed), {courier->label()}};
  changes.puts.push_back(context.put(Table::delivery, id, record, outbox_of(*courier), now));
  return id;
}

void end_delivery(const Context& context, sealed_store::Changes& changes, const Id& id, DeliveryRecord record,
                  DeliveryState state, base::Instant now) {
  record.state = state;
  record.sealed.clear();
  changes.puts.push_back(context.put(Table::delivery, id, record, Queue::delivery, now + kOutcomeKept));
}

bool give_up(const Context& context, sealed_store::Changes& changes, const Id& id,
             const DeliveryRecord& record, const ChannelPtr& courier, base::Instant now,
             Figures::Deliveries& ended) {
  const bool expired = now >= record.expires;
  const bool spent = record.attempts >= context.policy().delivery.attempts;  // and its last lease has ended
  const bool lost = courier && courier->status == ChannelStatus::revoked;
  if (!expired && !spent && !lost) return false;
  if (record.state == DeliveryState::leased) ++ended.lapsed;
  ++(expired ? ended.expired : ended.failed);
  auto event = own_event(EventKind::delivery_given_up, now);
  event.outcome = static_cast<std::uint16_t>(expired ? EventOutcome::expired : EventOutcome::failed);
  event.subject = record.subject;
  event.reference = to_text(id);
  changes.events.push_back(std::move(event));
  end_delivery(context, changes, id, record, expired ? DeliveryState::expired : DeliveryState::failed, now);
  return true;
}

std::variant<Refusal, Handed> hand_over(const Context& context, const Channel& desk, const Parcel& parcel,
                                        base::Instant now) {
  const Id id = random_id();
  auto sealed = seal_for(desk, plaintext(context, parcel, id, now));
  if (!sealed) return Refusal::delivery_not_possible;
  return Handed{id, std::move(*sealed)};
}

}  // namespace sigillo::appliance
