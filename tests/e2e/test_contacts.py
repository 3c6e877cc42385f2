"""Contacts: who may change which, how long a new one waits, and who is told. And what a desk may see."""

from harness.appliance import DOCUMENT, eventually

SETTINGS = {"policy.guess.delay_from": 11}
EVIDENCE = {"document": DOCUMENT}


def change(appliance, role, citizen, contacts, status=200, **more):
    return appliance.shared(role).post("/v1/contacts", {"subject": citizen.subject, "contacts": contacts} | more, status=status)


def recovery(appliance, citizen, **contacts):
    return appliance.portal.post("/v1/recoveries", {"subject": citizen.subject, "contacts": contacts}, status=(200, 202)).outcome


def test_the_pin_replaces_those_given_and_leaves_the_others(appliance, town, someone):
    appliance.active(someone)
    new = town.citizen().email
    answer = change(appliance, "portal", someone, {"email": new}, pin=someone.pin)
    masked = answer["contacts"]
    assert {"mobile", "email", "pec"} <= set(masked)
    for whole in (new, someone.mobile, someone.email, someone.pec, someone.postal["street"]):
        assert whole not in answer.text
    assert recovery(appliance, someone, mobile=someone.mobile, email=someone.email) == "rejected"  # the old one is gone
    assert recovery(appliance, someone, mobile=someone.mobile, pec=someone.pec) == "link-sent"


def test_a_new_contact_does_not_count_for_recovery_at_once(appliance, town, someone):
    appliance.active(someone)
    new = town.citizen().email
    change(appliance, "portal", someone, {"email": new}, pin=someone.pin)
    assert recovery(appliance, someone, mobile=someone.mobile, email=new) == "rejected"


def test_after_the_quarantine_it_counts(appliances, town):
    appliance = appliances(SETTINGS | {"policy.contacts.quarantine": "2s", "policy.guess.limit": 100, "policy.guess.delay_from": 101})
    citizen, new = town.citizen(), town.citizen().email
    appliance.active(citizen)
    change(appliance, "portal", citizen, {"email": new}, pin=citizen.pin)
    assert recovery(appliance, citizen, mobile=citizen.mobile, email=new) == "rejected"
    sent = appliance.status(citizen)["issued_at"]
    assert sent
    tries = []

    def counts():
        # Mismatches are charged; the desk's status is the free clock between two of them.
        appliance.status(citizen)
        tries.append(1)
        return len(tries) % 20 == 0 and recovery(appliance, citizen, mobile=citizen.mobile, email=new) == "link-sent"

    eventually(counts, what="the end of the quarantine")


def test_only_a_definitive_pin_changes_contacts(appliance, town, someone):
    appliance.provisional(someone)
    for pin in (someone.first, someone.whole, town.pin()):
        assert change(appliance, "portal", someone, {"email": town.citizen().email}, pin=pin).outcome == "rejected"


def test_the_contact_centre_adds_a_missing_one_and_never_replaces(appliance, town, someone):
    contacts = {"mobile": someone.mobile, "postal": someone.postal}
    appliance.active(someone, contacts=contacts)
    answer = change(appliance, "contact-centre", someone, {"email": someone.email}, operator="op-117")
    assert "email" in answer["contacts"]
    for name, value in (("email", town.citizen().email), ("mobile", town.citizen().mobile)):
        assert change(appliance, "contact-centre", someone, {name: value}, 409, operator="op-117").code == "contact-exists"
    mixed = {"pec": someone.pec, "mobile": town.citizen().mobile}
    assert change(appliance, "contact-centre", someone, mixed, 409, operator="op-117").code == "contact-exists"
    assert "pec" not in appliance.status(someone)["contacts"]  # all or nothing


def test_a_branch_replaces_with_evidence(appliance, town, someone):
    appliance.active(someone)
    change(appliance, "branch", someone, {"mobile": town.citizen().mobile}, operator="op-301", evidence=EVIDENCE)
    assert recovery(appliance, someone, mobile=someone.mobile, email=someone.email) == "rejected"
    change(appliance, "branch", someone, {"mobile": someone.mobile}, 422, operator="op-301", evidence={"document": DOCUMENT | {"expires": "2001-01-01"}})


def test_a_health_card_registered_later_revokes(appliance, someone):
    appliance.halves(someone, appliance.portal.post("/v1/credentials", {"subject": someone.subject, "contacts": someone.contacts}, status=201))
    appliance.activate(someone)
    ask = {"subject": someone.subject, "health_card": someone.health_card, "contact": {"email": someone.email}}
    assert appliance.portal.post("/v1/revocations", ask, status=200).outcome == "rejected"
    appliance.portal.post("/v1/contacts", {"subject": someone.subject, "pin": someone.pin}, status=400)
    appliance.portal.post("/v1/contacts", {"subject": someone.subject, "pin": someone.pin, "health_card": someone.health_card}, status=200)
    assert appliance.portal.post("/v1/revocations", ask, status=202).outcome == "link-sent"


# Notices

def test_a_first_request_sends_none_and_an_activation_tells_the_contacts_that_were_there(appliance, someone):
    appliance.provisional(someone)
    assert not appliance.notices("email", someone.email)
    appliance.activate(someone)
    notices = eventually(lambda: appliance.notices("email", someone.email), what="the notice of the activation")
    assert len(notices) == 1
    for secret in (someone.pin, someone.first, someone.second, someone.subject):
        assert secret not in str(notices)


def test_a_contact_change_tells_the_old_contact_and_not_the_new_one(appliance, town, someone):
    appliance.active(someone)
    eventually(lambda: len(appliance.notices("email", someone.email)) == 1, what="the notice of the activation")
    new = town.citizen().email
    change(appliance, "portal", someone, {"email": new}, pin=someone.pin)
    eventually(lambda: len(appliance.notices("email", someone.email)) == 2, what="the notice of the change")
    assert not appliance.notices("email", new)


def test_what_else_sends_a_notice(appliance, town, someone):
    appliance.active(someone)

    def told(after):
        before = len(appliance.notices("email", someone.email))
        after()
        eventually(lambda: len(appliance.notices("email", someone.email)) > before, what="a notice")

    eventually(lambda: appliance.notices("email", someone.email), what="the notice of the activation")
    told(lambda: appliance.dispositive(someone))  # conversion
    told(lambda: [appliance.remaining(someone, town) for _ in range(10)])  # lock
    body = {"subject": someone.subject, "operator": "op-301"}
    told(lambda: appliance.branch.post("/v1/blocks", body | {"reason": "lost"}, status=200))
    told(lambda: appliance.branch.post("/v1/recoveries", body | {"evidence": EVIDENCE}, status=201))
    told(lambda: appliance.portal.post("/v1/revocations", {"subject": someone.subject, "health_card": someone.health_card,
                                                           "contact": {"pec": town.citizen().pec}}, status=202))  # when opened


# Status

def test_what_a_desk_sees(appliance, someone):
    nobody = appliance.status(someone)
    assert (nobody["state"], nobody["credential_id"], nobody["level"], nobody["locked"]) == ("none", None, None, False)
    assert nobody["deliveries"] == []
    issued = appliance.request(someone)
    seen = appliance.status(someone)
    assert (seen["state"], seen["credential_id"], seen["level"]) == ("provisional", issued["credential_id"], "ordinary")
    assert seen["issued_at"] and seen["first_access_at"] is None and seen["expires_at"] == issued["expires_at"]
    assert sorted((d["half"], d["medium"], d["state"]) for d in seen["deliveries"]) == [("first", "sms", "queued"), ("second", "post", "queued")]
    text = str(seen)
    for whole in (someone.mobile, someone.email, someone.pec, someone.postal["street"], someone.health_card["number"]):
        assert whole not in text
    appliance.halves(someone, issued)
    assert {d["state"] for d in appliance.status(someone)["deliveries"]} == {"delivered"}
    for role in ("branch", "back-office"):
        assert appliance.shared(role).post("/v1/status", {"subject": someone.subject}, status=200)["state"] == "provisional"
