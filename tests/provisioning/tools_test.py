"""sigillo diagnose and sigillo hsm as an officer meets them, on an appliance that is well and on one that is not. Argument: the folder
of the programs."""

import datetime
import hashlib
import json
import os
import pathlib
import re
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fault"))
from control import FAIL, Control  # noqa: E402

BIN = None
CKR_MECHANISM_INVALID = 0x70


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def certificate(days):
    """Of a key of its own, so not the token's."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.timezone.utc)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "another")])
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
            .not_valid_before(now - datetime.timedelta(days=400)).not_valid_after(now + datetime.timedelta(days=days)).sign(key, hashes.SHA256()))
    return made.public_bytes(serialization.Encoding.PEM)


class Tools(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.temporary.name) / "dev"
        self.config = self.folder / "sigillo.toml"
        self.addCleanup(self.temporary.cleanup)
        made = self.sigillo("dev-init", self.folder, "--listen", f"127.0.0.1:{free_port()}", "--monitor", f"127.0.0.1:{free_port()}")
        self.assertEqual(made.returncode, 0, made.stderr)

    def sigillo(self, *arguments):
        return subprocess.run([BIN / "sigillo", *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=120, check=False)

    def serve(self):
        server = subprocess.Popen([BIN / "sigillod", "--config", self.config], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        self.assertIn("ready", server.stdout.readline())
        return server

    def diagnose(self, code):
        done = self.sigillo("diagnose", "--config", self.config, "--format", "json")
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        found = json.loads(done.stdout)
        self.assertEqual(found["schema"], "sigillo.diagnose/1")
        for one in found["findings"]:
            self.assertTrue(one["what"] and one["area"])
            self.assertEqual(bool(one["advice"]), one["level"] != "good", one)
        return found

    def failures(self, code=1):
        return [f["what"] for f in self.diagnose(code)["findings"] if f["level"] == "failure"]

    def fingerprint(self):
        # SoftHSM2 writes its token.object at every login: its own flags, no object of ours.
        # SQLite leaves an empty WAL where a reader closes last.
        files = [p for p in self.folder.rglob("*") if p.is_file() and not p.name.endswith("-shm") and p.name != "token.object"
                 and not (p.name.endswith("-wal") and p.stat().st_size == 0)]
        return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}

    def test_an_appliance_that_is_well_has_no_failure_and_is_left_as_it_was(self):
        before = self.fingerprint()
        found = self.diagnose(0)
        self.assertEqual(found["failure"], 0)
        self.assertEqual(self.fingerprint(), before)
        said = " ".join(f["what"] for f in found["findings"])
        for piece in ("token sigillo-dev", "CKM_ECDSA", "sigillo.verifier-v1", "anchor", "days left", "clock", "free", "nobody answers"):
            self.assertIn(piece, said)

    def test_beside_a_serving_appliance(self):
        self.serve()
        found = self.diagnose(0)
        self.assertIn("it is ready", " ".join(f["what"] for f in found["findings"]))
        words = self.sigillo("diagnose", "--config", self.config)
        self.assertRegex(words.stdout, r"\d+ good, \d+ warnings, 0 failures\.\n$")

    def test_files_that_others_may_read_or_write(self):
        for name, bad in (("token-pin", 0o644), ("store/sigillo.db", 0o640), ("sigillo.toml", 0o666), ("ca.pem", 0o646)):
            path = self.folder / name
            good = path.stat().st_mode & 0o777
            path.chmod(bad)
            if name == "sigillo.toml":  # refused before anything is looked at
                self.assertEqual(self.sigillo("diagnose", "--config", self.config).returncode, 1)
            else:
                code = 2 if name == "token-pin" else 1  # the token is not opened with such a PIN
                self.assertTrue(any(name in what and "others may" in what for what in self.failures(code)), name)
            path.chmod(good)
        self.assertEqual(self.failures(0), [])

    def test_a_store_that_was_rolled_back_and_one_of_another_token(self):
        store, old = self.folder / "store" / "sigillo.db", self.folder / "old.db"
        shutil.copy(store, old)
        server = self.serve()
        server.terminate()
        server.wait()
        shutil.copy(old, store)
        for suffix in ("-wal", "-shm"):
            pathlib.Path(str(store) + suffix).unlink(missing_ok=True)
        self.assertTrue(any("rolled back" in what for what in self.failures()))
        store.write_bytes(os.urandom(len(old.read_bytes())))
        self.assertTrue(any("cannot be opened" in what for what in self.failures()))

    def test_certificates_that_end_and_are_of_another_key(self):
        (self.folder / "server.pem").write_bytes(certificate(days=10))
        found = self.diagnose(1)["findings"]
        self.assertTrue(any(f["level"] == "warning" and "days left" in f["what"] for f in found))
        self.assertTrue(any(f["level"] == "failure" and "another key" in f["what"] for f in found))
        (self.folder / "server.pem").write_bytes(certificate(days=-2))
        self.assertTrue(any("ended" in what for what in self.failures()))
        (self.folder / "server.pem").write_text("no certificate")
        self.assertTrue(any("no certificate in PEM" in what for what in self.failures()))

    def set(self, line, text=None):
        """The configuration with `KEY = ...` as `line` has it."""
        key = line.split(" = ")[0]
        self.config.write_text(re.sub(rf"(?m)^{key} = .*$", lambda _: line, text or self.config.read_text()))

    def test_every_line_about_module_and_anchor_can_fail(self):
        before = self.config.read_text()
        self.set('module = "/usr/lib/no-such-module.so"')
        said = self.failures(2)
        self.assertTrue(any(what.startswith("module /usr/lib/no-such-module.so") for what in said), said)
        self.assertTrue(any("the module is not there" in what for what in said), said)
        loose = pathlib.Path(self.temporary.name) / "loose"
        loose.mkdir()
        shutil.copy(re.search(r'(?m)^module = "(.*)"', before).group(1), loose / "module.so")
        (loose / "module.so").chmod(0o777)
        self.set(f'module = "{loose}/module.so"', before)
        self.assertTrue(any("module.so has mode 0777: others may write it" in what for what in self.failures(2)))
        (loose / "module.so").write_text("no library")
        (loose / "module.so").chmod(0o755)
        self.assertTrue(any("the module cannot be loaded" in what for what in self.failures(2)))
        self.config.write_text(before.replace("[store]", "[store]\nnode = 2"))
        self.assertTrue(any("no anchor for node 2" in what for what in self.failures()))

    def test_every_object_of_the_token_is_missed(self):
        """Keys, their states and the anchor: SoftHSM2 keeps a file for each."""
        said = set()
        for path in sorted(self.folder.glob("token/*/*.object")):
            if path.name == "token.object":
                continue
            content = path.read_bytes()
            path.unlink()
            done = self.sigillo("diagnose", "--config", self.config, "--format", "json")
            said |= {f["what"] for f in json.loads(done.stdout)["findings"] if f["level"] == "failure"}
            path.write_bytes(content)
        for use in ("index", "verifier", "store", "receipt", "ledger", "tls", "ca"):
            self.assertIn(f"sigillo.{use} is not in the token", said)
        self.assertTrue(any("no anchor" in what for what in said), said)
        self.assertEqual(self.failures(0), [])

    def test_mechanisms_limits_and_the_clock_can_fail(self):
        faults = Control(pathlib.Path(self.temporary.name) / "faults", BIN.parent / "fault")
        before = self.config.read_text()
        self.set(f'module = "{faults.module}"')
        for number in (1, 2, 3):  # the mechanisms that are needed stand first
            faults.arm("C_GetMechanismInfo", FAIL, CKR_MECHANISM_INVALID, at=number)
        missing = [w for w in self.failures_with(faults.environment(disk=self.folder)) if w.startswith("mechanism ")]
        self.assertTrue(missing and all("is missing" in what for what in missing), missing)
        self.config.write_text(before)
        faults.clear()
        faults.block.clock_offset_ms = -3_600_000
        behind = self.failures_with(faults.environment(disk=self.folder))
        self.assertTrue(any(re.search(r"the clock is \d+ s behind the ledger", what) for what in behind), behind)
        low = lambda: [resource.setrlimit(which, (n, n)) for which, n in ((resource.RLIMIT_MEMLOCK, 65536), (resource.RLIMIT_NOFILE, 256))]  # noqa: E731
        done = subprocess.run([BIN / "sigillo", "diagnose", "--config", self.config, "--format", "json"], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=120, check=False, preexec_fn=low)
        warned = [f["what"] for f in json.loads(done.stdout)["findings"] if f["level"] == "warning"]
        self.assertTrue(any("may be locked" in what for what in warned) and any("only 256 files" in what for what in warned), warned)

    def failures_with(self, environment):
        done = subprocess.run([BIN / "sigillo", "diagnose", "--config", self.config, "--format", "json"], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=120, check=False, env=os.environ | environment)
        return [f["what"] for f in json.loads(done.stdout)["findings"] if f["level"] == "failure"]

    def test_a_token_that_is_not_there(self):
        shutil.rmtree(self.folder / "token")
        (self.folder / "token").mkdir()
        self.assertTrue(any("token is not opened" in what for what in self.failures(2)))
        for command in ("check", "speed"):
            done = self.sigillo("hsm", command, "--config", self.config, "--format", "json")
            self.assertEqual((done.returncode, json.loads(done.stdout)["schema"]), (2, "sigillo.error/1"))

    def test_the_hsm_is_tried_out_and_left_as_it_was(self):
        objects = lambda: sorted(p.name for p in (self.folder / "token").rglob("*.object"))  # noqa: E731
        before = objects()
        done = self.sigillo("hsm", "check", "--config", self.config, "--format", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        found = json.loads(done.stdout)
        self.assertTrue(found["good"] and found["self_test"] is None)
        self.assertTrue(all(m["there"] for m in found["mechanisms"] if m["needed"]))
        self.assertRegex(found["line"], r"^\| \d{4}-\d\d-\d\d \| SoftHSM .*\| softhsm2 \| good \| .* \|$")
        self.assertIn({"what": "handles of destroyed objects", "found": "are not used again within a session"}, found["quirks"])
        done = self.sigillo("hsm", "speed", "--config", self.config, "--seconds", "0.1", "--threads", "2", "--format", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        figures = json.loads(done.stdout)["figures"]
        self.assertEqual({(f["operation"], f["threads"]) for f in figures},
                         {(o, t) for o in ("hmac", "ecdsa", "random", "replace") for t in (1, 2)})
        self.assertTrue(all(f["calls"] > 0 and 0 < f["median_us"] <= f["p99_us"] for f in figures))
        self.assertEqual(objects(), before)


if __name__ == "__main__":
    BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
