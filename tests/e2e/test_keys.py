"""Keys of a serving appliance: every one rotated under a client that never stops verifying, killed in between, and what is
retired is gone. Backup, a second token and a restore are in test_key_backup.py."""

import json
import subprocess
import threading

import pytest
from harness.appliance import eventually
from jwcrypto import jwk, jws

SETTINGS = {"policy.guess.delay_from": 11}


class Verifier(threading.Thread):
    """A portal that verifies two citizens, over and over, on a connection that stays open; stops at the first other outcome."""

    def __init__(self, appliance, citizens):
        super().__init__(daemon=True)
        self.channel, self.citizens = appliance.channel("portal"), citizens
        self.stopping, self.wrong, self.count = threading.Event(), None, 0

    def run(self):
        try:
            while not self.stopping.is_set() and self.wrong is None:
                for citizen in self.citizens:
                    answer = self.channel.post("/v1/verifications", {"subject": citizen.subject, "pin": citizen.pin, "receipt": True})
                    if answer.status != 200 or answer.outcome != "verified":
                        self.wrong = answer
                    self.count += 1
        except Exception as broken:  # noqa: BLE001  a connection that breaks is a failure too
            self.wrong = broken

    def __enter__(self):
        self.start()
        eventually(lambda: self.count > 4, what="the client under way")
        return self

    def __exit__(self, *_):
        before = self.count
        eventually(lambda: self.count > before + 4 or self.wrong, what="verifications after the rotation")
        self.stopping.set()
        self.join()
        self.channel.close()
        assert self.wrong is None, f"after {self.count} verifications: {self.wrong}"


@pytest.fixture(scope="module")
def citizens(appliance, town):
    made = [town.citizen() for _ in range(2)]
    for one in made:
        appliance.active(one)
    return made


def keys(appliance, count=False):
    done = appliance.sigillo("keys", "list", "--config", str(appliance.configuration), "--format", "json", *(["--count"] if count else []))
    return json.loads(done.stdout)


def states(appliance, use):
    return {k["kid"]: k["state"] for k in keys(appliance)["keys"] if k["use"] == use}


def renew(appliance):
    """Connections made anew, with what the CA file says now."""
    for channel in appliance.channels.values():
        channel.close()
    appliance.channels.clear()


def rotate(appliance, use, check=True):
    return appliance.act("keys", "rotate", use, check=check)


@pytest.mark.parametrize("use", ["verifier", "receipt", "ledger", "record", "store", "ca", "tls"])
def test_a_rotation_under_load_fails_no_verification(appliance, citizens, use):
    before = states(appliance, use)
    with Verifier(appliance, citizens):
        rotate(appliance, use)
    after = states(appliance, use)
    assert len(after) == len(before) + 1
    assert sorted(after.values()) == ["active"] + ["retiring"] * len(before)
    if use == "ca":
        return  # what clients trust is changed before tls is rotated: the new file is given to them first
    for one in citizens:  # and on a new connection, with a new handshake
        renew(appliance)
        assert appliance.portal.post("/v1/verifications", {"subject": one.subject, "pin": one.pin}, status=200).outcome == "verified"


def test_receipts_of_before_and_after_verify_with_the_published_keys(appliance, citizens):
    body = {"subject": citizens[0].subject, "pin": citizens[0].pin, "receipt": True}
    receipts = [appliance.portal.post("/v1/verifications", body, status=200)["receipt"]]
    rotate(appliance, "receipt")
    receipts.append(appliance.portal.post("/v1/verifications", body, status=200)["receipt"])
    published = {k["kid"]: jwk.JWK(**k) for k in appliance.portal.get("/v1/keys", status=200)["keys"]}
    kids = []
    for text in receipts:
        token = jws.JWS()
        token.deserialize(text)
        kids.append(token.jose_header["kid"])
        token.verify(published[kids[-1]])
    assert kids[0] != kids[1]


def test_a_ledger_key_ends_its_segment_at_the_entry_that_names_the_next(appliance, tmp_path):
    _, done = rotate(appliance, "ledger")
    closing, opening = done["closing_checkpoint"].splitlines(), done["opening_checkpoint"].splitlines()
    assert closing[:3] == opening[:3], "one head, signed by both"
    assert closing[-1] != opening[-1]
    entry = next(e for e in appliance.auditor.get(f"/v1/ledger?after={int(closing[1]) - 1}&limit=1", status=200)["entries"])
    assert entry["event"] == "key-rotated" and done["kid"] in entry["reference"]
    export = tmp_path / "ledger.jsonl"
    appliance.sigillo("audit", "export", "--config", str(appliance.configuration), str(export))
    appliance.sigillo("audit", "verify", str(export))


def test_a_key_that_is_needed_is_kept_and_one_that_is_not_is_destroyed(appliance, citizens):
    renew(appliance)
    kid = next(k for k, state in states(appliance, "receipt").items() if state == "retiring")
    appliance.act("keys", "retire", kid)
    assert states(appliance, "receipt")[kid] == "destroyed"
    assert kid in [k["kid"] for k in appliance.portal.get("/v1/keys", status=200)["keys"]], "what it signed is verified for ever"
    listed = keys(appliance, count=True)["keys"]
    records = {k["kid"]: k["records"] for k in listed if k["use"] == "record"}
    old = min(records, key=lambda k: int(k.rsplit("v", 1)[1]))
    assert records[old] == 0
    appliance.act("keys", "retire", old)
    assert old not in [k["kid"] for k in keys(appliance)["keys"]]
    # Health cards and PINs that nobody has shown since are still under the first verifier key.
    verifiers = {k["kid"]: k.get("records", 0) for k in keys(appliance, count=True)["keys"] if k["use"] == "verifier"}
    needed = [k for k, count in verifiers.items() if count and states(appliance, "verifier")[k] == "retiring"]
    for kid in needed:
        code, said = appliance.act("keys", "retire", kid, check=False)
        assert code == 1 and "still needed" in said["what"]
    assert appliance.act("keys", "retire", "sigillo.index-v1", check=False)[0] == 1
    assert appliance.act("keys", "rotate", "index", check=False)[0] == 1


def test_a_ca_is_kept_while_a_channel_is_under_it(appliance):
    kid = next(k for k, state in states(appliance, "ca").items() if state == "retiring")
    code, said = appliance.act("keys", "retire", kid, check=False)
    assert code == 1 and "the certificate of" in said["what"]
    assert (appliance.directory / "ca.pem").read_text().count("BEGIN CERTIFICATE") == 2


def test_a_reseal_that_is_killed_goes_on_after_the_start(appliance, citizens, town):
    for _ in range(3):
        appliance.active(town.citizen())
    renew(appliance)
    killed = threading.Thread(target=lambda: appliance.sigillo("keys", "rotate", "record", "--config", str(appliance.configuration),
                                                               *appliance.officers(), check=False))
    before = len(states(appliance, "record"))
    killed.start()
    eventually(lambda: len(states(appliance, "record")) > before, what="the new record key")
    appliance.kill9()
    killed.join()
    appliance.start()
    eventually(lambda: not keys(appliance)["reseal"]["running"], what="the end of the reseal")
    records = {k["kid"]: (k["state"], k["records"]) for k in keys(appliance, count=True)["keys"] if k["use"] == "record"}
    assert all(count == 0 for state, count in records.values() if state == "retiring"), records
    for one in citizens:
        assert appliance.portal.post("/v1/verifications", {"subject": one.subject, "pin": one.pin}, status=200).outcome == "verified"


def test_one_officer_does_not_rotate(appliance):
    assert appliance.ask("keys", "rotate", "receipt", *appliance.officers("anna"), check=False)[0] == 1


def test_uses_of_the_record_key_are_counted_over_a_kill(appliances, town):
    made = appliances()

    def uses():
        listed = made.ask("keys", "list")[1]["keys"]
        assert all(("uses" in key) == (key["use"] == "record") for key in listed)
        return next(key["uses"] for key in listed if key["kid"] == "record-v1")

    before = uses()
    made.active(town.citizen())
    used = uses()
    assert used > before
    made.kill9()
    made.start()
    assert used <= uses() <= used + 2**18 + 1000
    table = made.sigillo("keys", "list", "--config", str(made.configuration)).stdout
    assert b"USES" in table and b"1970" not in table
    before = uses()
    made.restart()
    assert before <= uses() < before + 2**18
    made.act("keys", "rotate", "record")
    assert uses() > 0


def openssl(*words):
    return subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, text=True).stdout


def names(certificate):
    return openssl("x509", "-in", certificate, "-noout", "-ext", "subjectAltName").splitlines()[-1].strip()


def test_a_server_certificate_that_is_not_the_appliances_own_gives_the_next_one_no_name(appliances, tmp_path):
    made = appliances()
    server, ca, ext = made.directory / "server.pem", tmp_path / "ca.pem", tmp_path / "ext"
    own = server.read_bytes()
    named, tls = names(server), states(made, "tls")
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", tmp_path / "key", "-days", 1,
            "-subj", "/CN=names", "-addext", "subjectAltName=DNS:bank.example", "-out", ca)
    (tmp_path / "tls.pub").write_text(openssl("x509", "-in", server, "-noout", "-pubkey"))
    ext.write_text("subjectAltName=DNS:bank.example\n")
    openssl("x509", "-new", "-subj", "/CN=Sigillo", "-force_pubkey", tmp_path / "tls.pub", "-CA", ca, "-CAkey", tmp_path / "key",
            "-days", 1, "-extfile", ext, "-out", tmp_path / "other.pem")
    for foreign, why in ((ca, "of no TLS key"), (tmp_path / "other.pem", "not signed by this appliance's CA")):
        server.write_bytes(foreign.read_bytes())
        code, said = rotate(made, "tls", check=False)
        assert code == 1 and why in said["what"] and "Nothing was changed" in said["next"], said
        assert server.read_bytes() == foreign.read_bytes() and states(made, "tls") == tls
    server.write_bytes(own)
    rotate(made, "tls")
    assert names(server) == named
    now = server.read_bytes()
    server.write_bytes(own)
    code, said = rotate(made, "tls", check=False)
    assert code == 1 and "of an older TLS key" in said["what"], said
    server.write_bytes(now)
    made.set("server.names", "localhost, 127.0.0.1, pin.example.it")
    made.restart()
    server.write_bytes(ca.read_bytes())
    assert rotate(made, "tls")[1]["names"] == "DNS:localhost,IP:127.0.0.1,DNS:pin.example.it"
    assert names(server) == "DNS:localhost, IP Address:127.0.0.1, DNS:pin.example.it"
    renew(made)
    assert made.portal.get("/v1/whoami").status == 200
