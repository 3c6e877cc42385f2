"""Whether a citizen exists cannot be told: who is unknown, blocked, revoked or just mistaken gets the same answers."""

import pytest

SETTINGS = {"policy.guess.delay_from": 11}
STATES = ("unknown", "provisional", "active", "blocked", "revoked")


def in_state(appliance, town, state):
    citizen = town.citizen()
    if state == "unknown":
        return citizen
    (appliance.provisional if state == "provisional" else appliance.active)(citizen)
    body = {"subject": citizen.subject, "operator": "op-301", "reason": "lost"}
    if state in ("blocked", "revoked"):
        appliance.branch.post("/v1/blocks" if state == "blocked" else "/v1/revocations", body, status=200)
    return citizen


def shape(answer):
    assert answer.headers.get("Content-Type") and "Retry-After" not in answer.headers
    return answer.status, answer.json, sorted(k.lower() for k in answer.headers), len(answer.raw)


def wrong_calls(town, citizen):
    other = town.citizen()
    action = {"type": "claim.submit", "reference": "R-1", "sha256": "a" * 64}
    pin = {"subject": citizen.subject, "pin": town.pin()}
    return {
        "/v1/verifications": pin, "/v1/activations": {"subject": citizen.subject, "pin": town.pin(16)}, "/v1/renewals": pin,
        "/v1/conversions": pin, "/v1/authorizations": pin | {"action": action}, "/v1/contacts": pin | {"contacts": {"email": other.email}},
        "/v1/recoveries": {"subject": citizen.subject, "contacts": {"mobile": other.mobile, "email": other.email}},
        "/v1/revocations": {"subject": citizen.subject, "health_card": other.health_card, "contact": {"email": other.email}},
    }


def test_a_wrong_call_gets_the_same_answer_in_every_state(appliance, town):
    answers = {}
    for state in STATES:
        citizen = in_state(appliance, town, state)
        answers[state] = [(path, shape(appliance.portal.post(path, body, status=200))) for path, body in wrong_calls(town, citizen).items()]
    for state in STATES[1:]:
        assert answers[state] == answers["unknown"], state


@pytest.mark.parametrize("path, length", [("/v1/verifications", 8), ("/v1/verifications", 16), ("/v1/renewals", 8), ("/v1/activations", 16)])
def test_down_to_the_lock_unknown_and_known_are_alike(appliance, town, path, length):
    runs = []
    for state in ("unknown", "active"):
        citizen = in_state(appliance, town, state)
        runs.append([shape(appliance.portal.post(path, {"subject": citizen.subject, "pin": town.pin(length)}, status=200)) for _ in range(12)])
    assert runs[0] == runs[1]
    assert [r[1]["outcome"] for r in runs[0]] == ["rejected"] * 10 + ["locked"] * 2


def test_delays_are_alike_too(appliances, town):
    appliance = appliances()  # delays as the profile has them
    runs = []
    for state in ("unknown", "active", "blocked"):
        citizen = in_state(appliance, town, state)
        answers = [appliance.portal.verify(citizen.subject, town.pin()) for _ in range(4)]
        assert 1 <= answers[-1].json.pop("retry_after_s") <= 30
        runs.append([(a.status, a.json) for a in answers])
    assert runs[0] == runs[1] == runs[2]
    assert [json["outcome"] for _, json in runs[0]] == ["rejected"] * 3 + ["delayed"]


@pytest.mark.parametrize("state", ["blocked", "revoked"])
def test_the_right_pin_of_a_dead_credential_is_just_rejected(appliance, town, state):
    citizen = in_state(appliance, town, state)
    unknown = town.citizen()
    assert shape(appliance.portal.verify(citizen.subject, citizen.pin)) == shape(appliance.portal.verify(unknown.subject, town.pin()))


@pytest.mark.parametrize("path, body", [
    ("/v1/recoveries", lambda c: {"subject": c.subject, "contacts": {"mobile": c.mobile, "email": c.email}}),
    ("/v1/revocations", lambda c: {"subject": c.subject, "health_card": c.health_card, "contact": {"email": c.email}})])
def test_the_counters_of_contacts_and_cards_run_alike(appliance, town, path, body):
    runs = []
    for state in ("unknown", "active"):
        citizen, stranger = in_state(appliance, town, state), town.citizen()
        stranger.subject = citizen.subject
        runs.append([shape(appliance.portal.post(path, body(stranger), status=200)) for _ in range(12)])
    assert runs[0] == runs[1]
    assert [r[1]["outcome"] for r in runs[0]] == ["rejected"] * 10 + ["locked"] * 2
