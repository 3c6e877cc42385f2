"""Receipts that an ordinary JOSE library verifies, and the ledger that they point into."""

import json
import time

import pytest
from jwcrypto import jwk, jws
from harness.contract import contract

SETTINGS = {"policy.guess.delay_from": 11}


def opened(appliance, channel, receipt):
    """The payload, after the signature was verified by the key that GET /v1/keys names."""
    token = jws.JWS()
    token.allowed_algs = ["ES256"]
    token.deserialize(receipt)
    header = token.jose_header
    assert header["alg"] == "ES256", header
    (key,) = [k for k in channel.get("/v1/keys")["keys"] if k["kid"] == header["kid"]]
    token.verify(jwk.JWK(**key))
    payload = json.loads(token.payload)
    wrong = contract().errors(contract().component("Receipt"), payload)
    assert not wrong, wrong
    return payload


def test_a_receipt_is_verified_with_the_published_key(appliance, someone):
    appliance.active(someone)
    payload = opened(appliance, appliance.portal, appliance.portal.verify(someone.subject, someone.pin, receipt=True)["receipt"])
    assert abs(payload["iat"] - time.time()) < 60
    assert "portal" in payload["aud"] and payload["acr"] == "ordinary" and "definitive" in payload["amr"]
    assert "records.read" in payload["scope"] and "claims.submit" not in payload["scope"]
    for secret in (someone.subject, someone.pin, someone.mobile, someone.email):
        assert secret not in json.dumps(payload)


def test_no_receipt_unless_asked_for_and_none_for_a_failure(appliance, town, someone):
    appliance.active(someone)
    assert "receipt" not in appliance.portal.verify(someone.subject, someone.pin).json
    assert "receipt" not in appliance.portal.verify(someone.subject, someone.pin, receipt=False).json
    answer = appliance.portal.verify(someone.subject, town.pin(other_than=(someone.pin,)), receipt=True)
    assert set(answer.json) == {"outcome", "attempts_remaining"}


def test_what_was_presented_and_the_level_are_in_it(appliance, someone):
    appliance.provisional(someone)
    for pin, presented in ((someone.first, "first-half"), (someone.whole, "provisional")):
        payload = opened(appliance, appliance.portal, appliance.portal.verify(someone.subject, pin, receipt=True)["receipt"])
        assert presented in payload["amr"]
    appliance.activate(someone)
    appliance.dispositive(someone)
    payload = opened(appliance, appliance.portal, appliance.portal.verify(someone.subject, someone.pin, receipt=True)["receipt"])
    assert payload["acr"] == "dispositive" and "claims.submit" in payload["scope"]


def test_the_pseudonym_is_steady_in_a_channel_and_differs_between_them(appliance, town, someone):
    other = town.citizen()
    appliance.active(someone), appliance.active(other)

    def sub(channel, citizen):
        return opened(appliance, channel, channel.verify(citizen.subject, citizen.pin, receipt=True)["receipt"])["sub"]

    channels = (appliance.portal, appliance.contact_centre, appliance.branch)
    subs = [sub(channel, someone) for channel in channels]
    assert len(set(subs)) == 3 and subs == [sub(channel, someone) for channel in channels]
    assert sub(appliance.portal, other) not in subs


def test_receipts_are_of_one_use_and_point_to_the_ledger(appliance, someone):
    appliance.active(someone)
    payloads = [opened(appliance, appliance.portal, appliance.portal.verify(someone.subject, someone.pin, receipt=True)["receipt"]) for _ in range(5)]
    assert len({p["jti"] for p in payloads}) == 5
    seqs = [p["ledger"]["seq"] for p in payloads]
    assert seqs == sorted(set(seqs))
    answer = appliance.auditor.get(f"/v1/ledger?after={seqs[0] - 1}&limit=1")
    assert answer["entries"][0]["seq"] == seqs[0]


def test_a_changed_receipt_does_not_verify(appliance, someone):
    appliance.active(someone)
    receipt = appliance.portal.verify(someone.subject, someone.pin, receipt=True)["receipt"]
    header, payload, signature = receipt.split(".")
    flipped = payload[:20] + ("A" if payload[20] != "A" else "B") + payload[21:]
    with pytest.raises(Exception):
        opened(appliance, appliance.portal, f"{header}.{flipped}.{signature}")


def test_an_authorization_has_a_receipt_of_the_act(appliance, town, someone):
    appliance.active(someone)
    action = {"type": "claim.submit", "reference": "INPS.2031.000123", "sha256": town.sha256()}
    body = {"subject": someone.subject, "pin": someone.pin, "action": action}
    answer = appliance.portal.post("/v1/authorizations", body, status=201)
    act = opened(appliance, appliance.portal, answer["receipt"])["act"]
    assert act == action | {"decision": "deferred", "effective_at": answer["effective_at"]}


def test_each_receipt_of_an_authorization_has_a_jti_of_its_own(appliance, town, someone):
    appliance.active(someone)
    action = {"type": "claim.submit", "reference": "INPS.2031.000124", "sha256": town.sha256()}
    made = appliance.portal.post("/v1/authorizations", {"subject": someone.subject, "pin": someone.pin, "action": action}, status=201)
    path = f"/v1/authorizations/{made['authorization_id']}"
    shown = [appliance.portal.get(path).json for _ in range(2)]
    appliance.dispositive(someone)
    shown.append(appliance.portal.get(path).json)
    assert [s["decision"] for s in shown] == ["deferred", "deferred", "granted"]
    receipts = [opened(appliance, appliance.portal, answer["receipt"]) for answer in (made, *shown)]
    assert len({r["jti"] for r in receipts}) == 4
    assert len({r["ledger"]["seq"] for r in receipts}) == 1


def test_keys_are_public_and_the_same_for_all(appliance):
    keys = appliance.portal.get("/v1/keys").json
    assert len({k["kid"] for k in keys["keys"]}) == len(keys["keys"]) >= 2  # receipt and ledger
    for role in ("auditor", "courier-sms", "branch"):
        assert appliance.shared(role).get("/v1/keys").json == keys


# The ledger

def whole_ledger(appliance, limit):
    """Pages to the head. Reading is itself an entry, so the end is a page that is not full, not an empty one."""
    after, pages = 0, []
    while True:
        page = appliance.auditor.get(f"/v1/ledger?after={after}&limit={limit}")
        assert len(page["entries"]) <= limit
        pages.append(page)
        if len(page["entries"]) < limit:
            return pages
        assert page["next_after"] == page["entries"][-1]["seq"] > after
        after = page["next_after"]


def test_the_ledger_is_paged_in_order_without_gaps(appliance, someone):
    appliance.active(someone)
    seen = [e["seq"] for page in whole_ledger(appliance, 7) for e in page["entries"]]
    assert len(seen) > 7 and seen == list(range(seen[0], seen[0] + len(seen)))


def test_the_ledger_never_names_a_citizen(appliance, someone):
    appliance.active(someone)
    text = "".join(page.text for page in whole_ledger(appliance, 100))
    for secret in (someone.subject, someone.pin, someone.first, someone.second, someone.mobile, someone.email, someone.pec):
        assert secret not in text


@pytest.mark.parametrize("query", ["after=x", "after=-1", "limit=0", "limit=x", "after=1&after=2", "colour=red", "after=99999999999999999999999"])
def test_questions_to_the_ledger_that_make_no_sense(appliance, query):
    appliance.auditor.get(f"/v1/ledger?{query}", status=(400, 422))


def test_the_checkpoint_moves_with_the_ledger(appliance, someone):
    one = appliance.auditor.get("/v1/ledger/checkpoint").text
    appliance.active(someone)
    two = appliance.auditor.get("/v1/ledger/checkpoint").text
    assert one != two and "\n\n\u2014 " in two  # a C2SP signed note: text, an empty line, signatures


def test_an_export_is_verified_offline_and_a_changed_or_cut_one_is_not(appliances, town):
    appliance = appliances(SETTINGS)
    appliance.active(town.citizen())
    keys = appliance.root / "keys.json"
    keys.write_text(appliance.auditor.get("/v1/keys").text)
    appliance.stop()
    export = appliance.root / "ledger.jsonl"
    appliance.sigillo("audit", "export", "--config", str(appliance.configuration), str(export))
    verify = lambda path: appliance.sigillo("audit", "verify", str(path), "--keys", str(keys), check=False).returncode
    assert verify(export) == 0
    lines = export.read_text().splitlines(keepends=True)
    assert [json.loads(line) for line in lines]
    spoilt = appliance.root / "spoilt.jsonl"
    middle = len(lines) // 2
    for changed in (lines[:-1], lines[:-2], lines[:-2] + lines[-1:], lines[:middle] + lines[middle + 1:], lines[1:],
                    lines[:middle] + [lines[middle + 1], lines[middle]] + lines[middle + 2:]):
        spoilt.write_text("".join(changed))
        assert verify(spoilt) != 0
    text = export.read_text()
    for at in range(len(text) // 7, len(text) - 1, len(text) // 7):
        spoilt.write_text(text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1:])
        assert verify(spoilt) != 0, at
