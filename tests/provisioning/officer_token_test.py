"""An officer's key in a token of the officer's own, here a SoftHSM2 token in another folder than the appliance's: enrolled, signing
beside a key in a file, and everything that can be wrong with it. And: officers' commands on an appliance that is stopped change
nothing, to the byte, where what they were given is wrong. Argument: the folder of the programs."""

import hashlib
import json
import os
import pathlib
import pty
import subprocess
import sys
import tempfile
import unittest

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

BIN = None
MODULE = next((m for m in ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so") if os.path.exists(m)), None)
PIN = "carla-4711"
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fault"))
from control import CKF_USER_PIN_FINAL_TRY, CKF_USER_PIN_LOCKED, Control  # noqa: E402


class OfficersToken(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="sigillo-officer-token-")
        cls.root = pathlib.Path(cls.temporary.name)
        cls.dev = cls.root / "dev"
        cls.config = cls.dev / "sigillo.toml"
        cls.make_token(cls.root / "card", "carla", PIN)
        cls.environment = os.environ | {"SOFTHSM2_CONF": str(cls.root / "card" / "softhsm2.conf")}
        cls.put_key("sign", "a1", ec.generate_private_key(ec.SECP256R1()))
        cls.put_key("large", "a2", ec.generate_private_key(ec.SECP384R1()))
        cls.put_key("rsa", "a3", rsa.generate_private_key(65537, 2048))
        cls.put_key("twice", "a4", ec.generate_private_key(ec.SECP256R1()))
        cls.put_key("twice", "a5", ec.generate_private_key(ec.SECP256R1()))
        cls.sigillo("dev-init", str(cls.dev), "--listen", "127.0.0.1:1", "--monitor", "127.0.0.1:2")

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    @classmethod
    def make_token(cls, folder, label, pin):
        (folder / "tokens").mkdir(parents=True)
        (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
        cls.util(folder, "--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", "so-of-the-test")

    @staticmethod
    def util(folder, *arguments):
        subprocess.run(["softhsm2-util", *arguments], check=True, capture_output=True,
                       env=os.environ | {"SOFTHSM2_CONF": str(folder / "softhsm2.conf")})

    @classmethod
    def put_key(cls, label, number, key):
        pem = cls.root / f"{label}-{number}.pem"
        pem.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        cls.util(cls.root / "card", "--import", str(pem), "--token", "carla", "--label", label, "--id", number, "--pin", PIN)
        pem.unlink()

    @classmethod
    def sigillo(cls, *arguments, check=True, environment=None):
        """Exit code and the JSON that it said; no terminal, so nothing can be asked."""
        done = subprocess.run([BIN / "sigillo", *map(str, arguments), "--format", "json"], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=120, check=False, env=environment or cls.environment, start_new_session=True)
        assert not check or done.returncode == 0, (arguments, done.returncode, done.stdout, done.stderr)
        return done.returncode, json.loads(done.stdout)

    @classmethod
    def file_of(cls, name, text, mode=0o600):
        path = cls.root / name
        path.write_text(text)
        path.chmod(mode)
        return path

    @classmethod
    def uri(cls, pin=PIN, **changes):
        values = {"token": "carla", "object": "sign"} | changes
        path = ";".join(f"{name}={value}" for name, value in values.items() if value is not None)
        source = cls.file_of("pin-" + hashlib.sha256(pin.encode()).hexdigest()[:8], pin + "\n")
        return f"pkcs11:{path}?module-path={MODULE}&pin-source=file:{source}"

    def anna(self):
        return ["--officer", f"anna={self.dev}/officers/anna.key", "--password-file", self.dev / "officers/anna.password"]

    def bruno(self):
        return ["--officer", f"bruno={self.dev}/officers/bruno.key", "--password-file", self.dev / "officers/bruno.password"]

    def enrol(self, name, uri, *officers, check=True):
        return self.sigillo("officer", "enrol", name, "--key", uri, "--config", self.config, *officers, check=check)

    def names(self):
        return {o["name"]: o["status"] for o in self.sigillo("officer", "list", "--config", self.config)[1]["officers"]}

    def bytes_of_everything(self):
        """Of store, token and what stands beside them; SoftHSM2 counts nothing in them while nobody logs in."""
        return {str(p): (p.stat().st_mtime_ns, hashlib.sha256(p.read_bytes()).hexdigest()) for p in self.dev.rglob("*") if p.is_file()}

    def refused(self, uri, *words, next=(), environment=None):
        before = self.bytes_of_everything()
        code, said = self.sigillo("keys", "rotate", "record", "--config", self.config, *self.anna(), "--officer", f"carla={uri}",
                                  check=False, environment=environment)
        self.assertEqual((code, said["schema"]), (1, "sigillo.error/1"), said)
        for word in words:
            self.assertIn(word, said["what"])
        for word in next:
            self.assertIn(word, said["next"])
        self.assertNotIn(PIN, json.dumps(said))
        self.assertEqual(self.bytes_of_everything(), before)

    def test_1_enrolled_and_one_key_in_a_file_and_one_in_a_token_sign_an_act(self):
        # Its public half is read without the PIN.
        _, said = self.enrol("carla", f"pkcs11:token=carla;object=sign?module-path={MODULE}", *self.anna(), *self.bruno())
        self.assertEqual(said["name"], "carla")
        self.assertEqual(self.names()["carla"], "active")
        _, rotated = self.sigillo("keys", "rotate", "record", "--config", self.config, *self.anna(), "--officer", f"carla={self.uri()}")
        self.assertEqual(rotated["kid"], "record-v2")
        acts = self.sigillo("officer", "acts", "--config", self.config)[1]["acts"]
        self.assertEqual([s["officer"] for s in acts[-1]["signatures"]], ["anna", "carla"])
        # By turns, each with one's own; --module instead of module-path.
        act = self.root / "act.json"
        command = ["officer", "suspend", "bruno", "--config", self.config, "--act", act]
        self.assertEqual(self.sigillo(*command, *self.anna())[1]["signatures"], 1)
        pin = self.file_of("pin-of-turns", PIN)
        self.sigillo("officer", "sign", act, "--officer", f"carla=pkcs11:token=carla;id=%A1?pin-source={pin}", "--module", MODULE)
        self.sigillo(*command)
        self.assertEqual(self.names()["bruno"], "suspended")

    def test_2_public_writes_what_an_enrolment_takes(self):
        made = self.root / "carla.pub"
        _, said = self.sigillo("officer", "public", made, "--key", self.uri())
        key = serialization.load_pem_public_key(made.read_bytes())
        self.assertEqual(key.curve.name, "secp256r1")
        self.assertEqual(len(said["key"]), 43)
        self.assertEqual(self.sigillo("officer", "public", made, "--key", self.uri(), check=False)[0], 1)  # it is there

    def test_3_a_wrong_pin_is_told_and_tried_once(self):
        control = Control(self.root / "faults", BIN.parent / "fault")
        environment = self.environment | control.environment()
        shim = self.uri("not-the-pin").replace(MODULE, control.module)
        self.refused(shim, '"carla"', "refused its PIN", "lock", next=("tried once",), environment=environment)
        self.assertEqual(control.calls("C_Login"), 1)
        # Where the next wrong one would lock it, or it is locked, none is tried.
        for flag, word in ((CKF_USER_PIN_FINAL_TRY, "none was tried"), (CKF_USER_PIN_LOCKED, "locked")):
            control.block.token_flags = flag
            self.refused(shim, word, environment=environment)
        self.assertEqual(control.calls("C_Login"), 1)

    def test_3_what_is_no_key_that_signs_is_told_apart(self):
        self.refused(self.uri(token="no-such-token"), '"no-such-token"', "is it put in")
        self.refused(self.uri(object="no-such-key"), "no private key of that name")
        self.refused(self.uri(object="large"), "another kind", "P-256")
        self.refused(self.uri(object="rsa"), "another kind", "P-256")
        self.refused(self.uri(object="twice"), "more than one", "id=")
        self.refused(self.uri().replace(MODULE, "/usr/lib/no-such-module.so"), "module is not there")
        self.refused(self.uri().replace(MODULE, str(self.config)), "cannot be loaded")
        self.refused(self.uri().replace(f"module-path={MODULE}&", ""), "No module is named", next=("--module",))
        self.refused(self.uri(token=None), "names no token")
        self.refused(self.uri(object=None), "names no key")
        self.refused(self.uri(object="sign;colour=red"), "does not know")
        self.refused("pkcs11:%zz", "no PKCS#11 URI")
        self.refused(self.uri() + f"&pin-value={PIN}", "does not belong into a URI")
        self.refused(self.uri().replace("file:", "|cat "), "pin-source")
        (self.root / "open-pin").write_text(PIN)
        self.refused(f"pkcs11:token=carla;object=sign?module-path={MODULE}&pin-source={self.root}/open-pin", "read by others")
        # Nobody is there to be asked.
        self.refused(f"pkcs11:token=carla;object=sign?module-path={MODULE}", "The PIN of the token", "no terminal")

    def test_3_the_pin_is_asked_for_at_the_terminal_unseen(self):
        act = self.root / "typed.json"
        self.sigillo("officer", "suspend", "anna", "--config", self.config, "--act", act, *self.anna())
        child, terminal = pty.fork()
        if child == 0:
            os.execve(BIN / "sigillo", ["sigillo", "officer", "sign", str(act), "--officer",
                                        f"carla=pkcs11:token=carla;object=sign?module-path={MODULE}"], self.environment)
        shown = b""
        while b"PIN of the token" not in shown:
            shown += os.read(terminal, 4096)
        os.write(terminal, PIN.encode() + b"\n")
        try:
            while piece := os.read(terminal, 4096):
                shown += piece
        except OSError:  # the command ended
            pass
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0, shown)
        os.close(terminal)
        self.assertIn(b'"carla" of carla', shown)
        self.assertNotIn(PIN.encode(), shown)
        self.assertEqual(len(json.loads(act.read_text())["signatures"]), 2)

    def test_4_what_is_mistyped_changes_no_byte_of_a_stopped_appliance(self):
        before = self.bytes_of_everything()
        anna, bruno, typo = self.anna(), self.bruno(), self.dev / "officers/ana.key"
        garbage = self.file_of("garbage", "no key")
        other_act = self.root / "other.json"
        for officers in ([], anna, anna + anna, anna + ["--officer", f"bruno={typo}"], anna + ["--officer", "bruno"],
                         anna + ["--officer", f"bruno={garbage}"], anna + ["--officer", f"bruno={self.dev}"], anna + ["--officer", "=x"],
                         ["--officer", f"anna={self.dev}/officers/anna.key", "--password-file", self.dev / "officers/bruno.password", *bruno],
                         ["--officer", f"anna={self.dev}/officers/anna.key", "--password-file", self.dev / "no.password", *bruno],
                         anna + ["--officer", f"bruno={self.dev}/officers/anna.key", "--password-file", self.dev / "officers/anna.password"],
                         anna + bruno + ["--password-file", garbage], ["--act", garbage, *anna], ["--act", self.root / "no" / "act", *anna],
                         ["--act", other_act]):
            for command in (["officer", "suspend", "bruno"], ["keys", "rotate", "record"], ["keys", "retire", "record-v1"],
                            ["policy", "accept"], ["audit", "prune", "--keep-entries", "5"], ["channel", "revoke", "portal", "portal"]):
                code, said = self.sigillo(*command, "--config", self.config, *officers, check=False)
                self.assertEqual(code, 1, (command, officers, said))
                self.assertNotIn("cannot be opened", said["what"])
        for command in (["officer", "suspend", "Bruno!"], ["officer", "enrol", "dario", "--key", garbage], ["keys", "rotate", "colour"],
                        ["keys", "retire", "no-key"], ["channel", "revoke", "no-role", "portal"], ["channel", "revoke", "portal", ""],
                        ["channel", "enrol", "portal", "x", "--owner", "x", "--csr", garbage], ["audit", "prune"],
                        ["audit", "prune", "--keep-entries", "-1"], ["channel", "renew", "portal", "portal", "--overlap", "soon"],
                        ["channel", "renew", "portal", "portal", "--days", "-3"], ["audit", "prune", "--before", "yesterday"]):
            code, said = self.sigillo(*command, "--config", self.config, *anna, *bruno, check=False)
            self.assertEqual(code, 1, (command, said))
            self.assertNotIn("The act is refused", said["what"])
        self.assertEqual(self.bytes_of_everything(), before)
        self.assertFalse(other_act.exists())
        # And the comparison sees what a command that opens the appliance leaves.
        self.sigillo("officer", "list", "--config", self.config)
        self.assertNotEqual(self.bytes_of_everything(), before)


if __name__ == "__main__":
    BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
