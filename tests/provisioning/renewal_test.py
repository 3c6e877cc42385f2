"""sigillo shares renew on a real pseudo-terminal, with the two SoftHSM2 tokens of a real ceremony: whole, interrupted at every
step, and with everything typed wrong. Argument: the folder of the programs."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ceremony_test  # noqa: E402
from room import ALPHABET, People, Room, combine, value_of  # noqa: E402

BIN = None
NEW = ["Giulia Bianchi", "Luca Ferrari", "Marta Riva"]


class Custodians(People):
    """They have papers of two sets: what is asked for says which."""

    def __init__(self, old, old_custodians=(3, 1), new_custodians=(1, 3, 2)):
        super().__init__({}, "", ())
        self.old, self.old_custodians, self.new_custodians = old, old_custodians, new_custodians

    def row(self, number, row):
        old = re.findall(r"give\s+their\s+(OLD|NEW)\s+shares", self.room.said)[-1] == "OLD"
        papers, who = (self.old, self.old_custodians) if old else (self.papers, self.new_custodians)
        return papers.of("AUTHORISATION", who[number - 1])[row - 1]


class Renewal(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="sigillo-renewal-")
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.base = os.path.realpath(cls.temporary.name)
        cls.folder, cls.config, cls.second = f"{cls.base}/appliance", f"{cls.base}/appliance/sigillo.toml", f"{cls.base}/second.toml"
        holders = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        port, monitor = (holder.getsockname()[1] for holder in holders)
        with open(f"{cls.base}/plan.toml", "w", encoding="utf-8") as file:
            file.write(ceremony_test.plan_text(cls.folder, 2, 3, listen=f"127.0.0.1:{port}", monitor=f"127.0.0.1:{monitor}"))
        for holder in holders:
            holder.close()
        people = People(dict(ceremony_test.PASSWORDS), ceremony_test.SO_PIN, (1, 2))
        room = Room([f"{BIN}/sigillo", "ceremony", "--plan", f"{cls.base}/plan.toml"])
        people.play(room)
        assert room.wait() == 0, room.said[-2000:]
        cls.old = people.papers
        with open(cls.config, encoding="utf-8") as file:
            text = file.read()
        with open(cls.second, "w", encoding="utf-8") as file:
            file.write(text.replace('token_label = "inps-prova-1"', 'token_label = "inps-prova-1-spare"')
                       .replace(f"{cls.folder}/store/", f"{cls.base}/spare-store/"))
        os.mkdir(f"{cls.base}/spare-store", 0o700)
        shutil.copytree(cls.folder, f"{cls.base}/kept")

    def setUp(self):
        shutil.rmtree(self.folder)
        shutil.copytree(f"{self.base}/kept", self.folder)
        for left in ("renewal.jsonl", "spare-store/token-pin-refused"):
            if os.path.exists(f"{self.base}/{left}"):
                os.remove(f"{self.base}/{left}")
        self.record = f"{self.base}/renewal.jsonl"
        self.people = Custodians(self.old)

    def arguments(self, spare=None, threshold=3, names=None):
        return ["shares", "renew", "--config", self.config, *(spare or ["--spare", self.second]), "--record", self.record,
                "--threshold", str(threshold), *(word for name in names or NEW for word in ("--custodian", name))]

    def room(self, *more, **changes):
        room = Room([f"{BIN}/sigillo", *self.arguments(**changes), *more])
        self.addCleanup(lambda: room.status is None and room.lose())
        return room

    def finish(self, room, code=0):
        self.assertFalse(self.people.play(room))
        self.assertEqual(room.wait(), code, room.said[-3000:])
        return " ".join(room.said.split())

    def sigillo(self, *arguments):
        return subprocess.run([f"{BIN}/sigillo", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60, check=False)

    def pins(self):
        old = combine([self.old.of("AUTHORISATION", n) for n in (1, 2)])
        papers = [share for (kind, _), share in sorted(self.people.papers.shares.items()) if kind == "AUTHORISATION"]
        return old, combine(papers) if papers else "none yet"

    def opens(self, label, pin):
        """Whether a command comes in with that PIN; that it was refused is then forgotten, for the next one to try."""
        config = self.config if label == "inps-prova-1" else self.second
        room = Room([f"{BIN}/sigillo", "hsm", "check", "--config", config])
        room.expect(r"or an authorisation share: $")
        room.type(pin)
        room.wait()
        for folder in (f"{self.folder}/store", f"{self.base}/spare-store"):
            if os.path.exists(f"{folder}/token-pin-refused"):
                os.remove(f"{folder}/token-pin-refused")
        refused = "CKR_PIN_INCORRECT" in room.said
        self.assertTrue(refused or room.status == 0, room.said)
        return not refused

    def assert_state(self, main, spare):
        """Which set opens each token: the one or the other, never none and never both."""
        old, new = self.pins()
        for label, wanted in (("inps-prova-1", main), ("inps-prova-1-spare", spare)):
            self.assertEqual((self.opens(label, old), self.opens(label, new)), (wanted == "old", wanted == "new"), label)

    def lines(self):
        with open(self.record, encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def forget_behind(self, step):
        """A kill right after the token was changed, before a line says so: the record ends with what was begun."""
        with open(self.record, encoding="utf-8") as file:
            lines = file.readlines()
        last = [i for i, line in enumerate(lines) if json.loads(line).get("step") == step and json.loads(line)["event"] == "begun"][-1]
        with open(self.record, "w", encoding="utf-8") as file:
            file.writelines(lines[:last + 1])

    def verify(self):
        done = self.sigillo("ceremony", "verify", self.record, "--keys", f"{self.folder}/ledger-key.jwks", "--format", "json")
        return done.returncode


class Whole(Renewal):
    def start(self):
        daemon = subprocess.Popen([f"{BIN}/sigillod", "--config", self.config], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        for stream in (daemon.stdout, daemon.stderr):
            self.addCleanup(stream.close)
        self.addCleanup(daemon.wait)
        self.addCleanup(daemon.kill)
        for line in daemon.stderr:
            if " sealed" in line:
                break
        threading.Thread(target=daemon.stderr.read, daemon=True).start()
        return daemon

    def share(self, paper):
        room = Room([f"{BIN}/sigillo", "unseal", "--share", "--config", self.config])
        room.expect(r"in one line: $")
        room.type(" ".join(paper))
        return room.wait(), " ".join(room.said.split())

    def test_new_custodians_open_the_appliance_and_the_old_shares_do_not(self):
        said = self.finish(self.room("--format", "json"))
        self.assertIn("Every paper of the old set is destroyed now", said)
        result = json.loads(re.search(r'\{"appliance":[^{}]*"sigillo\.shares-renew/1"[^{}]*\}', said).group(0))
        new = self.people.papers.of("AUTHORISATION", 1)
        self.assertEqual((result["spare"], result["complete"], result["threshold"], result["set"]), ("renewed", True, 3, value_of(new)[5]))
        self.assertEqual(value_of(new)[:4], (0, 3, 3, 1))
        self.assert_state("new", "new")
        self.assertEqual(self.verify(), 0)
        old, pin = self.pins()
        with open(self.record, encoding="utf-8") as file:
            text = file.read()
        for secret in (old, pin, *(row for papers in (self.old, self.people.papers) for share in papers.shares.values() for row in share)):
            self.assertNotIn(secret.replace(" ", ""), text.replace(" ", ""))
            self.assertNotIn(secret, re.sub(r"\x1b\[\?1049h.*?\x1b\[\?1049l", "", said, flags=re.S))
        # Again: nothing is left to do, and nothing is asked.
        self.assertIn("are renewed", self.finish(self.room()))

        daemon = self.start()
        self.assertEqual(self.share(self.old.of("AUTHORISATION", 1))[0], 2)
        code, said = self.share(self.old.of("AUTHORISATION", 2))
        self.assertNotIn(code, (0,), said)
        self.assertIn("PIN", said)
        for number in (1, 2):
            self.assertEqual(self.share(self.people.papers.of("AUTHORISATION", number))[0], 2)
        code, said = self.share(self.people.papers.of("AUTHORISATION", 3))
        self.assertIn(code, (0, 1), said)
        self.assertIn("ready", daemon.stdout.readline())

        # It runs until every new paper is proved, and no PIN is changed while it does.
        os.remove(self.record)
        before, self.old = self.old, self.people.papers
        self.addCleanup(setattr, self, "old", before)
        self.people = Custodians(self.old, (3, 1, 2), (2, 1))
        room = self.room(threshold=2)
        self.assertTrue(self.people.play(room, until=r"is\s+running\.\s+Stop\s+it.*Is it stopped\? \(yes or no\) > $"))
        room.type("yes")
        room.expect(r"is\s+running\.\s+Stop\s+it.*Is it stopped\? \(yes or no\) > $")
        self.assertEqual(self.sigillo("status", "--config", self.config).returncode, 0)
        self.assertEqual([line["event"] for line in self.lines() if line.get("step") == "main"], [])
        daemon.terminate()
        self.assertEqual(daemon.wait(), 0)
        room.type("yes")
        self.finish(room)
        self.assert_state("new", "new")


class Interrupted(Renewal):
    # Where nobody waits for SoftHSM2 to write its token's file: a kill inside that loses the token, which no HSM does.
    LOST = [r"Share 1, line 3 > $", r"Giulia Bianchi comes[^>]*> $", r"is then cleared\. > $", r"Type line \d from the paper > $",
            r"Marta Riva comes[^>]*> $", r"PIN of inps-prova-1 be changed now\? \(yes or no\) > $",
            r"PIN of inps-prova-1-spare be\s+changed now\? \(yes or no\) > $"]

    def test_the_terminal_lost_at_every_step_and_one_of_the_two_sets_opens_each_token(self):
        states = [("old", "old")] * 6 + [("new", "old")]
        for number, (until, state) in enumerate(zip(self.LOST, states)):
            room = self.room()
            self.assertTrue(self.people.play(room, until=until), f"{until}: {room.said[-2000:]}")
            room.lose("hang-up" if number % 2 else "kill")
            self.assert_state(*state)
        self.finish(self.room())
        self.assert_state("new", "new")
        self.assertEqual(self.verify(), 0)
        self.assertIn("resumed", {line.get("event") for line in self.lines()})

    def test_killed_between_a_change_and_its_line_it_finds_out_which_pin_the_token_has(self):
        room = self.room()
        self.assertTrue(self.people.play(room, until=r"PIN of inps-prova-1-spare be\s+changed now\? \(yes or no\) > $"))
        room.lose()
        self.forget_behind("main")
        self.assert_state("new", "old")
        self.finish(self.room())
        self.forget_behind("spare")
        self.assert_state("new", "new")
        self.finish(self.room())
        self.assert_state("new", "new")
        changed = [line["facts"]["was_changed_before"] for line in self.lines() if line.get("step") in ("main", "spare") and line["event"] == "done"]
        self.assertEqual(changed, [True, True])
        self.assertEqual(self.verify(), 0)

    def test_killed_before_the_change_that_was_begun_it_finds_the_old_pin_and_changes_it(self):
        room = self.room()
        self.assertTrue(self.people.play(room, until=r"PIN of inps-prova-1 be changed now\? \(yes or no\) > $"))
        room.lose()
        begun = {line["step"]: line for line in self.lines() if line.get("event") == "begun"}
        self.assertEqual(set(begun), {"renewal"}, "nothing is begun by a question")
        self.finish(self.room())
        with open(self.record, encoding="utf-8") as file:
            whole = file.readlines()
        # The tokens of before, and a record that says that the main one's change was begun.
        kept = self.people
        shutil.rmtree(f"{self.folder}/token")
        shutil.copytree(f"{self.base}/kept/token", f"{self.folder}/token")
        with open(self.record, "w", encoding="utf-8") as file:
            file.writelines(whole)
        self.people = kept
        self.forget_behind("main")
        self.assert_state("old", "old")
        self.finish(self.room())
        self.assert_state("new", "new")
        self.assertIn("unchanged", [line["event"] for line in self.lines() if line.get("step") == "main"])
        self.assertEqual(self.verify(), 0)

    def test_shares_of_a_run_that_was_interrupted_are_dead(self):
        room = self.room()
        self.assertTrue(self.people.play(room, until=r"Luca Ferrari comes[^>]*> $"))
        dead = self.people.papers.of("AUTHORISATION", 1)
        room.lose()
        said = self.finish(self.room())
        self.assertIn("tear them up", said)
        self.assertNotEqual(value_of(dead)[5], value_of(self.people.papers.of("AUTHORISATION", 1))[5])

    def test_new_shares_typed_at_the_appliance_too_early_do_not_stand_in_the_way(self):
        room = self.room()
        self.assertTrue(self.people.play(room, until=r"PIN of inps-prova-1 be changed now\? \(yes or no\) > $"))
        room.lose()
        early = Room([f"{BIN}/sigillo", "hsm", "check", "--config", self.config])
        early.expect(r"or an authorisation share: $")
        early.type(self.pins()[1])
        early.wait()
        self.assertIn("CKR_PIN_INCORRECT", early.said)
        self.finish(self.room())
        self.assertFalse(os.path.exists(f"{self.folder}/store/token-pin-refused"))


class SpareLeftOut(Renewal):
    def test_the_spare_keeps_the_old_pin_and_follows_with_both_sets(self):
        said = self.finish(self.room(spare=["--without-spare"]))
        self.assertIn("Keep the old papers", said)
        self.assert_state("new", "old")
        self.assertEqual(self.verify(), 12)
        said = self.finish(self.room())
        self.assertIn("OLD shares", said)
        self.assertIn("NEW shares", said)
        self.assert_state("new", "new")
        self.assertEqual(self.verify(), 0)

    def test_a_change_of_the_spare_that_was_begun_is_not_left_out(self):
        self.finish(self.room())
        self.forget_behind("spare")
        self.assertIn("was about to be changed", self.finish(self.room(spare=["--without-spare"]), 1))
        # Where it broke in it, the record can be closed, and says what is not known.
        self.finish(self.room(spare=["--no-spare"]))
        self.assertIn("Which PIN the spare token has is not known", [line["said"] for line in self.lines() if line.get("step") == "complete"][0])
        self.assertEqual(self.verify(), 0)

    def test_a_record_that_was_closed_without_the_spare_does_not_call_it_renewed(self):
        self.finish(self.room(spare=["--no-spare"]))
        for spare in (None, ["--without-spare"]):
            said = self.finish(self.room(spare=spare), 1)
            self.assertIn("closed without a spare token", said)
        self.assert_state("new", "old")

    def test_a_spare_that_is_the_main_token_by_another_name_is_refused(self):
        with open(self.config, encoding="utf-8") as file:
            text = file.read()
        serial = next(line["facts"]["token"]["serial"] for line in self.transcript() if line.get("step") == "token" and line["event"] == "done")
        with open(self.second + ".same", "w", encoding="utf-8") as file:
            file.write(text.replace('token_label = "inps-prova-1"', f'token_serial = "{serial}"'))
        said = self.finish(self.room(spare=["--spare", self.second + ".same"]), 1)
        self.assertIn("names the main token", said)
        self.assertNotIn("comes to the terminal", said)

    def transcript(self):
        with open(f"{self.folder}/transcript.jsonl", encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def test_where_no_other_token_has_the_pin_it_is_complete(self):
        self.finish(self.room(spare=["--no-spare"]))
        self.assert_state("new", "old")
        self.assertEqual(self.verify(), 0)

    def test_what_becomes_of_the_spare_is_said_or_nothing_begins(self):
        for spare in (["--without-spare", "--no-spare"], ["--spare", self.config]):
            self.assertEqual(self.sigillo(*self.arguments(spare=spare)).returncode, 1)
        words = [word for word in self.arguments() if word not in ("--spare", self.second)]
        done = self.sigillo(*words)
        self.assertEqual(done.returncode, 1)
        self.assertIn("--without-spare", done.stderr)
        self.assertFalse(os.path.exists(self.record))


class Refused(Renewal):
    def test_a_wrong_share_too_few_and_a_paper_copied_wrong(self):
        room = self.room()
        room.expect(r"Share 1, line 1 > $")
        first = self.old.of("AUTHORISATION", 1)
        room.type(first[0][:-1] + ALPHABET[(ALPHABET.index(first[0][-1]) + 1) % 32])
        room.expect(r"!! Line 1 is.*Share 1, line 1 > $")
        room.type("".join(self.old.of("BACKUP", 1)))
        room.expect(r"!! .*the\s+other\s+paper\s+is\s+wanted.*Share 1, line 1 > $")
        room.type("".join(first))
        room.expect(r"Share 1 is taken\..*Share 2, line 1 > $")
        room.type("".join(first))
        room.expect(r"!! Share 1 was given already.*Share 2, line 1 > $")
        room.type("stop")
        room.expect(r"Have 1 of 2\s+shares; fewer open nothing.*\(yes or no\) > $")
        room.type("no")
        self.assertEqual(room.wait(), 1)
        self.assertIn("there were not enough shares", room.said)
        self.assert_state("old", "old")

        room = self.room()
        self.assertTrue(self.people.play(room, until="Type line (?=\\d)"))
        _, match = room.expect(r"(\d) from the paper > $")
        line = int(match.group(1))
        right = self.people.papers.last[line - 1]
        for _ in range(3):
            room.type(right[:-1] + ALPHABET[(ALPHABET.index(right[-1]) + 5) % 32])
            room.expect(r"!! Line \d.*?(from the paper|is then cleared\.) > $")
        room.lose()
        self.assert_state("old", "old")

    def test_a_slip_in_any_line_of_a_new_paper_is_found_before_the_old_ones_are_dead(self):
        room = self.room()
        self.assertTrue(self.people.play(room, until="Type line (?=\\d)"))
        for line, row in enumerate(self.people.papers.last, 1):
            room.expect(rf"{line} from the paper > $")
            room.type(row[:-1] + ALPHABET[(ALPHABET.index(row[-1]) + 5) % 32])
            index, _ = room.expect(rf"!! Line {line} is.*Type line (?={line})")
            self.assertEqual(index, 0, room.said[-500:])
            room.expect(rf"{line} from the paper > $")
            room.type(row)
        room.expect(r"Right\. The paper goes into the envelope now.*comes to the terminal")
        room.lose()
        self.assert_state("old", "old")

    def test_no_at_the_change_leaves_the_old_pin(self):
        room = self.room()
        self.assertTrue(self.people.play(room, until=r"PIN of inps-prova-1 be changed now\? \(yes or no\) > $"))
        room.type("no")
        self.assertEqual(room.wait(), 1)
        self.assert_state("old", "old")

    def test_other_people_another_record_or_an_altered_one_are_refused(self):
        room = self.room()
        self.assertTrue(self.people.play(room, until=r"Giulia Bianchi comes[^>]*> $"))
        self.assertIn("Another renewal is going on", self.finish(self.room(), 1))
        room.lose()
        said = self.finish(self.room(threshold=2), 1)
        self.assertIn("begun with another", said)
        with open(self.record, "rb") as file:
            text = file.read()
        with open(self.record, "wb") as file:
            file.write(text.replace(b"The old shares were given", b"The old shares were taken"))
        self.assertIn("Somebody changed it", self.finish(self.room(), 1))
        shutil.copy(f"{self.folder}/transcript.jsonl", self.record)
        self.assertIn("record of something else", self.finish(self.room(), 1))

    def test_a_threshold_or_names_that_cannot_be_are_refused_before_anything(self):
        for changes in ({"threshold": 1}, {"threshold": 4}, {"names": ["Giulia Bianchi", "Giulia Bianchi", "Marta Riva"]},
                        {"names": [f"Custodian {n}" for n in range(17)]}, {"names": [" Giulia", "Marta", "Luca"]}):
            with self.subTest(changes):
                self.assertEqual(self.sigillo(*self.arguments(**changes)).returncode, 1)
        self.assertEqual(self.sigillo(*self.arguments()).returncode, 1)  # no terminal
        self.assertFalse(os.path.exists(self.record))

    def test_a_spare_with_another_pin_is_known_before_anybody_writes_a_line(self):
        # The main token was renewed by another record, and the spare was not.
        self.finish(self.room(spare=["--no-spare"]))
        self.old, kept = self.people.papers, self.old
        self.addCleanup(setattr, type(self), "old", kept)
        os.remove(self.record)
        self.people = Custodians(self.old, (1, 2, 3))
        said = self.finish(self.room(), 2)
        self.assertIn("CKR_PIN_INCORRECT", said)
        self.assertNotIn("comes to the terminal", said)


class BackupHolders(People):
    """They give the backup shares of `old`, and get new ones."""

    def __init__(self, old, givers=(3, 1)):
        super().__init__({}, "", givers)
        self.old = old

    def row(self, number, row):
        return self.old.of("BACKUP", self.custodians[number - 1])[row - 1]


class BackupShares(Renewal):
    def setUp(self):
        super().setUp()
        self.backup = f"{self.folder}/backup/keys.json"
        self.people = BackupHolders(self.old)

    def arguments(self, backup=None, threshold=3, names=None):
        return ["shares", "renew-backup", "--config", self.config, "--backup", backup or self.backup, "--threshold", str(threshold),
                *(word for name in names or NEW for word in ("--custodian", name))]

    def new_papers(self, count):
        return [self.people.papers.of("BACKUP", number) for number in range(1, count + 1)]

    def test_two_of_three_become_three_of_three_and_open_the_same_backup(self):
        room = self.room("--format", "json")
        self.assertFalse(self.people.play(room))
        self.assertEqual(room.wait(), 0, room.said[-2000:])
        new, old = self.new_papers(3), [self.old.of("BACKUP", number) for number in (1, 2)]
        for number, paper in enumerate(new, 1):
            self.assertEqual(value_of(paper)[:5], (1, 3, 3, number, value_of(old[0])[4]))
            self.assertNotEqual(value_of(paper)[5], value_of(old[0])[5], "a set of its own")
        self.assertEqual(combine(new), combine(old))
        self.assertNotEqual(combine(new[:2]), combine(old))
        said = json.loads(re.search(r'\{.*"schema".*\}', room.said, re.S).group())
        self.assertEqual((said["schema"], said["threshold"], said["count"]), ("sigillo.shares-renew-backup/1", 3, 3))
        self.assertEqual([(one["share"], one["custodian"]) for one in said["custodians"]], list(enumerate(NEW, 1)))
        self.assertEqual((said["set"], said["former_set"]), (value_of(new[0])[5], value_of(old[0])[5]))
        shown = re.sub(r"\x1b\[\?1049h.*?\x1b\[\?1049l", "", room.said, flags=re.S)
        for row in [row for paper in new + old for row in paper]:
            self.assertNotIn(row, shown)
        # They are what is asked for the next time, and those of before are as good as they were.
        for papers, givers in ((self.people.papers, (2, 3, 1)), (self.old, (1, 3))):
            self.people = BackupHolders(papers, givers)
            again = self.room(threshold=2, names=NEW[:2])
            self.assertFalse(self.people.play(again))
            self.assertEqual(again.wait(), 0, again.said[-2000:])

    def test_shares_of_two_sets_and_of_the_other_kind_do_not_go_together(self):
        self.people.play(self.room(threshold=2, names=NEW[:2]))
        room = self.room()
        room.expect(r"Share 1, line 1 > $")
        room.type("".join(self.old.of("AUTHORISATION", 1)))
        room.expect(r"!! This is an authorisation share.*Share 1, line 1 > $")
        room.type("".join(self.old.of("BACKUP", 1)))
        room.expect(r"Share 1 is taken.*Share 2, line 1 > $")
        room.type("".join(self.new_papers(2)[1]))
        index, _ = room.expect(r"of\s+another\s+splitting.*(?=Share 2, line 1 > $)")
        self.assertEqual(index, 0)

    def test_shares_that_do_not_open_the_backup_are_not_split(self):
        other = f"{self.base}/other.json"
        with open(self.backup, encoding="utf-8") as file:
            text = file.read()
        for wrong in (re.sub(r'("check_value":")(.)', lambda m: m.group(1) + ("1" if m.group(2) == "0" else "0"), text, count=1), "{}"):
            self.assertNotEqual(wrong, text)
            with open(other, "w", encoding="utf-8") as file:
                file.write(wrong)
            room = self.room(backup=other)
            self.assertFalse(self.people.play(room))
            self.assertEqual(room.wait(), 1)
            self.assertIn(f"does not open {other}", " ".join(room.said.split()))
            self.assertNotIn("\x1b[?1049h", room.said, "no share was shown")

    def test_the_terminal_lost_between_two_custodians_leaves_those_of_before_good(self):
        for how in ("kill", "hang-up"):
            room = self.room()
            self.assertTrue(self.people.play(room, until=r"Luca Ferrari comes[^>]*Press Enter\. > $"))
            self.assertNotEqual(room.lose(how), 0)
        room = self.room()
        self.assertTrue(self.people.play(room, until=r"Luca Ferrari comes[^>]*Press Enter\. > $"))
        room.type("")
        room.expect(r"this screen is then cleared\. > $")
        os.write(room.fd, b"\x03")
        self.assertEqual(room.wait(), 1)
        said = " ".join(room.said.split())
        self.assertIn(f"Tear up those of set {value_of(self.people.papers.of('BACKUP', 1))[5]}", said)
        self.assertIn(f"Set {value_of(self.old.of('BACKUP', 1))[5]} is as good as it was", said)
        room = self.room()
        self.assertFalse(self.people.play(room))
        self.assertEqual(room.wait(), 0)

    def test_a_backup_that_is_not_there_is_told_before_anybody_types(self):
        room = self.room(backup=f"{self.base}/nothing.json")
        self.assertEqual(room.wait(), 1)
        self.assertNotIn("Share 1", room.said)


if __name__ == "__main__":
    BIN = ceremony_test.BIN = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
