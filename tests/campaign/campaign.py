"""Guesses against a real appliance that is killed, rolled back and run twice; then the books are compared.

    /usr/bin/python3 tests/campaign/campaign.py --bin build/bin [--seed N] [--minutes M]

Clients on every endpoint that confirms a PIN write down each answer, and each request that never got one. The promise:
no subject's guesses answered ever exceed its limit, nothing answered is missing from the ledger, an older store never
starts, the true one always does, and of two copies at most one answers. Exit code 0 only where all of it held.
"""

import argparse
import collections
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

LIMIT = 10
SHORT_S = 50
REFUSED = 3  # sigillod --help: the store was refused
SETTINGS = {"policy.guess.delay_from": LIMIT + 1}
WORKERS = 5
ACTION = {"type": "claim.submit", "reference": "R-1", "sha256": "ab" * 32}
# Role, path, what stands beside subject and PIN, length of the PIN.
ENDPOINTS = [("portal", "/v1/verifications", {}, 8), ("contact-centre", "/v1/verifications", {}, 8),
             ("branch", "/v1/verifications", {}, 16), ("portal", "/v1/activations", {}, 16), ("portal", "/v1/renewals", {}, 8),
             ("portal", "/v1/conversions", {}, 8), ("portal", "/v1/authorizations", {"action": ACTION}, 8),
             ("portal", "/v1/contacts", {"contacts": {"phone": "+390612345678"}}, 8)]


class Books:
    """What the clients saw. A subject here only ever gets wrong PINs, so its count is never set back."""

    def __init__(self):
        self.lock = threading.Lock()
        self.figures = collections.Counter()
        self.left = collections.defaultdict(list)  # subject: each attempts_remaining of an evaluated guess, in order
        self.violations = []

    def count(self, name, by=1):
        with self.lock:
            self.figures[name] += by

    def violation(self, text):
        with self.lock:
            self.violations.append(text)
        print(f"VIOLATION: {text}", flush=True)

    def answered(self, subject, answer):
        self.count("guesses answered")
        if answer.status == 503:
            return self.count("answered 503")
        if answer.status >= 400 or answer.outcome not in ("rejected", "locked"):
            return self.violation(f"a wrong PIN was answered {answer!r}")
        if answer.outcome == "locked":
            return self.count("answered locked")
        with self.lock:
            self.figures["answered after an evaluation"] += 1
            left = self.left[subject]
            # Two answers with the same number would be two guesses for one charge.
            again = answer["attempts_remaining"] in left
            left.append(answer["attempts_remaining"])
            seen = list(left)
        if again or len(seen) > LIMIT or not 0 <= seen[-1] < LIMIT:
            self.violation(f"{len(seen)} guesses evaluated on one subject, attempts_remaining {seen}")


class Guessers:
    """Threads with connections of their own, guessing until told to end or until nobody answers."""

    def __init__(self, campaign, appliances, subjects):
        self.campaign, self.subjects, self.ended = campaign, subjects, threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(appliances[i % len(appliances)], campaign.dice.getrandbits(32)))
                        for i in range(WORKERS)]
        for thread in self.threads:
            thread.start()

    def work(self, appliance, seed):
        from harness.citizen import PIN_ALPHABET
        dice, channels, books = random.Random(seed), {}, self.campaign.books
        while not self.ended.is_set():
            role, path, more, length = dice.choice(ENDPOINTS)
            subject = dice.choice(self.subjects)
            pin = "".join(dice.choice(PIN_ALPHABET) for _ in range(length))  # right once in 2^40
            books.count("guesses sent")
            try:
                channel = channels.get(role) or channels.setdefault(role, appliance.channel(role))
                books.answered(subject, channel.post(path, {"subject": subject, "pin": pin} | more))
            except (OSError, http.client.HTTPException):
                books.count("guesses without an answer")
                if appliance.process is None or appliance.process.poll() is not None:
                    break
        for channel in channels.values():
            channel.close()

    def end(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()


class Campaign:
    def __init__(self, seed):
        from harness.appliance import Appliance
        from harness.citizen import Town
        self.dice, self.books, self.town = random.Random(seed), Books(), Town(seed)
        self.appliance = Appliance(SETTINGS)
        self.store = self.appliance.directory / "store"
        self.subjects = []
        self.appliance.start()

    def fresh_subjects(self):
        """Some that have a credential, definitive or provisional, and some that nobody ever heard of."""
        known = [self.appliance.at_branch(self.town.citizen()) for _ in range(2)]
        self.appliance.activate(known[0])
        self.subjects = [c.subject for c in known] + [self.town.citizen().subject for _ in range(3)]
        self.books.count("subjects", len(self.subjects))

    def evaluated(self):
        return self.books.figures["answered after an evaluation"]

    def wait_for(self, guesses, guessers):
        goal, deadline = self.evaluated() + guesses, time.monotonic() + 3
        while self.evaluated() < goal and time.monotonic() < deadline and any(t.is_alive() for t in guessers.threads):
            time.sleep(0.002)

    def kill(self, appliance=None):
        """From outside, and at once: whatever step each request is at. The clients' connections are theirs to close."""
        appliance = appliance or self.appliance
        if appliance.process.poll() is not None:
            return appliance.process.returncode
        appliance.process.kill()
        self.books.count("kills")
        return appliance.process.wait()

    def start(self, what):
        """The true store must always be accepted."""
        try:
            if self.appliance.process:
                self.appliance._ended()
            self.appliance.start()
            self.appliance.channels.clear()
            self.books.count("starts")
            return True
        except AssertionError as refusal:
            self.books.violation(f"the true store was refused after {what}: {str(refusal)[-600:]}")
            return False

    # What may happen to an appliance
    def killed_at_random(self):
        guessers = Guessers(self, [self.appliance], self.subjects)
        self.wait_for(self.dice.randint(0, 8), guessers)
        time.sleep(self.dice.random() * 0.02)  # which step it dies at is the dice's
        self.kill()
        guessers.end()
        return self.start("a kill")

    def killed_with_a_request_in_it(self):
        """Sends one guess on a raw connection and kills between its bytes and its answer."""
        channel, subject = self.appliance.channel("portal"), self.dice.choice(self.subjects)
        sock = channel.socket()
        body = json.dumps({"subject": subject, "pin": self.town.pin()}).encode()
        sock.sendall(b"POST /v1/verifications HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                     b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.books.count("guesses sent")
        time.sleep(self.dice.random() * 0.008)
        self.kill()
        self.books.count("guesses without an answer")  # one that did leave is not read: the books then say less
        sock.close()
        return self.start("a kill in the middle of a verification")

    def rolled_back(self):
        """The files are copied, guesses follow, the copy is put back: refused; then the true files: accepted."""
        running, wal = self.dice.random() < 0.5, self.dice.random() < 0.5
        if not running:
            self.appliance.stop()
        saved = self.appliance.root / "snapshot"
        shutil.rmtree(saved, ignore_errors=True)
        shutil.copytree(self.store, saved)
        if not running and not self.start("a clean stop"):
            return False
        self.fresh_subjects()
        before = self.evaluated()
        guessers = Guessers(self, [self.appliance], self.subjects)
        self.wait_for(self.dice.randint(1, 12), guessers)
        clean = self.dice.random() < 0.3
        if clean:
            guessers.end()
            self.appliance.stop()
        else:
            self.kill()
            guessers.end()
        if self.evaluated() == before:
            return self.start("a round without answers")
        truth = self.appliance.root / "truth"
        shutil.rmtree(truth, ignore_errors=True)
        self.store.rename(truth)
        shutil.copytree(saved, self.store)
        if not wal:
            for name in ("sigillo.db-wal", "sigillo.db-shm"):
                (self.store / name).unlink(missing_ok=True)
        what = f"a store copied while {'running' if running else 'stopped'}, put back {'with' if wal else 'without'} its WAL"
        self.books.count("snapshots put back")
        code = self.exit_code_of_a_start()
        if code == REFUSED:
            self.books.count("snapshots refused")
        else:
            self.books.violation(f"{what}: sigillod {'served' if code is None else f'ended with {code}'}, not {REFUSED}")
        shutil.rmtree(self.store)
        truth.rename(self.store)
        return self.start(what)

    def exit_code_of_a_start(self, appliance=None):
        appliance = appliance or self.appliance
        if appliance.process:
            appliance._ended()
        try:
            appliance.start()
        except AssertionError:
            code = appliance.process.poll()
            if code is None:
                self.kill(appliance)
            appliance._ended()
            return code
        self.kill(appliance)
        appliance._ended()
        return None

    def run_twice(self):
        """A copy of the folder, with the one token, is started while the first serves; both are asked."""
        import copy

        from harness.appliance import free_ports
        self.fresh_subjects()
        first, second = self.appliance, copy.copy(self.appliance)
        second.directory = first.root / "second"
        shutil.rmtree(second.directory, ignore_errors=True)
        shutil.copytree(first.directory, second.directory)
        second.process, second.channels, second.configuration = None, {}, second.directory / "sigillo.toml"
        second.port, second.monitor = free_ports(2)
        second.set("store.path", str(second.directory / "store" / "sigillo.db"))
        second.set("server.listen", f"127.0.0.1:{second.port}")
        second.set("server.monitor", f"127.0.0.1:{second.monitor}")
        self.books.count("second copies started")
        busy = self.dice.random() < 0.5
        guessers = Guessers(self, [first], self.subjects) if busy else None
        try:
            second.start()
        except AssertionError:
            self.books.count("second copies refused")
        if guessers:
            guessers.end()
        both = [a for a in (first, second) if a.process and a.process.poll() is None]
        guessers = Guessers(self, both, self.subjects)
        self.wait_for(self.dice.randint(5, 20), guessers)
        for appliance in both:
            self.kill(appliance)
        guessers.end()
        second_is_true = False
        if second.process:
            second._ended()
        code = self.exit_code_of_a_start()
        if code is not None:  # the first was fenced, and the second has gone on from where it stood
            second_is_true = True
            shutil.rmtree(self.store)
            shutil.copytree(second.directory / "store", self.store)
        self.books.count("taken over by the second copy", second_is_true)
        return self.start("two copies ran" + (", the second is the true one" if second_is_true else ""))

    # The ledger
    def audit(self):
        """The appliance's own commands verify the chain; what it says is then compared with the clients' books."""
        exported = self.appliance.root / "ledger.jsonl"
        exported.unlink(missing_ok=True)
        self.appliance.stop()
        done = self.appliance.sigillo("audit", "export", "--config", str(self.appliance.configuration), str(exported), check=False)
        if done.returncode != 0:
            return self.books.violation(f"audit export ended with {done.returncode}: {done.stderr.decode()[-400:]}")
        done = self.appliance.sigillo("audit", "verify", str(exported), check=False)
        if done.returncode != 0:
            self.books.violation(f"audit verify ended with {done.returncode}: {(done.stdout + done.stderr).decode()[-400:]}")
        entries = [json.loads(line) for line in exported.read_text(encoding="utf-8").splitlines()]
        self.compare([e for e in entries if "seq" in e])

    def compare(self, entries):
        charges, closed, evaluated = {}, set(), collections.Counter()
        for entry in entries:
            if entry["event"] == "charge":
                charges[entry["seq"]] = entry
            elif entry["event"] in ("settle", "not_evaluated"):
                attempt = entry["attempt"]
                if attempt not in charges or attempt in closed:
                    self.books.violation(f"ledger entry {entry['seq']} settles {attempt}, which is no open charge")
                closed.add(attempt)
                if entry["event"] == "settle" and entry["outcome"] == "rejected":
                    evaluated[entry["subject"]] += 1
                    if evaluated[entry["subject"]] > LIMIT:
                        self.books.violation(f"the ledger has {evaluated[entry['subject']]} rejected guesses of one subject")
        refunds = sum(e["event"] == "not_evaluated" for e in entries)
        self.books.figures["guesses charged"] = len(charges)
        self.books.figures["put back, not evaluated"] = refunds
        self.books.figures["ledger entries"] = len(entries)
        if self.evaluated() > len(charges) - refunds:
            self.books.violation(f"{self.evaluated()} guesses answered, {len(charges) - refunds} charged")

    def run(self, seconds):
        events = [self.killed_at_random, self.killed_with_a_request_in_it, self.rolled_back, self.run_twice]
        deadline, rounds = time.monotonic() + seconds, 0
        while time.monotonic() < deadline and not self.books.violations:
            event = events[rounds] if rounds < len(events) else self.dice.choices(events, (5, 3, 3, 1))[0]
            if rounds % 3 == 0:
                self.fresh_subjects()
            rounds += 1
            self.books.count("runs")
            if not event():
                return
        self.audit()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", help="folder of sigillod and sigillo")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--minutes", type=float, default=SHORT_S / 60)
    parser.add_argument("--keep", action="store_true", help="leave the appliance's folder where it is")
    arguments = parser.parse_args()
    if arguments.bin:
        os.environ["SIGILLO_BIN"] = os.path.abspath(arguments.bin)
    seed = random.SystemRandom().getrandbits(32) if arguments.seed is None else arguments.seed
    print(f"seed {seed}", flush=True)
    campaign = Campaign(seed)
    try:
        campaign.run(arguments.minutes * 60)
    finally:
        if arguments.keep or campaign.books.violations:
            print(f"folder {campaign.appliance.root}")
            if campaign.appliance.process and campaign.appliance.process.poll() is None:
                campaign.appliance.process.send_signal(signal.SIGKILL)
        else:
            campaign.appliance.discard()
    for name, value in sorted(campaign.books.figures.items()):
        print(f"{name:32}{value:8}")
    print(f"{'violations':32}{len(campaign.books.violations):8}")
    return 1 if campaign.books.violations else 0


if __name__ == "__main__":
    sys.exit(main())
