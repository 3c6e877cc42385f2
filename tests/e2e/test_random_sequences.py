"""Random lives through the API: every operation of every role, right, wrong and slightly broken. Nothing may be a 5xx, every
answer is held against the contract by the harness, and what a guesser can count is counted from outside.

SIGILLO_RANDOM_SEQUENCES=10000 for the long run, SIGILLO_RANDOM_SEED=<seed>:<n> for one sequence that failed."""

import copy
import json
import os
import random
import time

from harness.appliance import DOCUMENT, SLOW

SETTINGS = {"policy.guess.delay_from": 11}
LIMIT = 10
SECONDS = 30  # where no number of sequences is asked for
STEPS = (8, 30)
BROKEN, AGAIN = 0.12, 0.05
BEFORE_THE_KEY = ("invalid-request", "role-not-permitted", "unsupported-media-type")  # refused before it is looked at
ROLES = ("portal", "contact-centre", "branch", "back-office", "auditor", "courier-sms", "courier-email", "courier-pec", "courier-post")
NONSENSE = (None, True, False, 0, -1, 1.5, 1e300, 2**70, "", " ", "x", "x" * 200, "\0", "é", "\ud7ff", [], {}, [[]], {"a": 1}, "2020-13-40", "12345678",
            "AAAAAAAA", "A" * 16, "A" * 43, "+39", "a@b", "../..")


def places(value, at=()):
    """Every place in a body, as a path."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in inner:
        yield (*at, name)
        yield from places(item, (*at, name))


def broken(rng, body):
    body = copy.deepcopy(body)
    path = rng.choice(list(places(body)) or [()])
    if not path or rng.random() < 0.1:
        return body | {rng.choice(("zz", "", "Subject", "pin ")): rng.choice(NONSENSE)}
    parent = body
    for name in path[:-1]:
        parent = parent[name]
    if rng.random() < 0.3:
        del parent[path[-1]]
    else:
        parent[path[-1]] = rng.choice(NONSENSE)
    return body


def broken_bytes(rng, body):
    text = json.dumps(body)
    at = rng.randrange(len(text))
    return rng.choice((text[:at], text[:at] + rng.choice("{}[]\",:\\\x00\x7f") + text[at:], text + text, text.replace(":", ": " * 20),
                       text[:-1] + ',"subject":"x","subject":"y"}', "[" * 40 + text + "]" * 40, "", "null", "[]", "\ufeff" + text)).encode()


def outcome_of(answer):
    """Changed contacts are the one success that says so by its members."""
    return "verified" if "contacts" in answer.json else answer.outcome


class Guesses:
    """What is left of one subject's guesses, seen from outside: told by the answers, checked against the rules."""

    def __init__(self):
        self.left = LIMIT

    def check(self, answer, clears):
        outcome = outcome_of(answer)
        if outcome == "rejected":
            assert self.left > 0 and answer["attempts_remaining"] == self.left - 1, f"{self.left} left, then {answer!r}"
            self.left -= 1
        elif outcome == "locked":
            assert self.left == 0, f"{self.left} left, then {answer!r}"
        else:
            assert outcome == "verified" and self.left > 0, f"{self.left} left, then {answer!r}"
            if clears:
                self.left = LIMIT


class Walk:
    rejections = {}  # attempts_remaining -> the bytes and header names of the first such answer

    def __init__(self, appliance, town, rng, seen):
        self.appliance, self.town, self.rng, self.seen = appliance, town, rng, seen
        self.people = [town.citizen() for _ in range(3)]
        for one in self.people:
            one.state, one.guesses, one.old = "none", Guesses(), []
        self.links, self.conversions, self.authorizations, self.trail = [], ["x"], ["x"], []
        appliance.inbox.clear()

    def operator(self):
        return self.rng.choice(("op-1", "op-2", "op-3", "OP-1 "))

    def evidence(self, conversion=False):
        document = DOCUMENT | {"expires": self.rng.choice(("2049-01-01",) * 5 + ("2001-01-01",))}
        if not conversion:
            return {"document": document}
        digest = {"sha256": self.town.sha256()}
        return {"route": self.rng.choice(("upload", "fax", "in-person")), "form_sha256": self.town.sha256(), "document": document | digest}

    def pin(self, citizen):
        """Right more often than not; else another's, an old one, half of it, or invented. And whether it can be right."""
        known = [p for p in (citizen.pin, citizen.first, citizen.second, citizen.whole) if p]
        return self.rng.choice(known * 3 + citizen.old + [self.people[0].pin or "ABCDEFGH", self.town.pin(), self.town.pin(16)])

    def call(self, role, method, path, body=None):
        """One call; now and then with a broken body, now and then twice with one key."""
        channel, rng = self.appliance.shared(role), self.rng
        self.trail.append(f"{role} {method} {path}")
        options = {}
        if method == "POST" and rng.random() < BROKEN:
            if rng.random() < 0.3:
                options["raw"] = broken_bytes(rng, body)
            else:
                body = broken(rng, body)
        if method == "POST" and rng.random() < AGAIN:
            key = f"{rng.getrandbits(64):x}"
            answer = channel.call(method, path, body, key=key, **options)
            kept = path not in ("/v1/status", "/v1/outbox/leases", "/v1/outbox/acks") and (answer.json or {}).get("code") not in BEFORE_THE_KEY
            if kept:
                again = channel.call(method, path, body, key=key, **options)
                assert (answer.status, answer.raw) == (again.status, again.raw), (answer, again)
        else:
            answer = channel.call(method, path, body, **options)
        assert answer.status < 500, f"{role} {method} {path}: {answer!r}"
        self.seen[answer.status] = self.seen.get(answer.status, 0) + 1
        self.sent = body  # bytes that were broken and taken all the same have the PIN as it was
        return answer

    # Answers that say something about the PIN.
    def decide(self, role, path, citizen, **more):
        shown = self.pin(citizen)
        answer = self.call(role, "POST", path, {"subject": citizen.subject, "pin": shown} | more)
        if answer.status == 409 and answer.code == "already-dispositive":
            citizen.guesses.left = LIMIT  # it was right, and that ended the count
        if answer.status >= 400:
            return None
        shown = self.sent["pin"]
        right = outcome_of(answer) == "verified"
        citizen.guesses.check(answer, clears=right and answer.json.get("presented") != "first-half")
        if not right:
            self.same_shape(answer)
            return None
        whole = path == "/v1/activations" or answer.json.get("presented") == "provisional"
        wanted = citizen.whole if whole else citizen.first if answer.json.get("presented") == "first-half" else citizen.pin
        assert wanted and shown == wanted and citizen.state == ("provisional" if len(shown) == 16 or shown == citizen.first else "active"), (
            f"{role} {path} took a PIN that is not the citizen's: {answer.outcome}, state {citizen.state}")
        return answer

    def same_shape(self, answer):
        """Whoever is asked about, and wherever: the same bytes, the same headers."""
        if answer.outcome != "rejected":
            return
        mine = answer.raw, tuple(name.lower() for name in answer.headers)
        first = self.rejections.setdefault(answer["attempts_remaining"], mine)
        assert mine == first, (mine, first)

    def issued(self, citizen, answer):
        if answer.status not in (201, 202) or "deliveries" not in (answer.json or {}):
            return False
        if answer.status == 201:
            citizen.old += [p for p in (citizen.pin, citizen.whole) if p]
            citizen.first = citizen.second = citizen.pin = ""
            citizen.state, citizen.guesses.left = "provisional", LIMIT
        before = {"credential_id": citizen.credential_id}
        self.appliance.halves(citizen, before | answer.json)
        return True

    # Steps
    def request(self, citizen):
        role = self.rng.choice(("portal", "portal", "contact-centre", "branch"))
        body = {"subject": citizen.subject, "contacts": copy.deepcopy(citizen.contacts), "health_card": dict(citizen.health_card)}
        if role == "portal" and self.rng.random() < 0.4:
            body["first_half_by"] = self.rng.choice(("sms", "email", "pec"))
        if role != "portal":
            body["operator"] = self.operator()
        if role == "branch":
            body["evidence"] = self.evidence()
        live = citizen.state in ("provisional", "active", "blocked")
        answer = self.call(role, "POST", "/v1/credentials", body)
        assert not (live and answer.status == 201), f"a second live credential: {answer!r}"
        self.issued(citizen, answer)

    def halves(self, citizen):
        role = self.rng.choice(("portal", "contact-centre"))
        body = {"subject": citizen.subject, "half": self.rng.choice(("first", "second"))}
        if role == "contact-centre":
            body["operator"] = self.operator()
        self.issued(citizen, self.call(role, "POST", f"/v1/credentials/{citizen.credential_id or 'x'}/halves", body))

    def verify(self, citizen):
        more = {"receipt": True} if self.rng.random() < 0.2 else {}
        self.decide(self.rng.choice(("portal", "contact-centre", "branch")), "/v1/verifications", citizen, **more)

    def activate(self, citizen):
        answer = self.decide("portal", "/v1/activations", citizen)
        if answer:
            citizen.old.append(citizen.whole)
            citizen.state, citizen.pin, citizen.first, citizen.second = "active", answer["pin"], "", ""

    def renew(self, citizen):
        answer = self.decide("portal", "/v1/renewals", citizen)
        if answer:
            citizen.old.append(citizen.pin)
            citizen.pin = answer["pin"]

    def convert(self, citizen):
        if self.rng.random() < 0.3:
            body = {"subject": citizen.subject, "operator": self.operator(), "evidence": self.evidence()}
            answer = self.call("branch", "POST", "/v1/conversions", body)
            answer = answer if answer.status == 201 else None
        else:
            answer = self.decide("portal", "/v1/conversions", citizen)
        if answer:
            self.conversions.append(answer["conversion_id"])

    def conversion(self, _):
        rng, path = self.rng, f"/v1/conversions/{self.rng.choice(self.conversions[-3:])}"
        what = rng.randrange(3)
        if what == 0:
            self.call(rng.choice(("portal", "back-office", "branch")), "GET", path)
        elif what == 1:
            role = rng.choice(("portal", "back-office", "branch"))
            more = {} if role == "portal" else {"operator": self.operator()}
            self.call(role, "POST", path + "/evidence", self.evidence(True) | more)
        else:
            body = {"decision": rng.choice(("approve", "reject")), "operator": self.operator()} | rng.choice(({}, {"reason": "r"}))
            self.call(rng.choice(("back-office", "branch")), "POST", path + "/decision", body)

    def authorize(self, citizen):
        if self.rng.random() < 0.3:
            self.call("portal", "GET", f"/v1/authorizations/{self.rng.choice(self.authorizations)}")
            return
        action = {"type": "claim.submit", "reference": "R-1", "sha256": self.town.sha256()}
        answer = self.decide("portal", "/v1/authorizations", citizen, action=action)
        if answer:
            self.authorizations.append(answer["authorization_id"])

    def recover(self, citizen):
        if self.rng.random() < 0.3:
            body = {"subject": citizen.subject, "operator": self.operator(), "evidence": self.evidence()}
            self.issued(citizen, self.call("branch", "POST", "/v1/recoveries", body))
            return
        names = self.rng.sample(("mobile", "email", "pec"), self.rng.randint(1, 3))
        of = self.rng.choice((citizen, citizen, citizen, self.people[0]))
        body = {"subject": citizen.subject, "contacts": {name: getattr(of, name) for name in names}}
        answer = self.call("portal", "POST", "/v1/recoveries", body)
        if answer.status == 202:
            self.links.append(("recoveries", answer["recovery_id"], citizen))

    def revoke(self, citizen):
        if self.rng.random() < 0.2:
            body = {"subject": citizen.subject, "operator": self.operator(), "reason": self.rng.choice(("lost", "deceased", "other"))}
            answer = self.call("branch", "POST", "/v1/revocations", body)
            if answer.status == 200:
                citizen.state = "revoked"
            return
        card = citizen.health_card | self.rng.choice(({}, {}, {"expires": "2048-01-01"}))
        body = {"subject": citizen.subject, "health_card": card, "contact": self.rng.choice(({"email": citizen.email}, {"pec": citizen.pec}))}
        answer = self.call("portal", "POST", "/v1/revocations", body)
        if answer.status == 202:
            self.links.append(("revocations", answer["revocation_id"], citizen))

    def confirm(self, _):
        kind, identifier, citizen = self.rng.choice(self.links or [("recoveries", "x", self.people[0])])
        token = self.town.token()
        if identifier != "x" and self.rng.random() < 0.8:
            token = self.appliance.link(identifier)[1]["token"]
        path = f"/v1/{self.rng.choice((kind, kind, kind, 'recoveries'))}/{identifier}/confirmation"
        answer = self.call("portal", "POST", path, {"token": token})
        if answer.status == 200 and answer.outcome == "verified":
            citizen.state = "revoked"
        self.issued(citizen, answer)

    def block(self, citizen):
        body = {"subject": citizen.subject, "operator": self.operator(), "reason": "lost"}
        if self.call(self.rng.choice(("contact-centre", "branch")), "POST", "/v1/blocks", body).status == 200:
            citizen.state = "blocked"

    def contacts(self, citizen):
        role = self.rng.choice(("portal", "contact-centre", "branch"))
        contacts = {"phone": "+390612345678"} if self.rng.random() < 0.5 else {"email": self.town.citizen().email}
        if role == "portal":
            self.decide(role, "/v1/contacts", citizen, contacts=contacts)
            return
        body = {"subject": citizen.subject, "operator": self.operator(), "contacts": contacts}
        self.call(role, "POST", "/v1/contacts", body | ({"evidence": self.evidence()} if role == "branch" else {}))

    def status(self, citizen):
        answer = self.call(self.rng.choice(("contact-centre", "branch")), "POST", "/v1/status", {"subject": citizen.subject, "operator": self.operator()})
        if answer.status == 200:
            assert answer["state"] == citizen.state, f"{citizen.state}, then {answer!r}"
            assert answer["locked"] is (citizen.guesses.left == 0), f"{citizen.guesses.left} left, then {answer!r}"

    def courier(self, _):
        role = self.rng.choice(ROLES[5:])
        acks = [{"delivery_id": self.rng.choice(("x", "A" * 22, "-")), "status": self.rng.choice(("delivered", "failed"))}]
        self.call(role, "POST", "/v1/outbox/acks", {"acks": acks * self.rng.randint(0, 3)})

    def look(self, _):
        role = self.rng.choice(ROLES)
        after, limit = (self.rng.choice(("0", "1", "-1", "x", "", "99999999999999999999999")) for _ in range(2))
        path = self.rng.choice(("/v1/keys", "/v1/whoami", f"/v1/ledger?after={after}&limit={limit}", "/v1/ledger?after=5&limit=10",
                                "/v1/ledger/checkpoint", "/v1/nothing", "/v1/conversions/%00", "/v1/credentials"))
        self.call(role, "GET", path)

    def wrong_role(self, citizen):
        path = self.rng.choice(("/v1/activations", "/v1/authorizations", "/v1/blocks", "/v1/outbox/leases", "/v1/renewals"))
        role = {"/v1/blocks": "portal"}.get(path, "back-office")
        assert self.call(role, "POST", path, {"subject": citizen.subject, "pin": self.pin(citizen)}).status == 403

    WEIGHTS = {request: 12, halves: 4, verify: 22, activate: 14, renew: 5, convert: 6, conversion: 8, authorize: 6, recover: 7, revoke: 5, confirm: 8,
               block: 2, contacts: 6, status: 6, courier: 2, look: 3, wrong_role: 2}

    def run(self):
        for _ in range(self.rng.randint(*STEPS)):
            step = self.rng.choices(list(self.WEIGHTS), list(self.WEIGHTS.values()))[0]
            step(self, self.rng.choice(self.people))
        for citizen in self.people:
            self.status(citizen)


def test_random_lives(appliance, town):
    wanted, again = int(os.environ.get("SIGILLO_RANDOM_SEQUENCES", "0")), os.environ.get("SIGILLO_RANDOM_SEED", "")
    seed, _, only = (again or str(random.SystemRandom().getrandbits(32))).partition(":")
    deadline, seen, done = time.monotonic() + SECONDS * min(SLOW, 3), {}, 0
    numbers = [int(only)] if only else range(wanted or 10**9)
    for n in numbers:
        if not wanted and not only and time.monotonic() > deadline:
            break
        town.rng = rng = random.Random(f"{seed}:{n}")
        walk = Walk(appliance, town, rng, seen)
        try:
            walk.run()
        except BaseException:
            print(f"SIGILLO_RANDOM_SEED={seed}:{n} after\n  " + "\n  ".join(walk.trail[-12:]))
            raise
        done += 1
    print(f"seed {seed}: {done} sequences, answers {dict(sorted(seen.items()))}")
    assert done and (only or {200, 201, 202, 400, 403, 404, 409, 422} <= set(seen)), seen
