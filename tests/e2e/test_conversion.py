"""From ordinary to dispositive by four routes, under four eyes; and the claims that wait for it."""

import pytest
from harness.appliance import DOCUMENT

SETTINGS = {"policy.guess.delay_from": 11}


def open_conversion(appliance, citizen):
    answer = appliance.portal.post("/v1/conversions", {"subject": citizen.subject, "pin": citizen.pin}, status=201)
    assert (answer.outcome, answer["state"]) == ("verified", "awaiting-evidence")
    return "/v1/conversions/" + answer["conversion_id"]


def evidence(town, route, operator=None, **document):
    body = {"route": route, "form_sha256": town.sha256(), "document": DOCUMENT | {"sha256": town.sha256()} | document}
    return body | ({"operator": operator} if operator else {})


def level(appliance, citizen):
    return appliance.portal.verify(citizen.subject, citizen.pin)["level"]


def authorize(appliance, town, citizen):
    action = {"type": "claim.submit", "reference": "INPS.2031.000123", "sha256": town.sha256()}
    return appliance.portal.post("/v1/authorizations", {"subject": citizen.subject, "pin": citizen.pin, "action": action}, status=201)


def authorization(appliance, identifier):
    return appliance.portal.get(f"/v1/authorizations/{identifier}")


@pytest.mark.parametrize("route, registers, decides", [
    ("upload", "portal", "back-office"), ("upload", "portal", "branch"), ("fax", "back-office", "back-office"),
    ("fax", "back-office", "branch"), ("in-person", "branch", "back-office"), ("in-person", "branch", "branch")])
def test_three_routes_wait_for_a_decision(appliance, town, someone, route, registers, decides):
    appliance.active(someone)
    path = open_conversion(appliance, someone)
    assert appliance.portal.get(path)["state"] == "awaiting-evidence"
    operator = None if registers == "portal" else "op-1"
    answer = appliance.shared(registers).post(f"{path}/evidence", evidence(town, route, operator), status=200)
    assert answer["state"] == "in-review" and level(appliance, someone) == "ordinary"
    answer = appliance.shared(decides).post(f"{path}/decision", {"decision": "approve", "operator": "op-2"}, status=200)
    assert answer["state"] == "approved" and level(appliance, someone) == "dispositive"
    for reader in ("portal", "back-office", "branch"):
        assert appliance.shared(reader).get(path)["state"] == "approved"


def test_the_whole_of_it_at_a_branch(appliance, someone):
    appliance.active(someone)
    appliance.dispositive(someone)
    assert level(appliance, someone) == "dispositive"
    body = {"subject": someone.subject, "pin": someone.pin}
    appliance.portal.refused("/v1/conversions", body, 409, "already-dispositive")


def test_already_dispositive_is_told_only_to_who_has_the_pin(appliance, town, someone):
    appliance.active(someone)
    appliance.dispositive(someone)
    answer = appliance.portal.post("/v1/conversions", {"subject": someone.subject, "pin": town.pin()}, status=200)
    assert answer.outcome == "rejected"


def test_four_eyes_compares_names_ignoring_case_and_channel(appliance, town, someone):
    appliance.active(someone)
    path = open_conversion(appliance, someone)
    appliance.back_office.post(f"{path}/evidence", evidence(town, "fax", "Anna.Bianchi"), status=200)
    for channel, name in ((appliance.back_office, "Anna.Bianchi"), (appliance.back_office, "ANNA.BIANCHI"), (appliance.branch, "anna.bianchi")):
        for decision in ("approve", "reject"):
            channel.refused(f"{path}/decision", {"decision": decision, "operator": name}, 403, "four-eyes")
    assert level(appliance, someone) == "ordinary"
    appliance.back_office.post(f"{path}/evidence", evidence(town, "fax", "Niccolò D'Amico"), status=200)
    for name in ("Niccolò D'Amico", "NICCOLÒ D'AMICO"):
        appliance.branch.refused(f"{path}/decision", {"decision": "approve", "operator": name}, 403, "four-eyes")
    for name in ("Niccolò D'Amico ", "Niccolò  D'Amico", "Niccolo\u0300 D'Amico", "Niccolò\u200b D'Amico"):
        appliance.branch.refused(f"{path}/decision", {"decision": "approve", "operator": name}, 400, "invalid-request")
    appliance.branch.post(f"{path}/decision", {"decision": "approve", "operator": "carla.neri"}, status=200)
    appliance.branch.refused(f"{path}/decision", {"decision": "reject", "operator": "carla.neri"}, 409, "already-decided")
    assert level(appliance, someone) == "dispositive"


def test_a_rejected_conversion_changes_nothing(appliance, town, someone):
    appliance.active(someone)
    path = open_conversion(appliance, someone)
    appliance.portal.post(f"{path}/evidence", evidence(town, "upload"), status=200)
    answer = appliance.back_office.post(f"{path}/decision", {"decision": "reject", "operator": "op-2", "reason": "not legible"}, status=200)
    assert answer["state"] == "rejected" and level(appliance, someone) == "ordinary"
    appliance.back_office.refused(f"{path}/decision", {"decision": "approve", "operator": "op-3"}, 409, "already-decided")
    assert level(appliance, someone) == "ordinary"


def test_a_blocked_credential_is_not_converted(appliance, town, someone):
    """Else a thief who opened it with the PIN is given, by whoever approves, the level that a recovery keeps."""
    appliance.active(someone)
    path = open_conversion(appliance, someone)
    appliance.portal.post(f"{path}/evidence", evidence(town, "upload"), status=200)
    appliance.contact_centre.post("/v1/blocks", {"subject": someone.subject, "operator": "op-117", "reason": "lost"}, status=200)
    appliance.back_office.refused(f"{path}/decision", {"decision": "approve", "operator": "op-2"}, 409, "already-decided")
    assert appliance.status(someone)["level"] == "ordinary"
    for reader in ("portal", "back-office", "branch"):  # or they would follow it for ever
        assert appliance.shared(reader).get(path)["state"] == "rejected"


def test_a_branch_converts_no_live_credential_without_a_definitive_pin_and_says_so(appliance, someone):
    body = {"subject": someone.subject, "operator": "op-301", "evidence": {"document": DOCUMENT}}
    appliance.provisional(someone)
    told = appliance.branch.refused("/v1/conversions", body, 409, "no-credential")
    appliance.activate(someone)
    appliance.contact_centre.post("/v1/blocks", {"subject": someone.subject, "operator": "op-117", "reason": "lost"}, status=200)
    assert appliance.branch.refused("/v1/conversions", body, 409, "no-credential").json["title"] == told["title"]
    assert "no live" not in told["title"] and "definitive" in told["detail"]


def test_no_decision_without_evidence(appliance, someone):
    appliance.active(someone)
    path = open_conversion(appliance, someone)
    appliance.back_office.post(f"{path}/decision", {"decision": "approve", "operator": "op-2"}, status=(409, 422))
    assert level(appliance, someone) == "ordinary"


def test_evidence_that_cannot_be_accepted(appliance, town, someone):
    appliance.active(someone)
    path = open_conversion(appliance, someone)
    bad = [(appliance.portal, evidence(town, "upload", expires="2001-01-01")), (appliance.portal, evidence(town, "upload", expires="2049-02-30")),
           (appliance.portal, evidence(town, "upload") | {"form_sha256": "abc"}), (appliance.portal, evidence(town, "upload", sha256="g" * 64))]
    for channel, body in bad:
        channel.refused(f"{path}/evidence", body, 422, "invalid-evidence")
    for channel, body in ((appliance.portal, evidence(town, "fax")), (appliance.back_office, evidence(town, "upload", "op-1")),
                          (appliance.branch, evidence(town, "fax", "op-1")), (appliance.back_office, evidence(town, "fax"))):
        channel.post(f"{path}/evidence", body, status=(400, 422))  # another channel's route, or nobody's name under it
    assert appliance.portal.get(path)["state"] == "awaiting-evidence"


def test_no_such_conversion(appliance, town):
    for path in ("/v1/conversions/nothing-there", "/v1/conversions/" + "x" * 64, "/v1/conversions/" + "x" * 65):
        appliance.portal.refused(path, None, 404, "not-found", method="GET")
    appliance.portal.refused("/v1/conversions/nothing-there/evidence", evidence(town, "upload"), 404, "not-found")
    appliance.back_office.refused("/v1/conversions/nothing-there/decision", {"decision": "approve", "operator": "op-2"}, 404, "not-found")


# Authorizations

def test_an_ordinary_pin_defers_and_conversion_grants_with_the_date_it_was_made(appliance, town, someone):
    appliance.active(someone)
    made = [authorize(appliance, town, someone) for _ in range(2)]
    assert all(a["decision"] == "deferred" for a in made)
    before = [authorization(appliance, a["authorization_id"]) for a in made]
    assert [a["effective_at"] for a in before] == [a["effective_at"] for a in made]
    path = open_conversion(appliance, someone)
    appliance.portal.post(f"{path}/evidence", evidence(town, "upload"), status=200)
    assert authorization(appliance, made[0]["authorization_id"])["decision"] == "deferred"
    appliance.back_office.post(f"{path}/decision", {"decision": "approve", "operator": "op-2"}, status=200)
    for old in made:
        now = authorization(appliance, old["authorization_id"])
        assert (now["decision"], now["effective_at"]) == ("granted", old["effective_at"])


def test_two_hundred_claims_wait_for_one_conversion_and_no_more(appliance, town, someone):
    appliance.active(someone)
    made = [authorize(appliance, town, someone) for _ in range(200)]
    action = {"type": "claim.submit", "reference": "INPS.2031.000123", "sha256": town.sha256()}
    one_more = {"subject": someone.subject, "pin": someone.pin, "action": action}
    refused = appliance.portal.refused("/v1/authorizations", one_more, 429, "quota-exceeded", key="one more")
    again = appliance.portal.refused("/v1/authorizations", one_more, 429, "quota-exceeded", key="one more")
    assert refused.headers["Retry-After"] == again.headers["Retry-After"] == "86400"
    wrong = appliance.portal.post("/v1/authorizations", one_more | {"pin": town.pin(other_than=(someone.pin,))}, status=200)
    assert wrong.outcome == "rejected", "it is told to who has the PIN"
    path = open_conversion(appliance, someone)
    appliance.portal.post(f"{path}/evidence", evidence(town, "upload"), status=200)
    assert len(appliance.back_office.get(path)["deferred"]) == 200
    appliance.back_office.post(f"{path}/decision", {"decision": "approve", "operator": "op-2"}, status=200)
    assert {authorization(appliance, one["authorization_id"])["decision"] for one in made} == {"granted"}
    assert authorize(appliance, town, someone)["decision"] == "granted"


def test_who_registers_the_evidence_is_told_the_claims_that_wait_as_who_decides_is(appliance, town, someone):
    appliance.active(someone)
    made = authorize(appliance, town, someone)
    path = open_conversion(appliance, someone)
    for role, route, operator in (("portal", "upload", None), ("back-office", "fax", "op-1"), ("branch", "in-person", "op-1")):
        answer = appliance.shared(role).post(f"{path}/evidence", evidence(town, route, operator), status=200)
        assert [claim["authorization_id"] for claim in answer["deferred"]] == [made["authorization_id"]]
        assert answer.json == appliance.shared(role).get(path).json


def test_a_dispositive_pin_grants_at_once(appliance, town, someone):
    appliance.active(someone)
    appliance.dispositive(someone)
    made = authorize(appliance, town, someone)
    assert made["decision"] == "granted"
    assert authorization(appliance, made["authorization_id"])["effective_at"] == made["effective_at"]


def test_a_substitution_at_a_branch_grants_what_was_deferred(appliance, town, someone):
    appliance.active(someone)
    made = authorize(appliance, town, someone)
    body = {"subject": someone.subject, "operator": "op-301", "evidence": {"document": DOCUMENT}}
    appliance.branch.post("/v1/recoveries", body, status=201)
    now = authorization(appliance, made["authorization_id"])
    assert (now["decision"], now["effective_at"]) == ("granted", made["effective_at"])


@pytest.mark.parametrize("path", ["/v1/blocks", "/v1/revocations"])
def test_block_and_revocation_make_it_void(appliance, town, someone, path):
    appliance.active(someone)
    made = authorize(appliance, town, someone)
    appliance.branch.post(path, {"subject": someone.subject, "operator": "op-301", "reason": "lost"}, status=200)
    assert authorization(appliance, made["authorization_id"])["decision"] == "void"


def test_a_recovery_keeps_it(appliance, town, someone):
    appliance.active(someone)
    made = authorize(appliance, town, someone)
    body = {"subject": someone.subject, "contacts": {"mobile": someone.mobile, "email": someone.email}}
    opened = appliance.portal.post("/v1/recoveries", body, status=202)
    _, link = appliance.link(opened["recovery_id"])
    appliance.portal.post(f"/v1/recoveries/{opened['recovery_id']}/confirmation", {"token": link["token"]}, status=201)
    assert authorization(appliance, made["authorization_id"])["decision"] == "deferred"


def test_no_such_authorization(appliance):
    appliance.portal.refused("/v1/authorizations/nothing-there", None, 404, "not-found", method="GET")


@pytest.mark.parametrize("digest", ["", "abc", "g" * 64, "a" * 63, "a" * 65])
def test_an_action_needs_a_whole_digest(appliance, town, someone, digest):
    body = {"subject": someone.subject, "pin": town.pin(), "action": {"type": "claim.submit", "reference": "R", "sha256": digest}}
    appliance.portal.post("/v1/authorizations", body, status=(400, 422))
    assert appliance.remaining(someone, town) == 9  # nothing was charged
