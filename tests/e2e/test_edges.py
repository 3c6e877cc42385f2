"""What a hostile or careless client tries between two rules of the contract: keys, replays, dead links, order, odd HTTP."""

import http.client
import uuid

import pytest
from harness.appliance import DOCUMENT, eventually
from harness.channel import Answer

SETTINGS = {"policy.guess.delay_from": 11}
OLD = {"document": DOCUMENT | {"expires": "2001-01-01"}}
REGISTRATION = {"route": "upload", "form_sha256": "a" * 64, "document": DOCUMENT | {"sha256": "b" * 64}}
NOBODY = "A" * 22  # an identifier of the right shape


def new_key():
    return uuid.uuid4().hex


def refusals(town):
    """Operations that answer without doing anything: role, path, body, another body, status, code or outcome."""
    c = town.citizen()
    desk = {"subject": c.subject, "operator": "op-1"}
    return [
        ("portal", "/v1/credentials", {"subject": c.subject, "contacts": {"mobile": c.mobile}}, {"subject": c.subject, "contacts": {"email": c.email}},
         422, "delivery-not-possible"),
        ("portal", f"/v1/credentials/{NOBODY}/halves", {"subject": c.subject, "half": "first"}, {"subject": c.subject, "half": "second"}, 404, "not-found"),
        ("portal", "/v1/activations", {"subject": c.subject[:-1], "pin": "A" * 16}, {"subject": c.subject, "pin": "A" * 16}, 422, "invalid-subject"),
        ("branch", "/v1/conversions", desk | {"evidence": OLD}, desk | {"evidence": {"document": DOCUMENT}}, 422, "invalid-evidence"),
        ("portal", f"/v1/conversions/{NOBODY}/evidence", REGISTRATION, REGISTRATION | {"form_sha256": "c" * 64}, 404, "not-found"),
        ("back-office", "/v1/conversions/x/decision", {"decision": "approve", "operator": "a"}, {"decision": "reject", "operator": "a"}, 404, "not-found"),
        ("branch", "/v1/recoveries", desk | {"evidence": OLD}, desk | {"evidence": {"document": DOCUMENT}}, 422, "invalid-evidence"),
        ("portal", f"/v1/recoveries/{NOBODY}/confirmation", {"token": town.token()}, {"token": "x"}, 200, "rejected"),
        ("portal", "/v1/revocations/x/confirmation", {"token": town.token()}, {"token": "x"}, 200, "rejected"),
        ("branch", "/v1/contacts", desk | {"evidence": OLD, "contacts": {"email": c.email}}, desk | {"evidence": OLD, "contacts": {"pec": c.pec}},
         422, "invalid-evidence"),
        ("branch", "/v1/revocations", desk | {"reason": "lost"}, desk | {"reason": "deceased"}, 409, "no-credential"),
        ("contact-centre", "/v1/blocks", desk | {"reason": "lost"}, desk | {"reason": "other"}, 409, "no-credential"),
    ]


def test_a_refusal_is_kept_for_its_key_like_any_answer(appliance, town):
    for role, path, body, other, status, word in refusals(town):
        key, channel = new_key(), appliance.shared(role)
        first = channel.post(path, body, key=key, status=status)
        assert word in (first.code, first.outcome), (path, first)
        again = channel.post(path, body, key=key, status=status)
        assert again.raw == first.raw, path
        channel.refused(path, other, 422, "idempotency-key-reused", key=key)


def test_the_key_comes_before_values(appliance, town, someone):
    key, body = new_key(), {"subject": someone.subject, "contacts": someone.contacts}
    appliance.portal.post("/v1/credentials", body, key=key, status=201)
    for wrong in (body | {"subject": "x"}, body | {"contacts": {"mobile": "x"}}):
        appliance.portal.refused("/v1/credentials", wrong, 422, "idempotency-key-reused", key=key)
    appliance.portal.refused("/v1/activations", {"subject": someone.subject, "pin": "short"}, 422, "idempotency-key-reused", key=key)
    appliance.portal.refused("/v1/credentials", body | {"subject": "x"}, 422, "invalid-subject")
    assert appliance.portal.verify("x", "x", key=None, status=422).code == "invalid-subject"


def test_a_refusal_that_is_told_again_names_its_first_run_in_body_and_header(appliance, someone):
    key, body = new_key(), {"subject": someone.subject, "operator": "op-1", "reason": "lost"}
    first = appliance.branch.post("/v1/revocations", body, key=key, status=409)
    again = appliance.branch.post("/v1/revocations", body, key=key, status=409)
    assert first.headers["X-Request-Id"] == again.headers["X-Request-Id"] == again["request_id"]
    appliance.restart()
    assert appliance.branch.post("/v1/revocations", body, key=key, status=409).headers["X-Request-Id"] == first["request_id"]


def test_values_are_looked_at_before_what_is_there(appliance, town, someone):
    """A document that expired is refused whether or not there is something that it could have proved."""
    desk = {"subject": someone.subject, "operator": "op-1", "evidence": OLD}
    appliance.branch.refused("/v1/contacts", desk | {"contacts": {"email": someone.email}}, 422, "invalid-evidence")
    appliance.branch.refused("/v1/conversions", desk, 422, "invalid-evidence")
    appliance.branch.refused("/v1/recoveries", desk, 422, "invalid-evidence")
    expired = REGISTRATION | {"document": OLD["document"] | {"sha256": "b" * 64}}
    appliance.portal.refused(f"/v1/conversions/{NOBODY}/evidence", expired, 422, "invalid-evidence")


def entries_after(appliance, seq):
    return appliance.auditor.get(f"/v1/ledger?after={seq}&limit=1000")["entries"]


def test_a_token_shown_to_a_link_that_is_not_there_is_a_decision_in_the_ledger(appliance, town, someone):
    appliance.active(someone)
    opened = appliance.portal.post("/v1/recoveries", {"subject": someone.subject, "contacts": {"mobile": someone.mobile, "email": someone.email}}, status=202)
    path = f"/v1/recoveries/{opened['recovery_id']}/confirmation"
    for _ in range(5):
        appliance.portal.post(path, {"token": town.token()}, status=200)
    before = entries_after(appliance, 0)[-1]["seq"]
    for place in (path, f"/v1/recoveries/{NOBODY}/confirmation", f"/v1/revocations/{opened['recovery_id']}/confirmation", "/v1/revocations/x/confirmation"):
        answer = appliance.portal.post(place, {"token": town.token()}, status=200)
        assert answer.json == {"outcome": "rejected", "attempts_remaining": 0}
    noted = [e for e in entries_after(appliance, before) if e["event"] == "refused" and e["outcome"] == "rejected"]
    assert len(noted) == 4 and noted[0]["reference"] == opened["recovery_id"] and noted[3]["reference"] == ""


def test_a_decision_says_its_outcome_when_it_succeeds_too(appliance, town, someone):
    appliance.active(someone)
    changed = appliance.portal.post("/v1/contacts", {"subject": someone.subject, "pin": someone.pin, "contacts": {"phone": "+390612345678"}}, status=200)
    assert changed.outcome == "verified" and "phone" in changed["contacts"]
    desk = appliance.branch.post("/v1/contacts", {"subject": someone.subject, "operator": "op-1", "evidence": {"document": DOCUMENT},
                                                  "contacts": {"phone": "+390612345679"}}, status=200)
    assert desk.outcome is None  # nothing was shown, nothing decided
    opened = appliance.portal.post("/v1/recoveries", {"subject": someone.subject, "contacts": {"mobile": someone.mobile, "email": someone.email}}, status=202)
    _, link = appliance.link(opened["recovery_id"])
    again = appliance.portal.post(f"/v1/recoveries/{opened['recovery_id']}/confirmation", {"token": link["token"]}, status=201)
    assert again.outcome == "verified" and again["state"] == "provisional"


# Notices

def test_every_notice_says_whose_pin_it_is_about(appliance, town, someone):
    appliance.active(someone)
    for _ in range(10):
        appliance.remaining(someone, town)  # the lock
    eventually(lambda: len(appliance.notices("email", someone.email)) >= 2, what="the notice of the lock")
    appliance.branch.post("/v1/conversions", {"subject": someone.subject, "operator": "op-1", "evidence": {"document": DOCUMENT}}, status=201)
    told = eventually(lambda: (n := appliance.notices("email", someone.email)) and len(n) >= 3 and n, what="the notice of the conversion")
    hint = someone.subject[-3:]
    for notice in told:
        assert notice["subject_hint"].endswith(hint) and hint in notice["text"], notice["text"]
        assert someone.subject not in notice["text"]


def test_a_new_request_that_changes_contacts_tells_the_old_ones(appliance, town, someone):
    appliance.active(someone)
    eventually(lambda: appliance.notices("email", someone.email), what="the notice of the activation")
    revoke = {"subject": someone.subject, "operator": "op-1", "reason": "lost"}

    def revoked():
        before = len(appliance.notices("email", someone.email))
        appliance.branch.post("/v1/revocations", revoke, status=200)
        return eventually(lambda: (n := len(appliance.notices("email", someone.email))) > before and n, what="the notice of the revocation")

    count = revoked()
    appliance.request(someone)  # the same contacts
    assert len(appliance.notices("email", someone.email)) == count
    count, new = revoked(), town.citizen().email
    appliance.request(someone, contacts=someone.contacts | {"email": new})
    eventually(lambda: len(appliance.notices("email", someone.email)) == count + 1, what="the notice of the change")
    assert not appliance.notices("email", new)


# HTTP

class Ahead:
    """One buffered reader for many answers: HTTPResponse would make, and close, its own for each."""

    def __init__(self, file):
        self.read, self.readline, self.readinto, self.flush, self.close = file.read, file.readline, file.readinto, file.flush, lambda: None

    def makefile(self, _):
        return self


def exchange(appliance, request, answers=1):
    with appliance.channel("portal").socket() as wire:
        wire.sendall(request)
        file, out = wire.makefile("rb"), []
        for _ in range(answers):
            response = http.client.HTTPResponse(Ahead(file))
            response.begin()
            out.append(Answer(response.status, response.headers, response.read()))
        return out


def test_who_asks_before_sending_too_much_is_answered_at_once(appliance):
    head = b"POST /v1/verifications HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 20000\r\nExpect: 100-continue\r\n\r\n"
    (answer,) = exchange(appliance, head)  # the body never comes
    assert answer.status == 413 and answer.code == "invalid-request" and answer["pointer"] == ""
    assert answer.headers["Connection"] == "close"


def test_pipelined_requests_are_answered_in_order_refusals_too(appliance):
    get = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"
    post = b"POST /v1/verifications HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    answers = exchange(appliance, get % b"/v1/whoami" + get % b"/v1/nowhere" + post + get % b"/v1/keys", 4)
    assert [a.status for a in answers] == [200, 404, 400, 200]
    assert len({a.headers["X-Request-Id"] for a in answers}) == 4


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get"])
def test_methods_that_no_path_takes(appliance, method):
    head = f"{method} /v1/whoami HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    with appliance.channel("portal").socket() as wire:
        wire.sendall(head)
        answer = b"".join(iter(lambda: wire.recv(4096), b""))
    status, rest = answer.split(b"\r\n", 1)
    if status.split()[1] == b"405":
        assert b"\r\nAllow: GET\r\n" in rest and b"X-Request-Id:" in rest and b"Cache-Control: no-store" in rest
        assert (b"problem+json" in rest) and (method != "HEAD" or rest.endswith(b"\r\n\r\n"))
    else:
        assert status.split()[1] == b"400", status


def test_a_query_where_none_belongs_and_a_body_on_a_read(appliance):
    appliance.portal.refused("/v1/whoami?x=1", None, 400, "invalid-request", method="GET")
    appliance.portal.refused("/v1/verifications?pin=x", {"subject": "x", "pin": "x"}, 400, "invalid-request")
    appliance.auditor.refused("/v1/ledger?after=1&after=2", None, 400, "invalid-request", method="GET")


@pytest.mark.parametrize("language, word", [("de", "PIN"), ("en", "your")])
def test_the_language_of_the_policy(appliances, town, language, word):
    appliance = appliances(SETTINGS | {"policy.language": language})
    citizen = town.citizen()
    appliance.active(citizen)
    notice = eventually(lambda: appliance.notices("email", citizen.email), what="the notice")[0]
    assert word in notice["text"] and "informiamo" not in notice["text"]
    assert ("Ihre" in notice["text"]) == (language == "de")
