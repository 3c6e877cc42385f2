"""The strict profile (NIST SP 800-63-4) through the API: an electronic half only when it is asked for, and a recovery that costs the level."""

import pytest

SETTINGS = {"policy.profile": "strict", "policy.guess.delay_from": 11}


@pytest.fixture
def requested(appliance, someone):
    issued = appliance.request(someone)
    assert [(d["half"], d["medium"]) for d in issued["deliveries"]] == [("second", "post")]  # nothing dies before the letter is there
    return appliance.halves(someone, issued)


def first_half(appliance, citizen):
    sent = appliance.portal.post(f"/v1/credentials/{citizen.credential_id}/halves", {"subject": citizen.subject, "half": "first"}, status=202)
    (delivery,) = sent["deliveries"]
    assert (delivery["half"], delivery["medium"]) == ("first", "sms") and "sealed" not in delivery
    return appliance.halves(citizen, {"credential_id": citizen.credential_id} | sent.json)


def test_the_electronic_half_is_made_when_it_is_asked_for_and_lives_ten_minutes(appliance, town, requested):
    citizen = requested
    seen = appliance.status(citizen)
    assert sorted((d["half"], d["medium"], d["state"]) for d in seen["deliveries"]) == [("first", "sms", "queued"), ("second", "post", "delivered")]
    assert appliance.portal.verify(citizen.subject, citizen.second).outcome == "rejected"
    first_half(appliance, citizen)
    text = next(t for t in appliance.inbox["sms"].values() if t["pin"].replace("-", "") == citizen.first)
    made, dies = text["created_at"], text["expires_at"]
    minutes = lambda t: int(t[11:13]) * 60 + int(t[14:16])  # noqa: E731
    assert (minutes(dies) - minutes(made)) % (24 * 60) in (9, 10)
    assert appliance.portal.verify(citizen.subject, citizen.first)["presented"] == "first-half"
    assert appliance.activate(citizen)["level"] == "ordinary"
    assert appliance.portal.verify(citizen.subject, citizen.pin).outcome == "verified"  # PBKDF2 and the HSM's MAC
    assert appliance.remaining(citizen, town) == 9


def test_three_electronic_halves_a_day_the_first_one_included(appliance, requested):
    for _ in range(3):
        first_half(appliance, requested)
    path = f"/v1/credentials/{requested.credential_id}/halves"
    appliance.portal.refused(path, {"subject": requested.subject, "half": "first"}, 429, "delivery-limit")


def test_a_recovery_falls_back_to_ordinary(appliance, requested):
    citizen = first_half(appliance, requested)
    appliance.activate(citizen)
    appliance.dispositive(citizen)
    contacts = {"mobile": citizen.mobile, "email": citizen.email}
    opened = appliance.portal.post("/v1/recoveries", {"subject": citizen.subject, "contacts": contacts}, status=202)
    _, link = appliance.link(opened["recovery_id"])
    issued = appliance.portal.post(f"/v1/recoveries/{opened['recovery_id']}/confirmation", {"token": link["token"]}, status=201)
    assert issued["level"] == "ordinary" and [d["medium"] for d in issued["deliveries"]] == ["sms", "email"]
    appliance.activate(appliance.halves(citizen, issued))
    assert "claims.defer" in appliance.portal.verify(citizen.subject, citizen.pin)["scopes"]
