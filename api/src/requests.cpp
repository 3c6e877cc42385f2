#include "requests.hpp"

#include <api/routes.hpp>

#include "input.hpp"

namespace sigillo::api {
namespace {

using enum appliance::Role;

constexpr std::size_t kReasonMax = 200;  // characters; an acknowledgement's reason has 64
constexpr std::size_t kActsMax = 100;

// Who speaks for a legal person is a natural one, and only a legal person needs somebody to; a legal person
// has no card.
void check_persons(Input& in, const std::optional<appliance::Subject>& subject,
                   const std::optional<appliance::Subject>& representative, bool has_card) {
  using Kind = appliance::Subject::Kind;
  if (!subject) return;
  if (representative &&
      (subject->kind() == Kind::natural_person || representative->kind() == Kind::legal_person)) {
    in.body.faults().add_value(Code::invalid_subject, in.body.at("representative"));
  }
  if (has_card && subject->kind() == Kind::legal_person) {
    in.body.faults().add_value(Code::invalid_health_card, in.body.at("health_card"));
  }
}

// A string that is no token is not a fault: it is a wrong token, and is answered as one.
std::optional<appliance::LinkToken> token(Input& in) {
  const auto raw = in.body.raw_text("token", required);
  return raw ? appliance::LinkToken::parse(base::view(*raw)) : std::nullopt;
}

}  // namespace

Parsed parse_request_pin(Input& in) {
  auto subject = in.body.subject("subject");
  auto contacts = in.body.contacts("contacts", in.from(branch) ? optional : required);
  auto card = in.body.health_card(optional);
  std::optional<appliance::Medium> first_half_by;
  std::optional<std::string> operator_name;
  std::optional<appliance::Evidence> evidence;
  if (in.from(portal)) {
    if (const auto word = in.body.one_of("first_half_by", optional, {"sms", "email", "pec"})) {
      using enum appliance::Medium;
      first_half_by = *word == "sms" ? sms : *word == "email" ? email : pec;
    }
  } else {
    operator_name = in.body.operator_name(required);
  }
  if (in.from(branch)) evidence = in.body.evidence(required);
  auto representative = in.body.subject("representative", optional);
  check_persons(in, subject, representative, card.has_value());
  if (!in.good()) return {};
  return appliance::RequestPin{
      std::move(*subject),      std::move(contacts), std::move(card),          first_half_by,
      std::move(operator_name), std::move(evidence), std::move(representative)};
}

Parsed parse_remake_half(Input& in) {
  auto subject = in.body.subject("subject");
  const auto half = in.body.one_of("half", required, {"first", "second"});
  auto operator_name = in.body.operator_name(optional);
  if (!in.good()) return {};
  return appliance::RemakeHalf{std::string(in.id), std::move(*subject),
                               *half == "first" ? appliance::Half::first : appliance::Half::second,
                               std::move(operator_name)};
}

Parsed parse_verify(Input& in) {
  auto subject = in.body.subject("subject");
  auto pin = in.body.pin();
  const bool receipt = in.body.flag("receipt").value_or(false);
  if (!in.good()) return {};
  return appliance::Verify{std::move(*subject), std::move(*pin), receipt};
}

Parsed parse_activate(Input& in) {
  auto subject = in.body.subject("subject");
  auto pin = in.body.pin();
  auto reply_key = in.body.reply_key();
  if (!in.good()) return {};
  return appliance::Activate{std::move(*subject), std::move(*pin), std::move(reply_key)};
}

Parsed parse_renew(Input& in) {
  auto subject = in.body.subject("subject");
  auto pin = in.body.pin();
  auto reply_key = in.body.reply_key();
  if (!in.good()) return {};
  return appliance::Renew{std::move(*subject), std::move(*pin), std::move(reply_key)};
}

Parsed parse_open_conversion(Input& in) {
  auto subject = in.body.subject("subject");
  std::optional<appliance::Pin> pin;
  std::optional<std::string> operator_name;
  std::optional<appliance::Evidence> evidence;
  if (in.from(portal)) {
    pin = in.body.pin();
  } else {
    operator_name = in.body.operator_name(required);
    evidence = in.body.evidence(required);
  }
  if (!in.good()) return {};
  return appliance::OpenConversion{std::move(*subject), std::move(pin), std::move(operator_name),
                                   std::move(evidence)};
}

Parsed parse_submit_evidence(Input& in) {
  using appliance::Route;
  auto evidence = in.body.evidence_members(true);
  std::optional<std::string> operator_name;
  if (!in.from(portal)) operator_name = in.body.operator_name(required);
  const Route own = in.from(portal) ? Route::upload : in.from(back_office) ? Route::fax : Route::in_person;
  if (evidence && evidence->route && *evidence->route != own) {
    in.body.faults().add_value(Code::invalid_evidence, in.body.at("route"));
  }
  if (!in.good()) return {};
  return appliance::SubmitEvidence{std::string(in.id), std::move(*evidence), std::move(operator_name)};
}

Parsed parse_decide_conversion(Input& in) {
  const auto decision = in.body.one_of("decision", required, {"approve", "reject"});
  auto operator_name = in.body.operator_name(required);
  auto reason = in.body.text("reason", optional, kReasonMax);
  if (!in.good()) return {};
  return appliance::DecideConversion{std::string(in.id), *decision == "approve", std::move(*operator_name),
                                     std::move(reason)};
}

Parsed parse_get_conversion(Input& in) {
  return appliance::GetConversion{std::string(in.id)};
}

Parsed parse_authorize(Input& in) {
  auto subject = in.body.subject("subject");
  auto pin = in.body.pin();
  Fields action = in.body.object("action", required);
  auto type = action.text("type", required, 64);
  auto reference = action.text("reference", required, 128);
  const auto sha256 = action.raw_text("sha256", required);
  auto digest = sha256 ? appliance::parse_sha256(*sha256) : std::nullopt;
  if (sha256 && !digest) in.body.faults().add_structure(action.at("sha256"), "This has to be 64 hex digits.");
  action.close();
  if (!in.good()) return {};
  return appliance::Authorize{
      std::move(*subject), std::move(*pin), {std::move(*type), std::move(*reference), std::move(*digest)}};
}

Parsed parse_get_authorization(Input& in) {
  return appliance::GetAuthorization{std::string(in.id)};
}

Parsed parse_recover(Input& in) {
  auto subject = in.body.subject("subject");
  const bool at_portal = in.from(portal);
  auto contacts = in.body.contacts("contacts", at_portal ? required : optional, at_portal);
  if (at_portal && in.body.has("contacts") &&
      contacts.mobile.has_value() + contacts.email.has_value() + contacts.pec.has_value() < 2) {
    in.body.faults().add_value(Code::two_contacts_required, in.body.at("contacts"));
  }
  std::optional<std::string> operator_name;
  std::optional<appliance::Evidence> evidence;
  if (!at_portal) {
    operator_name = in.body.operator_name(required);
    evidence = in.body.evidence(required);
  }
  if (!in.good()) return {};
  return appliance::Recover{std::move(*subject), std::move(contacts), std::move(operator_name),
                            std::move(evidence)};
}

Parsed parse_confirm_recovery(Input& in) {
  auto given = token(in);
  if (!in.good()) return {};
  return appliance::ConfirmRecovery{std::string(in.id), std::move(given)};
}

Parsed parse_revoke(Input& in) {
  auto subject = in.body.subject("subject");
  std::optional<appliance::HealthCard> card;
  appliance::Contacts contact;
  std::optional<std::string> operator_name, reason;
  if (in.from(portal)) {
    card = in.body.health_card(required);
    check_persons(in, subject, {}, card.has_value());
    Fields one = in.body.object("contact", required);
    const auto email = one.raw_text("email", optional);
    const auto pec = one.raw_text("pec", optional);
    one.close();
    if (one.given() && email.has_value() == pec.has_value()) {
      in.body.faults().add_structure(in.body.at("contact"), "Give either email or pec.");
    }
    if (email) contact.email = appliance::parse_mail(*email);
    if (pec) contact.pec = appliance::parse_mail(*pec);
    if (email && !contact.email) in.body.faults().add_value(Code::invalid_contact, one.at("email"));
    if (pec && !contact.pec) in.body.faults().add_value(Code::invalid_contact, one.at("pec"));
  } else {
    operator_name = in.body.operator_name(required);
    reason = in.body.text("reason", required, kReasonMax);
  }
  if (!in.good()) return {};
  return appliance::Revoke{std::move(*subject), std::move(card), std::move(contact), std::move(operator_name),
                           std::move(reason)};
}

Parsed parse_confirm_revocation(Input& in) {
  auto given = token(in);
  if (!in.good()) return {};
  return appliance::ConfirmRevocation{std::string(in.id), std::move(given)};
}

Parsed parse_block(Input& in) {
  auto subject = in.body.subject("subject");
  auto operator_name = in.body.operator_name(required);
  auto reason = in.body.text("reason", required, kReasonMax);
  if (!in.good()) return {};
  return appliance::Block{std::move(*subject), std::move(*operator_name), std::move(*reason)};
}

Parsed parse_change_contacts(Input& in) {
  auto subject = in.body.subject("subject");
  std::optional<appliance::Pin> pin;
  std::optional<std::string> operator_name;
  std::optional<appliance::Evidence> evidence;
  std::optional<appliance::HealthCard> card;
  if (in.from(portal))
    pin = in.body.pin();
  else
    operator_name = in.body.operator_name(required);
  if (in.from(branch)) evidence = in.body.evidence(required);
  const bool card_given = !in.from(contact_centre) && in.body.has("health_card");  // well formed or not
  if (card_given) card = in.body.health_card(optional);
  auto contacts = in.body.contacts("contacts", card_given ? optional : required);
  check_persons(in, subject, {}, card.has_value());
  if (!in.good()) return {};
  if (contacts.empty() && !card) {
    in.body.faults().add_structure(in.body.at("contacts"), "There is nothing to change.");
    return {};
  }
  return appliance::ChangeContacts{std::move(*subject), std::move(pin),      std::move(operator_name),
                                   std::move(evidence), std::move(contacts), std::move(card)};
}

Parsed parse_get_status(Input& in) {
  auto subject = in.body.subject("subject");
  auto operator_name = in.body.operator_name(optional);
  if (!in.good()) return {};
  return appliance::GetStatus{std::move(*subject), std::move(operator_name)};
}

Parsed parse_lease_deliveries(Input& in) {
  const auto max = in.body.number("max", 1, kActsMax);
  if (!in.good()) return {};
  return appliance::LeaseDeliveries{*max};
}

Parsed parse_ack_deliveries(Input& in) {
  appliance::AckDeliveries out;
  const auto* const acks = in.body.array("acks");
  if (acks != nullptr && (acks->empty() || acks->size() > kActsMax)) {
    in.body.faults().add_structure(in.body.at("acks"), "There have to be 1 to 100 acknowledgements.");
  } else if (acks != nullptr) {
    for (std::size_t i = 0; i < acks->size(); ++i) {
      const std::string place = in.body.at("acks") + '/' + std::to_string(i);
      const auto* const object = (*acks)[i].if_object();
      if (object == nullptr) in.body.faults().add_structure(place, "This has to be an object.");
      Fields ack(object, place, in.body.faults());
      const auto id = ack.raw_text("delivery_id", required);
      const auto status = ack.one_of("status", required, {"delivered", "failed"});
      auto reason = ack.remark("reason", 64);  // a gateway's answer of two lines refuses no batch
      ack.close();
      if (id && !is_identifier(*id))
        in.body.faults().add_structure(ack.at("delivery_id"), "This is no identifier.");
      if (id && status) out.acks.push_back({std::string(*id), *status == "delivered", std::move(reason)});
    }
  }
  if (!in.good()) return {};
  return out;
}

Parsed parse_get_keys(Input&) {
  return appliance::GetKeys{};
}

Parsed parse_get_checkpoint(Input&) {
  return appliance::GetCheckpoint{};
}

}  // namespace sigillo::api
