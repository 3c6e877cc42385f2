#include <api/render.hpp>

#include <utility>
#include <variant>

#include "json_writer.hpp"

namespace sigillo::api {
namespace {

using appliance::Rendered;

std::string_view word(appliance::Rejection::Outcome outcome) {
  switch (outcome) {
    case appliance::Rejection::Outcome::rejected:
      return "rejected";
    case appliance::Rejection::Outcome::delayed:
      return "delayed";
    case appliance::Rejection::Outcome::locked:
      return "locked";
  }
  return "";
}

void write_deliveries(JsonWriter& out, const std::vector<appliance::DeliveryView>& deliveries) {
  out.key("deliveries").begin_array();
  for (const auto& one : deliveries) {
    out.begin_object().member("delivery_id", one.delivery_id).member("half", appliance::name(one.half));
    out.member("medium", appliance::name(one.medium));
    if (!one.to.empty()) out.member("to", one.to);
    out.member_if("sealed", one.sealed).end_object();
  }
  out.end_array();
}

void write_contacts(JsonWriter& out, const appliance::ContactsNow& contacts) {
  out.begin_object().member_if("mobile", contacts.mobile).member_if("email", contacts.email);
  out.member_if("pec", contacts.pec)
      .member_if("phone", contacts.phone)
      .member_if("postal", contacts.postal)
      .end_object();
}

// One overload an answer: writes the members, gives the status.
struct Body {
  JsonWriter& out;

  std::uint16_t operator()(const appliance::Rejection& a) const {
    out.member("outcome", word(a.outcome)).key("attempts_remaining").number(a.attempts_remaining);
    if (a.retry_after_s) out.key("retry_after_s").number(*a.retry_after_s);
    return 200;
  }
  std::uint16_t operator()(const appliance::ExpiredPin&) const {
    out.member("outcome", "expired");
    return 200;
  }
  std::uint16_t operator()(const appliance::PinRequested& a) const {
    if (a.decided) out.member("outcome", "verified");
    out.member("credential_id", a.credential_id).member("state", appliance::name(a.state));
    out.member("level", appliance::name(a.level)).member("expires_at", a.expires_at);
    write_deliveries(out, a.deliveries);
    return 201;
  }
  std::uint16_t operator()(const appliance::HalfRemade& a) const {
    write_deliveries(out, a.deliveries);
    return 202;
  }
  std::uint16_t operator()(const appliance::Verified& a) const {
    out.member("outcome", "verified")
        .member("credential_id", a.credential_id)
        .member("state", appliance::name(a.state));
    out.member("level", appliance::name(a.level)).member("presented", appliance::name(a.presented));
    out.key("scopes").begin_array();
    for (const auto scope : a.scopes) out.text(appliance::name(scope));
    out.end_array().key("next");
    if (a.next_activate)
      out.text("activate");
    else
      out.null();
    out.member("expires_at", a.expires_at).member_if("receipt", a.receipt);
    return 200;
  }
  std::uint16_t operator()(const appliance::NewPin& a) const {
    out.member("outcome", "verified").member("credential_id", a.credential_id);
    out.member("level", appliance::name(a.level)).member("expires_at", a.expires_at);
    if (const auto* pin = std::get_if<appliance::Pin>(&a.pin))
      out.member("pin", base::text(pin->characters()));
    else
      out.member("sealed", std::get<std::string>(a.pin));
    return 201;
  }
  std::uint16_t operator()(const appliance::ConversionOpened& a) const {
    if (a.decided_on_pin) out.member("outcome", "verified");
    out.member("conversion_id", a.conversion_id).member("state", appliance::name(a.state));
    return 201;
  }
  std::uint16_t operator()(const appliance::ConversionView& a) const {
    out.member("conversion_id", a.conversion_id)
        .member("state", appliance::name(a.state))
        .key("deferred")
        .begin_array();
    for (const auto& claim : a.deferred) {
      out.begin_object().member("authorization_id", claim.authorization_id).member("type", claim.type);
      out.member("reference", claim.reference).member("sha256", claim.sha256);
      out.member("effective_at", claim.effective_at).end_object();
    }
    out.end_array();
    return 200;
  }
  std::uint16_t operator()(const appliance::Authorization& a) const {
    out.member("outcome", "verified").member("authorization_id", a.authorization_id);
    out.member("decision", appliance::name(a.decision)).member("effective_at", a.effective_at);
    out.member("receipt", a.receipt);
    return a.created ? 201 : 200;
  }
  std::uint16_t operator()(const appliance::LinkSent& a) const {
    out.member("outcome", "link-sent").member(a.recovery ? "recovery_id" : "revocation_id", a.id);
    return 202;
  }
  std::uint16_t operator()(const appliance::NotEligible&) const {
    out.member("outcome", "not-eligible").member("reason", "never-accessed");
    return 200;
  }
  std::uint16_t operator()(const appliance::RevokedNow& a) const {
    if (a.by_link) out.member("outcome", "verified");
    out.member("state", appliance::name(appliance::State::revoked));
    return 200;
  }
  std::uint16_t operator()(const appliance::BlockedNow&) const {
    out.member("state", appliance::name(appliance::State::blocked));
    return 200;
  }
  std::uint16_t operator()(const appliance::ContactsNow& a) const {
    if (a.decided) out.member("outcome", "verified");
    out.key("contacts");
    write_contacts(out, a);
    return 200;
  }
  std::uint16_t operator()(const appliance::StatusView& a) const {
    out.key("credential_id");
    if (a.credential_id)
      out.text(*a.credential_id);
    else
      out.null();
    out.member("state", appliance::name(a.state)).key("level");
    if (a.level)
      out.text(appliance::name(*a.level));
    else
      out.null();
    out.key("locked").truth(a.locked).member_or_null("delayed_until", a.delayed_until);
    out.member_or_null("issued_at", a.issued_at).member_or_null("first_access_at", a.first_access_at);
    out.member_or_null("expires_at", a.expires_at).key("contacts");
    write_contacts(out, a.contacts);
    out.key("deliveries").begin_array();
    for (const auto& one : a.deliveries) {
      out.begin_object()
          .member("half", appliance::name(one.half))
          .member("medium", appliance::name(one.medium));
      out.member("state", appliance::name(one.state)).end_object();
    }
    out.end_array();
    return 200;
  }
  std::uint16_t operator()(const appliance::Leases& a) const {
    out.key("deliveries").begin_array();
    for (const auto& one : a.deliveries) {
      out.begin_object()
          .member("delivery_id", one.delivery_id)
          .member("lease_expires_at", one.lease_expires_at);
      out.key("attempt").number(one.attempt).member("sealed", one.sealed).end_object();
    }
    out.end_array();
    return 200;
  }
  std::uint16_t operator()(const appliance::AckResults& a) const {
    out.key("results").begin_array();
    for (const auto& one : a.results) {
      out.begin_object().member("delivery_id", one.delivery_id);
      out.member("result", one.recorded ? "recorded" : "unknown").end_object();
    }
    out.end_array();
    return 200;
  }
  std::uint16_t operator()(const appliance::LedgerPage& a) const {
    out.key("entries").begin_array();
    for (const auto& entry : a.entries) out.raw(entry);
    out.end_array().key("next_after").number(a.next_after);
    return 200;
  }
  // These are not an object with members: render() answers them before it opens one.
  std::uint16_t operator()(const appliance::Refusal&) const { return 500; }
  std::uint16_t operator()(const appliance::KeySet&) const { return 500; }
  std::uint16_t operator()(const appliance::Checkpoint&) const { return 500; }
  std::uint16_t operator()(const appliance::DoorRefusal&) const { return 500; }
};

}  // namespace

Rendered render(const appliance::Answer& answer, std::string_view request_id) {
  if (const auto* refusal = std::get_if<appliance::Refusal>(&answer)) {
    Problem problem{.code = code_of(*refusal), .pointer = {}};
    if (*refusal == appliance::Refusal::deferred_limit)
      problem.detail = "So many of the subject's claims wait for its conversion.";
    return render(problem, request_id);
  }
  if (const auto* keys = std::get_if<appliance::KeySet>(&answer)) return {200, keys->jwks};
  if (const auto* note = std::get_if<appliance::Checkpoint>(&answer)) return {200, note->note};
  JsonWriter out;
  out.begin_object();
  const auto status = std::visit(Body{out}, answer);
  out.end_object();
  const auto* const made = std::get_if<appliance::NewPin>(&answer);
  const bool pin_in_clear = made != nullptr && std::holds_alternative<appliance::Pin>(made->pin);
  if (pin_in_clear) return {status, out.take_secret()};
  return {status, out.take_open()};
}

Rendered render(const Problem& problem, std::string_view request_id) {
  const CodeWords& said = words(problem.code);
  JsonWriter out;
  out.begin_object()
      .member("type", "urn:sigillo:problem:" + std::string(said.code))
      .member("title", said.title);
  out.key("status").number(said.status).member("code", said.code);
  out.member("detail", problem.detail.empty() ? said.detail : problem.detail)
      .member("request_id", request_id);
  out.member_if("pointer", problem.pointer).end_object();
  return {said.status, out.take_open(), std::string(request_id)};
}

Rendered render_whoami(const appliance::Channel& channel, base::Instant certificate_expires_at,
                       const appliance::Quotas& quotas) {
  JsonWriter out;
  out.begin_object().member("role", appliance::name(channel.role)).member("name", channel.name);
  out.member("certificate_expires_at", certificate_expires_at).key("quota");
  if (quotas.per_second == 0) {
    out.null();
  } else {
    out.begin_object()
        .key("per_second")
        .number(quotas.per_second)
        .key("burst")
        .number(quotas.burst)
        .end_object();
  }
  out.end_object();
  return {200, out.take_open()};
}

}  // namespace sigillo::api
