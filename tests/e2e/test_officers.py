"""Officers: acts that two of them sign, what is refused, and an appliance that is sealed, held and opened again."""

import base64
import datetime
import hashlib
import http.client
import json
import os
import pathlib
import pty
import select
import shutil
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives import hashes
from harness.appliance import BIN, eventually

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fault"))
from control import Control  # noqa: E402


def readiness(appliance):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{appliance.monitor}/readyz", timeout=10) as answer:
            return answer.status, json.load(answer)["reasons"]
    except urllib.error.HTTPError as answer:
        return answer.code, json.load(answer)["reasons"]


def livez(appliance):
    with urllib.request.urlopen(f"http://127.0.0.1:{appliance.monitor}/livez", timeout=10) as answer:
        return answer.status


def keygen(appliance, name):
    folder = appliance.root / "keys"
    folder.mkdir(exist_ok=True)
    key, password = folder / f"{name}.key", folder / f"{name}.password"
    password.write_text(f"a password of {name}\n")
    password.chmod(0o600)
    appliance.sigillo("officer", "keygen", str(key), "--password-file", str(password))
    return key, password


def enrol(appliance, name, key, officers=None, check=True):
    officers = appliance.officers() if officers is None else officers
    return appliance.ask("officer", "enrol", name, "--key", f"{key}.pub", *officers, check=check)


def names(appliance):
    return {one["name"]: one["status"] for one in appliance.ask("officer", "list")[1]["officers"]}


def entries(appliance):
    out, after = [], 0
    while page := appliance.auditor.get(f"/v1/ledger?after={after}&limit=1000")["entries"]:
        out += page
        after = page[-1]["seq"]
    return out


def served(appliance):
    """Waits for the line `ready`, which a sealed start owes until it is unsealed."""
    ready, _, _ = select.select([appliance.process.stdout], [], [], 60)
    assert ready and b"ready" in os.read(appliance.process.stdout.fileno(), 4096)


@pytest.fixture
def fresh(appliances):
    return appliances()


# ---- acts


def test_two_officers_enrol_a_third_and_the_ledger_proves_it(appliance):
    key, password = keygen(appliance, "carla")
    code, said = enrol(appliance, "carla", key)
    assert code == 0 and said["name"] == "carla"
    act = next(a for a in appliance.ask("officer", "acts")[1]["acts"] if json.loads(a["act"])["parameters"].get("name") == "carla")
    digest = hashlib.sha256(b"sigillo/act/v1\0" + act["act"].encode()).digest()
    ledger = entries(appliance)
    begun = next(i for i, e in enumerate(ledger) if e["event"] == "act" and e["reference"] == digest.hex())
    signed = [e for e in ledger[begun + 1:begun + 3] if e["event"] == "act-signed"]
    assert {e["operator"] for e in signed} == {"anna", "bruno"}
    keys = {s["officer"]: base64.urlsafe_b64decode(s["key"] + "==") for s in act["signatures"]}
    for entry in signed:
        raw = base64.urlsafe_b64decode(entry["reference"] + "==")
        der = utils.encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), keys[entry["operator"]])
        public.verify(der, digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
        with pytest.raises(InvalidSignature):
            public.verify(der, hashlib.sha256(act["act"].encode()).digest(), ec.ECDSA(utils.Prehashed(hashes.SHA256())))
    ended = next(e for e in ledger if e["event"] == "act-ended" and e["reference"] == digest.hex())
    assert ended["outcome"] == "approved"
    # carla signs from now on
    with_carla = appliance.officers("anna") + ["--officer", f"carla={key}", "--password-file", str(password)]
    assert enrol(appliance, "dario", keygen(appliance, "dario")[0], with_carla)[0] == 0


def refused(appliance, officers, what):
    before = names(appliance), [e for e in entries(appliance) if e["kind"] in (190, 191, 193)]
    key = appliance.root / "keys" / "nobody.key"
    if not key.exists():
        keygen(appliance, "nobody")
    code, said = enrol(appliance, "nobody", key, officers, check=False)
    assert code == 1 and what in said["what"], said
    assert (names(appliance), [e for e in entries(appliance) if e["kind"] in (190, 191, 193)]) == before


def test_what_is_no_act_of_two_changes_nothing(appliance):
    anna, bruno = appliance.officers("anna"), appliance.officers("bruno")
    refused(appliance, anna, "too few signatures")
    refused(appliance, [], "too few signatures")
    refused(appliance, anna + anna, "one officer twice")
    stranger, password = keygen(appliance, "stranger")
    stranger = ["--officer", f"stranger={stranger}", "--password-file", str(password)]
    refused(appliance, anna + stranger, "not enrolled")
    of_bruno = appliance.directory / "officers" / "bruno"
    refused(appliance, anna + ["--officer", f"anna2={of_bruno}.key", "--password-file", f"{of_bruno}.password"], "not enrolled")
    wrong_key = ["--officer", f"bruno={appliance.directory}/officers/anna.key", "--password-file", anna[3]]
    refused(appliance, anna + wrong_key, "one key under two names")
    strangers_key = ["--officer", f"bruno={appliance.root}/keys/stranger.key", "--password-file", str(password)]
    refused(appliance, anna + strangers_key, "does not hold")
    told = [line for line in appliance.log_text().splitlines() if " act-refused " in line and "does not hold" in line]
    assert len(told) == 1 and "officer=bruno" in told[0], told
    refused(appliance, anna + bruno[:2] + ["--password-file", anna[3]], "password does not open")


def test_a_password_file_that_others_can_read_is_not_taken(appliance):
    key, password = keygen(appliance, "careless")
    password.chmod(0o644)
    refused(appliance, appliance.officers("anna") + ["--officer", f"careless={key}", "--password-file", str(password)], "others")


def test_a_suspended_officer_signs_nothing_and_the_last_two_stay(fresh):
    key, password = keygen(fresh, "carla")
    enrol(fresh, "carla", key)
    assert fresh.act("officer", "suspend", "bruno")[1]["status"] == "suspended"
    refused(fresh, fresh.officers(), "suspended")
    pair = fresh.officers("anna") + ["--officer", f"carla={key}", "--password-file", str(password)]
    code, said = fresh.ask("officer", "revoke", "carla", *pair, check=False)
    assert code == 1 and "last two" in said["what"]
    assert fresh.ask("officer", "resume", "bruno", *pair)[0] == 0
    assert fresh.act("officer", "revoke", "carla")[1]["status"] == "revoked"
    assert fresh.act("officer", "resume", "carla", check=False)[0] == 1  # for good
    assert names(fresh) == {"anna": "active", "bruno": "active", "carla": "revoked"}


def test_by_turns_in_a_file_that_is_good_once(appliance):
    key, _ = keygen(appliance, "elena")
    file = str(appliance.root / "enrol.json")
    enrolment = ["officer", "enrol", "elena", "--key", f"{key}.pub", "--act", file]
    code, said = appliance.ask(*enrolment, *appliance.officers("anna"))
    assert (code, said["signatures"], said["needed"]) == (0, 1, 2)
    assert "elena" not in names(appliance)
    # An altered byte, another command, and the other's signature.
    text = open(file, encoding="utf-8").read()
    with open(f"{file}.altered", "w", encoding="utf-8") as altered:
        altered.write(text.replace("elena", "elenb"))
    other = ["officer", "enrol", "elenb", "--key", f"{key}.pub", "--act", f"{file}.altered", *appliance.officers("bruno")]
    code, said = appliance.ask(*other, check=False)
    assert code == 1 and "altered" in said["what"]
    code, said = appliance.ask("officer", "suspend", "elena", "--act", file, *appliance.officers("bruno"), check=False)
    assert code == 1 and "another one" in said["what"]
    appliance.sigillo("officer", "sign", file, *appliance.officers("bruno"))
    assert appliance.ask(*enrolment)[0] == 0
    assert names(appliance)["elena"] == "active"
    code, said = appliance.ask(*enrolment, check=False)
    assert code == 1 and "carried out before" in said["what"]
    told = [line for line in appliance.log_text().splitlines() if " act-refused " in line and "carried out before" in line]
    assert len(told) == 1 and "action=officers.enrol" in told[0], told


def test_an_act_for_another_appliance_is_refused(appliance, fresh):
    key, _ = keygen(appliance, "fabio")
    file = str(appliance.root / "fabio.json")
    for one in (appliance, fresh):
        one.ask("officer", "list")
    enrolment = ["officer", "enrol", "fabio", "--key", f"{key}.pub", "--act", file]
    appliance.ask(*enrolment, *appliance.officers("anna"))
    appliance.sigillo("officer", "sign", file, *appliance.officers("bruno"))
    code, said = fresh.ask(*enrolment, check=False)
    assert code == 1 and "another appliance" in said["what"]


def test_the_same_without_a_running_appliance(fresh):
    fresh.stop()
    key, _ = keygen(fresh, "carla")
    assert enrol(fresh, "carla", key)[0] == 0
    assert names(fresh)["carla"] == "active"
    code, said = fresh.ask("status", check=False)
    assert code == 1 and "running" in said["what"]
    fresh.start()
    assert names(fresh)["carla"] == "active"


# ---- a clock that was ahead

FAULTS = pathlib.Path(BIN).parent / "fault"


@pytest.mark.skipif(not (FAULTS / "libsigillo_fault_preload.so").exists(), reason="the sanitizers' runtime must be loaded first")
def test_officers_act_after_a_clock_that_was_ahead_was_set_right(appliances, town):
    one = appliances()
    one.stop()
    faults = Control(one.root / "faults", FAULTS)
    one.environment = faults.environment(one.directory / "store")
    faults.block.clock_offset_ms = 26 * 3600 * 1000
    one.start()
    one.at_branch(town.citizen())
    faults.block.clock_offset_ms = 0
    eventually(lambda: "clock-behind-ledger" in readiness(one)[1], what="the ledger ahead of the clock")
    key, _ = keygen(one, "carla")
    assert enrol(one, "carla", key)[0] == 0
    certificate = one.root / "renewed.pem"
    one.act("channel", "renew", "portal", "portal", "--new-key", str(one.root / "renewed.key"), "--certificate", str(certificate))
    begun = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_before
    assert begun < datetime.datetime.utcnow(), "a peer's clock was never ahead"
    file = str(one.root / "by-turns.json")
    suspension = ("channel", "suspend", "portal", "portal", "--act", file)
    one.ask(*suspension, *one.officers("anna"))
    assert names(one)["carla"] == "active"


# ---- sealed


def test_sealed_at_once_and_opened_by_its_pin_with_one_try(fresh, town):
    citizen = fresh.active(town.citizen())
    connection = fresh.portal
    assert connection.verify(citizen.subject, citizen.pin).outcome == "verified"
    code, said = fresh.ask("seal")
    assert (code, said["state"]) == (0, "sealed")
    assert livez(fresh) == 200
    status, reasons = readiness(fresh)
    assert status == 503 and reasons[0] == "sealed"
    assert fresh.metric("sigillo_ready") == 0
    # Open connections are answered; new ones are closed before their handshake, for its key is in the HSM.
    answer = connection.post("/v1/verifications", {"subject": citizen.subject, "pin": citizen.pin}, status=503)
    assert answer["code"] == "sealed"
    with socket.create_connection(("127.0.0.1", fresh.port), timeout=10) as raw:
        assert raw.recv(1) == b""
    assert fresh.ask("status", check=False)[0] == 2
    code, said = fresh.ask("officer", "list", check=False)
    assert code == 2 and "sealed" in said["what"]
    wrong = fresh.root / "wrong-pin"
    wrong.write_text("no such pin\n")
    wrong.chmod(0o600)
    code, said = fresh.ask("unseal", "--pin-file", str(wrong), check=False)
    assert code == 2 and "refuse" in said["what"]
    assert fresh.ask("status", check=False)[1]["state"] == "sealed"
    code, said = fresh.ask("unseal", "--pin-file", str(fresh.directory / "token-pin"))
    assert (code, said["state"]) == (0, "open")
    for channel in fresh.channels.values():
        channel.close()
    assert fresh.portal.verify(citizen.subject, citizen.pin).outcome == "verified"
    kinds = [e["event"] for e in entries(fresh)]
    assert kinds.index("sealed") < len(kinds) - 1 - kinds[::-1].index("unsealed")
    assert b"no such pin" not in (fresh.root / "sigillod.log").read_bytes()


def start_sealed(appliance, reason):
    appliance.process = subprocess.Popen([BIN / "sigillod", "--config", appliance.configuration], stdin=subprocess.DEVNULL,
                                         stdout=subprocess.PIPE, stderr=appliance.log)

    def sealed():
        try:
            return readiness(appliance) == (503, ["sealed", reason])
        except OSError:
            return False  # it does not listen yet

    eventually(sealed, what=f"an appliance that is sealed for {reason}")
    assert appliance.ask("status", check=False)[0] == 2


def test_without_a_pin_file_it_waits_and_is_opened_at_a_terminal(fresh):
    fresh.stop()
    pin = (fresh.directory / "token-pin").read_bytes().strip()
    (fresh.directory / "token-pin").unlink()
    start_sealed(fresh, "no-token-pin")
    assert livez(fresh) == 200
    share = fresh.root / "share"
    share.write_text(" ".join(["ABCDEFGH"] * 10))
    share.chmod(0o600)
    code, said = fresh.ask("unseal", "--pin-file", str(share), check=False)
    assert code == 1 and "not tried" in said["next"], said
    child, terminal = pty.fork()
    if child == 0:
        os.execv(BIN / "sigillo", ["sigillo", "unseal", "--config", str(fresh.configuration)])
    shown = b""
    while b"PIN" not in shown:
        shown += os.read(terminal, 4096)
    os.write(terminal, pin + b"\n")
    served(fresh)
    try:
        while piece := os.read(terminal, 4096):
            shown += piece
    except OSError:  # the command ended
        pass
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, shown
    os.close(terminal)
    assert pin not in shown
    assert readiness(fresh)[0] == 200


def test_a_wrong_pin_in_the_file_is_not_tried_twice(fresh):
    fresh.stop()
    right = (fresh.directory / "token-pin").read_text()
    (fresh.directory / "token-pin").write_text("not the pin\n")
    start_sealed(fresh, "token-pin-refused")
    tries = fresh.log_text().count("hsm-pin-refused")
    assert tries == 1
    again = fresh.root / "right-pin"
    again.write_text(right)
    again.chmod(0o600)
    fresh.ask("unseal", "--pin-file", str(again))
    served(fresh)


def test_the_service_managers_credential_goes_first(fresh):
    fresh.stop()
    folder = fresh.root / "credentials"
    folder.mkdir()
    shutil.move(fresh.directory / "token-pin", folder / "token-pin")
    (folder / "token-pin").chmod(0o440)  # as systemd 254 shows an access list's mask
    fresh.process = subprocess.Popen([BIN / "sigillod", "--config", fresh.configuration], stdin=subprocess.DEVNULL,
                                     stdout=subprocess.PIPE, stderr=fresh.log, env=os.environ | {"CREDENTIALS_DIRECTORY": str(folder)})
    served(fresh)


def test_sealed_under_load_every_answer_is_right_or_sealed(fresh, town):
    """Four channels verify without a pause while it is sealed and opened, three times."""
    citizens = [fresh.active(town.citizen()) for _ in range(4)]
    ended, said = threading.Event(), [[] for _ in citizens]

    def verify(citizen, answers):
        channel = fresh.channel("portal")
        while not ended.is_set():
            try:
                answer = channel.post("/v1/verifications", {"subject": citizen.subject, "pin": citizen.pin}, status=(200, 503))
                answers.append(answer.outcome if answer.status == 200 else answer.code)
            except (OSError, http.client.HTTPException):
                answers.append("closed")  # before a handshake: nothing was asked
        channel.close()

    threads = [threading.Thread(target=verify, args=pair) for pair in zip(citizens, said)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        before = [len(answers) for answers in said]
        eventually(lambda: all("verified" in answers[n:] for answers, n in zip(said, before)), what="an answer to each")
        assert fresh.ask("seal")[0] == 0
        assert fresh.ask("unseal", "--pin-file", str(fresh.directory / "token-pin"))[0] == 0
    ended.set()
    for thread in threads:
        thread.join()
    seen = {answer for answers in said for answer in answers}
    assert seen <= {"verified", "sealed", "closed"} and "verified" in seen, seen
    for citizen in citizens:
        assert fresh.status(citizen)["state"] == "active" and not fresh.status(citizen)["locked"]


# ---- held


def test_nothing_is_accepted_that_nothing_is_held_for(appliance):
    code, said = appliance.ask("unseal", "--accept-unclean-stops", *appliance.officers("anna"), check=False)
    assert code == 1 and "not held" in said["what"]



def test_a_loosened_policy_waits_for_two_officers(fresh):
    fresh.set("policy.guess.limit", 5)
    fresh.set("policy.guess.delay_first", "1m")
    fresh.set("policy.guess.delay_from", 3)
    fresh.restart()
    fresh.set("dev.allow_weak_policy", False)
    fresh.set("quotas.per_second", 100)
    fresh.set("quotas.burst", 200)
    fresh.set("hsm.allow_test_module", True)
    fresh.restart()  # tightened: no development appliance any more
    assert [e["event"] for e in entries(fresh)].count("policy-tightened") == 2
    fresh.stop()
    for name, value in (("policy.guess.limit", 8), ("dev.allow_weak_policy", True)):
        fresh.set(name, value)
    start_sealed(fresh, "policy-loosened")
    shown = fresh.ask("policy", "show")[1]
    assert shown["held"] and {c["key"] for c in shown["changes"] if c["loosened"]} == {"policy.guess.limit", "dev.allow_weak_policy"}
    code, said = fresh.ask("policy", "accept", *fresh.officers("anna"), check=False)
    assert code == 1 and "too few" in said["what"]
    assert readiness(fresh)[1] == ["sealed", "policy-loosened"]
    assert fresh.act("policy", "accept")[0] == 0
    served(fresh)
    assert readiness(fresh)[0] == 200
    accepted = [e for e in entries(fresh) if e["event"] == "policy-accepted"][-1]
    assert accepted["operator"] == "anna+bruno" and accepted["reference"] == shown["policy"]
    fresh.restart()


# ---- the socket


def test_the_socket_is_the_owners_and_takes_no_nonsense(appliance):
    path = appliance.directory / "store" / "admin.sock"
    assert path.stat().st_mode & 0o777 == 0o600
    for line in (b"\n", b"{}\n", b"[" * 100000 + b"\n", b'{"schema":"sigillo.admin/1"}\n', b"x" * 300000,
                 b'{"schema":"sigillo.admin/1","action":"status","parameters":[]}\n',
                 b'{"schema":"sigillo.admin/1","action":"no.such","parameters":{}}\n',
                 b'{"schema":"sigillo.admin/1","action":"status","parameters":{},"secret_bytes":99999999}\n',
                 b'{"schema":"sigillo.admin/1","action":"officers.enrol","parameters":{},"act":{"schema":1}}\n'):
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(30)
            folder = os.open(path.parent, os.O_PATH)
            peer.connect(f"/proc/self/fd/{folder}/admin.sock")
            os.close(folder)
            try:
                peer.sendall(line)
                answer = peer.makefile().readline()
            except OSError:
                answer = ""
            assert answer == "" or "error" in json.loads(answer), answer
    assert appliance.ask("status")[0] == 0


def test_a_second_process_does_not_take_the_socket(appliance, fresh):
    """Another appliance is told the same path: it serves without a socket, and the first keeps its own."""
    path = appliance.directory / "store" / "admin.sock"
    fresh.stop()
    fresh.set("admin.socket", str(path))
    fresh.start()
    assert "admin-socket-not-opened" in fresh.log_text()
    assert readiness(fresh)[0] == 200
    first, second = appliance.ask("status")[1], names(appliance)
    assert first["state"] == "open" and second["anna"] == "active"
