"""The promise: guesses answered are never more than the limit, whatever runs in parallel and whenever the process dies."""

import collections
import concurrent.futures
import http.client
import itertools
import random
import threading

from harness.appliance import eventually

SETTINGS = {"policy.guess.delay_from": 11}
LIMIT = 10


def endpoints(town):
    """Ways to ask about a definitive PIN: role, path and what stands beside subject and PIN."""
    action = {"type": "claim.submit", "reference": "R-1", "sha256": town.sha256()}
    return [("portal", "/v1/verifications", {}), ("contact-centre", "/v1/verifications", {}), ("branch", "/v1/verifications", {}),
            ("portal", "/v1/renewals", {}), ("portal", "/v1/conversions", {}), ("portal", "/v1/authorizations", {"action": action}),
            ("portal", "/v1/contacts", {"contacts": {"phone": "+390612345678"}})]


def in_parallel(appliance, calls, workers):
    """Each worker has connections of its own; all start together."""
    barrier, queue, lock, answers = threading.Barrier(workers), iter(list(calls)), threading.Lock(), []

    def work():
        channels = {}
        barrier.wait()
        while True:
            with lock:
                call = next(queue, None)
            if call is None:
                break
            role, path, body = call
            channel = channels.get(role) or channels.setdefault(role, appliance.channel(role))
            answer = channel.post(path, body)
            with lock:
                answers.append(answer)
        for channel in channels.values():
            channel.close()

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(work) for _ in range(workers)]:
            done.result()
    return answers


def tally(answers):
    return collections.Counter(a.outcome if a.status < 400 else a.code for a in answers)


def test_two_hundred_parallel_wrong_guesses_are_ten(appliance, town, someone):
    appliance.active(someone)
    ways = itertools.cycle(endpoints(town))
    calls = [(role, path, {"subject": someone.subject, "pin": town.pin(other_than=(someone.pin,))} | more)
             for role, path, more in itertools.islice(ways, 200)]
    answers = in_parallel(appliance, calls, 20)
    seen = tally(answers)
    assert seen["rejected"] == LIMIT and set(seen) <= {"rejected", "locked", "overloaded"}, seen
    assert seen["locked"] >= 100, seen
    left = sorted(a["attempts_remaining"] for a in answers if a.status < 400 and a.outcome == "rejected")
    assert left == list(range(LIMIT))  # each was charged by itself
    assert appliance.portal.verify(someone.subject, someone.pin).outcome == "locked"


def every_way(town, citizen):
    """Wrong secrets on every endpoint that confirms something of this citizen: which counter, role, path and body."""
    wrong = lambda: town.pin(other_than=(citizen.pin,))  # noqa: E731
    pins = [("pin", role, path, lambda more=more: {"subject": citizen.subject, "pin": wrong()} | more)
            for role, path, more in endpoints(town)]
    pins.append(("pin", "portal", "/v1/activations", lambda: {"subject": citizen.subject, "pin": wrong() + town.pin()}))
    contacts = lambda: {"subject": citizen.subject, "contacts": {"mobile": "+393400000000", "email": "no@example.it"}}  # noqa: E731
    card = lambda: {"subject": citizen.subject, "contact": {"email": citizen.email},  # noqa: E731
                    "health_card": {"number": "80390" + "1" * 15, "expires": "2049-05-31"}}
    return pins * 3 + [("contacts", "portal", "/v1/recoveries", contacts), ("card", "portal", "/v1/revocations", card)]


def test_a_thousand_parallel_wrong_guesses_on_every_endpoint_are_ten_of_each_counter(appliance, town, someone):
    """PINs, contacts and health cards have a counter each; links of the same citizen have theirs, and die at five."""
    appliance.active(someone)
    two = {name: someone.contacts[name] for name in ("mobile", "email")}
    link = appliance.portal.post("/v1/recoveries", {"subject": someone.subject, "contacts": two}, status=202)["recovery_id"]
    ways = every_way(town, someone) + [("link", "portal", f"/v1/recoveries/{link}/confirmation", lambda: {"token": town.token()})] * 2
    drawn = [next_way for next_way, _ in zip(itertools.cycle(ways), range(1000))]
    town.rng.shuffle(drawn)
    before = appliance.auditor.get("/v1/ledger?after=0&limit=1")["entries"][0]["seq"] - 1
    calls = [(role, path, make()) for _, role, path, make in drawn]
    in_parallel(appliance, calls, 40)
    charges, rejected = {}, collections.Counter()
    while True:
        page = appliance.auditor.get(f"/v1/ledger?after={before}&limit=1000")["entries"]
        for entry in page:
            before = entry["seq"]
            if entry["event"] == "charge":
                charges[before] = entry["guard"]
            elif entry["event"] == "settle" and entry["outcome"] == "rejected":
                guard = charges[entry["attempt"]]
                rejected[guard["subject"], guard["counter"]] += 1
        if len(page) < 1000:
            break
    ours = next(key[0] for key in rejected if key[1] == 2)
    mine = {counter: n for (subject, counter), n in rejected.items() if subject == ours}
    assert mine == {1: LIMIT, 2: LIMIT, 3: LIMIT}, mine
    assert [n for (_, counter), n in rejected.items() if counter == 4] == [5], rejected
    assert appliance.portal.verify(someone.subject, someone.pin).outcome == "locked"


def test_right_ones_among_wrong_ones_count_in_the_order_of_their_charges(appliance, town, someone):
    """Replays the ledger: a right PIN verifies and clears where ten had not been wrong before it, and none after them."""
    appliance.active(someone)
    calls = [("portal", "/v1/verifications", {"subject": someone.subject, "pin": town.pin(other_than=(someone.pin,))}) for _ in range(56)]
    calls += [("portal", "/v1/verifications", {"subject": someone.subject, "pin": someone.pin})] * 4
    town.rng.shuffle(calls)
    seen = tally(in_parallel(appliance, calls, 20))
    after, entries = 0, []
    while page := appliance.auditor.get(f"/v1/ledger?after={after}&limit=1000")["entries"]:
        entries, after = entries + page, page[-1]["seq"]
        if len(page) < 1000:
            break
    last = max(e["seq"] for e in entries if e["event"] == "activated")
    subject = next(e["subject"] for e in entries if e["seq"] == last)
    charges = [e for e in entries if e["event"] == "charge" and e["subject"] == subject and e["seq"] > last]
    outcome = {e["attempt"]: e["outcome"] for e in entries if e["event"] == "settle"}
    total = 0
    for charge in charges:
        assert total < LIMIT, "charged beyond the lock"
        assert charge["guard"]["failures"] == total + 1
        total = 0 if outcome[charge["seq"]] == "verified" else total + 1
    assert seen["verified"] == sum(outcome[c["seq"]] == "verified" for c in charges)
    assert seen["rejected"] == sum(outcome[c["seq"]] == "rejected" for c in charges)
    assert seen["rejected"] >= LIMIT and total == LIMIT, "fifty-six wrong ones end in the lock, wherever the right ones stood"
    assert sum(seen.values()) == len(calls) and set(seen) <= {"verified", "rejected", "locked"}, seen


def test_two_hundred_parallel_guesses_at_an_unknown_subject_are_ten_too(appliance, town, someone):
    calls = [("portal", "/v1/verifications", {"subject": someone.subject, "pin": town.pin(random.choice((8, 16)))}) for _ in range(200)]
    seen = tally(in_parallel(appliance, calls, 20))
    assert seen["rejected"] == LIMIT and set(seen) <= {"rejected", "locked", "overloaded"}, seen


def test_parallel_right_pins_all_verify(appliance, someone):
    appliance.active(someone)
    calls = [("portal", "/v1/verifications", {"subject": someone.subject, "pin": someone.pin})] * 100
    seen = tally(in_parallel(appliance, calls, 20))
    assert set(seen) <= {"verified", "overloaded"} and seen["verified"] >= 50, seen


def test_a_holder_of_the_first_half_gets_no_more_guesses_at_the_second(appliance, town, someone):
    appliance.provisional(someone)
    calls = []
    for _ in range(60):
        calls.append(("portal", "/v1/verifications", {"subject": someone.subject, "pin": someone.first}))
        calls.append(("portal", "/v1/activations", {"subject": someone.subject, "pin": someone.first + town.pin(other_than=(someone.second,))}))
    answers = in_parallel(appliance, calls, 10)
    assert tally(answers)["rejected"] == LIMIT


def test_subjects_do_not_lock_each_other(appliance, town):
    citizens = [town.citizen() for _ in range(10)]
    for citizen in citizens:
        appliance.active(citizen)
    victim = citizens[0]
    calls = [("portal", "/v1/verifications", {"subject": victim.subject, "pin": town.pin(other_than=(victim.pin,))}) for _ in range(40)]
    in_parallel(appliance, calls, 10)
    for citizen in citizens[1:]:
        assert appliance.portal.verify(citizen.subject, citizen.pin).outcome == "verified"


def test_counts_survive_a_clean_restart_and_a_kill(appliance, town, someone):
    appliance.active(someone)
    assert [appliance.remaining(someone, town) for _ in range(3)] == [9, 8, 7]
    appliance.restart()
    assert [appliance.remaining(someone, town) for _ in range(3)] == [6, 5, 4]
    appliance.kill9()
    appliance.start()
    assert [appliance.remaining(someone, town) for _ in range(4)] == [3, 2, 1, 0]
    appliance.kill9()
    appliance.start()
    assert appliance.portal.verify(someone.subject, someone.pin).outcome == "locked"
    assert appliance.status(someone)["locked"] is True


def test_killed_in_the_middle_of_a_burst_it_never_answers_more_than_the_limit(appliance, town):
    """Each round: guesses run, the process is killed at some instant, and starts again; what was answered is added up."""
    citizens = [town.citizen() for _ in range(6)]
    for citizen in citizens:
        appliance.active(citizen)
    answered, lowest, lock = collections.Counter(), {}, threading.Lock()
    dead = threading.Event()

    def guess(citizen):
        channel = appliance.channel("portal")
        while not dead.is_set():
            try:
                answer = channel.verify(citizen.subject, town.pin(other_than=(citizen.pin,)), status=(200, 503))
            except (OSError, http.client.HTTPException):
                break
            if answer.status != 200 or answer.outcome != "rejected":
                if answer.status == 200:
                    break
                continue
            with lock:
                answered[citizen.subject] += 1
                left = answer["attempts_remaining"]
                lowest[citizen.subject] = min(left, lowest.get(citizen.subject, LIMIT))
        channel.close()

    for _ in range(6):
        dead.clear()
        before = sum(answered.values())
        with concurrent.futures.ThreadPoolExecutor(len(citizens)) as pool:
            running = [pool.submit(guess, citizen) for citizen in citizens]
            goal = before + town.rng.randint(1, 12)
            eventually(lambda: sum(answered.values()) >= goal or all(f.done() for f in running), what="some answers")
            appliance.kill9()
            dead.set()
            for one in running:
                one.result()
        appliance.start()
    for citizen in citizens:
        while True:
            answer = appliance.portal.verify(citizen.subject, town.pin(other_than=(citizen.pin,)))
            if answer.outcome == "locked":
                break
            answered[citizen.subject] += 1
            assert answer["attempts_remaining"] < lowest.get(citizen.subject, LIMIT), "a guess came back with the restart"
            lowest[citizen.subject] = answer["attempts_remaining"]
        assert answered[citizen.subject] <= LIMIT, answered
