// The members that carry a meaning: each is read once here, whichever operation it stands in.
#include <base/jwe.hpp>

#include "input.hpp"

namespace sigillo::api {

std::optional<appliance::Subject> Fields::subject(std::string_view member, Presence presence) {
  const auto raw = raw_text(member, presence);
  if (!raw) return {};
  auto parsed = appliance::Subject::parse(*raw);
  if (!parsed) faults_.add_value(Code::invalid_subject, at(member));
  return parsed;
}

std::optional<appliance::Pin> Fields::pin() {
  const auto raw = raw_text("pin", required);
  if (!raw) return {};
  auto parsed = appliance::Pin::parse(base::view(*raw));
  if (!parsed) faults_.add_value(Code::invalid_pin_format, at("pin"));
  return parsed;
}

std::optional<std::string> Fields::operator_name(Presence presence) {
  const auto raw = raw_text("operator", presence);
  if (!raw) return {};
  auto parsed = appliance::parse_operator(*raw);
  if (!parsed)
    faults_.add_structure(at("operator"),
                          "An operator's name is 1 to 64 bytes: letters with or without accents (composed), "
                          "digits, signs, single blanks.");
  return parsed;
}

std::optional<std::string> Fields::reply_key() {
  Fields jwk = object("reply_key", optional);
  if (!jwk.given()) return {};
  // A private key that comes here has been disclosed: its owner must learn that, not have it overlooked.
  if (jwk.has("d")) faults_.add_structure(jwk.at("d"), "Send the public key alone, and replace this one.");
  std::string canonical = "{";
  for (const std::string_view member : {"crv", "kty", "x", "y"}) {
    const auto part = jwk.raw_text(member, required);
    // base64url and the two names need no escaping; anything else is no such key.
    if (!part || part->size() > 64 || !std::all_of(part->begin(), part->end(), [](char c) {
          return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
        })) {
      faults_.add_structure(jwk.at(member), "This is no EC P-256 public key.");
      return {};
    }
    canonical.append(canonical.size() > 1 ? ",\"" : "\"")
        .append(member)
        .append("\":\"")
        .append(*part)
        .append("\"");
  }
  canonical += '}';
  const auto key = base::EcPublicKey::from_jwk(canonical);
  if (!key) {
    faults_.add_structure(at("reply_key"), "This is no EC P-256 public key.");
    return {};
  }
  return key->to_jwk({});
}

std::optional<appliance::PostalAddress> Fields::postal() {
  Fields in = object("postal", optional);
  if (!in.given()) return {};
  appliance::PostalAddress out;
  const auto read = [&](std::string_view member, std::string& into, Presence presence) {
    if (const auto raw = in.raw_text(member, presence)) into = *raw;
  };
  read("name", out.name, required);
  read("street", out.street, required);
  read("postcode", out.postcode, required);
  read("city", out.city, required);
  read("province", out.province,
       optional);  // not every country has one; Italy's is asked for by valid_postal
  read("country", out.country, required);
  in.close();
  if (!appliance::valid_postal(out)) faults_.add_value(Code::invalid_contact, at("postal"));
  return out;
}

appliance::Contacts Fields::contacts(std::string_view member, Presence presence, bool links_only) {
  Fields in = object(member, presence);
  appliance::Contacts out;
  if (!in.given()) return out;
  const auto read = [&](std::string_view name, auto parse, std::optional<std::string>& into) {
    const auto raw = in.raw_text(name, optional);
    if (!raw) return;
    into = parse(*raw);
    if (!into) faults_.add_value(Code::invalid_contact, in.at(name));
  };
  read("mobile", appliance::parse_e164, out.mobile);
  read("email", appliance::parse_mail, out.email);
  read("pec", appliance::parse_mail, out.pec);
  if (!links_only) {
    read("phone", appliance::parse_e164, out.phone);
    out.postal = in.postal();
  }
  in.close();
  return out;
}

std::optional<appliance::HealthCard> Fields::health_card(Presence presence) {
  Fields in = object("health_card", presence);
  if (!in.given()) return {};
  const auto number = in.raw_text("number", required);
  const auto expires = in.raw_text("expires", required);
  in.close();
  if (!number || !expires) return {};
  const auto date = appliance::Date::parse(*expires);
  if (!appliance::valid_health_card_number(*number))
    faults_.add_value(Code::invalid_health_card, in.at("number"));
  else if (!date)
    faults_.add_value(Code::invalid_health_card, in.at("expires"));
  else
    return appliance::HealthCard{std::string(*number), *date};
  return {};
}

std::optional<appliance::Evidence> Fields::evidence(Presence presence) {
  Fields in = object("evidence", presence);
  if (!in.given()) return {};
  auto out = in.evidence_members(false);
  in.close();
  return out;
}

std::optional<appliance::Evidence> Fields::evidence_members(bool complete) {
  using appliance::Route;
  const Presence whole = complete ? required : optional;
  appliance::Evidence out;
  if (const auto word = one_of("route", whole, {"upload", "fax", "in-person"})) {
    out.route = *word == "upload" ? Route::upload : *word == "fax" ? Route::fax : Route::in_person;
  }
  const auto digest = [&](Fields& from, std::string_view member,
                          Presence presence) -> std::optional<std::string> {
    const auto raw = from.raw_text(member, presence);
    if (!raw) return {};
    auto parsed = appliance::parse_sha256(*raw);
    if (!parsed) faults_.add_value(Code::invalid_evidence, from.at(member));
    return parsed;
  };
  out.form_sha256 = digest(*this, "form_sha256", whole);
  Fields document = object("document", required);
  if (!document.given()) return {};
  const auto type = document.raw_text("type", required);
  const auto number = document.raw_text("number", required);
  const auto expires = document.raw_text("expires", required);
  out.document.sha256 = digest(document, "sha256", whole);
  document.close();
  if (!type || !number || !expires) return {};
  const auto date = appliance::Date::parse(*expires);
  if (!date) {
    faults_.add_value(Code::invalid_evidence, document.at("expires"));
    return {};
  }
  out.document.type = *type;
  out.document.number = *number;
  out.document.expires = *date;
  if (!appliance::valid_document(out.document)) faults_.add_value(Code::invalid_evidence, at("document"));
  return out;
}

}  // namespace sigillo::api
