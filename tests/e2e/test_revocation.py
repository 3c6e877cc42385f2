"""Ending a credential: by health card and link, at a branch; blocking it; and what comes after."""

import pytest
from harness.appliance import DOCUMENT

SETTINGS = {"policy.guess.delay_from": 11}
OTHER_ADDRESS = {"name": "Ladro", "street": "Via Altrove 9", "postcode": "20121", "city": "Milano", "province": "MI", "country": "IT"}


def ask(appliance, citizen, status=202, contact=None, **card):
    body = {"subject": citizen.subject, "health_card": citizen.health_card | card, "contact": contact or {"email": citizen.email}}
    return appliance.portal.post("/v1/revocations", body, status=status)


def confirm(appliance, opened, token):
    return appliance.portal.post(f"/v1/revocations/{opened['revocation_id']}/confirmation", {"token": token}, status=200)


def revoke(appliance, citizen, contact=None):
    opened = ask(appliance, citizen, contact=contact)
    _, link = appliance.link(opened["revocation_id"])
    assert link["kind"] == "link.revocation"
    assert confirm(appliance, opened, link["token"]).json == {"outcome": "verified", "state": "revoked"}
    return link


def at_desk(appliance, path, citizen, status=200, role="branch", reason="lost"):
    return appliance.shared(role).post(path, {"subject": citizen.subject, "operator": "op-301", "reason": reason}, status=status)


def other_card(citizen):
    return citizen.health_card["number"][:-1] + ("1" if citizen.health_card["number"][-1] == "0" else "0")


@pytest.mark.parametrize("active", [False, True])
def test_by_health_card_and_a_link_to_the_contact_given(appliance, town, someone, active):
    (appliance.active if active else appliance.provisional)(someone)
    elsewhere = town.citizen()
    link = revoke(appliance, someone, {"pec": elsewhere.pec})
    assert elsewhere.pec in str(link["to"])
    assert appliance.portal.verify(someone.subject, someone.pin or someone.whole).outcome == "rejected"
    assert appliance.status(someone)["state"] == "revoked"


def test_until_the_link_is_confirmed_nothing_changes(appliance, someone):
    appliance.active(someone)
    ask(appliance, someone)
    assert appliance.portal.verify(someone.subject, someone.pin).outcome == "verified"


def test_a_wrong_card_has_a_counter_of_its_own(appliance, town, someone):
    appliance.active(someone)
    assert ask(appliance, someone, 200, number=other_card(someone)).json == {"outcome": "rejected", "attempts_remaining": 9}
    assert ask(appliance, someone, 200, expires="2048-05-31")["attempts_remaining"] == 8
    assert appliance.remaining(someone, town) == 9
    ask(appliance, someone)  # a match ends it
    for left in range(9, -1, -1):
        assert ask(appliance, someone, 200, number=other_card(someone))["attempts_remaining"] == left
    assert ask(appliance, someone, 200).json == {"outcome": "locked", "attempts_remaining": 0}
    assert appliance.portal.verify(someone.subject, someone.pin).outcome == "verified"


def test_without_a_registered_card_it_takes_a_branch(appliance, someone):
    appliance.portal.post("/v1/credentials", {"subject": someone.subject, "contacts": someone.contacts}, status=201)
    assert ask(appliance, someone, 200).outcome == "rejected"


def test_the_revocation_link_dies_at_its_fifth_wrong_token(appliance, town, someone):
    appliance.active(someone)
    opened = ask(appliance, someone)
    _, link = appliance.link(opened["revocation_id"])
    for _ in range(5):
        assert confirm(appliance, opened, town.token()).outcome == "rejected"
    assert confirm(appliance, opened, link["token"]).outcome == "rejected"
    assert appliance.portal.verify(someone.subject, someone.pin).outcome == "verified"


def test_a_revocation_link_confirms_no_recovery(appliance, someone):
    appliance.active(someone)
    opened = ask(appliance, someone)
    _, link = appliance.link(opened["revocation_id"])
    answer = appliance.portal.post(f"/v1/recoveries/{opened['revocation_id']}/confirmation", {"token": link["token"]}, status=(200, 404))
    assert answer.status == 404 or answer.outcome == "rejected"
    assert confirm(appliance, opened, link["token"]).outcome == "verified"


def test_afterwards_the_portal_wants_the_registered_address(appliance, someone):
    appliance.active(someone)
    revoke(appliance, someone)
    body = {"subject": someone.subject, "contacts": someone.contacts | {"postal": OTHER_ADDRESS}, "health_card": someone.health_card}
    appliance.portal.refused("/v1/credentials", body, 409, "branch-required")
    appliance.active(someone)
    assert appliance.portal.verify(someone.subject, someone.pin).outcome == "verified"


def test_afterwards_a_branch_takes_another_address(appliance, someone):
    appliance.active(someone)
    revoke(appliance, someone)
    appliance.at_branch(someone, contacts=someone.contacts | {"postal": OTHER_ADDRESS})
    appliance.activate(someone)


def test_a_request_after_revocation_starts_at_zero_and_ends_the_lock(appliance, town, someone):
    appliance.active(someone)
    for _ in range(10):
        appliance.remaining(someone, town)
    revoke(appliance, someone)
    assert appliance.portal.verify(someone.subject, town.pin()).outcome == "locked"
    appliance.provisional(someone)
    assert appliance.remaining(someone, town) == 9


def test_at_a_branch_it_is_immediate(appliance, someone):
    appliance.active(someone)
    assert at_desk(appliance, "/v1/revocations", someone, reason="deceased").json == {"state": "revoked"}
    assert appliance.portal.verify(someone.subject, someone.pin).outcome == "rejected"
    assert at_desk(appliance, "/v1/revocations", someone, 409).code == "no-credential"


def test_nobody_to_revoke_or_block(appliance, someone):
    assert at_desk(appliance, "/v1/revocations", someone, 409).code == "no-credential"
    assert at_desk(appliance, "/v1/blocks", someone, 409).code == "no-credential"
    assert at_desk(appliance, "/v1/blocks", someone, 409, role="contact-centre").code == "no-credential"


# Block

def blocked(appliance, citizen):
    appliance.active(citizen)
    assert at_desk(appliance, "/v1/blocks", citizen, role="contact-centre").json == {"state": "blocked"}
    return citizen


def test_a_block_stops_the_pin_at_once_and_says_nothing(appliance, someone):
    blocked(appliance, someone)
    answer = appliance.portal.verify(someone.subject, someone.pin)
    assert set(answer.json) == {"outcome", "attempts_remaining"} and answer.outcome == "rejected"
    assert appliance.status(someone)["state"] == "blocked"


def test_a_block_does_not_refill_the_guesses(appliance, town, someone):
    appliance.active(someone)
    assert [appliance.remaining(someone, town) for _ in range(2)] == [9, 8]
    at_desk(appliance, "/v1/blocks", someone)
    assert appliance.remaining(someone, town) == 7


def test_a_blocked_credential_is_live_and_not_revoked_at_the_portal(appliance, someone):
    blocked(appliance, someone)
    body = {"subject": someone.subject, "contacts": someone.contacts}
    appliance.portal.refused("/v1/credentials", body, 409, "credential-exists")
    assert ask(appliance, someone, 200).outcome == "rejected"
    assert appliance.status(someone)["state"] == "blocked"


def test_a_block_ends_by_recovery(appliance, someone):
    blocked(appliance, someone)
    opened = appliance.portal.post("/v1/recoveries", {"subject": someone.subject, "contacts": {"mobile": someone.mobile, "pec": someone.pec}}, status=202)
    _, link = appliance.link(opened["recovery_id"])
    issued = appliance.portal.post(f"/v1/recoveries/{opened['recovery_id']}/confirmation", {"token": link["token"]}, status=201)
    appliance.activate(appliance.halves(someone, issued))


def test_a_block_ends_at_a_branch(appliance, town, someone):
    blocked(appliance, someone)
    body = {"subject": someone.subject, "operator": "op-301", "evidence": {"document": DOCUMENT}}
    appliance.activate(appliance.halves(someone, appliance.branch.post("/v1/recoveries", body, status=201)))
    other = blocked(appliance, town.citizen())
    assert at_desk(appliance, "/v1/revocations", other).json == {"state": "revoked"}
