"""Guesses against a real appliance that is killed, starved, rolled back and run twice; then the books are compared.

    /usr/bin/python3 tests/campaign/campaign.py --bin build/bin [--seed N] [--minutes M] [--only EVENT]

Clients on every endpoint that confirms something write down each answer. The promise: no counter's guesses answered ever
exceed its limit, nothing answered is missing from the ledger, an older store never starts, the true one always does, of
two copies at most one answers, and a fault that ends is over without a restart. Exit code 0 only where all of it held.
"""

import argparse
import copy
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
for folder in ("e2e", "fault", "audit"):
    sys.path.insert(0, str(HERE.parent / folder))
sys.path.insert(0, str(HERE))

SHORT_S = 45
REFUSED = 3  # sigillod --help: the store was refused
SETTINGS = {"policy.guess.delay_from": 11, "hsm.deadline": "1s"}
BACK_S = 10
PAGE = 4096
FILES = ("sigillo.db", "sigillo.db-wal")


class Campaign:
    def __init__(self, seed):
        from books import Books
        from clients import Town as People
        from control import Control
        from harness.appliance import BIN, Appliance
        from harness.citizen import Town
        self.dice, self.books, self.people, self.town = random.Random(seed), Books(), Town(seed), People()
        self.steps = {}  # how far "killed at every step" has come
        self.libraries = pathlib.Path(BIN).parent / "fault"
        self.appliance = Appliance(SETTINGS)
        self.faults = Control(self.appliance.root / "faults", self.libraries)
        self.move_in()

    # The appliance and its people
    def move_in(self):
        appliance = self.appliance
        self.store = appliance.directory / "store"
        preload = (self.libraries / "libsigillo_fault_preload.so").exists()  # not under the sanitizers
        appliance.environment = self.faults.environment(self.store if preload else None)
        appliance.set("hsm.module", self.faults.module)
        appliance.start()
        self.books.another_appliance()
        self.town.holder = appliance.at_branch(self.people.citizen())
        appliance.activate(self.town.holder)
        self.fresh_subjects()

    def move_out(self):
        """A store that was tampered with and served on is nobody's to repair: the next rounds are another appliance's."""
        if self.books.violations:
            return False
        from control import Control
        old, self.appliance = self.appliance, type(self.appliance)(SETTINGS)
        old.discard()
        self.faults = Control(self.appliance.root / "faults", self.libraries)
        self.move_in()
        return True

    def fresh_subjects(self):
        """Some that have a credential, definitive or provisional, and some that nobody ever heard of; and two links."""
        appliance, town = self.appliance, self.town
        known = [appliance.at_branch(self.people.citizen()) for _ in range(3)]
        for citizen in known[:2]:
            appliance.activate(citizen)
        town.subjects = [c.subject for c in known] + [self.people.citizen().subject for _ in range(2)]
        two = {name: known[0].contacts[name] for name in ("mobile", "email")}
        opened = appliance.portal.post("/v1/recoveries", {"subject": known[0].subject, "contacts": two}, status=202)
        town.links = [("recoveries", opened["recovery_id"])]
        body = {"subject": known[1].subject, "health_card": known[1].health_card, "contact": {"email": known[1].email}}
        town.links.append(("revocations", appliance.portal.post("/v1/revocations", body, status=202)["revocation_id"]))
        from books import link_index
        for _, identifier in town.links:
            self.books.index[identifier] = link_index(identifier)
        for subject in town.subjects:  # one guess each, alone, tells how the ledger calls it
            from books import PIN
            self.books.count("guesses sent")
            self.books.answered(subject, PIN, appliance.portal.verify(subject, self.people.pin()))
            self.books.ledger.read(appliance.auditor)
            self.books.index[subject] = self.books.ledger.last["subject"]
        self.books.count("counters guessed at", 3 * len(town.subjects) + len(town.links))

    def wait_for(self, guesses, guessers, seconds=3):
        goal, deadline = self.books.evaluated() + guesses, time.monotonic() + seconds
        while self.books.evaluated() < goal and time.monotonic() < deadline and guessers.alive():
            time.sleep(0.002)

    def guess_a_while(self, low, high, seconds=3):
        """Guesses until all have been answered; then nothing is on its way."""
        from clients import Guessers
        guessers = Guessers(self, [self.appliance])
        self.wait_for(self.dice.randint(low, high), guessers, seconds)
        guessers.end()

    def kill(self, appliance=None):
        """From outside, and at once: whatever step each request is at. The clients' connections are theirs to close."""
        appliance = appliance or self.appliance
        if appliance.process.poll() is not None:
            return appliance.process.returncode
        appliance.process.kill()
        self.books.count("kills")
        return appliance.process.wait()

    def start(self, what):
        """The true store must always be accepted, and then serve; the books are compared with its ledger."""
        self.faults.clear()
        try:
            if self.appliance.process:
                self.appliance._ended()
            self.appliance.start()
            self.appliance.channels.clear()
            self.books.count("starts")
        except AssertionError as refusal:
            self.books.violation(f"the true store was refused after {what}: {str(refusal)[-600:]}")
            return False
        return self.comes_back(what)

    def comes_back(self, what):
        """The cause is gone: a right PIN verifies without a restart."""
        from clients import Guessers, close
        channels, begin = {}, time.monotonic()
        while True:
            if self.appliance.process.poll() is not None:
                self.books.violation(f"sigillod ended with {self.appliance.process.returncode} after {what}: {self.appliance.log_text()[-600:]}")
                return False
            before = self.books.figures["right secrets answered"], self.books.figures["right secrets answered 503"]
            Guessers.right(channels, self.appliance, self.town.holder, self.books)
            after = self.books.figures["right secrets answered"], self.books.figures["right secrets answered 503"]
            if after[0] > before[0] and after[1] == before[1]:
                break
            if self.books.violations:
                return False
            from harness.appliance import SLOW
            if time.monotonic() - begin > BACK_S * SLOW:
                self.books.violation(f"not back within {BACK_S} s after {what}: {self.appliance.log_text()[-900:]}")
                return False
            time.sleep(0.02)
        close(channels)
        waited = int(1000 * (time.monotonic() - begin))
        self.books.figures["longest way back, ms"] = max(self.books.figures["longest way back, ms"], waited)
        if self.books.ledger.read(self.appliance.auditor):
            self.books.compare()
        return not self.books.violations

    # What may happen to an appliance
    def killed_at_random(self):
        from clients import Guessers
        guessers = Guessers(self, [self.appliance])
        self.wait_for(self.dice.randint(0, 8), guessers)
        time.sleep(self.dice.random() * 0.02)  # which step it dies at is the dice's
        self.kill()
        guessers.end()
        return self.start("a kill")

    def killed_at_a_step(self):
        """One guess, alone, killed before or after the next call on HSM or store that none was killed at yet."""
        from clients import send
        from control import KILL, KILL_AFTER
        kind = self.dice.choice((KILL, KILL_AFTER))
        at = self.steps.get(kind, 0) + 1
        self.faults.arm("", kind, at=at)
        channels, finished = {}, None
        while finished is None:
            send(channels, self.appliance, self.town, self.books, self.dice)
            deadline = time.monotonic() + 0.2
            while self.appliance.process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.001)
            finished = self.appliance.process.poll()
        self.books.count("kills at a step")
        self.steps[kind] = at if at < 60 else 0
        self.books.figures["steps killed at, before and after"] = max(self.books.figures["steps killed at, before and after"], at)
        return self.start(f"a kill at step {at}")

    def faulty(self, plant, seconds=1.0):
        self.faults.clear()
        kind = plant(self.faults, self.dice)
        self.guess_a_while(40, 80, seconds)
        self.books.count("faults: " + kind)
        struck = sum(rule.struck for rule in self.faults.block.rules)
        self.books.count("calls that were struck", struck)
        self.faults.clear()
        return self.comes_back(kind)

    def hsm_fails(self):
        from faults import hsm_error
        return self.faulty(hsm_error)

    def hsm_hangs(self):
        from faults import hsm_hang
        return self.faulty(hsm_hang, 2.5)  # beyond the deadline of hsm.deadline

    def hsm_goes(self):
        from faults import hsm_outage
        return self.faulty(hsm_outage)

    def disk_fails(self):
        from faults import disk_error
        return self.faulty(disk_error)

    def disk_fails_and_it_is_killed(self):
        from faults import disk_error
        from clients import Guessers
        self.faults.clear()
        kind = disk_error(self.faults, self.dice)
        guessers = Guessers(self, [self.appliance])
        self.wait_for(self.dice.randint(1, 20), guessers, 1)
        self.kill()
        guessers.end()
        self.books.count("faults: " + kind + ", then killed")
        return self.start(kind + " and a kill")

    def clock_jumps(self):
        """Hours, forward and back, around requests that run; never days, for two counters end after thirty."""
        from clients import Guessers
        guessers = Guessers(self, [self.appliance])
        for _ in range(self.dice.randint(1, 4)):
            self.faults.block.clock_offset_ms = self.dice.randint(-6, 6) * 3_600_000 + self.dice.randint(-5_000, 5_000)
            self.books.count("clock jumps")
            self.wait_for(3, guessers, 0.5)
        if self.dice.random() < 0.5:
            self.kill()
            guessers.end()
            return self.start("a clock that jumped, and a kill")
        guessers.end()
        self.faults.clear()
        return self.comes_back("a clock that jumped")

    # What may be done to its files
    def files(self):
        return {name: (self.store / name).read_bytes() if (self.store / name).exists() else None for name in FILES}

    def put(self, files):
        (self.store / "sigillo.db-shm").unlink(missing_ok=True)
        for name, content in files.items():
            if content is None:
                (self.store / name).unlink(missing_ok=True)
            else:
                (self.store / name).write_bytes(content)

    def power_cut(self):
        """Any state the files had since the last answer is accepted: nothing answered may depend on what was not synced."""
        from clients import send
        from control import KILL
        self.guess_a_while(1, 10)
        quiet = self.files()
        if self.dice.random() < 0.4:
            self.kill()
            self.put(quiet)
            self.books.count("power cuts")
            return self.start("a power cut while nobody asked")
        # Killed before its first sync: what the guess has written by then may be on the disk in any part.
        self.faults.arm("disk.sync", KILL)
        channels = {}
        while self.appliance.process.poll() is None:
            send(channels, self.appliance, self.town, self.books, self.dice)
        after, before = self.files()[FILES[1]] or b"", quiet[FILES[1]] or b""
        cut = self.dice.randint(min(len(before), len(after)), len(after))
        torn = bytearray(after[:cut])
        if cut > len(before) and self.dice.random() < 0.5:
            hole = self.dice.randint(len(before), cut)
            torn[hole:hole + 512] = bytes(len(torn[hole:hole + 512]))
        self.put({FILES[0]: quiet[FILES[0]], FILES[1]: bytes(torn)})
        self.books.count("power cuts")
        return self.start("a power cut in the middle of a write")

    def checkpoint_cut(self):
        """A power cut while the WAL is written into the main file, or while its beginning is written anew after that.

        Of the pages since the last sync of the main file any part is on the disk, whole or by sectors, and the WAL, which was
        synced before, is there; or all of the main file is, and of what was written over the WAL's beginning any part.
        """
        from powercut import any_part, generation, salts
        self.guess_a_while(1, 10)
        loaded = self.dice.random() < 0.5 and self.fill_the_wal()
        quiet = self.files()
        self.killed_at_a_sync(loaded)
        main, wal = (self.files()[name] or b"" for name in FILES)
        old_main, old_wal = (quiet[name] or b"" for name in FILES)
        if wal and salts(wal) == salts(old_wal) and main != old_main:
            self.books.count("power cuts in a checkpoint")
            self.books.count("pages lost and torn", any_part(main, old_main, PAGE, self.dice, put=lambda kept: self.put({FILES[0]: kept, FILES[1]: wal})))
        elif wal and salts(wal)[0] == salts(old_wal)[0] + 1 and generation(wal).commits <= 1:
            # Its first frames since the reset, over what stood there: synced is the main file, and the rest is not.
            self.books.count("power cuts over a WAL that begins anew")
            written = min(generation(wal).size, len(old_wal))
            any_part(wal[:written], old_wal[:written], 512, self.dice, put=lambda kept: self.put({FILES[0]: main, FILES[1]: kept + wal[written:]}))
        else:
            self.books.count("power cuts beside a checkpoint")
        self.books.count("power cuts")
        return self.start("a power cut in a checkpoint")

    def fill_the_wal(self):
        """Until the next commits make a checkpoint; False where that takes too long."""
        from clients import Holders
        guessers, deadline = Holders(self, [self.appliance], workers=8), time.monotonic() + 20
        wal = self.store / FILES[1]
        while wal.stat().st_size < 1_950 * (PAGE + 24) and time.monotonic() < deadline and guessers.alive():
            time.sleep(0.005)
        guessers.end()
        filled = wal.stat().st_size >= 1_950 * (PAGE + 24)
        self.books.count("WALs filled", filled)
        return filled

    def killed_at_a_sync(self, loaded):
        """One of the next syncs is the last thing that it wants: under guesses, or at a stop, which ends with a checkpoint."""
        from clients import Guessers
        from control import KILL
        self.faults.arm("disk.sync", KILL, at=self.dice.randint(1, 150) if loaded else self.dice.choice((1, 2, 3, 3, 3, 4)))
        if loaded:
            guessers = Guessers(self, [self.appliance])
            self.wait_for(1_000_000, guessers, 20)
            self.kill()
            guessers.end()
        else:
            self.appliance.process.terminate()
            self.appliance.process.wait()

    def rolled_back(self):
        """The files are copied, guesses follow, the copy or a part of it is put back: refused, or not older at all."""
        if self.dice.random() < 0.5:
            self.appliance.stop()
            old = self.files()
            if not self.start("a clean stop"):
                return False
        else:
            old = self.files()
        self.fresh_subjects()
        before = self.books.evaluated()
        self.guess_a_while(1, 12)
        clean = self.dice.random() < 0.3
        if clean:
            self.appliance.stop()
        else:
            self.kill()
        if self.books.evaluated() == before:
            return self.start("a round without answers")
        true = self.files()
        parts = self.dice.choice(("both", "both", "main without WAL", "main under the new WAL", "WAL over the new main"))
        self.put({"both": old, "main without WAL": {FILES[0]: old[FILES[0]], FILES[1]: None},
                  "main under the new WAL": {FILES[0]: old[FILES[0]], FILES[1]: true[FILES[1]]},
                  "WAL over the new main": {FILES[0]: true[FILES[0]], FILES[1]: old[FILES[1]]}}[parts])
        same = self.files() == true
        self.books.count("old files put back")
        code = self.exit_code_of_a_start()
        if code == REFUSED:
            self.books.count("old files refused")
        elif code is not None or parts in ("both", "main without WAL"):
            self.books.violation(f"{parts} of an older store put back: sigillod {'served' if code is None else f'ended with {code}'}, not {REFUSED}")
        else:
            # A main file that is only behind its WAL, or a WAL that was written into the main file, is the same store.
            self.books.count("old files that said the same" if same else "old parts that the rest made good")
            self.guess_after_a_start()
            return self.start(f"{parts} put back, and made good by the rest")
        self.put(true)
        return self.start(f"the true files after {parts} of an older store")

    def guess_after_a_start(self):
        """Whatever it serves, it serves no guess twice: the books see a number that comes again."""
        self.appliance.start()
        self.appliance.channels.clear()
        self.guess_a_while(2, 10)
        if self.books.ledger.read(self.appliance.auditor):
            self.books.compare()
        self.kill()
        self.appliance._ended()

    def one_old_page(self):
        """A page of yesterday in the main file, while stopped: refused, or its subject is, and never a guess again."""
        self.appliance.stop()
        old = self.files()[FILES[0]]
        if not self.start("a clean stop"):
            return False
        self.fresh_subjects()
        self.guess_a_while(5, 20)
        self.appliance.stop()
        now = self.files()
        main = bytearray(now[FILES[0]])
        pages = [at for at in range(0, min(len(old), len(main)), PAGE) if old[at:at + PAGE] != main[at:at + PAGE]]
        if not pages:
            return self.start("no page that changed")
        for at in self.dice.sample(pages, min(len(pages), self.dice.choice((1, 1, 2)))):
            main[at:at + PAGE] = old[at:at + PAGE]
        self.put({FILES[0]: bytes(main), FILES[1]: now[FILES[1]]})
        self.books.count("old pages put back")
        code = self.exit_code_of_a_start()
        if code is not None:
            self.books.count("old pages refused at the start")
            self.put(now)
            return self.start("the true files after an old page")
        self.guess_after_a_start()
        self.books.count("old pages served around")
        return self.move_out()

    def files_exchanged_while_it_runs(self):
        """Yesterday's files take the place of the true ones under a running appliance, by renaming or by overwriting."""
        from clients import Guessers
        old = self.files()
        self.fresh_subjects()
        self.guess_a_while(2, 12)
        before, anchors = self.books.evaluated(), self.faults.calls("C_SetAttributeValue")
        true = self.files()
        rename = self.dice.random() < 0.5
        if rename:
            aside = self.appliance.root / "aside"
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir()
            for path in self.store.iterdir():
                path.rename(aside / path.name)
        for name, content in old.items():
            if content is not None:
                with open(self.store / name, "r+b" if (self.store / name).exists() else "wb") as file:
                    file.write(content)
                    file.truncate()
        self.books.count("files exchanged while it ran")
        guessers = Guessers(self, [self.appliance])
        self.wait_for(self.dice.randint(1, 10), guessers, 1)
        self.kill()
        guessers.end()
        if rename:
            assert self.books.evaluated() == before, "it went on in files that are not where it opened them"
            true = {name: (aside / name).read_bytes() if (aside / name).exists() else None for name in FILES}
        elif self.books.evaluated() > before or self.faults.calls("C_SetAttributeValue") > anchors:
            # By what it has in memory, and the anchor with it: the books say whether it was the truth, and no file is it any more.
            self.books.count("went on in exchanged files")
            return self.move_out()
        self.put(true)
        return self.start("files exchanged while it ran, and put right again")

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
        from clients import Guessers
        from harness.appliance import free_ports
        self.fresh_subjects()
        first, second = self.appliance, copy.copy(self.appliance)
        second.directory = first.root / "second"
        shutil.rmtree(second.directory, ignore_errors=True)
        shutil.copytree(first.directory, second.directory, ignore=shutil.ignore_patterns("*.sock"))
        second.process, second.channels, second.configuration = None, {}, second.directory / "sigillo.toml"
        second.environment = {}
        second.port, second.monitor = free_ports(2)
        second.set("store.path", str(second.directory / "store" / "sigillo.db"))
        second.set("server.listen", f"127.0.0.1:{second.port}")
        second.set("server.monitor", f"127.0.0.1:{second.monitor}")
        self.books.count("second copies started")
        guessers = Guessers(self, [first]) if self.dice.random() < 0.5 else None
        try:
            second.start()
        except AssertionError:
            self.books.count("second copies refused")
        if guessers:
            guessers.end()
        both = [a for a in (first, second) if a.process and a.process.poll() is None]
        guessers = Guessers(self, both)
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
            shutil.copytree(second.directory / "store", self.store, ignore=shutil.ignore_patterns("*.sock"))
        self.books.count("taken over by the second copy", second_is_true)
        return self.start("two copies ran" + (", the second is the true one" if second_is_true else ""))

    def audit(self):
        """The appliance's own commands verify the chain, offline."""
        exported = self.appliance.root / "ledger.jsonl"
        exported.unlink(missing_ok=True)
        self.appliance.stop()
        for arguments in (("export", "--config", str(self.appliance.configuration), str(exported)), ("verify", str(exported))):
            done = self.appliance.sigillo("audit", *arguments, check=False)
            if done.returncode != 0:
                said = (done.stdout + done.stderr).decode()[-400:]
                return self.books.violation(f"audit {arguments[0]} ended with {done.returncode}: {said}")
        self.books.count("ledgers verified offline")

    def events(self):
        return {"killed_at_random": 5, "killed_at_a_step": 8, "hsm_fails": 6, "hsm_hangs": 2, "hsm_goes": 3, "disk_fails": 5,
                "disk_fails_and_it_is_killed": 3, "clock_jumps": 2, "power_cut": 4, "checkpoint_cut": 4, "rolled_back": 4, "one_old_page": 2,
                "files_exchanged_while_it_runs": 2, "run_twice": 1}

    def weights(self, only):
        return {name: weight for name, weight in self.events().items() if only in (None, name)}

    def run(self, seconds, only=None):
        weights = self.weights(only)
        names, deadline, rounds = list(weights), time.monotonic() + seconds, 0
        while time.monotonic() < deadline and not self.books.violations:
            name = names[rounds] if rounds < len(names) else self.dice.choices(names, list(weights.values()))[0]
            if rounds % 3 == 0:
                self.fresh_subjects()
            rounds += 1
            self.books.count("runs")
            self.books.count("runs: " + name)
            if not getattr(self, name)():
                return
        self.audit()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", help="folder of sigillod and sigillo")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--minutes", type=float, default=SHORT_S / 60)
    parser.add_argument("--only", help="this event alone")
    parser.add_argument("--keep", action="store_true", help="leave the appliance's folder where it is")
    arguments = parser.parse_args()
    if arguments.bin:
        os.environ["SIGILLO_BIN"] = os.path.abspath(arguments.bin)
    seed = random.SystemRandom().getrandbits(32) if arguments.seed is None else arguments.seed
    print(f"seed {seed}", flush=True)
    campaign = Campaign(seed)
    try:
        campaign.run(arguments.minutes * 60, arguments.only)
    finally:
        campaign.faults.clear()
        if arguments.keep or campaign.books.violations:
            print(f"folder {campaign.appliance.root}")
            if campaign.appliance.process and campaign.appliance.process.poll() is None:
                campaign.appliance.process.send_signal(signal.SIGKILL)
        else:
            campaign.appliance.discard()
    for name, value in sorted(campaign.books.figures.items()):
        print(f"{name:40}{value:8}")
    print(f"{'violations':40}{len(campaign.books.violations):8}")
    return 1 if campaign.books.violations else 0


if __name__ == "__main__":
    sys.exit(main())
