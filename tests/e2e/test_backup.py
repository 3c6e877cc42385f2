"""Backups of a serving appliance: made under load, checked with and without the HSM, and of no use to whoever takes one. A disk
that is full and a kill at any moment leave nothing that passes for one."""

import errno
import json
import pathlib
import shutil
import sys
import threading

import pytest
from harness.appliance import BIN, Appliance, eventually

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fault"))
from control import FAIL, KILL, Control  # noqa: E402

SETTINGS = {"policy.guess.delay_from": 11}
ALTERED, UNKNOWN_KEY, BAD_SIGNATURE, MISSING_FILE, KEY_MISSING, KEY_DIFFERS = 10, 13, 14, 15, 16, 17
FILES = {"channel-ca.pem", "manifest.jsonl", "server.pem", "sigillo.db", "sigillo.db.keys", "sigillo.toml"}


class Portal(threading.Thread):
    """Verifies one citizen over and over on a connection of its own, and counts what was answered."""

    def __init__(self, appliance, citizen):
        super().__init__(daemon=True)
        self.channel, self.citizen = appliance.channel("portal"), citizen
        self.stopping, self.wrong, self.count = threading.Event(), None, 0

    def run(self):
        try:
            while not self.stopping.is_set():
                answer = self.channel.post("/v1/verifications", {"subject": self.citizen.subject, "pin": self.citizen.pin})
                if answer.status != 200 or answer.outcome != "verified":
                    self.wrong = answer
                    return
                self.count += 1
        except Exception as broken:  # noqa: BLE001  a connection that breaks is a failure too
            self.wrong = broken

    def end(self):
        self.stopping.set()
        self.join()
        self.channel.close()


def verify(appliance, folder, *more):
    done = appliance.sigillo("backup", "verify", str(folder), *map(str, more), "--format", "json", check=False)
    return done.returncode, json.loads(done.stdout)


def create(appliance, folder, check=True):
    return appliance.ask("backup", "create", "--to", str(folder), check=check)


def export(appliance, folder):
    path = folder / "ledger.jsonl"
    appliance.sigillo("audit", "export", "--force", "--config", str(appliance.configuration), str(path))
    appliance.sigillo("audit", "verify", str(path))
    return [json.loads(line) for line in path.read_text().splitlines() if line.startswith('{"seq"')]


@pytest.fixture(scope="module")
def keys(appliance):
    path = appliance.root / "keys.json"
    path.write_text(json.dumps(appliance.portal.get("/v1/keys").json))
    return path


@pytest.fixture(scope="module")
def citizens(appliance, town):
    return [appliance.active(town.citizen()) for _ in range(3)]


@pytest.fixture(scope="module")
def backup(appliance, citizens):
    folder = appliance.root / "good"
    create(appliance, folder)
    return folder


@pytest.fixture
def copy(backup, tmp_path):
    return pathlib.Path(shutil.copytree(backup, tmp_path / "copy"))


def test_backups_under_load_fail_no_verification_and_hold_every_answer_of_before(appliance, citizens, keys, tmp_path):
    before = len([e for e in export(appliance, tmp_path) if e["event"] == "settle"])
    portals = [Portal(appliance, one) for one in citizens]
    for one in portals:
        one.start()
    made = []
    for n in range(4):
        eventually(lambda: all(p.count > 5 * (n + 1) or p.wrong for p in portals), what="the portals under way")
        answered = sum(p.count for p in portals)
        made.append((create(appliance, appliance.root / f"under-load-{n}")[1], answered))
    for one in portals:
        one.end()
    assert [p.wrong for p in portals] == [None] * len(portals)
    entries = {e["seq"]: e for e in export(appliance, tmp_path)}
    settled = [e["seq"] for e in entries.values() if e["event"] == "settle"]
    assert len(settled) - before >= sum(p.count for p in portals), "all that was answered is in the ledger"
    for said, answered in made:
        assert said["hash"] == entries[said["seq"]]["hash"], "the copy is of the one chain"
        assert len([seq for seq in settled if seq <= said["seq"]]) - before >= answered
        noted = next(e for e in entries.values() if e["event"] == "backed-up" and e["reference"] == said["manifest_sha256"])
        assert (noted["channel"], noted["attempt"]) == ("officer", said["seq"])
        assert verify(appliance, said["folder"], "--keys", keys)[0] == 0
        code, checked = verify(appliance, said["folder"], "--config", appliance.configuration)
        assert (code, checked["verdict"], checked["everything"], checked["own_keys"]) == (0, "intact", True, False)


def test_a_backup_holds_nothing_that_somebody_could_use(appliance, citizens, backup):
    assert {one.name for one in backup.iterdir()} == FILES
    assert backup.stat().st_mode & 0o777 == 0o700
    known = [(appliance.directory / "token-pin").read_text().strip()]
    for one in citizens:
        known += [one.subject, one.pin, one.first, one.second, one.mobile, one.email, one.pec, one.postal["street"],
                  one.health_card["number"], one.credential_id]
    for file in backup.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600, file
        content = file.read_bytes()
        assert [k for k in known if k.encode() in content or k.lower().encode() in content] == [], file
    store = (backup / "sigillo.db").read_bytes()
    assert not store.startswith(b"SQLite format") and b"CREATE TABLE" not in store and b"portal" not in store


def test_without_keys_the_backups_own_are_used_and_it_says_so(appliance, backup):
    code, said = verify(appliance, backup)
    assert (code, said["verdict"], said["own_keys"], said["everything"]) == (0, "intact", True, False)
    words = appliance.sigillo("backup", "verify", str(backup)).stdout.decode()
    assert "not who made it" in words and "not opened" in words


@pytest.mark.parametrize("name", sorted(FILES - {"manifest.jsonl"}))
def test_one_byte_altered_is_named(appliance, keys, copy, name):
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    code, said = verify(appliance, copy, "--keys", keys)
    assert (code, said["verdict"], said["about"]) == (ALTERED, "altered", [name])


def test_files_that_were_exchanged_cut_taken_away_or_added_are_named(appliance, citizens, keys, copy, tmp_path):
    other = tmp_path / "other"
    create(appliance, other)
    (copy / "sigillo.db").write_bytes((other / "sigillo.db").read_bytes())
    assert verify(appliance, copy, "--keys", keys)[1]["about"] == ["sigillo.db"], "another backup's store"
    (other / "server.pem").rename(other / "x")
    (other / "channel-ca.pem").rename(other / "server.pem")
    (other / "x").rename(other / "channel-ca.pem")
    code, said = verify(appliance, other, "--keys", keys)
    assert (code, sorted(said["about"])) == (ALTERED, ["channel-ca.pem", "server.pem"])
    (other / "server.pem").unlink()
    code, said = verify(appliance, other, "--keys", keys)
    assert (code, said["verdict"], said["about"]) == (MISSING_FILE, "missing file", ["server.pem"])
    (other / "manifest.jsonl").unlink()
    assert verify(appliance, other, "--keys", keys)[1]["about"] == ["manifest.jsonl"]
    assert verify(appliance, tmp_path / "nothing")[0] == 1


def test_a_wal_beside_the_store_is_not_taken_for_a_part_of_it(appliance, keys, copy):
    (copy / "sigillo.db-wal").write_bytes(b"x")
    code, said = verify(appliance, copy, "--keys", keys)
    assert (code, said["about"]) == (ALTERED, ["sigillo.db-wal"])


def test_a_manifest_that_was_edited_or_signed_by_another_is_told_apart(appliance, appliances, keys, copy, tmp_path):
    manifest = copy / "manifest.jsonl"
    good = manifest.read_text()
    manifest.write_text(good.replace('"seq":', '"seq":1', 1))
    assert verify(appliance, copy, "--keys", keys)[0] == BAD_SIGNATURE
    manifest.write_text(good.replace('"issuer":', '"issuer" :', 1))
    assert verify(appliance, copy, "--keys", keys)[0] == ALTERED, "a text that is not the one form of it"
    manifest.write_text(good.splitlines()[0] + "\n")
    assert verify(appliance, copy, "--keys", keys)[0] == ALTERED, "nobody signed it"
    manifest.write_text(good)
    other = appliances()
    theirs = tmp_path / "theirs.json"
    theirs.write_text(json.dumps(other.portal.get("/v1/keys").json))
    assert verify(appliance, copy, "--keys", theirs)[0] == UNKNOWN_KEY
    # Another token: it trusts another key; and where it is told whom to trust, its own keys open nothing of this.
    assert verify(appliance, copy, "--config", other.configuration)[0] == UNKNOWN_KEY
    code, said = verify(appliance, copy, "--config", other.configuration, "--keys", keys)
    assert (code, said["verdict"]) == (KEY_DIFFERS, "key differs")
    assert {"sigillo.store-v1", "sigillo.verifier-v1"} <= set(said["about"])


def test_keys_that_the_token_no_longer_has_are_named(appliance, copy, keys, citizens):
    """A backup of before a key was retired: the token cannot serve it any more, and says by which key."""
    appliance.act("keys", "rotate", "receipt")
    assert verify(appliance, copy, "--config", appliance.configuration)[0] == 0, "a retiring key still serves it"
    appliance.act("keys", "retire", "sigillo.receipt-v1")
    code, said = verify(appliance, copy, "--config", appliance.configuration)
    assert (code, said["verdict"], said["about"]) == (KEY_MISSING, "key missing", ["sigillo.receipt-v1"])


def test_what_is_there_is_not_written_over_and_nonsense_is_told(appliance, backup, tmp_path):
    before = (backup / "manifest.jsonl").read_bytes()
    code, said = create(appliance, backup, check=False)
    assert code == 1 and "is there already" in said["what"]
    assert (backup / "manifest.jsonl").read_bytes() == before
    assert create(appliance, tmp_path / "no" / "such" / "folder", check=False)[0] == 1
    assert create(appliance, "/proc/backup", check=False)[0] == 1
    assert not any(tmp_path.iterdir())


def test_a_stopped_appliance_is_backed_up_too_and_a_sealed_one_is_not(appliance, tmp_path):
    appliance.sigillo("seal", "--config", str(appliance.configuration))
    assert create(appliance, tmp_path / "sealed", check=False)[0] == 2
    appliance.stop()
    create(appliance, tmp_path / "stopped")
    appliance.start()
    assert verify(appliance, tmp_path / "stopped", "--config", appliance.configuration)[0] == 0
    assert not (tmp_path / "sealed").exists()


@pytest.fixture(scope="module")
def faulty(town):
    """(appliance, faults, folder): what is read and written in the folder of backups can fail."""
    appliance = Appliance(SETTINGS)
    folder = appliance.root / "backups"
    folder.mkdir()
    faults = Control(appliance.root / "faults", BIN.parent / "fault")
    appliance.environment = faults.environment(disk=folder)
    yield appliance.start(), faults, folder
    appliance.discard()


def test_a_full_disk_is_said_and_nothing_half_made_is_left(faulty, town):
    appliance, faults, folder = faulty
    someone = appliance.active(town.citizen())
    before = faults.calls("disk.write")
    create(appliance, folder / "counted")
    calls = faults.calls("disk.write") - before
    shutil.rmtree(folder / "counted")
    for at in {1, 2, calls // 2, calls}:
        faults.arm("disk.write", FAIL, errno.ENOSPC, at=at, times=0)
        code, said = create(appliance, folder / "full", check=False)
        faults.clear()
        assert code == 1 and "disk is full" in said["what"], said
        assert list(folder.iterdir()) == []
        assert appliance.portal.verify(someone.subject, someone.pin).outcome == "verified"
    create(appliance, folder / "full")
    assert verify(appliance, folder / "full", "--config", appliance.configuration)[0] == 0


def test_a_kill_at_any_moment_leaves_no_folder_that_passes_for_a_backup(faulty):
    appliance, faults, folder = faulty
    counted = {name: faults.calls(name) for name in ("disk.write", "disk.read", "disk.sync")}
    create(appliance, folder / "counted")
    calls = {name: faults.calls(name) - before for name, before in counted.items()}
    moments = [("disk.write", 1), ("disk.write", calls["disk.write"] // 2), ("disk.sync", 1),
               ("disk.read", calls["disk.read"] - 1), ("disk.sync", calls["disk.sync"] - 1), ("disk.sync", calls["disk.sync"])]
    for point, at in moments:
        faults.arm(point, KILL, at=at)
        assert create(appliance, folder / "killed", check=False)[0] != 0, (point, at)
        faults.clear()
        assert appliance.process.wait(timeout=30) == -9, (point, at)
        appliance.kill9()
        for left in folder.iterdir():
            if left.name not in ("full", "counted", "killed"):
                assert left.name == ".killed.partial", (point, at)
                # The manifest comes last: where it is, all of it is there, and only the name is not.
                assert (verify(appliance, left)[0] == 0) == ((point, at) == moments[-2]), (point, at)
        if (folder / "killed").exists():  # only the last sync, of the folder's own folder, comes after the name
            assert (point, at) == moments[-1]
            shutil.rmtree(folder / "killed")
        appliance.start()
    create(appliance, folder / "killed")
    assert verify(appliance, folder / "killed", "--config", appliance.configuration)[0] == 0
    assert sorted(one.name for one in folder.iterdir()) == ["counted", "full", "killed"]
