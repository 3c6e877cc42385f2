"""The same intent sent twice: one effect, one charge, one answer; also across a restart and in parallel."""

import concurrent.futures
import uuid

import pytest
from harness.appliance import DOCUMENT

SETTINGS = {"policy.guess.delay_from": 11}


def new_key():
    return uuid.uuid4().hex


def posts_that_change(town):
    """Every operation that requires a key, by a role that may call it, with a body of the right shape."""
    c = town.citizen()
    evidence = {"document": DOCUMENT}
    desk = {"subject": c.subject, "operator": "op-1", "reason": "lost"}
    action = {"type": "claim.submit", "reference": "R-1", "sha256": "a" * 64}
    registration = {"route": "upload", "form_sha256": "a" * 64, "document": DOCUMENT | {"sha256": "b" * 64}}
    pin = {"subject": c.subject, "pin": "ABCDEFGH"}
    return [
        ("portal", "/v1/credentials", {"subject": c.subject, "contacts": c.contacts}),
        ("portal", "/v1/credentials/c-1/halves", {"subject": c.subject, "half": "first"}),
        ("portal", "/v1/activations", pin), ("portal", "/v1/renewals", pin), ("portal", "/v1/conversions", pin),
        ("branch", "/v1/conversions", {"subject": c.subject, "operator": "op-1", "evidence": evidence}),
        ("portal", "/v1/conversions/v-1/evidence", registration),
        ("back-office", "/v1/conversions/v-1/decision", {"decision": "approve", "operator": "op-1"}),
        ("portal", "/v1/authorizations", pin | {"action": action}),
        ("portal", "/v1/recoveries", {"subject": c.subject, "contacts": {"mobile": c.mobile, "email": c.email}}),
        ("portal", "/v1/recoveries/r-1/confirmation", {"token": town.token()}),
        ("portal", "/v1/revocations", {"subject": c.subject, "health_card": c.health_card, "contact": {"email": c.email}}),
        ("portal", "/v1/revocations/x-1/confirmation", {"token": town.token()}),
        ("contact-centre", "/v1/blocks", desk), ("branch", "/v1/revocations", desk),
        ("portal", "/v1/contacts", pin | {"contacts": {"email": c.email}}),
    ]


def test_a_key_is_required_where_something_changes(appliance, town):
    for role, path, body in posts_that_change(town):
        appliance.shared(role).refused(path, body, 400, "idempotency-key-required", key=None)


@pytest.mark.parametrize("key", ["", "x" * 65, "tab\there", "non-ascii-\u00e9"])
def test_a_key_that_is_no_key(appliance, someone, key):
    body = {"subject": someone.subject, "contacts": someone.contacts}
    answer = appliance.portal.post("/v1/credentials", body, key=None, headers={"Idempotency-Key": key.encode("latin-1")}, status=400)
    assert answer.code in ("idempotency-key-required", "invalid-request")
    assert appliance.status(someone)["state"] == "none"


@pytest.mark.parametrize("key", ["x", "x" * 64, "with space ~!\"#$%&'()*+,-./:;<=>?@[]^_`{|}"])
def test_one_to_sixty_four_printable_characters(appliance, someone, key):
    body = {"subject": someone.subject, "contacts": someone.contacts}
    one = appliance.portal.post("/v1/credentials", body, key=key, status=201)
    assert appliance.portal.post("/v1/credentials", body, key=key, status=201).json == one.json


def test_the_same_key_and_body_get_the_same_answer_and_nothing_is_done_twice(appliance, someone):
    key, body = new_key(), {"subject": someone.subject, "contacts": someone.contacts}
    one = appliance.portal.post("/v1/credentials", body, key=key, status=201)
    two = appliance.portal.post("/v1/credentials", body, key=key, status=201)
    assert one.json == two.json
    assert len(appliance.status(someone)["deliveries"]) == 2


def test_the_same_key_with_another_body_or_another_operation_is_refused(appliance, town, someone):
    key, body = new_key(), {"subject": someone.subject, "contacts": someone.contacts}
    appliance.portal.post("/v1/credentials", body, key=key, status=201)
    appliance.portal.refused("/v1/credentials", body | {"first_half_by": "pec"}, 422, "idempotency-key-reused", key=key)
    other = town.citizen()
    appliance.portal.refused("/v1/credentials", {"subject": other.subject, "contacts": other.contacts}, 422, "idempotency-key-reused", key=key)
    appliance.portal.refused("/v1/activations", {"subject": someone.subject, "pin": town.pin(16)}, 422, "idempotency-key-reused", key=key)
    assert appliance.status(other)["state"] == "none"
    assert appliance.remaining(someone, town) == 9


def test_keys_belong_to_a_channel(appliance, town, someone):
    key = new_key()
    appliance.portal.post("/v1/credentials", {"subject": someone.subject, "contacts": someone.contacts}, key=key, status=201)
    other = town.citizen()
    body = {"subject": other.subject, "contacts": other.contacts, "operator": "op-117"}
    appliance.contact_centre.post("/v1/credentials", body, key=key, status=201)


def test_an_activation_sent_again_gives_the_same_pin(appliance, someone):
    appliance.provisional(someone)
    key, body = new_key(), {"subject": someone.subject, "pin": someone.whole}
    one = appliance.portal.post("/v1/activations", body, key=key, status=201)
    two = appliance.portal.post("/v1/activations", body, key=key, status=201)
    assert one.json == two.json
    assert appliance.portal.verify(someone.subject, two["pin"]).outcome == "verified"


def test_a_wrong_pin_sent_again_is_charged_once(appliance, town, someone):
    appliance.active(someone)
    key, wrong = new_key(), town.pin(other_than=(someone.pin,))
    for _ in range(5):
        assert appliance.portal.verify(someone.subject, wrong, key=key)["attempts_remaining"] == 9
    appliance.portal.refused("/v1/verifications", {"subject": someone.subject, "pin": someone.pin}, 422, "idempotency-key-reused", key=key)
    assert appliance.remaining(someone, town) == 8


def test_a_stored_rejection_stays_a_rejection_after_the_right_pin(appliance, town, someone):
    appliance.active(someone)
    key, wrong = new_key(), town.pin(other_than=(someone.pin,))
    one = appliance.portal.post("/v1/renewals", {"subject": someone.subject, "pin": wrong}, key=key, status=200)
    appliance.portal.verify(someone.subject, someone.pin)
    assert appliance.portal.post("/v1/renewals", {"subject": someone.subject, "pin": wrong}, key=key, status=200).json == one.json
    assert appliance.remaining(someone, town) == 9


@pytest.mark.parametrize("end", ["stop", "kill9"])
def test_answers_are_kept_across_a_restart(appliance, town, someone, end):
    request_key, activation_key, verify_key = new_key(), new_key(), new_key()
    request = {"subject": someone.subject, "contacts": someone.contacts}
    issued = appliance.portal.post("/v1/credentials", request, key=request_key, status=201)
    appliance.halves(someone, issued)
    activation = {"subject": someone.subject, "pin": someone.whole}
    given = appliance.portal.post("/v1/activations", activation, key=activation_key, status=201)
    wrong = town.pin(other_than=(given["pin"],))
    rejected = appliance.portal.verify(someone.subject, wrong, key=verify_key)
    getattr(appliance, end)()
    appliance.start()
    assert appliance.portal.post("/v1/credentials", request, key=request_key, status=201).json == issued.json
    assert appliance.portal.post("/v1/activations", activation, key=activation_key, status=201).json == given.json
    assert appliance.portal.verify(someone.subject, wrong, key=verify_key).json == rejected.json
    assert appliance.portal.verify(someone.subject, given["pin"]).outcome == "verified"


def parallel(appliance, role, count, path, body, key, workers=10):
    def one(_):
        channel = appliance.channel(role)
        try:
            return channel.post(path, body, key=key)
        finally:
            channel.close()

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        return list(pool.map(one, range(count)))


def test_fifty_parallel_requests_with_one_key_have_one_effect(appliance, someone):
    key, body = new_key(), {"subject": someone.subject, "contacts": someone.contacts}
    answers = parallel(appliance, "portal", 50, "/v1/credentials", body, key)
    done = [a for a in answers if a.status == 201]
    assert done and all(a.json == done[0].json for a in done)
    assert {a.code for a in answers if a.status != 201} <= {"idempotency-key-in-use"}
    assert len(appliance.status(someone)["deliveries"]) == 2
    appliance.halves(someone, done[0])
    assert len([t for t in appliance.pump("sms").values() if someone.mobile in str(t["to"])]) == 1


def test_fifty_parallel_wrong_pins_with_one_key_are_charged_once(appliance, town, someone):
    appliance.active(someone)
    body = {"subject": someone.subject, "pin": town.pin(other_than=(someone.pin,))}
    answers = parallel(appliance, "portal", 50, "/v1/verifications", body, new_key())
    assert {a.code for a in answers if a.status != 200} <= {"idempotency-key-in-use", None}
    assert all(a["attempts_remaining"] == 9 for a in answers if a.status == 200)
    assert appliance.remaining(someone, town) == 8


def test_fifty_parallel_activations_with_keys_of_their_own_give_one_pin(appliance, someone):
    appliance.provisional(someone)
    body = {"subject": someone.subject, "pin": someone.whole}

    def one(_):
        channel = appliance.channel("portal")
        try:
            return channel.post("/v1/activations", body)
        finally:
            channel.close()

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(one, range(50)))
    assert len([a for a in answers if a.status == 201]) == 1
    assert {a.outcome for a in answers if a.status == 200} <= {"rejected", "locked"}
