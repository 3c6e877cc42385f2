"""How long a wrong PIN takes, by what the subject is. Not a test: run it on a quiet machine, by hand.

    /usr/bin/python3 tests/e2e/measure_alike.py [answers of each kind, 2000]

Kinds take turns in random order on one connection, so that whatever the machine does it does to all. Prints the median of
each and how far it is from that of the unknown; exits 1 where one is 3 % off."""

import random
import statistics
import sys
import time

from harness.appliance import Appliance
from harness.citizen import Town

SETTINGS = {"policy.guess.limit": 60000, "policy.guess.delay_from": 60001}
KINDS = ("unknown", "active", "provisional", "blocked", "revoked")


def people(appliance, town):
    out = {kind: town.citizen() for kind in KINDS}
    for kind in KINDS[1:]:
        (appliance.provisional if kind == "provisional" else appliance.active)(out[kind])
    for kind, path in (("blocked", "/v1/blocks"), ("revoked", "/v1/revocations")):
        appliance.branch.post(path, {"subject": out[kind].subject, "operator": "op-1", "reason": "lost"}, status=200)
    return out


def raw_call(channel, path, body):
    """As bytes on the wire, without the harness's checks: only the appliance is measured."""
    request = (f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nIdempotency-Key: {random.getrandbits(64):x}\r\n"
               f"Content-Length: {len(body)}\r\n\r\n{body}").encode()
    begun = time.perf_counter_ns()
    channel.sendall(request)
    answer = channel.recv(4096)
    taken = time.perf_counter_ns() - begun
    assert b'"rejected"' in answer, answer
    return taken / 1000


def main():
    wanted, failed = int((sys.argv + ["2000"])[1]), False
    town = Town()
    appliance = Appliance(SETTINGS).start()
    try:
        subjects = people(appliance, town)
        wire = appliance.channel("portal").socket()
        for path, length in (("/v1/verifications", 8), ("/v1/verifications", 16)):
            taken = {kind: [] for kind in KINDS}
            order = [kind for kind in KINDS for _ in range(wanted + 20)]
            random.shuffle(order)
            for kind in order:
                body = f'{{"subject":"{subjects[kind].subject}","pin":"{town.pin(length)}"}}'
                taken[kind].append(raw_call(wire, path, body))
            base = statistics.median(taken["unknown"][20:])
            for kind in KINDS:
                median = statistics.median(taken[kind][20:])
                off = 100 * (median / base - 1)
                failed |= abs(off) >= 3
                print(f"{path} {length} characters, {kind:12} {len(taken[kind]) - 20} answers, median {median:8.1f} us, {off:+.2f} %")
    finally:
        appliance.discard()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
