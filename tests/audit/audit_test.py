"""`sigillo audit` on the ledger of an appliance that works. Argument: the folder of the built programs.

Every verdict has its exit code, and an independent check (independent.py, written from docs/LEDGER.md) agrees on what is intact.
"""

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from jwcrypto import jwe, jwk

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "journey")]
from appliance import Channel, free_ports  # noqa: E402
from independent import DOMAIN, Broken, check_export, check_files, check_note, encode  # noqa: E402

BIN = None
INTACT, LOCAL, ALTERED, GAP, CUT_TAIL, UNKNOWN_KEY = 0, 1, 10, 11, 12, 13
SUBJECT = "RSSMRA85T10A562S"
MOBILE, MAIL, PEC = "+393331234567", "m.rossi@example.it", "m.rossi@pec.example.it"
DOCUMENT, CARD = "CA00000AA", "80380000300012345678"
WRONG = "ZZZZZZZZ22222222"
START_S = 60


class Server:
    """sigillod on a folder of dev-init's; as journey's, without the couriers, which this needs none of."""

    def __init__(self, folder):
        self.folder = folder
        self.port, self.monitor = free_ports(2)
        self.ca = os.path.join(folder, "ca.pem")
        self.config = os.path.join(folder, "sigillo.toml")
        run("dev-init", folder, "--listen", f"127.0.0.1:{self.port}", "--monitor", f"127.0.0.1:{self.monitor}", expected=0)
        self.process = None

    def channel_folder(self, name):
        return os.path.join(self.folder, "channels", name)

    def start(self):
        with open(os.path.join(self.folder, "sigillod.log"), "a", encoding="utf-8") as log:
            self.process = subprocess.Popen([os.path.join(BIN, "sigillod"), "--config", self.config], stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=log, text=True)
        watchdog = threading.Timer(START_S, self.process.kill)
        watchdog.start()
        said = self.process.stdout.readline()
        watchdog.cancel()
        assert "ready" in said, f"sigillod did not become ready; its log is {log.name}"

    def stop(self):
        if self.process is None:
            return
        process, self.process = self.process, None
        process.terminate()
        code = process.wait(START_S)
        process.stdout.close()
        assert code == 0, f"sigillod ended with {code}"


def run(*arguments, expected=None, **more):
    done = subprocess.run([os.path.join(BIN, "sigillo"), *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
                          check=False, **more)
    if expected is not None:
        assert done.returncode == expected, (arguments, done.returncode, done.stdout[-2000:], done.stderr)
    return done


def read(path, mode="r"):
    with open(path, mode, **({} if "b" in mode else {"encoding": "utf-8", "newline": "\n"})) as file:
        return file.read()


def open_sealed(server, channel, sealed):
    key = jwk.JWK.from_json(read(os.path.join(server.channel_folder(channel), "delivery.jwk")))
    token = jwe.JWE()
    token.deserialize(sealed, key)
    return json.loads(token.payload)


class Ledger(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.root = os.path.realpath(cls.temporary.name)
        cls.page = read(os.path.join(HERE, "..", "..", "docs", "LEDGER.md"))
        cls.server = Server(os.path.join(cls.root, "appliance"))
        cls.server.start()
        cls.addClassCleanup(cls.server.stop)
        cls.secrets = cls.live(cls.server)
        auditor = Channel(cls.server, "auditor")
        status, cls.keys = auditor.call("GET", "/v1/keys")
        assert status == 200
        auditor.connection.close()
        cls.keys_file = os.path.join(cls.root, "keys.json")
        with open(cls.keys_file, "w", encoding="utf-8") as file:
            json.dump(cls.keys, file)
        cls.export = os.path.join(cls.root, "ledger.jsonl")
        cls.export_beside_guesses()
        cls.lines = read(cls.export).splitlines(keepends=True)

    @classmethod
    def live(cls, server):
        """A credential at the branch, wrong and right PINs, an activation, a receipt. Gives the PINs that there were."""
        branch, portal = Channel(server, "branch"), Channel(server, "portal")
        evidence = {"document": {"type": "identity-card", "number": DOCUMENT, "expires": "2049-01-01"}}
        status, issued = branch.post("/v1/credentials", {
            "subject": SUBJECT, "operator": "op-117", "evidence": evidence, "contacts": {"mobile": MOBILE, "email": MAIL, "pec": PEC},
            "health_card": {"number": CARD, "expires": "2049-05-31"}})
        assert status == 201, issued
        whole = open_sealed(server, "branch", issued["deliveries"][0]["sealed"])["pin"].replace("-", "")
        for pin, outcome in ((WRONG, "rejected"), (whole, "verified"), (WRONG[:8], "rejected")):
            status, answer = portal.post("/v1/verifications", {"subject": SUBJECT, "pin": pin})
            assert (status, answer["outcome"]) == (200, outcome), answer
        status, answer = portal.post("/v1/activations", {"subject": SUBJECT, "pin": whole})
        assert status == 201, answer
        definitive = answer["pin"].replace("-", "")
        status, answer = portal.post("/v1/verifications", {"subject": SUBJECT, "pin": definitive, "receipt": True})
        assert answer["outcome"] == "verified"
        for channel in (branch, portal):
            channel.connection.close()
        return [whole, whole[:8], whole[8:], definitive]

    @staticmethod
    def answer(server):
        portal = Channel(server, "portal")
        status, _ = portal.post("/v1/verifications", {"subject": "VRDLGU80A01F205T", "pin": WRONG})
        portal.connection.close()
        assert status == 200

    @classmethod
    def export_beside_guesses(cls):
        """The export is made while the chain grows: guesses at a subject that nobody is, until it is written."""
        portal, written, failures = Channel(cls.server, "portal"), threading.Event(), []
        guessing = threading.Event()

        def guess():
            while not written.is_set():
                status, answer = portal.post("/v1/verifications", {"subject": "VRDLGU80A01F205T", "pin": WRONG})
                if status != 200:
                    failures.append(answer)
                    written.set()
                guessing.set()
            guessing.set()

        thread = threading.Thread(target=guess)
        thread.start()
        guessing.wait(START_S)
        try:
            cls.made = run("audit", "export", "--config", cls.server.config, cls.export, expected=0)
        finally:
            written.set()
            thread.join()
            portal.connection.close()
        assert not failures, failures

    def verdict(self, path, *more):
        """Exit code and JSON answer; the name and the number always go together."""
        done = run("audit", "verify", path, "--format", "json", *more)
        answer = json.loads(done.stdout)
        names = {"intact": INTACT, "altered": ALTERED, "gap": GAP, "cut tail": CUT_TAIL, "unknown key": UNKNOWN_KEY}
        if done.returncode != LOCAL:
            self.assertEqual(names[answer["verdict"]], done.returncode)
        return done.returncode, answer

    def spoilt(self, content):
        path = os.path.join(self.root, "spoilt.jsonl")
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.write(content)
        return path

    def assert_verdict(self, lines, expected, at=None):
        path = self.spoilt("".join(lines))
        for more in ([], ["--keys", self.keys_file]):
            code, answer = self.verdict(path, *more)
            self.assertEqual(code, expected, answer)
            if at is not None:
                self.assertEqual(answer["at"], at, answer)
        with self.assertRaises((Broken, ValueError, KeyError, IndexError)):
            check_export(path, self.keys, self.page)

    def test_an_export_made_while_it_runs_is_intact(self):
        code, answer = self.verdict(self.export, "--keys", self.keys_file)
        self.assertEqual((code, answer["own_keys"], answer["entries"]), (INTACT, False, len(self.lines) - 1), answer)
        code, answer = self.verdict(self.export)
        self.assertEqual((code, answer["own_keys"]), (INTACT, True))
        self.assertIn(b"own keys were used", run("audit", "verify", self.export).stdout)
        with open(self.export, "rb") as file:
            piped = subprocess.run([os.path.join(BIN, "sigillo"), "audit", "verify", "-"], stdin=file, capture_output=True, check=False)
        self.assertEqual(piped.returncode, INTACT, piped.stderr)

    def test_the_page_alone_is_enough_to_check_one(self):
        entries = check_export(self.export, self.keys, self.page)
        self.assertEqual(json.loads(self.lines[-1])["keys"], self.keys)
        kinds = [entry["event"] for entry in entries]
        for kind in ("channel-enrolled", "started", "requested", "charge", "settle", "activated"):
            self.assertIn(kind, kinds)
        charged = {entry["seq"] for entry in entries if entry["event"] == "charge"}
        settled = [entry["attempt"] for entry in entries if entry["event"] == "settle"]
        self.assertLessEqual(set(settled), charged)
        self.assertEqual(len(settled), len(set(settled)))

    def test_the_auditor_s_pages_and_checkpoint_are_of_the_same_form(self):
        auditor = Channel(self.server, "auditor")
        self.addCleanup(auditor.connection.close)
        _, page = auditor.call("GET", "/v1/ledger?after=0&limit=5")
        self.assertEqual([json.dumps(e, separators=(",", ":")) for e in page["entries"]],
                         [json.dumps(json.loads(line), separators=(",", ":")) for line in self.lines[:5]])
        auditor.connection.request("GET", "/v1/ledger/checkpoint")
        answer = auditor.connection.getresponse()
        lines = check_note(answer.read().decode(), self.keys)
        self.assertEqual((answer.status, lines[0]), (200, "sigillo/ledger/1"))
        self.assertGreaterEqual(int(lines[1]), len(self.lines) - 1)

    def test_no_citizen_and_no_secret_is_in_it(self):
        export = "".join(self.lines).lower()
        for secret in [*self.secrets, SUBJECT, MOBILE, MOBILE[3:], MAIL, PEC, DOCUMENT, CARD, WRONG, "VRDLGU80A01F205T", "rossi"]:
            self.assertNotIn(secret.lower(), export)
        for pin in self.secrets:
            self.assertNotIn(f"{pin[:4]}-{pin[4:8]}".lower(), export)

    def test_one_byte_edited_anywhere_is_altered(self):
        seed = random.randrange(2**32)
        dice = random.Random(seed)
        text = "".join(self.lines)
        entries = len("".join(self.lines[:-1]))
        note = text.index("{\"checkpoint\"") + len("{\"checkpoint\":\""), text.index("\\n\",\"keys\"")
        places = [dice.randrange(entries) for _ in range(40)] + [dice.randrange(*note) for _ in range(12)]
        for at in places:
            with self.subTest(seed=seed, at=at, byte=text[at]):
                other = chr(ord(text[at]) ^ 1) if text[at].isalnum() else "x"
                path = self.spoilt(text[:at] + other + text[at + 1:])
                for more in ([], ["--keys", self.keys_file]):
                    code, answer = self.verdict(path, *more)
                    self.assertEqual(code, ALTERED, answer)

    def test_each_member_of_an_entry_is_held(self):
        number = next(i for i, line in enumerate(self.lines) if '"guard"' in line and '"event":"charge"' in line)
        entry = json.loads(self.lines[number])
        for member, value in entry.items():
            changed = dict(entry)
            if isinstance(value, dict):
                changed[member] = {**value, "failures": value["failures"] + 1}
            elif isinstance(value, int):
                changed[member] = value + 1
            else:
                changed[member] = value[:-1] + ("0" if value[-1:] != "0" else "1")
            with self.subTest(member=member):
                line = json.dumps(changed, separators=(",", ":")) + "\n"
                self.assertNotEqual(line, self.lines[number])
                self.assert_verdict([*self.lines[:number], line, *self.lines[number + 1:]], ALTERED, number + 1)

    def test_another_spelling_of_an_entry_is_altered(self):
        for change in (lambda line: line.replace(",", ", ", 1), lambda line: line.replace('"hash"', '"extra":1,"hash"'),
                       lambda line: line.replace("\n", "\r\n"), lambda line: line.replace('"channel"', '"ch\\u0061nnel"')):
            self.assertEqual(self.verdict(self.spoilt("".join([*self.lines[:2], change(self.lines[2]), *self.lines[3:]])))[0], ALTERED)

    def test_an_entry_that_is_missing_is_a_gap(self):
        for number in (0, 1, len(self.lines) // 2, len(self.lines) - 3):
            with self.subTest(entry=number + 1):
                self.assert_verdict(self.lines[:number] + self.lines[number + 1:], GAP, number + 1)

    def test_entries_exchanged_or_repeated_are_altered(self):
        middle = len(self.lines) // 2
        for one, other in ((0, 1), (middle, middle + 1), (2, middle), (len(self.lines) - 3, len(self.lines) - 2)):
            with self.subTest(exchanged=(one + 1, other + 1)):
                lines = list(self.lines)
                lines[one], lines[other] = lines[other], lines[one]
                self.assert_verdict(lines, ALTERED, one + 1)
        self.assert_verdict(self.lines[:middle] + self.lines[middle - 1:], ALTERED, middle + 1)

    def test_a_cut_tail_with_and_without_its_checkpoint(self):
        self.assert_verdict(self.lines[:-1], CUT_TAIL, len(self.lines) - 1)
        self.assert_verdict(self.lines[:-2], CUT_TAIL)
        self.assert_verdict(self.lines[:-2] + self.lines[-1:], CUT_TAIL, len(self.lines) - 2)
        self.assert_verdict([], CUT_TAIL)
        text = "".join(self.lines)
        for cut in (2, 10, len(self.lines[-1]) - 3, len(self.lines[-1]) + 20):
            with self.subTest(cut=cut):
                self.assert_verdict([text[:-cut]], CUT_TAIL)

    def test_something_after_the_end_is_altered(self):
        self.assert_verdict([*self.lines, self.lines[-2]], ALTERED)
        self.assert_verdict([*self.lines, "\n"], ALTERED)
        self.assert_verdict([*self.lines[:-2], self.lines[-1], self.lines[-2]], ALTERED)

    def test_a_chain_made_anew_does_not_reach_the_checkpoint(self):
        previous, lines = bytes(32), []
        for number, line in enumerate(self.lines[:-1]):
            entry = json.loads(line)
            if number == 3:
                entry["operator"] = "op-999"
            previous = hashlib.sha256(DOMAIN + previous + encode(entry)).digest()
            entry["hash"] = previous.hex()
            lines.append(json.dumps(entry, separators=(",", ":")) + "\n")
        self.assert_verdict([*lines, self.lines[-1]], ALTERED, len(lines))

    def test_other_keys_are_unknown_and_a_receipt_key_is_no_ledger_key(self):
        def verify_with(keys):
            path = os.path.join(self.root, "other.json")
            with open(path, "w", encoding="utf-8") as file:
                json.dump(keys, file)
            return run("audit", "verify", self.export, "--keys", path).returncode

        stranger = {**json.loads(jwk.JWK.generate(kty="EC", crv="P-256").export_public()), "kid": "sigillo.ledger-v1", "use": "sig"}
        self.assertEqual(verify_with({"keys": [stranger]}), UNKNOWN_KEY)
        self.assertEqual(verify_with({"keys": [stranger, *self.keys["keys"]]}), INTACT)
        receipts = [key for key in self.keys["keys"] if key["kid"].startswith("sigillo.receipt")]
        self.assertEqual(verify_with({"keys": receipts}), LOCAL)
        self.assertEqual(verify_with({"keys": [stranger, *receipts]}), UNKNOWN_KEY)
        for nothing in ({}, {"keys": []}, {"keys": [{"kty": "EC"}]}, []):
            self.assertEqual(verify_with(nothing), LOCAL)

    def test_local_errors_are_one(self):
        missing = os.path.join(self.root, "missing")
        for arguments in (["verify", missing], ["verify", self.root], ["verify", self.export, "--keys", missing], ["verify"], [],
                          ["verify", "/dev/zero"], ["export", missing], ["export", "--config", missing, missing]):
            with self.subTest(arguments=arguments):
                done = run("audit", *arguments, expected=LOCAL)
                self.assertTrue(done.stdout + done.stderr)
        self.assertFalse(os.path.exists(missing))
        for code in ("10", "11", "12", "13"):
            self.assertIn(code, run("audit", "verify", "--help").stdout.decode())

    def test_what_is_no_export_is_not_called_an_altered_one(self):
        for text in ("Dear auditor,\nplease find attached\n", '{"store": "sigillo"}\n', "no newline", "\x00\x01\n" * 9):
            with self.subTest(text=text):
                done = run("audit", "verify", self.spoilt(text), expected=LOCAL)
                self.assertIn(b"not an export", done.stdout + done.stderr)

    def test_a_file_that_is_there_is_kept(self):
        for path in (self.spoilt("mine"), self.root, "/dev/null"):
            refused = run("audit", "export", "--config", self.server.config, path, expected=LOCAL)
            self.assertIn(path, refused.stderr.decode())
        self.assertEqual(read(self.spoilt("mine")), "mine")
        run("audit", "export", "--config", self.server.config, "/dev/null", "--force", expected=LOCAL)
        run("audit", "export", "--config", self.server.config, self.spoilt("mine"), "--force", expected=0)
        path = os.path.join(self.root, "spoilt.jsonl")
        self.assertEqual(self.verdict(path)[0], INTACT)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        self.assertEqual([name for name in os.listdir(self.root) if name.startswith(".")], [])


class Stopped(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.root = os.path.realpath(temporary.name)
        self.server = Server(os.path.join(self.root, "appliance"))
        self.addCleanup(self.server.stop)
        self.out = os.path.join(self.root, "ledger.jsonl")

    def test_stopped_it_exports_all_the_same_and_a_store_put_back_gets_no_signature(self):
        self.server.start()
        Ledger.live(self.server)
        self.server.stop()
        piped = run("audit", "export", "--config", self.server.config, "-", expected=0)
        run("audit", "export", "--config", self.server.config, self.out, expected=0)
        self.assertEqual(piped.stdout.splitlines()[:-1], read(self.out, "rb").splitlines()[:-1])
        self.assertEqual(run("audit", "verify", self.out).returncode, INTACT)
        self.assertIn('"event":"stopped"', read(self.out).splitlines()[-2])

        # Attack: (1) copy the store, (2) guess, (3) put the copy back, (4) have the guesses "certified" as never made.
        store, copy = os.path.join(self.server.folder, "store"), os.path.join(self.root, "copy")
        shutil.copytree(store, copy)
        self.server.start()
        portal = Channel(self.server, "portal")
        self.assertEqual(portal.post("/v1/verifications", {"subject": SUBJECT, "pin": WRONG[:8]})[0], 200)
        portal.connection.close()
        self.server.stop()
        shutil.rmtree(store)
        shutil.copytree(copy, store)
        os.remove(self.out)
        refused = run("audit", "export", "--config", self.server.config, self.out, expected=CUT_TAIL)
        self.assertIn(b"anchored", refused.stderr)
        self.assertEqual([name for name in os.listdir(self.root) if "ledger" in name], [])

    def prune(self, *more, officers=("anna", "bruno"), expected=0):
        arguments = ["audit", "prune", "--config", self.server.config, *more]
        for name in officers:
            key = os.path.join(self.server.folder, "officers", name)
            arguments += ["--officer", f"{name}={key}.key", "--password-file", f"{key}.password"]
        return run(*arguments, expected=expected)

    def test_two_officers_let_the_past_go_while_it_runs_and_while_it_is_stopped(self):
        self.prune("--keep-entries", "1", expected=LOCAL)  # no folder is named
        segments = os.path.join(self.root, "segments")
        os.mkdir(segments)
        with open(self.server.config, "a", encoding="utf-8") as file:
            file.write(f'\n[audit]\nsegment_folder = "{segments}"\n')
        self.server.start()
        Ledger.live(self.server)
        self.prune("--keep-entries", "1", officers=("anna",), expected=LOCAL)
        self.prune("--before", "yesterday", expected=LOCAL)
        self.prune(expected=LOCAL)
        self.assertEqual(os.listdir(segments), [])
        self.assertIn(b"may go yet", self.prune("--before", "2020-01-01").stdout)
        done = json.loads(self.prune("--keep-entries", "1", "--format", "json").stdout)
        self.assertEqual((done["schema"], len(done["segments"])), ("sigillo.audit-prune/1", 1), done)
        Ledger.answer(self.server)
        self.server.stop()
        self.prune("--keep-entries", "1")
        parts = [os.path.join(segments, name) for name in sorted(os.listdir(segments))]
        self.assertEqual(len(parts), 2)
        run("audit", "export", "--config", self.server.config, self.out, expected=0)
        answer = json.loads(run("audit", "verify", *parts, self.out, "--format", "json", expected=INTACT).stdout)
        self.assertEqual(answer["from"], 1)
        self.server.start()
        Ledger.answer(self.server)

    def test_without_its_token_nothing_is_made(self):
        os.remove(os.path.join(self.server.folder, "token-pin"))
        run("audit", "export", "--config", self.server.config, self.out, expected=LOCAL)
        self.assertEqual([name for name in os.listdir(self.root) if "ledger" in name], [])


class Pruned(unittest.TestCase):
    """A ledger that lets its past go while it answers: every part holds alone, and all of them joined."""

    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.root = os.path.realpath(temporary.name)
        cls.page = read(os.path.join(HERE, "..", "..", "docs", "LEDGER.md"))
        cls.segments = os.path.join(cls.root, "segments")
        os.mkdir(cls.segments)
        cls.server = Server(os.path.join(cls.root, "appliance"))
        with open(cls.server.config, "a", encoding="utf-8") as file:
            file.write(f'\n[audit]\nsegment_folder = "{cls.segments}"\nkeep_entries = 30\nsegment_entries = 25\n')
        cls.server.start()
        cls.addClassCleanup(cls.server.stop)
        Ledger.live(cls.server)
        portal, deadline = Channel(cls.server, "portal"), time.monotonic() + START_S
        while len(os.listdir(cls.segments)) < 3:
            assert time.monotonic() < deadline, "the past is not let go"
            status, _ = portal.post("/v1/verifications", {"subject": "VRDLGU80A01F205T", "pin": WRONG})
            assert status == 200
        status, cls.keys = portal.call("GET", "/v1/keys")
        portal.connection.close()
        cls.export = os.path.join(cls.root, "ledger.jsonl")
        while run("audit", "export", "--config", cls.server.config, cls.export, "--force").returncode != INTACT:
            assert time.monotonic() < deadline, "every export met a prune"
        cls.parts = [os.path.join(cls.segments, name) for name in sorted(os.listdir(cls.segments))]
        cls.first = json.loads(read(cls.export).splitlines()[1])["seq"]
        # Segments that were let go after the export began do not belong before it.
        cls.parts = [part for part in cls.parts if int(part.split("-")[-1].split(".")[0]) < cls.first]
        cls.keys_file = os.path.join(cls.root, "keys.json")
        with open(cls.keys_file, "w", encoding="utf-8") as file:
            json.dump(cls.keys, file)

    def verdict(self, *files):
        done = run("audit", "verify", *files, "--keys", self.keys_file, "--format", "json")
        return done.returncode, json.loads(done.stdout)

    def test_the_parts_in_order_are_one_chain_from_the_first_entry(self):
        self.assertGreaterEqual(len(self.parts), 2)
        code, answer = self.verdict(*self.parts, self.export)
        self.assertEqual((code, answer["from"]), (INTACT, 1), answer)
        entries = check_files([*self.parts, self.export], self.keys, self.page)
        self.assertEqual([entry["seq"] for entry in entries], list(range(1, len(entries) + 1)))
        self.assertEqual(answer["entries"], len(entries))
        pruned = [entry for entry in entries if entry["event"] == "ledger-pruned"]
        self.assertGreaterEqual(len(pruned), len(self.parts))
        for entry in pruned:
            self.assertEqual(entry["reference"], entries[entry["attempt"] - 1]["hash"], "it names what went")

    def test_what_is_left_and_each_segment_is_intact_alone_and_says_from_where(self):
        code, answer = self.verdict(self.export)
        self.assertEqual((code, answer["from"]), (INTACT, self.first), answer)
        words = run("audit", "verify", self.export, expected=INTACT).stdout.decode()
        self.assertIn(f"begins with entry {self.first}", words)
        self.assertEqual(check_files([self.export], self.keys, self.page)[0]["seq"], self.first)
        with self.assertRaises(Broken):
            check_export(self.export, self.keys, self.page)
        for part in self.parts:
            code, answer = self.verdict(part)
            self.assertEqual((code, answer["checkpoint"]["segment_from"]), (INTACT, answer["from"]), answer)
            self.assertIn(b"ends with a segment", run("audit", "verify", part, expected=INTACT).stdout)

    def test_a_missing_part_is_a_gap_and_a_wrong_order_an_alteration(self):
        self.assertEqual(self.verdict(self.parts[0], self.export)[0], GAP)
        self.assertEqual(self.verdict(*self.parts[1:], self.parts[0], self.export)[0], ALTERED)
        self.assertEqual(self.verdict(self.export, self.export)[0], ALTERED)
        for files in ([self.parts[0], self.export], [self.export, self.export]):
            with self.assertRaises(Broken):
                check_files(files, self.keys, self.page)

    def test_a_beginning_that_was_cut_off_is_no_prune(self):
        lines = read(self.export).splitlines(keepends=True)
        cut = os.path.join(self.root, "cut.jsonl")
        note = json.loads(lines[-1])["checkpoint"]
        for change, expected in (([*lines[:1], *lines[2:]], GAP), (lines[1:], GAP),
                                 ([json.dumps({"base": note}, separators=(",", ":")) + "\n", *lines[1:]], ALTERED),
                                 ([lines[0].replace("segment ", "segment 9"), *lines[1:]], ALTERED)):
            with open(cut, "w", encoding="utf-8", newline="\n") as file:
                file.writelines(change)
            self.assertEqual(self.verdict(cut)[0], expected)
            with self.assertRaises((Broken, ValueError, KeyError)):
                check_export(cut, self.keys, self.page)

    def test_a_restart_does_without_what_went(self):
        self.server.stop()
        self.server.start()
        auditor = Channel(self.server, "auditor")
        self.addCleanup(auditor.connection.close)
        _, page = auditor.call("GET", "/v1/ledger?after=0&limit=5")
        self.assertGreaterEqual(page["entries"][0]["seq"], self.first)


if __name__ == "__main__":
    BIN = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
