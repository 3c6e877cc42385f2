"""Requests at the three doors, halves made anew, and what a request may not be."""

import pytest
from harness.appliance import DOCUMENT
from harness.citizen import company_code, fiscal_code, wrong_check_character

EVIDENCE = {"document": DOCUMENT}


def at_portal(appliance, citizen, contacts, status, code=None, **more):
    body = {"subject": citizen.subject, "contacts": contacts} | more
    answer = appliance.portal.post("/v1/credentials", body, status=status)
    assert code is None or answer.code == code, answer
    return answer


@pytest.mark.parametrize("medium, contact", [("sms", "mobile"), ("email", "email"), ("pec", "pec")])
def test_the_first_half_goes_as_the_citizen_chooses(appliance, someone, medium, contact):
    issued = appliance.request(someone, first_half_by=medium)
    assert [(d["half"], d["medium"]) for d in issued["deliveries"]] == [("first", medium), ("second", "post")]
    first = appliance.delivery(medium, issued["deliveries"][0]["delivery_id"])
    assert first["kind"] == "pin.first-half" and getattr(someone, contact) in str(first["to"])
    second = appliance.delivery("post", issued["deliveries"][1]["delivery_id"])
    assert second["kind"] == "pin.second-half" and someone.postal["street"] in str(second["to"])
    assert first["pin"] in first["text"] and second["pin"] in second["text"] and first["pin"] != second["pin"]


@pytest.mark.parametrize("present, medium", [(("mobile", "email", "pec"), "sms"), (("email", "pec"), "email"), (("pec",), "pec")])
def test_without_a_choice_the_first_present_of_mobile_email_pec_is_taken(appliance, someone, present, medium):
    contacts = {"postal": someone.postal} | {name: getattr(someone, name) for name in present}
    assert at_portal(appliance, someone, contacts, 201)["deliveries"][0]["medium"] == medium


def test_the_contact_centre_speaks_the_second_half(appliance, someone):
    body = {"subject": someone.subject, "contacts": someone.contacts, "operator": "op-117"}
    issued = appliance.contact_centre.post("/v1/credentials", body, status=201)
    assert [(d["half"], d["medium"]) for d in issued["deliveries"]] == [("first", "post"), ("second", "voice")]
    assert issued["level"] == "ordinary" and "sealed" in issued["deliveries"][1] and "sealed" not in issued["deliveries"][0]
    appliance.halves(someone, issued)
    appliance.activate(someone)


def test_a_branch_hands_over_the_whole_pin_dispositive_from_the_start(appliance, someone):
    body = {"subject": someone.subject, "contacts": someone.contacts, "operator": "op-301", "evidence": EVIDENCE}
    issued = appliance.branch.post("/v1/credentials", body, status=201)
    assert [(d["half"], d["medium"]) for d in issued["deliveries"]] == [("whole", "counter")]
    assert issued["level"] == "dispositive"
    text = appliance.open("branch", issued["deliveries"][0]["sealed"])
    assert text["kind"] == "pin.whole"
    appliance.halves(someone, issued)
    for half in (someone.first, someone.second):  # a counter PIN has no first half
        assert appliance.portal.verify(someone.subject, half).outcome == "rejected"
    assert appliance.portal.verify(someone.subject, someone.whole)["presented"] == "provisional"
    appliance.activate(someone)
    assert "claims.submit" in appliance.portal.verify(someone.subject, someone.pin)["scopes"]


def test_one_live_credential_at_a_time(appliance, someone):
    appliance.request(someone)
    body = {"subject": someone.subject, "contacts": someone.contacts}
    appliance.portal.refused("/v1/credentials", body, 409, "credential-exists")
    appliance.contact_centre.refused("/v1/credentials", body | {"operator": "op-117"}, 409, "credential-exists")
    appliance.activate(appliance_halves_of_queue(appliance, someone))
    appliance.portal.refused("/v1/credentials", body, 409, "credential-exists")


def appliance_halves_of_queue(appliance, citizen):
    """The halves of a request whose answer was not kept, found by their addresses, as a courier finds them."""
    first = appliance.delivery("sms", lambda t: citizen.mobile in str(t["to"]) and t["kind"] == "pin.first-half")
    second = appliance.delivery("post", lambda t: citizen.postal["street"] in str(t["to"]) and t["kind"] == "pin.second-half")
    citizen.first, citizen.second = first["pin"].replace("-", ""), second["pin"].replace("-", "")
    return citizen


def test_subjects_are_written_in_either_case_and_omocodia_counts(appliance, town):
    citizen = town.citizen(fiscal_code(town.rng, omocodia=True))
    appliance.active(citizen)
    assert appliance.portal.verify(citizen.subject, citizen.pin).outcome == "verified"


def test_a_legal_person_may_name_a_representative(appliance, town):
    company, person = town.citizen(company_code(town.rng)), town.citizen()
    contacts = company.contacts
    issued = at_portal(appliance, company, contacts, 201, representative=person.subject)
    appliance.activate(appliance.halves(company, issued))
    other = town.citizen(company_code(town.rng))
    at_portal(appliance, other, other.contacts, 422, representative=wrong_check_character(person.subject))


def test_a_codice_fiscale_that_is_not_one(appliance, someone):
    good = someone.subject
    bad_digit = "0074311015" + "8"
    for bad in (wrong_check_character(good), good[:15], good + "A", "", "1" * 16, bad_digit, "X" * 11, good[:8] + "Z" + good[9:],
                good[:9] + "00" + good[11:], good[:9] + "99" + good[11:], "RSSMRA85T10A562Ş"):
        body = {"subject": bad, "contacts": someone.contacts}
        appliance.portal.refused("/v1/credentials", body, 422, "invalid-subject")


def test_the_thirtieth_of_february_is_no_birthday(appliance, someone):
    from harness.citizen import check_character
    for day in ("30", "31", "70", "71"):
        first15 = "RSSMRA85B" + day + "A562"
        body = {"subject": first15 + check_character(first15), "contacts": someone.contacts}
        appliance.portal.refused("/v1/credentials", body, 422, "invalid-subject")


@pytest.mark.parametrize("name, value", [
    ("mobile", "3331234567"), ("mobile", "+39abc"), ("mobile", ""), ("mobile", "+3933312345671234567"),
    ("email", "nobody"), ("email", "@example.it"), ("email", "a b@example.it"), ("email", "a@example.it\r\nBcc: x@example.it"),
    ("pec", "pec.example.it"), ("email", "")])
def test_contacts_that_are_not_well_formed(appliance, someone, name, value):
    at_portal(appliance, someone, someone.contacts | {name: value}, 422, "invalid-contact")


@pytest.mark.parametrize("card", [{"number": "123", "expires": "2049-05-31"}, {"number": "8038000030001234567A", "expires": "2049-05-31"},
                                  {"number": "80380000300012345678", "expires": "2049-02-30"}, {"number": "80380000300012345678", "expires": "soon"}])
def test_health_cards_that_are_not_well_formed(appliance, someone, card):
    at_portal(appliance, someone, someone.contacts, 422, "invalid-health-card", health_card=card)


def test_a_half_with_no_address_or_both_the_same_way(appliance, someone):
    at_portal(appliance, someone, {"postal": someone.postal}, 422, "delivery-not-possible")
    at_portal(appliance, someone, {"mobile": someone.mobile}, 422, "delivery-not-possible")
    at_portal(appliance, someone, {"mobile": someone.mobile, "postal": someone.postal}, 422, "delivery-not-possible", first_half_by="pec")
    body = {"subject": someone.subject, "contacts": {"mobile": someone.mobile}, "operator": "op-117"}
    appliance.contact_centre.refused("/v1/credentials", body, 422, "delivery-not-possible")
    assert appliance.status(someone)["state"] == "none"


def test_operator_and_evidence_where_they_are_due(appliance, someone):
    body = {"subject": someone.subject, "contacts": someone.contacts}
    appliance.contact_centre.refused("/v1/credentials", body, 400, "invalid-request")
    appliance.branch.refused("/v1/credentials", body | {"operator": "op-301"}, 400, "invalid-request")
    appliance.branch.refused("/v1/credentials", body | {"evidence": EVIDENCE}, 400, "invalid-request")
    expired = {"document": DOCUMENT | {"expires": "2001-01-01"}}
    appliance.branch.refused("/v1/credentials", body | {"operator": "op-301", "evidence": expired}, 422, "invalid-evidence")


# Halves made anew

def remake(appliance, citizen, half, status, channel=None, **more):
    body = {"subject": citizen.subject, "half": half} | more
    return (channel or appliance.portal).post(f"/v1/credentials/{citizen.credential_id}/halves", body, status=status)


def test_a_lost_first_half_is_made_anew_and_the_old_one_is_dead(appliance, someone):
    appliance.provisional(someone)
    old = someone.first
    before = appliance.status(someone)["expires_at"]
    (item,) = remake(appliance, someone, "first", 202)["deliveries"]
    assert (item["half"], item["medium"]) == ("first", "sms")
    someone.first = appliance.delivery("sms", item["delivery_id"])["pin"].replace("-", "")
    assert someone.first != old
    assert appliance.portal.verify(someone.subject, old).outcome == "rejected"
    assert appliance.portal.verify(someone.subject, someone.first).outcome == "verified"
    assert appliance.status(someone)["expires_at"] == before
    appliance.activate(someone)


def test_a_half_made_anew_does_not_refill_the_guesses(appliance, town, someone):
    appliance.provisional(someone)
    assert appliance.remaining(someone, town) == 9
    remake(appliance, someone, "first", 202)
    assert appliance.remaining(someone, town) == 8


def test_electronic_halves_three_a_day_then_the_limit(appliance, someone):
    appliance.provisional(someone)
    for _ in range(3):
        remake(appliance, someone, "first", 202)
    assert remake(appliance, someone, "first", 429).code == "delivery-limit"


def test_the_letter_of_the_request_counts_so_the_next_waits_a_day(appliance, someone):
    appliance.provisional(someone)
    assert remake(appliance, someone, "second", 429).code == "delivery-limit"


def test_the_desk_speaks_the_second_half_again(appliance, someone):
    body = {"subject": someone.subject, "contacts": someone.contacts, "operator": "op-117"}
    appliance.halves(someone, appliance.contact_centre.post("/v1/credentials", body, status=201))
    old = someone.second
    (item,) = remake(appliance, someone, "second", 202, appliance.contact_centre, operator="op-117")["deliveries"]
    assert item["medium"] == "voice"
    someone.second = appliance.open("contact-centre", item["sealed"])["pin"].replace("-", "")
    assert someone.second != old
    appliance.activate(someone)


def test_an_active_credential_has_no_halves(appliance, someone):
    appliance.active(someone)
    assert remake(appliance, someone, "first", 409).code == "not-provisional"


def test_halves_of_somebody_else_s_credential(appliance, town, someone):
    appliance.provisional(someone)
    body = {"subject": town.citizen().subject, "half": "first"}
    answer = appliance.portal.post(f"/v1/credentials/{someone.credential_id}/halves", body, status=(404, 409))
    assert answer.code in ("not-found", "not-provisional")
    appliance.portal.post("/v1/credentials/nothing-there/halves", {"subject": someone.subject, "half": "first"}, status=(404, 409))
    appliance.activate(someone)  # nothing was made anew
