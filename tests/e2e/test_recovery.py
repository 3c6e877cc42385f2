"""A new PIN for who proves two contacts, by a link that dies; and substitution at a branch."""

import datetime

import pytest
from harness.appliance import DOCUMENT, eventually

SETTINGS = {"policy.guess.delay_from": 11}


def ask(appliance, citizen, status=202, **contacts):
    contacts = contacts or {"mobile": citizen.mobile, "email": citizen.email}
    return appliance.portal.post("/v1/recoveries", {"subject": citizen.subject, "contacts": contacts}, status=status)


def confirm(appliance, opened, token, status):
    return appliance.portal.post(f"/v1/recoveries/{opened['recovery_id']}/confirmation", {"token": token}, status=status)


def recover(appliance, citizen, **contacts):
    opened = ask(appliance, citizen, **contacts)
    assert opened.outcome == "link-sent"
    medium, link = appliance.link(opened["recovery_id"])
    assert link["kind"] == "link.recovery" and link["token"] in link["text"]
    issued = confirm(appliance, opened, link["token"], 201)
    return medium, link, opened, issued


def test_two_contacts_a_link_and_a_new_pin_in_two_halves(appliance, someone):
    appliance.active(someone)
    old = someone.pin
    medium, link, _, issued = recover(appliance, someone)
    assert medium == "email" and someone.email in str(link["to"])
    assert [(d["half"], d["medium"]) for d in issued["deliveries"]] == [("first", "sms"), ("second", "email")]
    assert issued["level"] == "ordinary"
    assert appliance.portal.verify(someone.subject, old).outcome == "rejected"
    appliance.halves(someone, issued)
    appliance.activate(someone)
    assert someone.pin != old
    assert appliance.portal.verify(someone.subject, someone.pin).outcome == "verified"


def test_the_old_pin_lives_until_the_link_is_confirmed(appliance, someone):
    appliance.active(someone)
    ask(appliance, someone)
    assert appliance.portal.verify(someone.subject, someone.pin).outcome == "verified"


def test_without_a_mobile_the_halves_go_by_pec_and_e_mail(appliance, someone):
    contacts = {"email": someone.email, "pec": someone.pec, "postal": someone.postal}
    appliance.active(someone, contacts=contacts)
    _, _, _, issued = recover(appliance, someone, email=someone.email, pec=someone.pec)
    assert [(d["half"], d["medium"]) for d in issued["deliveries"]] == [("first", "pec"), ("second", "email")]
    appliance.activate(appliance.halves(someone, issued))


def test_all_three_contacts_and_an_e_mail_in_another_case(appliance, someone):
    appliance.active(someone)
    recover(appliance, someone, mobile=someone.mobile, email=someone.email.upper(), pec=someone.pec)


def test_a_recovery_keeps_the_level_and_ends_the_lock(appliance, town, someone):
    appliance.active(someone)
    appliance.dispositive(someone)
    for left in range(9, -1, -1):
        assert appliance.remaining(someone, town) == left
    assert appliance.portal.verify(someone.subject, someone.pin).outcome == "locked"
    _, _, _, issued = recover(appliance, someone)
    assert issued["level"] == "dispositive"
    appliance.activate(appliance.halves(someone, issued))
    assert appliance.remaining(someone, town) == 9


def test_one_contact_is_not_enough(appliance, someone):
    appliance.active(someone)
    for contacts in ({"mobile": someone.mobile}, {"email": someone.email}):
        body = {"subject": someone.subject, "contacts": contacts}
        appliance.portal.refused("/v1/recoveries", body, 422, "two-contacts-required")


def test_every_contact_given_must_match_and_mismatches_have_a_counter_of_their_own(appliance, town, someone):
    appliance.active(someone)
    other = town.citizen()
    wrong = [{"mobile": someone.mobile, "email": other.email}, {"mobile": other.mobile, "email": someone.email},
             {"mobile": someone.mobile, "email": someone.email, "pec": other.pec}]
    for left, contacts in zip((9, 8, 7), wrong):
        assert ask(appliance, someone, 200, **contacts).json == {"outcome": "rejected", "attempts_remaining": left}
    assert appliance.remaining(someone, town) == 9  # guesses at the PIN are counted elsewhere
    ask(appliance, someone)  # a match ends it
    assert ask(appliance, someone, 200, **wrong[0])["attempts_remaining"] == 9


def test_ten_mismatches_lock_recovery_and_not_the_pin(appliance, town, someone):
    appliance.active(someone)
    other = town.citizen()
    for left in range(9, -1, -1):
        assert ask(appliance, someone, 200, mobile=someone.mobile, email=other.email)["attempts_remaining"] == left
    assert ask(appliance, someone, 200).json == {"outcome": "locked", "attempts_remaining": 0}
    assert appliance.portal.verify(someone.subject, someone.pin).outcome == "verified"


def test_who_never_accessed_cannot_recover_and_only_they_are_told(appliance, town, someone):
    appliance.provisional(someone)
    answer = ask(appliance, someone, 200)
    assert (answer.outcome, answer["reason"]) == ("not-eligible", "never-accessed")
    assert ask(appliance, someone, 200, mobile=someone.mobile, email=town.citizen().email).outcome == "rejected"


def test_a_link_dies_at_its_fifth_wrong_token(appliance, town, someone):
    appliance.active(someone)
    opened = ask(appliance, someone)
    _, link = appliance.link(opened["recovery_id"])
    for _ in range(5):
        assert confirm(appliance, opened, town.token(), 200).outcome == "rejected"
    assert confirm(appliance, opened, link["token"], 200).outcome == "rejected"
    assert appliance.portal.verify(someone.subject, someone.pin).outcome == "verified"
    assert appliance.remaining(someone, town) == 9  # tokens touch no other counter
    recover(appliance, someone)


def test_four_wrong_tokens_do_not_kill_it(appliance, town, someone):
    appliance.active(someone)
    opened = ask(appliance, someone)
    _, link = appliance.link(opened["recovery_id"])
    for _ in range(4):
        confirm(appliance, opened, town.token(), 200)
    confirm(appliance, opened, link["token"], 201)


def test_a_link_is_good_once(appliance, someone):
    appliance.active(someone)
    _, link, opened, _ = recover(appliance, someone)
    assert confirm(appliance, opened, link["token"], 200).outcome == "rejected"


def test_a_token_opens_its_own_link_only(appliance, town, someone):
    other = town.citizen()
    appliance.active(someone), appliance.active(other)
    mine, theirs = ask(appliance, someone), ask(appliance, other)
    _, link = appliance.link(mine["recovery_id"])
    assert confirm(appliance, theirs, link["token"], 200).outcome == "rejected"
    confirm(appliance, mine, link["token"], 201)


@pytest.mark.parametrize("token", ["", "a", "x" * 42, "x" * 44, "é" * 43, "=" * 43, "x" * 4000])
def test_a_string_that_is_no_token_is_rejected(appliance, someone, token):
    appliance.active(someone)
    assert confirm(appliance, ask(appliance, someone), token, 200).outcome == "rejected"


def test_an_old_link_is_rejected(appliances, town):
    appliance = appliances(SETTINGS | {"policy.recovery.link_validity": "3s"})
    citizen = town.citizen()
    appliance.active(citizen)
    opened = ask(appliance, citizen)
    _, text = appliance.link(opened["recovery_id"])
    expiry = datetime.datetime.fromisoformat(text["expires_at"].replace("Z", "+00:00"))
    eventually(lambda: datetime.datetime.now(datetime.timezone.utc) > expiry + datetime.timedelta(seconds=1), what="the expiry")
    assert confirm(appliance, opened, text["token"], 200).outcome == "rejected"


def test_at_a_branch_substitution_gives_a_dispositive_pin_at_once(appliance, town, someone):
    appliance.active(someone)
    old = someone.pin
    for _ in range(10):
        appliance.remaining(someone, town)
    body = {"subject": someone.subject, "operator": "op-301", "evidence": {"document": DOCUMENT}}
    issued = appliance.branch.post("/v1/recoveries", body, status=201)
    assert issued["level"] == "dispositive" and [d["medium"] for d in issued["deliveries"]] == ["counter"]
    assert appliance.portal.verify(someone.subject, old).outcome == "rejected"  # and the lock is gone
    appliance.activate(appliance.halves(someone, issued))
    assert appliance.portal.verify(someone.subject, someone.pin)["level"] == "dispositive"


def test_more_recoveries_than_the_policy_allows_do_not_refill_the_guesses(appliances, town):
    appliance = appliances(SETTINGS | {"policy.recovery.limit": 2})
    citizen, granted = town.citizen(), 0
    appliance.active(citizen)
    for _ in range(4):  # never activated, so each counts
        appliance.remaining(citizen, town)
        opened = appliance.portal.post("/v1/recoveries", {"subject": citizen.subject, "contacts": {"mobile": citizen.mobile, "email": citizen.email}},
                                       status=(200, 202, 409, 429))
        if opened.status != 202:
            break
        _, link = appliance.link(opened["recovery_id"])
        done = appliance.portal.post(f"/v1/recoveries/{opened['recovery_id']}/confirmation", {"token": link["token"]}, status=(200, 201, 409, 429))
        if done.status != 201:
            break
        appliance.halves(citizen, done)
        granted += appliance.remaining(citizen, town) == 9
    assert granted <= 2
