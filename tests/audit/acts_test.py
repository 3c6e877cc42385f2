"""Officers' signatures in the ledger, offline: what somebody with the ledger's own key would forge. Argument: the folder of the built programs.

Every forged export has a chain that holds and a checkpoint that its (forged) key signs: only the signatures of the acts are left to show it.
"""

import base64
import hashlib
import json
import os
import sys
import tempfile
import unittest

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from jwcrypto import jwk

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "journey")]
import audit_test  # noqa: E402
from audit_test import Server, read, run  # noqa: E402
from independent import DOMAIN, Broken, check_export, encode  # noqa: E402
from independent_acts import check_acts, digest_of  # noqa: E402

INTACT, LOCAL, ACT_REFUSED = 0, 1, 18


class Forger:
    """Has a ledger key of his own, and everybody believes it."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        public = jwk.JWK.from_pyca(self.key.public_key()).export_public(as_dict=True)
        self.jwk = {"crv": "P-256", "kid": "sigillo.ledger-v1", "kty": "EC", "use": "sig", "x": public["x"], "y": public["y"]}

    def keys(self):
        return {"keys": [self.jwk]}

    def export(self, entries, path):
        """A chain and a checkpoint of these entries, whatever is in them."""
        previous, lines = bytes(32), []
        for number, entry in enumerate(entries, 1):
            entry = entry | {"seq": number}
            previous = hashlib.sha256(DOMAIN + previous + encode(entry)).digest()
            lines.append(json.dumps(entry | {"hash": previous.hex()}, separators=(",", ":")))
        body = f"sigillo/ledger/1\n{len(entries)}\n{base64.b64encode(previous).decode()}\ntime {entries[-1]['time']}\n"
        spki = self.key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        signature = hashlib.sha256(spki).digest()[:4] + self.key.sign(body.encode(), ec.ECDSA(hashes.SHA256()))
        note = f"{body}\n\u2014 sigillo/ledger/1 {base64.b64encode(signature).decode()}\n"
        lines.append(json.dumps({"checkpoint": note, "keys": self.keys()}, separators=(",", ":"), ensure_ascii=False))
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.write("\n".join(lines) + "\n")


class Acts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.root = os.path.realpath(temporary.name)
        cls.page = read(os.path.join(HERE, "..", "..", "docs", "LEDGER.md"))
        cls.server = Server(os.path.join(cls.root, "appliance"))
        cls.addClassCleanup(cls.server.stop)
        cls.server.start()
        cls.carla = cls.officer("carla")
        cls.act("officer", "enrol", "carla", "--key", cls.carla[1] + ".pub")
        cls.act("channel", "suspend", "portal", "portal", officers=("anna",))
        cls.act("channel", "resume", "portal", "portal", officers=("anna", "carla"))
        cls.act("officer", "suspend", "carla")
        cls.act("officer", "resume", "carla")
        cls.act("officer", "revoke", "carla")
        cls.texts = os.path.join(cls.root, "acts.json")
        with open(cls.texts, "wb") as file:
            file.write(run("officer", "acts", "--config", cls.server.config, "--format", "json", expected=0).stdout)
        cls.export = os.path.join(cls.root, "ledger.jsonl")
        run("audit", "export", "--config", cls.server.config, cls.export, expected=0)
        cls.entries = [json.loads(line) for line in read(cls.export).splitlines()[:-1]]
        cls.forger = Forger()
        cls.forged = os.path.join(cls.root, "forged.jsonl")

    @classmethod
    def officer(cls, name):
        key, password = os.path.join(cls.root, f"{name}.key"), os.path.join(cls.root, f"{name}.password")
        with open(password, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(f"a password of {name}\n")
        run("officer", "keygen", key, "--password-file", password, expected=0)
        return password, key

    @classmethod
    def act(cls, *arguments, officers=("anna", "bruno")):
        signers = []
        for name in officers:
            password, key = cls.carla if name == "carla" else [os.path.join(cls.server.folder, "officers", name + end) for end in (".password", ".key")]
            signers += ["--officer", f"{name}={key}", "--password-file", password]
        return run(*arguments, "--config", cls.server.config, *signers, expected=0)

    def copy(self):
        return [dict(entry) for entry in self.entries]

    def verdict(self, entries, *more):
        self.forger.export(entries, self.forged)
        done = run("audit", "verify", self.forged, "--format", "json", *more)
        return done.returncode, json.loads(done.stdout)

    def refused(self, entries, at, *words):
        code, answer = self.verdict(entries)
        self.assertEqual((code, answer["verdict"], answer["at"]), (ACT_REFUSED, "act not signed", at + 1), answer)
        for word in words:
            self.assertIn(word, answer["detail"])
        checked = check_export(self.forged, self.forger.keys(), self.page)  # all but the acts holds
        with self.assertRaises((Broken, KeyError)):
            check_acts(checked)

    def find(self, event, nth=0, **more):
        found = [i for i, e in enumerate(self.entries) if e["event"] == event and more.items() <= e.items()]
        return found[nth]

    def test_the_true_ones_hold_from_the_founding_on(self):
        for path in (self.export, None):
            if path is None:
                self.forger.export(self.entries, self.forged)
            answer = json.loads(run("audit", "verify", path or self.forged, "--format", "json", expected=INTACT).stdout)
            self.assertEqual((answer["acts"], answer["acts_unchecked"]), (6, 0), answer)
        self.assertIn(b"6 acts of officers", run("audit", "verify", self.export, expected=INTACT).stdout)
        texts = json.loads(read(self.texts))["acts"]
        self.assertEqual(sorted(check_acts(self.entries)), sorted(digest_of(one["act"]) for one in texts))

    def test_a_forged_signature(self):
        at = self.find("act-signed", operator="anna")
        stranger = ec.generate_private_key(ec.SECP256R1())
        digest = bytes.fromhex(self.entries[at - 1]["reference"])
        r, s = utils.decode_dss_signature(stranger.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256()))))
        raw = base64.urlsafe_b64encode(r.to_bytes(32, "big") + s.to_bytes(32, "big")).rstrip(b"=").decode()
        for forged in (raw, "A" * 86, "", self.entries[at]["reference"][:-2]):
            with self.subTest(forged=forged):
                entries = self.copy()
                entries[at]["reference"] = forged
                self.refused(entries, at, "anna does not hold")

    def test_an_act_that_was_altered(self):
        at = self.find("act")
        entries = self.copy()
        digest = digest_of("another act")
        entries[at]["reference"] = entries[self.find("act-ended")]["reference"] = digest
        self.refused(entries, at + 1, "the act was altered")

    def test_a_signature_of_the_wrong_officer(self):
        at = self.find("act-signed", operator="anna")
        entries = self.copy()
        entries[at]["reference"] = entries[at + 1]["reference"]
        self.refused(entries, at, "anna is one of bruno")

    def test_an_officer_who_was_revoked_suspended_or_never_there(self):
        signed_by_carla = self.find("act-signed", operator="carla")
        enrolled = self.find("officer-enrolled", operator="carla")
        entries = self.copy()
        for entry in entries[signed_by_carla - 2:signed_by_carla + 4]:
            entry["operator"] = entry["operator"].replace("carla", "dario")
        self.refused(entries, signed_by_carla, "dario signed, and was never enrolled")
        # The act that carla signed, moved behind the one that revoked her: what she signed then is nothing.
        begun = self.find("act", operator="anna+carla")
        its = [i for i in range(begun, len(entries)) if self.entries[i]["operator"] in ("anna+carla",) or begun < i <= begun + 2]
        for event, status in (("officer-revoked", "revoked"), ("officer-suspended", "suspended")):
            with self.subTest(status=status):
                rest = [e for i, e in enumerate(self.copy()) if i not in its]
                after = next(i for i, e in enumerate(rest) if e["event"] == event)
                after = next(i for i in range(after, len(rest)) if rest[i]["event"] == "act-ended") + 1
                entries = rest[:after] + [dict(self.entries[i]) for i in its] + rest[after:]
                at = next(i for i, e in enumerate(entries) if e["event"] == "act-signed" and e["operator"] == "carla")
                self.refused(entries, at, f"carla signed, and was {status} then")
        self.assertGreater(signed_by_carla, enrolled)

    def test_what_takes_two_and_was_signed_by_one_and_what_nobody_signed(self):
        enrolled = self.find("officer-enrolled", operator="carla")
        act = self.find("act")
        entries = self.copy()
        entries[act]["operator"] = "anna"
        del entries[act + 2]  # bruno's signature
        self.refused(entries, enrolled - 1, "takes two officers, and one signed")
        entries = self.copy()
        del entries[act + 2]
        self.refused(entries, act + 2, "lacks the signature of bruno")
        entries = [e for e in self.copy() if e["event"] not in ("act", "act-signed", "act-ended")]
        at = next(i for i, e in enumerate(entries) if e["event"] == "officer-enrolled" and e["operator"] == "carla")
        self.refused(entries, at, "by no act of officers")
        # Enrolled by the appliance itself, as if that were nobody's business.
        entries[at]["channel"] = "appliance"
        self.refused(entries, at, "by no act of officers")

    def test_the_texts_of_the_acts_are_those_that_were_signed(self):
        code, answer = self.verdict(self.entries, "--acts", self.texts)
        self.assertEqual((code, answer["acts"]), (INTACT, 6), answer)
        texts = json.loads(read(self.texts))
        texts["acts"][2]["act"] = texts["acts"][2]["act"].replace("resume", "revoke")
        altered = os.path.join(self.root, "altered.json")
        with open(altered, "w", encoding="utf-8") as file:
            json.dump(texts, file)
        code, answer = self.verdict(self.entries, "--acts", altered)
        self.assertEqual((code, answer["verdict"]), (ACT_REFUSED, "act not signed"), answer)
        self.assertIn("is not the one that was signed", answer["detail"])
        for nonsense in (self.export, os.path.join(self.root, "missing"), self.root):
            run("audit", "verify", self.export, "--acts", nonsense, expected=LOCAL)


if __name__ == "__main__":
    audit_test.BIN = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
