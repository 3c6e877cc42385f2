"""Couriers: each its own medium, leases that come back, and texts that disappear when they are done with."""

import concurrent.futures

import pytest
from harness.appliance import eventually

SETTINGS = {"policy.delivery.lease": "1s", "policy.delivery.attempts": 3}
MEDIA = ("sms", "email", "pec", "post")


def state_of(appliance, citizen, half):
    return next(d["state"] for d in appliance.status(citizen)["deliveries"] if d["half"] == half)


def leased(appliance, medium, delivery_id):
    """Waits until a lease round brings this delivery; others that come are acknowledged."""
    def round_trip():
        found = None
        for delivery in appliance.lease(medium):
            if delivery["delivery_id"] == delivery_id:
                found = delivery
            else:
                appliance.ack(medium, delivery["delivery_id"])
        return found

    return eventually(round_trip, timeout=30, what=f"a lease of {delivery_id}")


def test_a_courier_sees_its_own_medium_only(appliance, someone):
    issued = appliance.request(someone, first_half_by="sms")
    ids = {d["medium"]: d["delivery_id"] for d in issued["deliveries"]}
    for medium in ("email", "pec"):
        assert not set(ids.values()) & {d["delivery_id"] for d in appliance.lease(medium)}
    delivery = leased(appliance, "sms", ids["sms"])
    assert delivery["attempt"] == 1 and state_of(appliance, someone, "first") == "leased"
    with pytest.raises(Exception):  # and could not open another's
        appliance.open("courier-post", delivery["sealed"])
    (result,) = appliance.ack("post", ids["sms"])
    assert result == {"delivery_id": ids["sms"], "result": "unknown"}
    (result,) = appliance.ack("sms", ids["sms"])
    assert result == {"delivery_id": ids["sms"], "result": "recorded"}
    assert state_of(appliance, someone, "first") == "delivered"
    assert state_of(appliance, someone, "second") == "queued"


def test_a_lease_is_exclusive_while_it_runs(appliances, town):
    appliance = appliances({"policy.delivery.lease": "60s"})
    citizen = town.citizen()
    issued = appliance.request(citizen)
    first = issued["deliveries"][0]["delivery_id"]
    leased(appliance, "sms", first)
    assert first not in {d["delivery_id"] for d in appliance.lease("sms")}


def test_an_unacknowledged_lease_comes_back_with_the_same_text(appliance, someone):
    issued = appliance.request(someone)
    first = issued["deliveries"][0]["delivery_id"]
    one = leased(appliance, "sms", first)
    two = leased(appliance, "sms", first)
    assert (one["attempt"], two["attempt"]) == (1, 2) and two["lease_expires_at"] > one["lease_expires_at"]
    assert appliance.open("courier-sms", one["sealed"])["pin"] == appliance.open("courier-sms", two["sealed"])["pin"]
    appliance.ack("sms", first)
    assert state_of(appliance, someone, "first") == "delivered"


@pytest.mark.parametrize("say", [True, False], ids=["said to have failed", "never heard of again"])
def test_after_the_last_attempt_it_has_failed_for_good(appliance, someone, say):
    issued = appliance.request(someone)
    first = issued["deliveries"][0]["delivery_id"]
    for attempt in (1, 2, 3):
        assert leased(appliance, "sms", first)["attempt"] == attempt
        if say:
            appliance.ack("sms", first, status="failed", reason="handset off")

    def failed():
        assert first not in {d["delivery_id"] for d in appliance.lease("sms")}
        return state_of(appliance, someone, "first") == "failed"

    eventually(failed, what="the failure")


def test_at_most_max_and_at_most_a_hundred(appliance, town):
    for _ in range(3):
        appliance.request(town.citizen(), first_half_by="pec")
    assert len(appliance.lease("pec", 1)) == 1
    for bad in (0, 101, -1):
        appliance.shared("courier-pec").post("/v1/outbox/leases", {"max": bad}, status=(400, 422))
    for bad in (1.5, "1", None, True, 1e300):
        appliance.shared("courier-pec").post("/v1/outbox/leases", {"max": bad}, status=(400, 422))


def test_acks_of_what_nobody_knows(appliance):
    assert appliance.ack("sms", "nothing-there") == [{"delivery_id": "nothing-there", "result": "unknown"}]
    courier = appliance.shared("courier-sms")
    courier.post("/v1/outbox/acks", {"acks": [{"delivery_id": "d", "status": "lost"}]}, status=(400, 422))
    courier.post("/v1/outbox/acks", {"acks": [{"delivery_id": "d", "status": "failed", "reason": "x" * 65}]}, status=(400, 422))


def test_queued_deliveries_survive_a_kill(appliance, someone):
    issued = appliance.request(someone)
    appliance.kill9()
    appliance.start()
    appliance.activate(appliance.halves(someone, issued))


def test_two_couriers_of_one_medium_never_get_the_same_delivery(appliances, town):
    appliance = appliances({"policy.delivery.lease": "60s"})
    wanted = {appliance.request(town.citizen())["deliveries"][0]["delivery_id"] for _ in range(20)}

    def courier(_):
        channel, seen = appliance.channel("courier-sms"), []
        for _ in range(10):
            seen += [d["delivery_id"] for d in channel.post("/v1/outbox/leases", {"max": 3}, status=200)["deliveries"]]
        return seen

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        seen = [i for part in pool.map(courier, range(8)) for i in part]
    assert len(seen) == len(set(seen)) and set(seen) == wanted
