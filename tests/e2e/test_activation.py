"""The definitive PIN: given once, in clear or sealed to a key of the citizen's own; and renewed when it has expired."""

import json

import pytest
from harness.appliance import eventually
from jwcrypto import jwe, jwk

SETTINGS = {"policy.guess.delay_from": 11}


def key_pair():
    key = jwk.JWK.generate(kty="EC", crv="P-256")
    return key, json.loads(key.export_public())


def unseal(key, sealed):
    token = jwe.JWE(algs=["ECDH-ES", "A256GCM"])
    token.deserialize(sealed, key=key)
    plain = json.loads(token.payload)
    assert plain["kind"] == "pin.definitive" and plain["pin"] in plain["text"], "a message that is ready to be shown"
    return plain["pin"].replace("-", "")


def test_the_pin_is_given_once_and_the_old_one_is_dead(appliance, someone):
    appliance.active(someone)
    again = appliance.portal.post("/v1/activations", {"subject": someone.subject, "pin": someone.whole}, status=200)
    assert again.outcome == "rejected"
    status = appliance.status(someone)
    assert status["state"] == "active" and status["first_access_at"]


def test_with_a_reply_key_the_pin_is_sealed_to_it(appliance, someone):
    appliance.provisional(someone)
    key, public = key_pair()
    public |= {"use": "enc", "kid": "mine", "alg": "ECDH-ES", "whatever": [1]}  # ignored
    answer = appliance.activate(someone, reply_key=public)
    assert "pin" not in answer.json
    pin = unseal(key, answer["sealed"])
    assert appliance.portal.verify(someone.subject, pin)["presented"] == "definitive"


@pytest.mark.parametrize("spoil", [
    lambda k: k | {"d": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"},
    lambda k: k | {"kty": "RSA"},
    lambda k: k | {"crv": "P-384"},
    lambda k: k | {"x": "A" * 43},
    lambda k: k | {"y": k["y"][:-3]},
    lambda k: {n: v for n, v in k.items() if n != "x"},
    lambda k: [k],
    lambda k: "key",
])
def test_a_reply_key_that_is_private_or_no_point_of_the_curve_is_refused_and_not_charged(appliance, town, someone, spoil):
    appliance.provisional(someone)
    body = {"subject": someone.subject, "pin": someone.whole, "reply_key": spoil(key_pair()[1])}
    appliance.portal.post("/v1/activations", body, status=(400, 422))
    assert appliance.status(someone)["state"] == "provisional"
    assert appliance.remaining(someone, town) == 9
    appliance.activate(someone)


def test_a_renewal_before_expiry_gives_a_new_pin(appliance, someone):
    appliance.active(someone)
    old = someone.pin
    answer = appliance.portal.post("/v1/renewals", {"subject": someone.subject, "pin": old}, status=201)
    assert answer.outcome == "verified" and answer["pin"] != old and answer["credential_id"]
    assert appliance.portal.verify(someone.subject, old).outcome == "rejected"
    assert appliance.portal.verify(someone.subject, answer["pin"]).outcome == "verified"


def test_a_renewal_seals_to_a_reply_key_too(appliance, someone):
    appliance.active(someone)
    key, public = key_pair()
    answer = appliance.portal.post("/v1/renewals", {"subject": someone.subject, "pin": someone.pin, "reply_key": public}, status=201)
    assert "pin" not in answer.json
    assert appliance.portal.verify(someone.subject, unseal(key, answer["sealed"])).outcome == "verified"


def test_an_expired_pin_is_right_and_renewed(appliances, town):
    appliance = appliances(SETTINGS | {"policy.credential.definitive_validity": "3s"})
    citizen = town.citizen()
    appliance.active(citizen)
    assert appliance.portal.verify(citizen.subject, town.pin(other_than=(citizen.pin,))).outcome == "rejected"
    eventually(lambda: appliance.portal.verify(citizen.subject, citizen.pin).outcome == "expired", what="expiry")
    assert appliance.status(citizen)["state"] == "expired"
    assert appliance.remaining(citizen, town) == 9  # an expired one that is right sets the count to 0 too
    action = {"type": "claim.submit", "reference": "R-1", "sha256": town.sha256()}
    for path, more in (("authorizations", {"action": action}), ("conversions", {})):
        answer = appliance.portal.post(f"/v1/{path}", {"subject": citizen.subject, "pin": citizen.pin} | more, status=200)
        assert answer.outcome == "expired"
    renewed = appliance.portal.post("/v1/renewals", {"subject": citizen.subject, "pin": citizen.pin}, status=201)
    assert appliance.portal.verify(citizen.subject, renewed["pin"]).outcome in ("verified", "expired")
    assert appliance.portal.verify(citizen.subject, citizen.pin).outcome == "rejected"


def test_renewal_is_for_definitive_pins_only(appliance, someone):
    appliance.provisional(someone)
    for pin in (someone.first, someone.whole):
        answer = appliance.portal.post("/v1/renewals", {"subject": someone.subject, "pin": pin}, status=200)
        assert answer.outcome == "rejected"
