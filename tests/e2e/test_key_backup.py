"""The ceremony's half of `sigillo keys`: a key made, backed up, proven on a second token, closed, and then rotated in; and a
third token that is restored from the file."""

import json
import os
import subprocess

import pytest

SETTINGS = {"policy.guess.delay_from": 11}
PIN = "restored-token-pin"


class Spare:
    """A second token, with a configuration of its own."""

    def __init__(self, appliance, folder, label):
        self.folder = folder / label
        (self.folder / "tokens").mkdir(parents=True)
        conf, pin = self.folder / "softhsm2.conf", self.folder / "pin"
        conf.write_text(f"directories.tokendir = {self.folder}/tokens\nobjectstore.backend = file\n")
        pin.write_text(PIN)
        pin.chmod(0o600)
        subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "1234567890", "--pin", PIN], check=True,
                       capture_output=True, env=os.environ | {"SOFTHSM2_CONF": str(conf)})
        lines = []
        for line in appliance.configuration.read_text().splitlines():
            for key, value in (("token_label", label), ("softhsm2_conf", conf), ("pin_file", pin),
                               ("path", self.folder / "sigillo.db")):
                if line.startswith(f"{key} ="):
                    line = f"{key} = {json.dumps(str(value))}"
            lines.append(line)
        self.configuration = self.folder / "sigillo.toml"
        self.configuration.write_text("\n".join(lines) + "\n")


def keys(appliance, *arguments, configuration=None, check=True):
    done = appliance.sigillo("keys", *map(str, arguments), "--config", str(configuration or appliance.configuration), "--format", "json",
                             check=check)
    return done if not check else json.loads(done.stdout)


def state(appliance, kid):
    return next((k["state"], k["check_value"]) for k in keys(appliance, "list")["keys"] if k["kid"] == kid)


@pytest.fixture(scope="module")
def ceremony(appliance, tmp_path_factory):
    """Beside the appliance, which serves: verifier-v2 is made, backed up, proven and committed."""
    folder = tmp_path_factory.mktemp("ceremony")
    second = Spare(appliance, folder, "second")
    wrapping, backup, proof = folder / "wrapping", folder / "backup.json", folder / "proof.json"
    assert keys(appliance, "create", "verifier")["kid"] == "sigillo.verifier-v2"
    made = keys(appliance, "backup", "prepare", "--wrapping-key", wrapping, "--make-wrapping-key", "--new", backup)
    early = keys(appliance, "backup", "commit", backup, "--wrapping-key", wrapping, "--proof", backup, check=False)
    assert early.returncode == 1, "a backup is no proof of itself"
    keys(appliance, "backup", "prove", backup, "--wrapping-key", wrapping, "--proof", proof, configuration=second.configuration)
    keys(appliance, "backup", "commit", backup, "--wrapping-key", wrapping, "--proof", proof)
    return {"made": made, "wrapping": wrapping, "backup": backup, "proof": proof, "folder": folder}


def test_files_are_as_private_as_what_is_in_them(ceremony):
    assert os.stat(ceremony["wrapping"]).st_mode & 0o077 == 0
    assert os.stat(ceremony["backup"]).st_mode & 0o077 == 0
    assert ceremony["wrapping"].read_text().strip() not in ceremony["backup"].read_text()


def test_what_was_backed_up_is_rotated_in_and_verifies(appliance, ceremony, town):
    someone = town.citizen()
    appliance.active(someone)
    appliance.act("keys", "rotate", "verifier")
    said = next(k for k in ceremony["made"]["keys"] if k["kid"] == "sigillo.verifier-v2")
    assert state(appliance, "sigillo.verifier-v2") == ("active", said["check_value"])
    assert state(appliance, "sigillo.verifier-v1")[0] == "retiring"
    body = {"subject": someone.subject, "pin": someone.pin}
    for _ in range(2):
        assert appliance.portal.post("/v1/verifications", body, status=200).outcome == "verified"


def test_a_third_token_is_restored_with_the_same_check_values(appliance, ceremony):
    third = Spare(appliance, ceremony["folder"], "third")
    done = keys(appliance, "restore", ceremony["backup"], "--wrapping-key", ceremony["wrapping"], configuration=third.configuration)
    assert [(k["kid"], k["check_value"]) for k in done["keys"]] == [(k["kid"], k["check_value"]) for k in ceremony["made"]["keys"]]


def test_an_altered_backup_and_another_wrapping_key_are_refused(appliance, ceremony, tmp_path):
    third = Spare(appliance, tmp_path, "fourth")
    altered = tmp_path / "altered.json"
    altered.write_text(ceremony["backup"].read_text().replace("sigillo.verifier", "sigillo.store"))
    wrong = tmp_path / "wrong"
    wrong.write_text("00" * 32)
    wrong.chmod(0o600)
    for backup, wrapping in ((altered, ceremony["wrapping"]), (ceremony["backup"], wrong)):
        done = keys(appliance, "restore", backup, "--wrapping-key", wrapping, configuration=third.configuration, check=False)
        assert done.returncode == 1 and b"altered" in done.stdout


def test_the_list_beside_the_store_says_what_the_token_says(appliance):
    beside = json.loads((appliance.directory / "store" / "sigillo.db.keys").read_text())
    token = {k["kid"]: k["state"] for k in keys(appliance, "list")["keys"]}
    assert {k["kid"]: k["state"] for k in beside["keys"]} == {k: s for k, s in token.items() if k.startswith("sigillo.")}


def test_the_token_that_serves_is_no_second_one(appliance, ceremony, tmp_path):
    """The appliance's own configuration in the second token's place: what a proof makes active would take two officers."""
    keys(appliance, "create", "receipt")
    backup = tmp_path / "backup.json"
    keys(appliance, "backup", "prepare", "--wrapping-key", ceremony["wrapping"], "--new", backup)
    before = keys(appliance, "list")["keys"]
    for made in (backup, ceremony["backup"]):
        done = keys(appliance, "backup", "prove", made, "--wrapping-key", ceremony["wrapping"], "--proof", tmp_path / "proof.json", check=False)
        assert done.returncode == 1 and b"serves with" in done.stdout, done.stdout
        assert keys(appliance, "list")["keys"] == before and not (tmp_path / "proof.json").exists()
    # Nor is it restored onto without its list; with it, what is active stays.
    alone = keys(appliance, "restore", ceremony["backup"], "--wrapping-key", ceremony["wrapping"], check=False)
    assert alone.returncode == 1 and b"serves with" in alone.stdout, alone.stdout
    beside = appliance.directory / "store" / "sigillo.db.keys"
    keys(appliance, "restore", ceremony["backup"], "--wrapping-key", ceremony["wrapping"], "--keys", beside)
    assert [(k["kid"], k["state"]) for k in keys(appliance, "list")["keys"]] == [(k["kid"], k["state"]) for k in before]
