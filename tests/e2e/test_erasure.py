"""`sigillo subject erase`: a citizen leaves the store, the ledger and the guess limit stay."""

import hashlib
import json

import pytest
from harness.appliance import DOCUMENT

SETTINGS = {"policy.guess.delay_from": 11}
REASON = "order 2026/117"
NOTHING = {"known": False, "deliveries": 0, "links": 0, "conversions": 0, "authorizations": 0, "contact_uses": 0}


def erase(appliance, citizen, check=True, line=None, reason=REASON):
    line = citizen.subject + "\n" if line is None else line
    code, said = appliance.act("subject", "erase", "--reason", reason, check=check, line=line)
    assert citizen.subject not in json.dumps(said)
    return code, said


def ledger(appliance):
    entries, after = [], 0
    while page := appliance.auditor.get(f"/v1/ledger?after={after}&limit=1000")["entries"]:
        entries += page
        after = page[-1]["seq"]
    return entries


def act(appliance, town, citizen, path, status=201, **more):
    return appliance.portal.post(path, {"subject": citizen.subject, "pin": citizen.pin} | more, status=status)


class Erased:
    """A citizen with something in every table, erased while the appliance serves; and a neighbour with the same mobile."""

    def __init__(self, appliance, town):
        self.appliance, self.citizen, self.neighbour = appliance, town.citizen(), town.citizen()
        self.neighbour.mobile = self.citizen.mobile
        citizen, portal = self.citizen, appliance.portal
        appliance.active(citizen)
        appliance.active(self.neighbour)
        action = {"type": "claim.submit", "reference": "R-1", "sha256": town.sha256()}
        self.conversions = [act(appliance, town, citizen, "/v1/conversions")["conversion_id"] for _ in range(2)]  # the first is left behind
        evidence = {"route": "upload", "form_sha256": town.sha256(), "document": DOCUMENT | {"sha256": town.sha256()}}
        portal.post(f"/v1/conversions/{self.conversions[1]}/evidence", evidence, status=200)
        self.authorizations = [act(appliance, town, citizen, "/v1/authorizations", action=action)["authorization_id"]]
        appliance.dispositive(citizen)  # grants what was deferred: no record of a subject names it any more
        self.authorizations.append(act(appliance, town, citizen, "/v1/authorizations", action=action)["authorization_id"])
        body = {"subject": citizen.subject, "contacts": {"mobile": citizen.mobile, "email": citizen.email}}
        self.recovery = portal.post("/v1/recoveries", body, status=202)["recovery_id"]
        self.token = appliance.link(self.recovery)[1]["token"]
        portal.post(f"/v1/recoveries/{self.recovery}/confirmation", {"token": town.token()}, status=200)
        self.left = [appliance.remaining(citizen, town) for _ in range(3)]
        self.before = ledger(appliance)
        self.refused_input = [erase(appliance, citizen, check=False, line=line)[0] for line in ("", "nobody\n", "\n" + citizen.subject, "x" * 100)]
        self.by_one = appliance.ask("subject", "erase", "--reason", REASON, *appliance.officers("anna"), check=False, line=citizen.subject + "\n")
        self.first = erase(appliance, citizen)
        self.neighbour_meanwhile = portal.verify(self.neighbour.subject, self.neighbour.pin).outcome
        self.acts = json.dumps(appliance.ask("officer", "acts")[1])
        appliance.stop()
        self.wal = appliance.directory / "store" / "sigillo.db-wal"
        self.wal_left = self.wal.stat().st_size if self.wal.exists() else 0
        self.second = erase(appliance, citizen)
        appliance.start()


@pytest.fixture(scope="module")
def story(appliance, town):
    return Erased(appliance, town)


def test_one_officer_erases_nobody(story):
    code, said = story.by_one
    assert code == 1 and said["schema"] == "sigillo.error/1" and "too few" in said["what"]


def test_the_appliance_serves_on(story):
    assert story.neighbour_meanwhile == "verified"


def test_what_the_officers_signed_is_kept_and_names_nobody(story):
    assert "subject.erase" in story.acts and story.citizen.subject not in story.acts


def test_what_is_no_codice_fiscale_changes_nothing(story):
    assert story.refused_input == [1, 1, 1, 1]


def test_it_says_what_it_took(story):
    code, said = story.first
    assert code == 0 and said["schema"] == "sigillo.subject-erase/1"
    assert said["known"] is True and said["wrong_guesses"] == 3
    # Two halves, the link, and notices; two conversions and the branch's; the recovery's link.
    assert said["deliveries"] >= 3 and said["conversions"] == 3 and said["authorizations"] == 2 and said["links"] == 1
    assert said["contact_uses"] == 2  # mobile and e-mail


def test_a_second_time_there_is_nothing(story):
    code, said = story.second
    assert code == 0
    assert {name: said[name] for name in NOTHING} == NOTHING


def test_old_pages_do_not_stay_in_the_wal(story):
    assert story.wal_left == 0


def test_nothing_is_found_by_any_name(story):
    appliance = story.appliance
    status = appliance.status(story.citizen)
    assert status["state"] == "none" and not status.get("contacts") and not status.get("deliveries"), status
    assert appliance.portal.verify(story.citizen.subject, story.citizen.pin).outcome == "rejected"
    for path in [f"/v1/conversions/{i}" for i in story.conversions] + [f"/v1/authorizations/{i}" for i in story.authorizations]:
        appliance.portal.get(path, status=404)
    answer = appliance.portal.post(f"/v1/recoveries/{story.recovery}/confirmation", {"token": story.token}, status=200)
    assert answer.outcome == "rejected"


def test_the_neighbour_is_untouched(story):
    neighbour = story.neighbour
    assert story.appliance.portal.verify(neighbour.subject, neighbour.pin).outcome == "verified"
    assert story.appliance.status(neighbour)["contacts"]["mobile"]


def test_the_ledger_is_whole_and_says_so(story):
    after = ledger(story.appliance)
    assert after[: len(story.before)] == story.before
    erased = [e for e in after if e["event"] == "erased"]
    assert len(erased) == 2
    requested = next(e for e in story.before if e["event"] == "requested")
    assert erased[0]["subject"] == requested["subject"] and erased[0]["channel"] == "officer"
    assert erased[0]["reference"] == hashlib.sha256(REASON.encode()).hexdigest()
    export = story.appliance.root / "ledger.jsonl"
    story.appliance.sigillo("audit", "export", "--config", str(story.appliance.configuration), str(export))
    story.appliance.sigillo("audit", "verify", str(export))


def test_the_guesses_are_not_refilled(story, town):
    """Three wrong ones before the erasure, then one at nobody; the last ends with a new credential, the three do not."""
    appliance, citizen = story.appliance, story.citizen
    assert story.left == [9, 8, 7]
    spent = appliance.remaining(citizen, town)
    assert spent < 7
    appliance.provisional(citizen)
    assert appliance.remaining(citizen, town) == 6
    appliance.activate(citizen)
    assert appliance.portal.verify(citizen.subject, citizen.pin).outcome == "verified"
