"""What lies on the disk after everything has happened: no PIN, no codice fiscale, no address, no token, in any dress."""

import base64
import urllib.request

import pytest
from harness.appliance import DOCUMENT

SETTINGS = {"policy.guess.delay_from": 11}


def dresses(secret):
    """The ways in which a text could lie in a file: raw, two UTF-16s, hex, and base64 at its three alignments."""
    forms = set()
    for text in {secret, secret.upper(), secret.lower()}:
        raw = text.encode()
        forms |= {raw, text.encode("utf-16-le"), text.encode("utf-16-be"), raw.hex().encode(), raw.hex().upper().encode()}
        for shift in range(3):
            padded = b"\0" * shift + raw
            first, last = -(-8 * shift // 6), 8 * len(padded) // 6  # the characters that depend on the text alone
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                forms.add(encode(padded)[first:last])
    return forms


def find(blob, secrets):
    return [(name, form) for name, secret in secrets.items() for form in dresses(secret) if form in blob]


def test_the_finder_finds():
    for shift in range(3):
        for plain in (b"ABCD2345", "ABCD2345".encode("utf-16-le"), b"ABCD2345".hex().encode(), base64.b64encode(b"x" * shift + b"ABCD2345yy")):
            assert find(b"...." + plain + b"....", {"pin": "ABCD2345"}), (shift, plain)
    assert not find(b"ABCD2346" * 100, {"pin": "ABCD2345"})


@pytest.fixture(scope="module")
def secrets(appliance, town):
    """A citizen to whom everything happened; all that must not be found afterwards."""
    someone, other = town.citizen(), town.citizen()
    found = {}
    appliance.active(someone)
    found |= {"first half": someone.first, "second half": someone.second, "sixteen": someone.whole, "definitive": someone.pin,
              "shown": f"{someone.pin[:4]}-{someone.pin[4:]}"}
    appliance.portal.verify(someone.subject, town.pin(), receipt=True)
    guess = town.pin(other_than=(someone.pin,))
    appliance.portal.verify(someone.subject, guess)
    found["guess"] = guess
    action = {"type": "claim.submit", "reference": "R-1", "sha256": town.sha256()}
    appliance.portal.post("/v1/authorizations", {"subject": someone.subject, "pin": someone.pin, "action": action}, status=201)
    renewed = appliance.portal.post("/v1/renewals", {"subject": someone.subject, "pin": someone.pin}, status=201)["pin"]
    found["renewed"] = renewed
    opened = appliance.portal.post("/v1/recoveries", {"subject": someone.subject, "contacts": {"mobile": someone.mobile, "email": someone.email}}, status=202)
    _, link = appliance.link(opened["recovery_id"])
    wrong = town.token()
    appliance.portal.post(f"/v1/recoveries/{opened['recovery_id']}/confirmation", {"token": wrong}, status=200)
    issued = appliance.portal.post(f"/v1/recoveries/{opened['recovery_id']}/confirmation", {"token": link["token"]}, status=201)
    found |= {"token": link["token"], "wrong token": wrong}
    appliance.halves(someone, issued)
    found |= {"new first half": someone.first, "new second half": someone.second}
    appliance.at_branch(other)
    found |= {"counter PIN": other.whole, "counter half": other.first}
    appliance.branch.post("/v1/blocks", {"subject": other.subject, "operator": "op-301", "reason": "lost"}, status=200)
    unknown = town.citizen().subject
    appliance.portal.verify(unknown, guess)
    found["unknown subject"] = unknown
    for name, citizen in (("", someone), ("other ", other)):
        found |= {name + "subject": citizen.subject, name + "mobile": citizen.mobile, name + "digits": citizen.mobile[3:], name + "mail": citizen.email,
                  name + "pec": citizen.pec, name + "street": citizen.postal["street"], name + "name": citizen.postal["name"], name + "card": citizen.health_card["number"]}
    # A queued text that nobody fetched, and errors that quoted what was sent.
    waiting = town.citizen()
    appliance.request(waiting)
    found |= {"waiting subject": waiting.subject, "waiting mobile": waiting.mobile}
    appliance.portal.post("/v1/verifications", {"subject": waiting.subject, "pin": guess, "x": guess}, status=400)
    appliance.branch.post("/v1/recoveries", {"subject": someone.subject, "operator": "op-301", "evidence": {"document": DOCUMENT}}, status=201)
    return found


def files(folder):
    return [p for p in sorted(folder.rglob("*")) if p.is_file()]


def everything(appliance):
    store = files(appliance.directory / "store")
    assert any(p.name == "sigillo.db" and p.stat().st_size > 4096 for p in store), store
    return store + files(appliance.directory / "token")


def test_store_wal_and_token_hold_nothing_in_clear_while_it_runs(appliance, secrets):
    for path in everything(appliance):
        assert not find(path.read_bytes(), secrets), path


def test_nor_after_a_clean_stop_nor_after_a_kill(appliance, secrets):
    appliance.stop()
    for path in everything(appliance):
        assert not find(path.read_bytes(), secrets), path
    assert (appliance.directory / "store" / "sigillo.db").read_bytes()[:15] != b"SQLite format 3"
    appliance.start()
    appliance.kill9()
    for path in everything(appliance):
        assert not find(path.read_bytes(), secrets), path
    appliance.start()


def test_nor_the_log(appliance, secrets):
    assert not find(appliance.log_text().encode(), secrets)


def test_nor_the_metrics(appliance, secrets):
    with urllib.request.urlopen(f"http://127.0.0.1:{appliance.monitor}/metrics", timeout=10) as answer:
        assert not find(answer.read(), secrets)
