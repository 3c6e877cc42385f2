"""The night when all of it is lost, disk and token: docs/OPERATIONS.md literally, from a ceremony's papers and a backup to a
citizen's new PIN on another machine. SoftHSM2 tokens, each with a folder of its own."""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import pytest
from harness.appliance import BIN, DOCUMENT, Appliance, die_with_the_tests, eventually, free_ports

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "provisioning"))
from ceremony_test import OFFICERS, PASSWORDS, SO_PIN, plan_text  # noqa: E402
from room import ALPHABET, People, Room  # noqa: E402

NEW_PIN = "pin-of-the-new-token"
CHANNELS = {"portal": False, "branch": True, "contact-centre": True, "courier-sms": True, "courier-post": True}


class Machine(Appliance):
    """What a ceremony made, or what replaces it: no PIN in any file, so that people type it, at a terminal."""

    def __init__(self, root, folder, pin=None):  # not Appliance's: nothing here is of a development appliance
        self.root, self.folder, self.directory, self.pin = root, folder, root / "world", pin
        self.configuration = folder / "sigillo.toml"
        self.process, self.channels, self.inbox, self.keys, self.environment = None, {}, {}, {}, {}
        self.log = open(root / "sigillod.log", "ab")

    def officers(self, *names):
        """Their media are theirs, and were in no fire."""
        return [word for name in names or OFFICERS
                for word in ("--officer", f"{name}={self.directory}/{name}.key", "--password-file", f"{self.directory}/{name}.password")]

    def typed(self, *words, shares=()):
        """(exit code, what it gives as JSON, what the terminal showed) of a command that asks for the token's PIN or for shares: who
        has no PIN types shares there too."""
        answer = self.root / "answer.json"
        line = 'out=$1; shift; exec "$@" > "$out"'
        room = Room(["/bin/sh", "-c", line, "sh", str(answer), str(BIN / "sigillo"), *map(str, words), "--config", str(self.configuration),
                     "--format", "json"])
        shares = iter(shares)
        while True:
            index, _ = room.expect(r"its four rows in one line: $", r'PIN of the token( "[^"]+", or an authorisation share)?: $')
            if index is None:
                break
            room.type(" ".join(next(shares)) if index == 0 or not self.pin else self.pin)
        return room.wait(), json.loads(answer.read_text()), " ".join(room.said.split())

    def start(self):
        """Sealed, until somebody opens it."""
        self.process = subprocess.Popen([BIN / "sigillod", "--config", self.configuration], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=self.log, preexec_fn=die_with_the_tests)
        eventually(lambda: self.process.poll() is not None or self.standing() == 2, what="sealed")
        return self

    def standing(self):
        return self.sigillo("status", "--config", str(self.configuration), check=False).returncode

    def serving(self):
        assert b"ready" in self.process.stdout.readline(), self.log_text()[-3000:]
        return eventually(lambda: self.standing() == 0, what="ready")


def audit(*files, check=True):
    done = subprocess.run([BIN / "sigillo", "audit", "verify", *map(str, files), "--format", "json"], capture_output=True, check=False)
    assert not check or done.returncode == 0, done.stdout
    return done.returncode, json.loads(done.stdout)


def outcome(machine, citizen, pin=None):
    return machine.portal.verify(citizen.subject, pin or citizen.pin).outcome


class Night:
    """The old machine's life: a ceremony (any 2 of 3), channels, two citizens, a backup in the evening, more of the day after it."""

    def __init__(self, root, town):
        self.root, self.world, self.elsewhere = root, root / "world", root / "elsewhere"
        for folder in (self.world, self.elsewhere):
            folder.mkdir()
        self.port, self.monitor = free_ports(2)
        people = People(dict(PASSWORDS), SO_PIN, (1, 3))
        self.papers = people.papers
        plan = root / "plan.toml"
        folder = root / "old"
        plan.write_text(plan_text(folder, 2, 3, listen=f"127.0.0.1:{self.port}", monitor=f"127.0.0.1:{self.monitor}"))
        room = Room([str(BIN / "sigillo"), "ceremony", "--plan", str(plan)])
        assert not people.play(room) and room.wait() == 0, "the ceremony ended otherwise"
        for name, person in OFFICERS.items():
            shutil.move(folder / "officers" / f"{name}.key", self.world)
            (self.world / f"{name}.password").write_text(PASSWORDS[person])
            (self.world / f"{name}.password").chmod(0o600)
        for name in ("backup/keys.json", "ledger-key.jwks", "ca.pem"):
            shutil.copy(folder / name, self.elsewhere)
        shutil.copy(folder / "ca.pem", self.world)
        self.old = old = Machine(root, folder)
        old.port = self.port
        old.start()
        self.opened_by_two(old)
        self.enrol(old)
        self.quiet, self.guessed, self.half = old.active(town.citizen()), old.active(town.citizen()), old.provisional(town.citizen())
        assert outcome(old, self.quiet) == outcome(old, self.guessed) == "verified"
        self.backup = self.elsewhere / "evening"
        old.ask("backup", "create", "--to", str(self.backup))
        assert outcome(old, self.guessed, town.pin(other_than=(self.guessed.pin,))) == "rejected"

    def share(self, kind, number):
        return self.papers.of(kind, number)

    def opened_by_two(self, old):
        assert old.typed("unseal", "--share", shares=[self.share("AUTHORISATION", 1)])[0] == 2
        assert old.typed("unseal", "--share", shares=[self.share("AUTHORISATION", 3)])[0] in (0, 1)
        old.serving()

    def enrol(self, old):
        for role, receives in CHANNELS.items():
            where = self.world / "channels" / role
            where.mkdir(parents=True)
            more = ["--new-delivery-key", str(where / "delivery.jwk")] if receives else []
            old.act("channel", "enrol", role, role, "--owner", f"Owner of {role}", "--new-key", str(where / "key.pem"),
                    "--certificate", str(where / "cert.pem"), *more)

    def two_shares(self):
        """As custodians type them: one with a slip of the finger first, which must not be tried as a PIN."""
        first, second = self.share("AUTHORISATION", 1), self.share("AUTHORISATION", 3)
        return [[*first[:3], first[3][:-1]], first, second]

    def export(self, machine, name, shares=()):
        file = self.elsewhere / name
        code, said, shown = machine.typed("audit", "export", file, shares=shares)
        assert code == 0, (said, shown)
        return file

    def lost(self):
        """By its folder everything goes: store, configuration, certificates, the token. The ceremony's spare lay elsewhere."""
        self.old.kill9()
        spare = [one.parent for one in (self.old.folder / "token").glob("*/token.object") if b"-spare" in one.read_bytes()]
        assert len(spare) == 1
        shutil.copytree(spare[0], self.elsewhere / "spare" / spare[0].name)
        shutil.rmtree(self.old.folder)

    def another_machine(self, name, spare=False):
        """A folder of another name, a token just initialised or the spare; configuration and certificates out of the backup."""
        folder = self.root / name
        folder.mkdir()
        (folder / "store").mkdir(mode=0o700)
        conf = folder / "softhsm2.conf"
        conf.write_text(f"directories.tokendir = {folder}/token\nobjectstore.backend = file\nlog.level = ERROR\n")
        configuration = (self.backup / "sigillo.toml").read_text().replace(str(self.old.folder), str(folder))
        (folder / "sigillo.toml").write_text(configuration)
        for name, there in (("server.pem", "server.pem"), ("channel-ca.pem", "ca.pem")):
            shutil.copy(self.backup / name, folder / there)
        label = configuration.split('token_label = "')[1].split('"')[0]
        if spare:
            shutil.copytree(self.elsewhere / "spare", folder / "token")
            (folder / "sigillo.toml").write_text(configuration.replace(f'"{label}"', f'"{label}-spare"', 1))
        else:
            (folder / "token").mkdir()
            self.token_made(label, conf)
        machine = Machine(self.root, folder, None if spare else NEW_PIN)
        machine.port = self.port
        return machine

    @staticmethod
    def token_made(label, conf):
        subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "1234567890", "--pin", NEW_PIN], check=True,
                       capture_output=True, env={"SOFTHSM2_CONF": str(conf), "PATH": "/usr/bin:/bin"})


@pytest.fixture(scope="module")
def night(town):
    root = pathlib.Path(tempfile.mkdtemp(prefix="sigillo-e2e-"))
    made = []

    def machine(one):
        made.append(one)
        return one

    try:
        story = Night(root, town)
        machine(story.old)
        story.before = story.export(story.old, "before.jsonl", story.two_shares())
        assert outcome(story.old, story.quiet) == "verified", "after the last export, so that nobody but the lost ledger knows"
        story.lost()
        story.new = machine(story.another_machine("new"))
        story.made = machine
        yield story
    finally:
        for one in made:
            one.discard()
        shutil.rmtree(root, ignore_errors=True)


def test_the_keys_come_back_onto_a_new_token_from_two_backup_shares(night):
    new, words = night.new, ("keys", "restore", night.elsewhere / "keys.json", "--keys", night.backup / "sigillo.db.keys")
    paper = lambda number, kind="BACKUP": night.share(kind, number)  # noqa: E731
    last = paper(1)[3]
    mistyped = [*paper(1)[:3], last[:-1] + ALPHABET[(ALPHABET.index(last[-1]) + 1) % 32]]
    assert new.typed("keys", "restore", night.elsewhere / "keys.json")[1]["what"].startswith("Nothing opens the backup")
    code, said, shown = new.typed(*words, "--shares", shares=[mistyped, paper(2, "AUTHORISATION"), paper(3), paper(3), paper(1)])
    assert code == 0, (said, shown)
    for what in ("Line 4", "the other paper is wanted", "Share 3 is taken.", "given already", "Share 1 is taken, and that is enough"):
        assert what in shown, shown
    assert not [row for number in (1, 3) for row in paper(number) if row in shown], "typed unseen"
    ours = {key["kid"]: key["check_value"] for key in said["keys"] if key["state"] == "active"}
    theirs = {key["kid"]: key["check_value"] for key in json.loads((night.backup / "sigillo.db.keys").read_text())["keys"]}
    assert ours == {kid: value for kid, value in theirs.items() if kid.startswith("sigillo.")} and len(ours) == 7


def test_the_backup_is_good_by_the_new_token_and_everything_in_it(night):
    code, said, _ = night.new.typed("backup", "verify", night.backup, "--keys", night.elsewhere / "ledger-key.jwks")
    assert (code, said["verdict"], said["everything"], said["own_keys"]) == (0, "intact", True, False), said


def test_two_officers_restore_it_and_everybody_will_be_locked(night):
    words = ("restore", "--backup", night.backup, "--ledger", night.before)
    code, plan, _ = night.new.typed(*words, "--dry-run")
    assert (code, plan["locked"], plan["anchor"]) == (0, "all", "none"), plan
    assert "no anchor" in plan["everybody"]
    code, said, _ = night.new.typed(*words, *night.new.officers("anna"))
    assert code == 1 and "too few" in said["what"], said
    code, said, _ = night.new.typed(*words, *night.new.officers())
    assert (code, said["locked"]) == (0, "all"), said
    night.restored_at = int(time.time())


def test_it_serves_and_no_old_pin_does(night, town):
    new = night.new
    new.start()
    assert new.typed("unseal")[0] in (0, 1)
    new.serving()
    nobody = town.citizen()
    answers = {json.dumps(new.portal.verify(one.subject, pin).json, sort_keys=True)
               for one, pin in ((night.quiet, night.quiet.pin), (night.guessed, night.guessed.pin), (night.half, night.half.first),
                                (nobody, "AAAAAAAA"), (night.quiet, "AAAAAAAA"))}
    assert len(answers) == 1 and json.loads(answers.pop())["outcome"] == "locked"
    assert new.status(night.quiet)["locked"] is True


def test_a_branch_gives_a_new_pin_and_that_verifies(night, town):
    new = night.new
    old_pin = night.quiet.pin
    body = {"subject": night.quiet.subject, "operator": "op-301", "evidence": {"document": DOCUMENT}}
    new.halves(night.quiet, new.branch.post("/v1/recoveries", body, status=201))
    new.activate(night.quiet)
    assert outcome(new, night.quiet, old_pin) == "rejected"
    assert outcome(new, night.quiet) == "verified"
    assert outcome(new, night.guessed) == "locked"
    newcomer = new.active(town.citizen())
    assert outcome(new, newcomer) == "verified"


def test_the_ledger_is_whole_and_the_lost_one_a_declared_fork(night):
    now = night.export(night.new, "now.jsonl")
    assert audit(now, "--keys", night.elsewhere / "ledger-key.jwks")[1]["verdict"] == "intact"
    code, said = audit(night.before, now)
    lines = [json.loads(line) for line in now.read_text().splitlines()[:-1]]
    entry = next(line for line in lines if line["event"] == "restored")
    assert code == 0 and said["left_at"] == entry["attempt"], said
    assert [one["locked"] for one in said["restores"]] == ["all"] and entry["operator"] == "anna+bruno"
    assert audit(now, night.before, check=False)[0] == 10, "the other way round nothing declares it"


def test_officers_go_on_it_stops_and_starts_again_and_is_backed_up(night):
    new = night.new
    # An act says its second and a restore its millisecond: one of that same second is taken for one of before.
    eventually(lambda: int(time.time()) > night.restored_at, what="the second after the restore")
    assert new.act("keys", "rotate", "record")[0] == 0
    new.ask("backup", "create", "--to", str(night.elsewhere / "first-of-the-new"))
    new.stop()
    new.start()
    assert new.typed("unseal")[0] in (0, 1)
    new.serving()
    assert (outcome(new, night.quiet), outcome(new, night.guessed)) == ("verified", "locked")


def test_the_spare_token_takes_its_place_without_a_backup_share_and_the_old_shares_open_it(night):
    """The same night where the ceremony's second token is at hand; the new machine of before never was."""
    night.new.stop()
    third = night.made(night.another_machine("third", spare=True))
    code, said, _ = third.typed("backup", "verify", night.backup, "--keys", night.elsewhere / "ledger-key.jwks", shares=night.two_shares())
    assert (code, said["verdict"], said["everything"]) == (0, "intact", True), said
    assert third.typed("restore", "--backup", night.backup, *third.officers(), shares=night.two_shares())[1]["locked"] == "all"
    third.start()
    night.opened_by_two(third)
    assert outcome(third, night.guessed) == "locked"
    third.stop()
