"""What a presented PIN gets: every outcome, and what each does to the count."""

import pytest
from harness.appliance import eventually
from harness.citizen import fiscal_code

SETTINGS = {"policy.guess.delay_from": 11}  # above the limit: no delays here


def test_the_sixteen_characters_are_right_only_together(appliance, town, someone):
    appliance.provisional(someone)
    for guess in (someone.first + town.pin(), town.pin() + someone.second, someone.second + someone.first):
        assert appliance.portal.verify(someone.subject, guess).outcome == "rejected"


def test_the_second_half_alone_is_rejected_and_charged(appliance, someone):
    appliance.provisional(someone)
    answer = appliance.portal.verify(someone.subject, someone.second)
    assert (answer.outcome, answer["attempts_remaining"]) == ("rejected", 9)
    assert appliance.portal.verify(someone.subject, someone.second)["attempts_remaining"] == 8


def test_the_first_half_alone_never_resets_the_count(appliance, town, someone):
    appliance.provisional(someone)
    for left in range(9, 0, -1):
        assert appliance.remaining(someone, town) == left
        assert appliance.portal.verify(someone.subject, someone.first).outcome == "verified"
    assert appliance.remaining(someone, town) == 0
    for pin in (someone.first, someone.whole, town.pin()):
        answer = appliance.portal.verify(someone.subject, pin)
        assert answer.json == {"outcome": "locked", "attempts_remaining": 0}
    assert appliance.status(someone)["locked"] is True


def test_the_sixteen_characters_set_the_count_to_zero(appliance, town, someone):
    appliance.provisional(someone)
    assert [appliance.remaining(someone, town) for _ in range(3)] == [9, 8, 7]
    assert appliance.portal.verify(someone.subject, someone.whole).outcome == "verified"
    assert appliance.remaining(someone, town) == 9


def test_a_right_definitive_pin_sets_the_count_to_zero_at_any_endpoint(appliance, town, someone):
    appliance.active(someone)
    action = {"type": "claim.submit", "reference": "R-1", "sha256": town.sha256()}
    ways = [
        lambda: appliance.portal.verify(someone.subject, someone.pin),
        lambda: appliance.contact_centre.verify(someone.subject, someone.pin),
        lambda: appliance.branch.verify(someone.subject, someone.pin),
        lambda: appliance.portal.post("/v1/authorizations", {"subject": someone.subject, "pin": someone.pin, "action": action}, status=201),
        lambda: appliance.portal.post("/v1/contacts", {"subject": someone.subject, "pin": someone.pin, "contacts": {"phone": "+390612345678"}}, status=200),
        lambda: appliance.portal.post("/v1/conversions", {"subject": someone.subject, "pin": someone.pin}, status=201),
    ]
    for way in ways:
        assert [appliance.remaining(someone, town) for _ in range(2)] == [9, 8]
        way()
    assert appliance.remaining(someone, town) == 9


def test_failures_at_all_endpoints_share_one_count(appliance, town, someone):
    appliance.active(someone)
    subject, left = someone.subject, []
    action = {"type": "claim.submit", "reference": "R-1", "sha256": town.sha256()}
    for channel in (appliance.portal, appliance.contact_centre, appliance.branch):
        left.append(channel.verify(subject, town.pin())["attempts_remaining"])
    for path, more in (("activations", {}), ("renewals", {}), ("conversions", {}), ("authorizations", {"action": action}),
                       ("contacts", {"contacts": {"email": "x@example.it"}})):
        answer = appliance.portal.post(f"/v1/{path}", {"subject": subject, "pin": town.pin(16 if path == "activations" else 8)} | more, status=200)
        assert answer.outcome == "rejected"
        left.append(answer["attempts_remaining"])
    assert left == [9, 8, 7, 6, 5, 4, 3, 2]


@pytest.mark.parametrize("path", ["activations", "renewals", "authorizations", "conversions", "contacts"])
def test_the_wrong_kind_of_pin_is_rejected_and_charged(appliance, town, path):
    citizen = town.citizen()
    more = {"authorizations": {"action": {"type": "claim.submit", "reference": "R-1", "sha256": town.sha256()}},
            "contacts": {"contacts": {"email": "x@example.it"}}}.get(path, {})
    appliance.provisional(citizen)
    for left in (9, 8):  # the first half opens nothing but a verification
        answer = appliance.portal.post(f"/v1/{path}", {"subject": citizen.subject, "pin": citizen.first} | more, status=200)
        assert (answer.outcome, answer["attempts_remaining"]) == ("rejected", left)
    if path != "activations":
        answer = appliance.portal.post(f"/v1/{path}", {"subject": citizen.subject, "pin": citizen.whole} | more, status=200)
        assert answer.outcome == "rejected"
    assert appliance.status(citizen)["state"] == "provisional"


def test_sixteen_characters_against_an_active_credential(appliance, town, someone):
    appliance.active(someone)
    for guess in (someone.whole, someone.pin * 2, someone.pin + town.pin()):
        assert appliance.portal.verify(someone.subject, guess).outcome == "rejected"
    assert appliance.remaining(someone, town) == 6


def test_case_spaces_and_hyphens_do_not_count(appliance, someone):
    appliance.active(someone)
    pin = someone.pin
    for written in (pin.lower(), f"{pin[:4]}-{pin[4:]}", f" {pin[:4]} {pin[4:]} ", "-".join(pin)):
        assert appliance.portal.verify(someone.subject, written).outcome == "verified", written


def test_a_pin_that_is_not_well_formed_is_refused_and_not_charged(appliance, town, someone):
    appliance.active(someone)
    pin = someone.pin
    for bad in ("", "A", pin[:7], pin + "A", pin * 3, pin[:7] + "0", pin[:7] + "1", pin[:7] + "I", pin[:7] + "O",
                pin[:7] + "é", pin[:7] + "\u0000", "２" * 8, pin[:7] + "_"):
        appliance.portal.refused("/v1/verifications", {"subject": someone.subject, "pin": bad}, 422, "invalid-pin-format")
    assert appliance.remaining(someone, town) == 9


def test_at_the_limit_the_subject_is_locked_everywhere_and_nothing_is_evaluated(appliance, town, someone):
    appliance.active(someone)
    assert [appliance.remaining(someone, town) for _ in range(10)] == list(range(9, -1, -1))
    action = {"type": "claim.submit", "reference": "R-1", "sha256": town.sha256()}
    for channel in (appliance.portal, appliance.contact_centre, appliance.branch):
        assert channel.verify(someone.subject, someone.pin).outcome == "locked"
    for path, more in (("renewals", {}), ("conversions", {}), ("authorizations", {"action": action})):
        answer = appliance.portal.post(f"/v1/{path}", {"subject": someone.subject, "pin": someone.pin} | more, status=200)
        assert answer.json == {"outcome": "locked", "attempts_remaining": 0}


def test_failures_charged_before_the_credential_end_when_it_is_issued(appliance, town, someone):
    for left in range(9, -1, -1):
        assert appliance.remaining(someone, town) == left
    assert appliance.portal.verify(someone.subject, town.pin()).outcome == "locked"
    appliance.active(someone)
    assert appliance.remaining(someone, town) == 9


def test_a_lapsed_credential_is_rejected_and_a_new_one_may_be_requested(appliances, town):
    appliance = appliances(SETTINGS | {"policy.credential.provisional_validity": "3s"})
    citizen = town.citizen()
    appliance.provisional(citizen)
    eventually(lambda: appliance.status(citizen)["state"] == "lapsed", what="the lapse")
    assert appliance.portal.verify(citizen.subject, citizen.whole).outcome == "rejected"
    answer = appliance.portal.post("/v1/activations", {"subject": citizen.subject, "pin": citizen.whole}, status=200)
    assert answer.outcome == "rejected"
    appliance.request(citizen)


# Delays, with durations that a test can wait for

def test_delays_grow_from_the_third_failure_and_are_not_evaluated(appliances, town):
    appliance = appliances({"policy.guess.delay_first": "1s", "policy.guess.delay_max": "2s"})
    known, unknown = town.citizen(), town.citizen(fiscal_code(town.rng))
    appliance.active(known)
    for citizen in (known, unknown):
        assert [appliance.remaining(citizen, town) for _ in range(3)] == [9, 8, 7]
        wrong, seen = town.pin(other_than=(citizen.pin,)), []

        def evaluated():
            answer = appliance.portal.verify(citizen.subject, wrong)
            if answer.outcome == "delayed":
                assert set(answer.json) == {"outcome", "attempts_remaining", "retry_after_s"}
                seen.append((answer["attempts_remaining"], answer["retry_after_s"]))
                return None
            return answer

        for left in (6, 5):
            assert evaluated() is None, "the delay did not hold"
            if citizen is known:  # the right PIN is not evaluated either
                assert appliance.portal.verify(citizen.subject, citizen.pin).outcome == "delayed"
                assert appliance.status(citizen)["delayed_until"]
            assert eventually(evaluated, what="the end of the delay")["attempts_remaining"] == left
        assert {left for left, _ in seen} == {7, 6}
        assert all(wait == 1 for left, wait in seen if left == 7)
        assert all(1 <= wait <= 2 for left, wait in seen if left == 6) and (6, 2) in seen
    eventually(lambda: appliance.portal.verify(known.subject, known.pin).outcome == "verified", what="the right PIN")
    assert appliance.remaining(known, town) == 9
    assert appliance.status(known)["delayed_until"] is None
