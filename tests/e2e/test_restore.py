"""`sigillo restore`: a store of before comes back by two officers, and nobody gets a guess out of it."""

import json
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys

import pytest
from harness.appliance import BIN, DOCUMENT, SLOW, Appliance, eventually

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fault"))
from control import FAIL, KILL, KILL_AFTER, Control  # noqa: E402

SETTINGS = {"policy.guess.delay_from": 11, "policy.contacts.quarantine": "1s"}
LIMIT = 10


def store_of(appliance):
    return appliance.directory / "store" / "sigillo.db"


def keep(appliance, name):
    """A copy of the store's files, as whoever can read the disk makes one; the appliance is stopped."""
    folder = appliance.root / name
    folder.mkdir()
    for file in store_of(appliance).parent.glob("sigillo.db*"):
        if ".replaced" not in file.name:
            shutil.copy(file, folder / file.name)
    return folder


def put_back(appliance, folder):
    for file in store_of(appliance).parent.glob("sigillo.db*"):
        if ".replaced" not in file.name:
            file.unlink()
    for file in folder.iterdir():
        shutil.copy(file, store_of(appliance).parent / file.name)


def start_code(appliance, environment=None):
    """The exit code of a start that does not come to serving; None where it serves, and it is ended then."""
    process = subprocess.Popen([BIN / "sigillod", "--config", appliance.configuration], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=appliance.log, env=os.environ | (environment or {}))
    line = process.stdout.readline()
    if b"ready" in line:
        process.terminate()
        process.wait(timeout=60 * SLOW)
        return None
    return process.wait(timeout=60 * SLOW)


def export(appliance, name):
    file = appliance.root / name
    appliance.sigillo("audit", "export", "--config", str(appliance.configuration), str(file), "--force")
    return file


def verify(*files, check=True, appliance=None):
    done = subprocess.run([BIN / "sigillo", "audit", "verify", *map(str, files), "--format", "json"], capture_output=True, check=False)
    assert not check or done.returncode == 0, done.stdout
    return done.returncode, json.loads(done.stdout)


def restore(appliance, *more, check=True):
    return appliance.act("restore", *map(str, more), check=check)


def recovered_by_contacts(appliance, person):
    """By two contacts and the link's token, and the new PIN is right."""
    two = {name: person.contacts[name] for name in ("mobile", "email")}
    link = appliance.portal.post("/v1/recoveries", {"subject": person.subject, "contacts": two}, status=202)["recovery_id"]
    token = appliance.link(link)[1]["token"]
    appliance.halves(person, appliance.portal.post(f"/v1/recoveries/{link}/confirmation", {"token": token}, status=201))
    appliance.activate(person)
    assert outcome(appliance, person) == "verified"


def outcome(appliance, citizen, pin=None):
    return appliance.portal.verify(citizen.subject, pin or citizen.pin or "AAAAAAAA").outcome


def guess(appliance, town, citizen, times):
    for _ in range(times):
        assert outcome(appliance, citizen, town.pin(other_than=(citizen.pin, citizen.first, citizen.second))) == "rejected"


class Story:
    """Quiet citizens, and ones who were guessed at, served, revoked, or never there, before and after the snapshot."""

    def __init__(self, appliance, town):
        self.appliance = appliance
        names = ("quiet", "guessed", "served", "renewed", "revoked", "moved", "unknown", "stranger", "erased", "late")
        for name in names:
            setattr(self, name, town.citizen())
        for one in (self.quiet, self.guessed, self.served, self.renewed, self.revoked, self.moved, self.erased):
            appliance.active(one)
        guess(appliance, town, self.guessed, 3)
        guess(appliance, town, self.quiet, 2)
        appliance.stop()
        self.snapshot = keep(appliance, "snapshot")
        appliance.start()
        guess(appliance, town, self.guessed, 5)
        guess(appliance, town, self.unknown, 4)
        assert outcome(appliance, self.served) == "verified"
        self.old_pin = self.renewed.pin
        self.renewed.pin = appliance.portal.post("/v1/renewals", {"subject": self.renewed.subject, "pin": self.old_pin}, status=201)["pin"]
        body = {"subject": self.revoked.subject, "operator": "op-301", "reason": "asked"}
        appliance.branch.post("/v1/revocations", body, status=200)
        other = {"mobile": "+393330009999", "email": "new@example.it"}
        appliance.portal.post("/v1/contacts", {"subject": self.moved.subject, "pin": self.moved.pin, "contacts": other}, status=200)
        appliance.active(self.late)
        appliance.act("subject", "erase", "--reason", "order 7", line=self.erased.subject + "\n")
        appliance.act("channel", "suspend", "courier-pec", "courier-pec")
        appliance.stop()
        self.lost = keep(appliance, "lost")
        self.tail = export(appliance, "before.jsonl")
        put_back(appliance, self.snapshot)


@pytest.fixture(scope="module")
def story(appliance, town):
    return Story(appliance, town)


def test_a_store_of_before_is_refused_and_stays_so_without_two_officers(story, tmp_path):
    appliance = story.appliance
    assert start_code(appliance) == 3
    code, said = appliance.ask("restore", "--ledger", str(story.tail), *appliance.officers("anna"), check=False)
    assert code == 1 and "too few" in said["what"], said
    for damage in (lambda text: text.replace('"failures":8', '"failures":1', 1), lambda text: text[: len(text) // 2].rsplit("\n", 1)[0] + "\n"):
        bad = tmp_path / "bad.jsonl"
        bad.write_text(damage(story.tail.read_text()))
        code, said = restore(appliance, "--ledger", bad, check=False)
        assert code == 1 and "of no use" in said["what"], said
    code, said = restore(appliance, "--store", tmp_path / "nothing.db", check=False)
    assert code == 1, said
    assert start_code(appliance) == 3
    assert not list(store_of(appliance).parent.glob("*.restoring*"))


def test_what_would_be_done_is_said_first(story):
    code, plan = story.appliance.ask("restore", "--dry-run")
    assert plan["schema"] == "sigillo.restore-plan/1" and plan["locked"] == "all" and "no ledger" in plan["everybody"]
    code, plan = story.appliance.ask("restore", "--ledger", str(story.tail), "--dry-run")
    # guessed, served, renewed, revoked, moved, unknown, erased, late
    assert code == 0 and plan["locked"] == "8", plan
    assert start_code(story.appliance) == 3


@pytest.fixture(scope="module")
def restored(story):
    code, said = restore(story.appliance, "--ledger", story.tail)
    assert code == 0 and said["schema"] == "sigillo.restore/1" and said["locked"] == "8", said
    story.appliance.start()
    yield story


def test_who_was_active_since_is_locked_and_who_was_not_is_served(restored, town):
    story, appliance = restored, restored.appliance
    for one in (story.guessed, story.served, story.revoked, story.moved, story.unknown, story.erased, story.late):
        assert outcome(appliance, one) == "locked", one
        assert appliance.status(one)["locked"] is True
    for pin in (story.old_pin, story.renewed.pin):
        assert outcome(appliance, story.renewed, pin) == "locked"
    known, unknown = (appliance.portal.verify(one.subject, "AAAAAAAA").json for one in (story.guessed, story.unknown))
    assert known == unknown
    assert appliance.remaining(story.quiet, town) == LIMIT - 3, "two of before the snapshot, and this one"
    assert outcome(appliance, story.quiet) == "verified"
    assert appliance.remaining(story.stranger, town) == LIMIT - 1


def test_it_is_so_after_a_crash_too_and_a_branch_ends_it(restored, town):
    story, appliance = restored, restored.appliance
    appliance.kill9()
    appliance.start()
    assert outcome(appliance, story.guessed) == "locked"
    body = {"subject": story.guessed.subject, "operator": "op-301", "evidence": {"document": DOCUMENT}}
    appliance.halves(story.guessed, appliance.branch.post("/v1/recoveries", body, status=201))
    appliance.activate(story.guessed)
    assert outcome(appliance, story.guessed) == "verified"
    recovered_by_contacts(appliance, story.served)


def test_an_erasure_and_a_suspension_of_after_the_snapshot_are_done_again(restored):
    appliance = restored.appliance
    status = appliance.status(restored.erased)
    assert status["state"] == "none" and not status.get("contacts")
    channels = appliance.ask("channel", "list")[1]["channels"]
    assert next(c for c in channels if c["name"] == "courier-pec")["status"] == "suspended"


def test_the_ledger_says_so_and_the_export_of_before_is_a_declared_fork(restored, tmp_path):
    story, appliance = restored, restored.appliance
    now = export(appliance, "after.jsonl")
    assert verify(now)[1]["verdict"] == "intact"
    entries = [json.loads(line) for line in now.read_text().splitlines()[:-1]]
    before = [json.loads(line) for line in story.tail.read_text().splitlines()[:-1]]
    entry = next(e for e in entries if e["event"] == "restored")
    seq, digest, who = entry["reference"].split(":")
    fork = entry["attempt"]
    assert entry["operator"] == "anna+bruno" and who == "8"
    assert entries[fork - 1]["hash"] == before[fork - 1]["hash"] and entries[fork]["hash"] != before[fork]["hash"]
    assert before[int(seq) - 1]["hash"] == digest
    assert sum(e["event"] == "reissue-marked" for e in entries) == 8
    code, said = verify(story.tail, now)
    assert code == 0 and said["left_at"] == fork and said["restores"] == [{"at": entry["seq"], "after": fork, "replaced_to": int(seq), "locked": "8"}], said
    code, said = verify(now, story.tail, check=False)
    assert code == 10 and "no restore declares it" in said["detail"], said
    altered = tmp_path / "altered.jsonl"
    altered.write_text(story.tail.read_text().replace('"failures":8', '"failures":7', 1))
    assert verify(altered, now, check=False)[0] == 10


def test_neither_the_snapshot_nor_the_lost_store_opens_any_more(restored):
    story, appliance = restored, restored.appliance
    appliance.stop()
    mine = keep(appliance, "mine")
    for other in (story.snapshot, story.lost):
        put_back(appliance, other)
        assert start_code(appliance) == 3
    put_back(appliance, mine)
    # The first restore's own ledger is a tail as well, but whom that one locked it does not say of everybody.
    now = export(appliance, "now.jsonl")
    code, plan = appliance.ask("restore", "--store", str(story.snapshot / "sigillo.db"), "--ledger", str(now), "--dry-run")
    assert code == 0 and plan["locked"] == "all" and "has a restore in it" in plan["everybody"], plan
    code, plan = appliance.ask("restore", "--store", str(story.snapshot / "sigillo.db"), "--ledger", str(story.tail), "--dry-run")
    assert code == 0 and plan["locked"] == "all" and "ends before" in plan["everybody"], plan
    appliance.start()
    assert outcome(appliance, story.quiet) == "verified"


def test_an_act_of_before_is_good_no_more(restored, town, tmp_path):
    """Signed by both, kept by somebody, and perhaps carried out in what was lost."""
    story, appliance = restored, restored.appliance
    appliance.stop()
    snapshot = keep(appliance, "second")
    appliance.start()
    act = tmp_path / "revoke.json"
    revoke = ("channel", "revoke", "courier-sms", "courier-sms", "--act", str(act))
    appliance.ask(*revoke, *appliance.officers("anna"), check=False)
    assert act.exists()
    guess(appliance, town, story.stranger, 1)
    appliance.stop()
    put_back(appliance, snapshot)
    restore(appliance)
    appliance.start()
    code, said = appliance.ask(*revoke, *appliance.officers("bruno"), check=False)
    assert code == 1 and "before the store was restored" in said["what"], said


def test_without_a_ledger_everybody_is_locked_known_or_not_until_a_new_credential(restored, town):
    """The restore of the test before had none."""
    story, appliance = restored, restored.appliance
    nobody = town.citizen()
    for one in (story.quiet, story.guessed, story.served, nobody):
        assert outcome(appliance, one) == "locked"
    appliance.restart()
    known, unknown = (appliance.portal.verify(one.subject, "AAAAAAAA").json for one in (story.quiet, nobody))
    assert known == unknown and known["outcome"] == "locked"
    appliance.active(nobody)
    assert outcome(appliance, nobody) == "verified"
    recovered_by_contacts(appliance, story.quiet)
    assert verify(export(appliance, "again.jsonl"))[1]["verdict"] == "intact"


def test_nothing_is_restored_beside_an_appliance_that_runs_or_is_not_behind(restored):
    appliance = restored.appliance
    code, said = restore(appliance, check=False)
    assert code == 1 and "is running" in said["what"]
    appliance.stop()
    code, said = restore(appliance, check=False)
    assert code == 1 and "nothing to restore" in said["what"]
    appliance.start()


CKA_CLASS, CKA_VALUE, CKO_DATA = 0, 0x11, 0


def attributes(file):
    """Of a SoftHSM2 object's file: generation(8), then type(8) kind(8) and a bool, a number, or length and bytes; big-endian."""
    raw, at, out = file.read_bytes(), 8, {}
    while at < len(raw):
        name, kind = struct.unpack_from(">QQ", raw, at)
        at += 16
        if kind == 1:
            size, value = 1, raw[at]
        elif kind == 2:
            size, value = 8, struct.unpack_from(">Q", raw, at)[0]
        elif kind == 3:
            length = struct.unpack_from(">Q", raw, at)[0]
            size, value = 8 + length, raw[at + 8: at + 8 + length]
        else:
            break
        at, out[name] = at + size, value
    return out


@pytest.fixture(scope="module")
def backed_up(appliances, town):
    """A backup of a serving appliance; guesses after it; then the disk is gone, and an export up to the end is left."""
    appliance = appliances(SETTINGS)
    quiet, guessed = appliance.active(town.citizen()), appliance.active(town.citizen())
    folder = appliance.root / "backup"
    appliance.ask("backup", "create", "--to", str(folder))
    early = export(appliance, "early.jsonl")
    guess(appliance, town, guessed, LIMIT - 1)
    appliance.kill9()
    late = export(appliance, "late.jsonl")
    keep(appliance, "lost")
    for file in store_of(appliance).parent.glob("sigillo.db*"):
        file.unlink()
    return appliance, folder, early, late, quiet, guessed


def test_a_backup_is_refused_before_anything_is_touched_where_it_or_the_token_is_not_whole(backed_up, appliance, tmp_path):
    mine, folder, _, late, _, _ = backed_up
    damaged = tmp_path / "damaged"
    shutil.copytree(folder, damaged)
    with open(damaged / "sigillo.db", "r+b") as file:
        file.seek(5000)
        was = file.read(1)[0]
        file.seek(5000)
        file.write(bytes([was ^ 1]))
    code, said = restore(mine, "--backup", damaged, "--ledger", late, check=False)
    assert code == 1 and "altered" in said["what"] and "sigillo.db" in said["what"], said
    (damaged / "manifest.jsonl").write_text((folder / "manifest.jsonl").read_text().replace('"issuer":"', '"issuer":"x', 1))
    code, said = restore(mine, "--backup", damaged, check=False)
    assert code == 1 and "signature" in said["what"], said
    appliance.stop()
    code, said = restore(appliance, "--backup", folder, check=False)
    assert code == 1 and "unknown key" in said["what"], said
    appliance.start()
    assert not list(store_of(mine).parent.glob("sigillo.db*"))


def test_a_lost_disk_comes_back_from_a_backup_and_the_ledger_says_who_is_locked(backed_up):
    appliance, folder, early, late, quiet, guessed = backed_up
    code, plan = appliance.ask("restore", "--backup", str(folder), "--ledger", str(early), "--dry-run")
    assert code == 0 and plan["locked"] == "all" and "ends before the HSM's anchor" in plan["everybody"], plan
    torn = appliance.root / "torn.jsonl"  # no checkpoint, and no whole last line: what the anchor vouches for is believed
    lines = late.read_text().splitlines(keepends=True)
    torn.write_text("".join(lines[:-1]) + lines[-1][:40])
    code, plan = appliance.ask("restore", "--backup", str(folder), "--ledger", str(torn), "--dry-run")
    assert code == 0 and plan["locked"] == "1", plan
    code, said = restore(appliance, "--backup", folder, "--ledger", late)
    assert code == 0 and said["locked"] == "1", said
    appliance.start()
    assert outcome(appliance, guessed) == "locked" and outcome(appliance, quiet) == "verified"
    assert verify(late, export(appliance, "now.jsonl"))[1]["left_at"] > 0
    appliance.stop()
    lost = appliance.root / "lost"
    put_back(appliance, lost)
    assert start_code(appliance) == 3, "the lost disk was found again"
    code, said = restore(appliance, "--backup", folder)
    assert code == 0 and said["locked"] == "all"
    appliance.start()
    assert outcome(appliance, quiet) == "locked"


def test_after_a_backup_of_before_a_rotation_no_record_key_of_before_seals_again(appliances, town):
    """The token knows record-v2, and the backup's store has no count of its uses: it could be nearly used up."""
    appliance = appliances(SETTINGS)
    appliance.active(town.citizen())
    folder = appliance.root / "backup"
    appliance.ask("backup", "create", "--to", str(folder))
    appliance.act("keys", "rotate", "record")
    appliance.stop()
    for file in store_of(appliance).parent.glob("sigillo.db*"):
        file.unlink()
    restore(appliance, "--backup", folder)
    assert not list(store_of(appliance).parent.glob("*.restoring*"))
    appliance.start()

    def records():
        return {key["kid"]: key for key in appliance.ask("keys", "list", "--count")[1]["keys"] if key["use"] == "record"}

    keys = records()
    assert {kid: key["state"] for kid, key in keys.items()} == {"record-v1": "retiring", "record-v2": "retiring", "record-v3": "active"}
    assert 2**18 <= keys["record-v3"]["uses"] < 2**19, "counted from its first, and what the restore sealed is in it"
    entries = appliance.auditor.get("/v1/ledger?after=0&limit=1000", status=200)["entries"]
    events = [(entry["event"], entry.get("reference")) for entry in entries]
    assert ("key-rotated", "record-v3") in events[[event for event, _ in events].index("restored"):], events
    assert verify(export(appliance, "rotated.jsonl"))[1]["verdict"] == "intact"
    eventually(lambda: not appliance.ask("keys", "list")[1]["reseal"]["running"], what="the records under the new key")
    assert [key["records"] for kid, key in records().items() if kid != "record-v3"] == [0, 0]
    someone = town.citizen()
    assert outcome(appliance, appliance.active(someone)) == "verified"


def test_a_token_without_an_anchor_locks_everybody_whatever_ledger_there_is(backed_up):
    """Restored from the key backup, a token has the keys and no data object: here its anchors are destroyed by hand."""
    appliance, folder, _, late, quiet, _ = backed_up
    appliance.stop()
    data = {file: attributes(file) for file in (appliance.directory / "token").rglob("*.object")}
    data = {file: len(of[CKA_VALUE]) for file, of in data.items() if of.get(CKA_CLASS) == CKO_DATA}
    assert len(data) == 6, "the anchor and its four cells, and the list of keys, which is longer"
    for file in sorted(data, key=data.get)[:-1]:
        file.unlink()
    assert start_code(appliance) == 3
    code, said = restore(appliance, "--backup", folder, "--ledger", late)
    assert code == 0 and said["locked"] == "all" and "no anchor" in said["everybody"], said
    appliance.start()
    assert outcome(appliance, quiet) == "locked"


def test_with_an_anchor_that_lags_everybody_is_locked_and_the_snapshot_is_refused_all_the_same(appliances, town):
    """anchor.mode "interval": a clean stop and a restore anchor what they leave; but no tail can prove that it is the last one."""
    appliance = appliances(SETTINGS | {"anchor.mode": "interval", "anchor.interval": "1m"})
    guessed, quiet = appliance.active(town.citizen()), appliance.active(town.citizen())
    appliance.stop()
    snapshot = keep(appliance, "snapshot")
    appliance.start()
    guess(appliance, town, guessed, LIMIT - 1)
    appliance.stop()
    tail = export(appliance, "tail.jsonl")
    put_back(appliance, snapshot)
    assert start_code(appliance) == 3
    code, said = restore(appliance, "--ledger", tail)
    assert code == 0 and said["locked"] == "all" and "interval" in said["everybody"], said
    for _ in range(2):
        appliance.start()
        assert [outcome(appliance, one) for one in (guessed, quiet, town.citizen())] == ["locked"] * 3
        appliance.kill9()
    put_back(appliance, snapshot)
    assert start_code(appliance) == 3


class Behind:
    """An appliance whose store was put back after nine guesses, again and again: folder and token as they were then."""

    def __init__(self, town):
        self.appliance = appliance = Appliance(SETTINGS)
        self.faults = Control(appliance.root / "faults", BIN.parent / "fault")
        appliance.set("hsm.module", self.faults.module)
        appliance.environment = self.faults.environment()
        appliance.start()
        self.citizen, self.quiet = appliance.active(town.citizen()), appliance.active(town.citizen())
        appliance.stop()
        snapshot = keep(appliance, "snapshot")
        appliance.start()
        guess(appliance, town, self.citizen, LIMIT - 1)
        appliance.stop()
        self.tail = export(appliance, "tail.jsonl")
        put_back(appliance, snapshot)
        for part in ("store", "token"):
            shutil.copytree(appliance.directory / part, appliance.root / f"kept-{part}")

    def again(self):
        for part in ("store", "token"):
            shutil.rmtree(self.appliance.directory / part)
            shutil.copytree(self.appliance.root / f"kept-{part}", self.appliance.directory / part)
        self.faults.clear()

    def restore(self):
        done = subprocess.run([BIN / "sigillo", "restore", "--config", self.appliance.configuration, "--ledger", self.tail,
                               *self.appliance.officers()], stdin=subprocess.DEVNULL, capture_output=True,
                              env=os.environ | self.faults.environment(disk=self.appliance.directory / "store"), timeout=120 * SLOW)
        return done.returncode, done.stderr.decode()

    def holds(self):
        """Refused, or restored with its marks; and then restored for good, by the same command."""
        self.faults.clear()
        code = start_code(self.appliance)
        assert code in (None, 3), code
        if code == 3:
            ended, said = self.restore()
            assert ended == 0, said
        self.appliance.start()
        try:
            assert outcome(self.appliance, self.citizen) == "locked"
            assert outcome(self.appliance, self.quiet) == "verified"
        finally:
            self.appliance.stop()
        return code


@pytest.fixture(scope="module")
def behind(town):
    made = Behind(town)
    yield made
    made.appliance.discard()


def test_killed_or_failed_at_any_call_it_leaves_the_refused_store_or_the_restored_one(behind):
    """Calls on the store's files and on the HSM are counted in one run, then struck: some in CTest, all with SIGILLO_RESTORE_CALLS=all."""
    seed = int(os.environ.get("SIGILLO_RESTORE_SEED", random.SystemRandom().getrandbits(32)))
    dice, few = random.Random(seed), os.environ.get("SIGILLO_RESTORE_CALLS", "6")
    print(f"SIGILLO_RESTORE_SEED={seed}")
    points = ("disk.", "C_CreateObject", "C_CopyObject", "C_SetAttributeValue", "C_DestroyObject")
    before = {point: behind.faults.calls(point) for point in points}
    assert behind.restore()[0] == 0
    places = [(point, n) for point in points for n in range(1, behind.faults.calls(point) - before[point] + 1)]
    hsm = [place for place in places if place[0] != "disk."]
    assert hsm and len(places) > 50, places
    chosen = places if few == "all" else dice.sample(hsm, min(len(hsm), int(few) // 2)) + dice.sample(places[-40:] + places[:60], int(few) - int(few) // 2)
    seen = set()
    for point, at in chosen:
        kind, code = dice.choice(((KILL, 0), (KILL_AFTER, 0), (FAIL, 5 if point == "disk." else 0x30)))
        behind.again()
        behind.faults.arm(point, kind, code=code, at=at)
        ended = behind.restore()[0]
        print(point, at, kind, ended, flush=True)
        seen.add((ended, behind.holds()))
    print(seen)
