"""sigillo ceremony on a real pseudo-terminal: whole, interrupted, and with everything typed wrong. Argument: the folder of
the programs. `--every-prompt` as a further argument loses the terminal at every single prompt (minutes)."""

import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest
from unittest import mock

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from room import ALPHABET, People, Room, combine, value_of  # noqa: E402

BIN = None
EVERY_PROMPT = False
MODULE = next((m for m in ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so") if os.path.exists(m)), None)
OFFICERS = {"anna": "Anna Galli", "bruno": "Bruno Conti"}
CUSTODIANS = ["Giulia Bianchi", "Nicolò D'Amico", "Chiara Esposito", "Luca Ferrari", "Zoë Dell'Acqua"]
PASSWORDS = {"Anna Galli": "correct horse Anna", "Bruno Conti": "battery staple Bruno"}
SO_PIN = "set-up-of-the-day"
REQUEST = {"subject": "RSSMRA85T10A562S",
           "contacts": {"mobile": "+393331234567", "postal": {"name": "Mario Rossi", "street": "Via Garibaldi 1", "postcode": "00153",
                                                              "city": "Roma", "province": "RM", "country": "IT"}}}
STEPS = ["machine", "people", "officers", "token", "shares", "so-pin", "keys", "backup-shares", "backup", "certificates",
         "store", "checkpoint", "complete"]


def plan_text(folder, threshold=3, count=5, **changes):
    values = {"appliance": "inps-prova-1", "allow": "true", "module": MODULE, "listen": "127.0.0.1:8443",
              "monitor": "127.0.0.1:9464", **changes}
    names = ", ".join(f'"{name}"' for name in CUSTODIANS[:count])
    keys = values.get("keys", {})
    officers = "\n".join(f'{id} = {{ name = "{name}", key = "{keys[id]}" }}' if id in keys else f'{id} = "{name}"'
                         for id, name in OFFICERS.items())
    return (f'appliance = "{values["appliance"]}"\nfolder = "{folder}"\n[hsm]\nmodule = "{values["module"]}"\n'
            f'allow_test_module = {values["allow"]}\n[server]\nlisten = "{values["listen"]}"\nmonitor = "{values["monitor"]}"\n'
            f'names = ["localhost", "127.0.0.1"]\n[custodians]\nthreshold = {threshold}\nnames = [{names}]\n'
            f"[officers]\n{officers}\n")


class Ceremony(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="sigillo-ceremony-")
        self.addCleanup(self.temporary.cleanup)
        self.base = os.path.realpath(self.temporary.name)
        self.folder = os.path.join(self.base, "appliance")
        self.plan = os.path.join(self.base, "plan.toml")
        self.said = ""

    def write_plan(self, *arguments, **more):
        with open(self.plan, "w", encoding="utf-8") as file:
            file.write(plan_text(self.folder, *arguments, **more))

    def people(self, **more):
        return People(dict(PASSWORDS), SO_PIN, **more)

    def room(self):
        room = Room([f"{BIN}/sigillo", "ceremony", "--plan", self.plan])
        self.addCleanup(lambda: room.status is None and room.lose())
        return room

    def finish(self, room, people):
        self.assertFalse(people.play(room))
        self.assertEqual(room.wait(), 0, room.said[-3000:])
        self.assertIn("The ceremony of inps-prova-1 is complete.", room.said)

    def sigillo(self, *arguments):
        return subprocess.run([f"{BIN}/sigillo", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60, check=False)

    def verify(self, *more, file=None):
        return self.sigillo("ceremony", "verify", file or f"{self.folder}/transcript.jsonl", "--format", "json", *more)

    def assert_verified(self):
        done = self.verify()
        self.assertEqual(done.returncode, 0, done.stdout)

    def lines(self):
        with open(f"{self.folder}/transcript.jsonl", encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def done(self):
        return [line["step"] for line in self.lines() if line.get("event") == "done"]

    def assert_nowhere(self, secrets, *texts):
        """None of the secrets is in a file of the folder, in a text, or in a share without its blanks."""
        forms = {s for secret in secrets for s in (secret, secret.replace(" ", ""), secret.lower())}
        contents = [t.encode() for t in texts]
        for where, _, names in os.walk(self.folder):
            for name in names:
                if not os.path.isfile(os.path.join(where, name)):
                    continue  # the officers' socket
                with open(os.path.join(where, name), "rb") as file:
                    contents.append(file.read())
        for form in forms:
            for content in contents:
                self.assertNotIn(form.encode(), content)


class Whole(Ceremony):
    def test_three_of_five_from_an_empty_folder_to_a_verified_transcript(self):
        self.write_plan()
        people = self.people()
        room = self.room()
        self.assertTrue(people.play(room, until=r"Zoë Dell'Acqua comes.*Press Enter\. > $"))
        with open(f"/proc/{room.pid}/cmdline", encoding="utf-8") as file:
            arguments = file.read()
        with open(f"/proc/{room.pid}/environ", encoding="utf-8") as file:
            environment = file.read()
        room.type("")
        self.finish(room, people)
        self.assertEqual(self.done(), STEPS)

        # Every share on paper says what it is, and any three of them are the PIN of both tokens.
        papers = [people.papers.of("AUTHORISATION", n) for n in range(1, 6)]
        for number, paper in enumerate(papers, 1):
            self.assertEqual(value_of(paper)[:4], (0, 3, 5, number))
        pin = combine(papers[1:4])
        self.assertEqual(pin, combine([papers[0], papers[4], papers[2]]))
        self.assertNotEqual(pin, combine(papers[:2]))
        self.assertEqual(len(pin), 32)

        secrets = [*PASSWORDS.values(), SO_PIN, pin, *(row for share in people.papers.shares.values() for row in share)]
        self.assert_nowhere(secrets, arguments, environment)
        # What was typed was never shown: the screen of a share is the one place where its rows stand.
        shown = re.sub(r"\x1b\[\?1049h.*?\x1b\[\?1049l", "", room.said, flags=re.S)
        for secret in secrets:
            self.assertNotIn(secret, shown)
        self.assertEqual(room.said.count("\x1b[?1049h"), 10)
        self.assertEqual(room.said.count("\x1b[2J\x1b[3J\x1b[H\x1b[?1049l"), 10)

        intact = self.verify()
        self.assertEqual(intact.returncode, 0, intact.stdout)
        answer = json.loads(intact.stdout)
        self.assertEqual(answer["signers"], ["ledger", "officer:anna", "officer:bruno"])
        self.assertIs(answer["own_keys"], True)
        self.assertIn(answer["digest"], room.said)
        trusted = self.verify("--keys", f"{self.folder}/ledger-key.jwks")
        self.assertEqual((trusted.returncode, json.loads(trusted.stdout)["own_keys"]), (0, False))

        for path, mode in (("officers/anna.key", 0o600), ("officers/bruno.key", 0o600), ("backup/keys.json", 0o600),
                           (".", 0o700), ("store", 0o700)):
            self.assertEqual(os.stat(f"{self.folder}/{path}").st_mode & 0o777, mode, path)
        checked = self.sigillo("validate-config", f"{self.folder}/sigillo.toml")
        self.assertEqual(checked.returncode, 0, checked.stderr)
        with open(f"{self.folder}/sigillo.toml", encoding="utf-8") as file:
            self.assertNotRegex(file.read(), r"(?m)^(pin_file|allow_weak_policy)")

        again = self.room()
        self.assertFalse(people.play(again))
        self.assertEqual(again.wait(), 0, again.said[-2000:])


class Serving(Ceremony):
    """What docs/CEREMONY.md says comes after: sealed, opened by three shares, channels enrolled, a PIN issued."""

    def share(self, paper):
        room = Room([f"{BIN}/sigillo", "unseal", "--share", "--config", self.config])
        room.expect(r"in one line: $")
        room.type(" ".join(paper))
        return room.wait(), " ".join(room.said.split())

    def enrol(self, role, name, receives):
        where = f"{self.base}/{role}"
        officers = [word for id, name_ in OFFICERS.items()
                    for word in ("--officer", f"{id}={self.folder}/officers/{id}.key", "--password-file", self.passwords[name_])]
        done = self.sigillo("channel", "enrol", role, name, "--owner", f"Owner of {name}", "--new-key", f"{where}.key",
                            "--certificate", f"{where}.pem", "--config", self.config, *officers,
                            *(["--new-delivery-key", f"{where}.jwk"] if receives else []))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def call(self, role, method, path, body=None):
        context = ssl.create_default_context(cafile=f"{self.folder}/ca.pem")
        context.load_cert_chain(f"{self.base}/{role}.pem", f"{self.base}/{role}.key")
        connection = http.client.HTTPSConnection("localhost", self.port, context=context, timeout=30)
        connection.request(method, path, json.dumps(body) if body else None,
                           {"Content-Type": "application/json", "Idempotency-Key": os.urandom(16).hex()} if body else {})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text or b"null")

    def test_three_custodians_open_it_and_it_issues_a_pin(self):
        holders = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        self.port, monitor = (holder.getsockname()[1] for holder in holders)
        self.write_plan(listen=f"127.0.0.1:{self.port}", monitor=f"127.0.0.1:{monitor}")
        for holder in holders:
            holder.close()
        people = self.people()
        self.finish(self.room(), people)
        self.config = f"{self.folder}/sigillo.toml"
        self.passwords = {}
        for name, password in PASSWORDS.items():
            self.passwords[name] = f"{self.base}/{name}.password"
            with open(os.open(self.passwords[name], os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
                file.write(password)
        daemon = subprocess.Popen([f"{BIN}/sigillod", "--config", self.config], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(daemon.stdout.close)
        self.addCleanup(daemon.stderr.close)
        self.addCleanup(daemon.wait)
        self.addCleanup(daemon.kill)
        log = []
        for line in daemon.stderr:
            log.append(line)
            if " sealed" in line:
                break
        drain = threading.Thread(target=lambda: log.extend(daemon.stderr), daemon=True)
        drain.start()
        paper = lambda number, kind="AUTHORISATION": people.papers.of(kind, number)  # noqa: E731
        self.assertEqual(self.sigillo("status", "--config", self.config).returncode, 2, "".join(log))
        self.assertEqual(self.share(paper(4))[0], 2)
        self.assertIn("given already", self.share(paper(4))[1])
        self.assertIn("the other paper is wanted", self.share(paper(1, "BACKUP"))[1])
        mistyped = [paper(1)[0], paper(1)[1][:-1] + ALPHABET[(ALPHABET.index(paper(1)[1][-1]) + 1) % 32], *paper(1)[2:]]
        self.assertIn("Line 2", self.share(mistyped)[1])
        self.assertEqual(self.share(paper(1))[0], 2)
        code, said = self.share(paper(5))
        self.assertIn(code, (0, 1), said)
        self.assertIn("that is enough", said)
        self.assertIn("ready", daemon.stdout.readline())
        self.enrol("portal", "portal", False)
        self.enrol("courier-sms", "acme", True)
        self.enrol("courier-post", "poste", True)
        status, answer = self.call("portal", "POST", "/v1/credentials", REQUEST)
        self.assertEqual(status, 201, answer)
        secrets = [combine([paper(1), paper(2), paper(3)]), *(row for n in range(1, 6) for row in paper(n)), *PASSWORDS.values()]
        self.assert_nowhere(secrets, "".join(log))
        daemon.terminate()
        self.assertEqual(daemon.wait(), 0)


class Brought(Ceremony):
    """An officer's key is in a token of the officer's own: SoftHSM2 again, in a folder that the ceremony knows nothing of."""

    def card(self, label, pin):
        folder = os.path.join(self.base, label)
        os.makedirs(f"{folder}/tokens")
        with open(f"{folder}/softhsm2.conf", "w", encoding="utf-8") as file:
            file.write(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
        with mock.patch.dict(os.environ, SOFTHSM2_CONF=f"{folder}/softhsm2.conf"):
            run = lambda *words: subprocess.run(words, check=True, capture_output=True)  # noqa: E731
            run("softhsm2-util", "--init-token", "--free", "--label", "bruno", "--pin", pin, "--so-pin", "so-of-the-card")
            run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", f"{folder}/key.pem")
            run("softhsm2-util", "--import", f"{folder}/key.pem", "--token", "bruno", "--label", "sign", "--id", "01", "--pin", pin)
        return f"{folder}/softhsm2.conf"

    def test_an_officer_brings_a_key_in_a_token_and_signs_with_it(self):
        card, other = self.card("card", "bruno-1506"), self.card("other", "other-1506")
        self.write_plan(2, 2, keys={"bruno": f"pkcs11:token=bruno;object=sign?module-path={MODULE}"})
        people = self.people()
        people.token_pin = "bruno-1506"
        with mock.patch.dict(os.environ, SOFTHSM2_CONF=card):
            room = self.room()
            self.assertTrue(people.play(room, until=r'PIN of the token "bruno" > $'))
            room.type("not-the-pin")
            room.expect(r"!! The token .bruno.: the token refused its PIN.*Shall it be tried again\? \(yes or no\) > $")
            room.type("yes")
            self.assertTrue(people.play(room, until=r"Step 14 of 14"))
            room.lose()
        # Another token is put in, with another key under the same name.
        people.token_pin = "other-1506"
        with mock.patch.dict(os.environ, SOFTHSM2_CONF=other):
            room = self.room()
            self.assertTrue(people.play(room, until=r"!! Not signed: that is\s+another\s+key.*Shall it be tried again\? \(yes or no\) > $"))
            room.type("no")
            self.assertEqual(room.wait(), 1)
        people.token_pin = "bruno-1506"
        with mock.patch.dict(os.environ, SOFTHSM2_CONF=card):
            self.finish(self.room(), people)
        self.assert_verified()
        self.assertFalse(os.path.exists(f"{self.folder}/officers/bruno.key"))
        with open(f"{self.folder}/officers/bruno.pub", encoding="utf-8") as file:
            self.assertIn("PUBLIC KEY", file.read())
        self.assert_nowhere(["bruno-1506", "other-1506", "not-the-pin"], room.said)

    def test_a_plan_with_a_uri_that_is_none_or_has_a_pin_is_refused(self):
        for key, why in ((f"pkcs11:token=b;object=s?module-path={MODULE}&pin-value=1234", "does not belong"),
                         (f"pkcs11:token=b;object=s?module-path={MODULE}&pin-source=file:/pin", "pin-source"),
                         ("pkcs11:token=b;object=s", "module-path"), ("bruno.key", "no PKCS#11 URI")):
            self.write_plan(2, 2, keys={"bruno": key})
            done = self.sigillo("ceremony", "--dry-run", "--plan", self.plan)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn(why, done.stderr)
            self.assertNotIn("1234", done.stderr)


class ByThePage(Ceremony):
    """docs/CEREMONY.md, literally: its plan, corrected for this machine, and its commands one by one, typed at a terminal."""

    def by_the_page(self, text):
        for there, here in (("/srv/sigillo", self.folder), ("/usr/lib/vendor/card.so", MODULE), ("/usr/lib/vendor/libpkcs11.so", MODULE),
                            ("0.0.0.0:8443", f"127.0.0.1:{self.port}"), ("127.0.0.1:9464", f"127.0.0.1:{self.monitor}"),
                            ("pin.example.it", "localhost"), ("192.0.2.10", "127.0.0.1")):
            text = text.replace(there, here)
        return text

    def run_line(self, line, people, code=0):
        """Types what is asked for; gives what was said."""
        room = Room(["/bin/sh", "-c", line])
        shares = iter([self.custodian] if "--share" in line else [])
        while True:
            index, match = room.expect(r"in one line: $", r"Password of the key of (\w+): $", r'PIN of the token "bruno" of bruno: $')
            if index is None:
                break
            room.type([lambda: " ".join(people.papers.of("AUTHORISATION", next(shares))), lambda: PASSWORDS[OFFICERS[match.group(1)]],
                       lambda: people.token_pin][index]())
        # Opened, and perhaps not ready yet for an instant: 1.
        self.assertIn(room.wait(), (0, 1) if code is None else (code,), (line, room.said))
        return room.said

    def test_the_ceremony_by_the_text_of_the_page_alone(self):
        root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        with open(f"{root}/docs/CEREMONY.md", encoding="utf-8") as file:
            page = file.read()
        plan = re.search(r"```toml\n(.*?)```", page, re.S).group(1)
        blocks = [self.by_the_page(block).splitlines() for block in self.blocks_of(page)] if self.take_ports() else []
        with open(self.plan, "w", encoding="utf-8") as file:
            file.write(self.by_the_page(plan).replace("[hsm]", "[hsm]\nallow_test_module = true"))
        card = Brought.card(self, "card", "bruno-1506")
        people = self.people()
        people.token_pin = "bruno-1506"
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        os.chdir(self.base)
        with mock.patch.dict(os.environ, SOFTHSM2_CONF=card, PATH=f"{BIN}:{os.environ['PATH']}"):
            self.run_line("sigillo ceremony --example-plan > printed.toml", people)
            with open("printed.toml", encoding="utf-8") as file:
                self.assertEqual(file.read(), plan)
            self.assertIn("Bruno Conti has signed", self.run_line("sigillo ceremony --plan plan.toml --dry-run", people))
            room = Room(["/bin/sh", "-c", "sigillo ceremony --plan plan.toml"])
            self.assertFalse(people.play(room))
            self.assertEqual(room.wait(), 0, room.said[-2000:])
            custodians = iter((2, 5, 3))
            for line in [line for block in blocks for line in block]:
                if line.endswith("&"):
                    self.serve(line)
                    continue
                if line.startswith("sigillo status"):
                    while "and ready" not in self.run_line(line, people, None):
                        pass  # until the housekeeping's next look
                elif "--share" not in line:
                    self.run_line(line.replace("umask 077", "true"), people)
                if "--share" not in line:
                    continue
                self.custodian = next(custodians)
                if self.custodian == 5:  # the same custodian twice, and one too few
                    self.custodian = 2
                    self.assertIn("given already", self.run_line(line, people, 1))
                    self.assertIn("sealed", self.run_line(line.replace("unseal --share", "status"), people, 2))
                    self.custodian = 5
                self.run_line(line, people, None if self.custodian == 3 else 2)
            # One officer is not two, however often.
            enrol = next(line for block in blocks for line in block if "portal portal" in line)
            twice = re.sub(r'--officer "bruno=.*', "--officer anna=anna.key", enrol).replace("portal portal", "portal second").replace("portal.pem", "second.pem")
            self.assertIn("by one officer twice", " ".join(self.run_line(twice, people, 1).split()))
        status, answer = Serving.call(self, "portal", "POST", "/v1/credentials", REQUEST)
        self.assertEqual(status, 201, answer)

    @staticmethod
    def blocks_of(page):
        return re.findall(r"```commands\n(.*?)```", page, re.S)

    def take_ports(self):
        holders = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        self.port, self.monitor = (holder.getsockname()[1] for holder in holders)
        for holder in holders:
            holder.close()
        return True

    def serve(self, line):
        daemon = subprocess.Popen(line.removesuffix("&").split(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True)
        self.addCleanup(daemon.stderr.close)
        self.addCleanup(daemon.wait)
        self.addCleanup(daemon.kill)
        for said in daemon.stderr:
            if " sealed" in said:
                break
        threading.Thread(target=daemon.stderr.read, daemon=True).start()


class Interrupted(Ceremony):
    # Where nobody waits for SoftHSM2 to write its token's file: a kill inside that loses the token, which no HSM does.
    LOST = [r"to the minute\? \(yes or no\) > $", r"nobody else\? \(yes or no\) > $", r"New password of Bruno Conti > $",
            r"Set-up PIN of the tokens > $", r"Nicolò D'Amico comes[^>]*> $", r"is then cleared\. > $",
            r"Type line \d from the paper > $", r"check values in the minutes\? Press Enter\. > $",
            r"Step 8 of[^>]*Nicolò D'Amico comes[^>]*> $|Nicolò D'Amico comes[^>]*> $", r"Type line \d from the paper > $",
            r"Step 10 of 14: ", r"Step 11 of 14: ", r"Step 12 of 14: ", r"Step 13 of 14: ", r"Step 14 of 14: ",
            r"Password of Anna Galli, to sign > $", r"Password of Bruno Conti, to sign > $"]

    def test_the_terminal_lost_at_every_step_and_the_ceremony_goes_on(self):
        self.write_plan(2, 3)
        people = self.people(custodians=(3, 1))
        for number, until in enumerate(self.LOST):
            room = self.room()
            self.assertTrue(people.play(room, until=until), f"{until}: {room.said[-2000:]}")
            room.lose("hang-up" if number % 2 else "kill")
        room = self.room()
        self.finish(room, people)
        self.assertEqual(self.done(), STEPS)
        self.assert_verified()
        self.assertIn("resumed", {line.get("event") for line in self.lines()})

    def test_between_the_shares_all_are_made_anew_and_the_old_ones_are_dead(self):
        self.write_plan(2, 3)
        people = self.people(custodians=(1, 2))
        room = self.room()
        self.assertTrue(people.play(room, until="Luca|Chiara Esposito comes to the terminal"))
        old = people.papers.of("AUTHORISATION", 1)
        room.lose("hang-up")
        room = self.room()
        self.assertTrue(people.play(room, until=r"check values in the minutes\? Press Enter\. > $"))
        self.assertIn("tear them up", re.sub(r"\s+", " ", room.said))
        new = people.papers.of("AUTHORISATION", 1)
        self.assertNotEqual(value_of(old)[5], value_of(new)[5])
        room.lose()
        # The dead share is told from the living one.
        room = self.room()
        room.expect(r"Share 1, line 1 > $")
        for row in old:
            room.type(row)
            index, _ = room.expect(r"line \d > $", r"is\s+of\s+another\s+splitting")
        self.assertEqual(index, 1)
        people.room = room
        self.finish(room, people)

    def test_lost_at_every_prompt(self):
        if not EVERY_PROMPT:
            self.skipTest("minutes: python3 ceremony_test.py BIN --every-prompt")
        number = 0
        ended = False
        card = Brought.card(self, "card", "bruno-1506")
        while not ended:
            self.write_plan(2, 2, keys={"bruno": f"pkcs11:token=bruno;object=sign?module-path={MODULE}"})
            people = self.people(custodians=(1, 2))
            people.token_pin = "bruno-1506"
            self.enterContext(mock.patch.dict(os.environ, SOFTHSM2_CONF=card))
            room = self.room()
            ended = not people.play(room, prompts=number)
            if not ended:
                room.lose("kill" if number % 2 else "hang-up")
                room = self.room()
            self.finish(room, people) if not ended else self.assertEqual(room.wait(), 0)
            self.assert_verified()
            shutil.rmtree(self.folder)
            number += 1
        self.assertGreater(number, 20)


class TypedWrong(Ceremony):
    def lost_after_the_shares(self):
        """A ceremony that was lost before its keys: the next one wants shares."""
        self.write_plan(3, 5)
        people = self.people(custodians=(5, 2, 4))
        room = self.room()
        self.assertTrue(people.play(room, until=r"check values in the minutes\? Press Enter\. > $"))
        room.lose()
        return people

    def test_every_wrong_share_is_told_apart_and_one_too_few_opens_nothing(self):
        people = self.lost_after_the_shares()
        papers = people.papers
        room = self.room()
        room.expect(r"Share 1, line 1 > $")
        # A character mistyped, told at once and by its line.
        row = papers.of("AUTHORISATION", 5)[0]
        wrong = ALPHABET[(ALPHABET.index(row[0]) + 1) % 32] + row[1:]
        room.type(wrong)
        room.expect(r"!! Line 1 is (mistyped|another line of the share, or mistyped).*Share 1, line 1 > $")
        room.type(papers.of("AUTHORISATION", 5)[2])
        room.expect(r"!! Line 1 is another line of the share.*Share 1, line 1 > $")
        room.type("I O 0 1")
        room.expect(r"!! Line 1 does not have 16.*Share 1, line 1 > $")
        # The whole code at once, as a scanner types it; lower case.
        room.type("".join(papers.of("AUTHORISATION", 5)).replace(" ", "").lower())
        room.expect(r"Share 5 is taken\..*Share 2, line 1 > $")
        # The same share again.
        room.type("".join(papers.of("AUTHORISATION", 5)))
        room.expect(r"!! Share 5 was given already.*Share 2, line 1 > $")
        # Lines of two papers.
        mixed = papers.of("AUTHORISATION", 2)[:2] + papers.of("AUTHORISATION", 1)[2:]
        for number, line in enumerate(mixed, 1):
            room.type(line)
            if number < 4:
                room.expect(rf"Share 2, line {number + 1} > $")
        room.expect(r"!! The lines do not belong together.*\(yes or no\) > $")
        room.type("yes")
        room.expect(r"Share 2, line 1 > $")
        room.type("".join(papers.of("AUTHORISATION", 2)))
        room.expect(r"Share 2 is taken\..*Share 3, line 1 > $")
        # One too few.
        room.type("stop")
        room.expect(r"Have 2 of 3\s+shares; fewer open nothing.*\(yes or no\) > $")
        room.type("no")
        self.assertEqual(room.wait(), 1)
        self.assertIn("there were not enough shares", room.said)
        self.assertEqual(self.done(), STEPS[:6])
        # And with one more it goes on.
        room = self.room()
        self.finish(room, people)
        refused = [line["said"] for line in self.lines() if line.get("event") == "refused"]
        self.assertEqual(len(refused), 1, refused)
        self.assert_verified()

    def test_a_share_of_another_ceremony_and_of_another_appliance(self):
        people = self.lost_after_the_shares()
        strangers = []
        for name in ("inps-prova-1", "inps-prova-2"):
            other = TypedWrong()
            other.setUp()
            other.write_plan(2, 2, appliance=name)
            stranger = other.people()
            room = other.room()
            self.assertTrue(stranger.play(room, until=r"check values in the minutes\? Press Enter\. > $"))
            room.lose()
            strangers.append(stranger.papers.of("AUTHORISATION", 1))
            other.doCleanups()
        room = self.room()
        room.expect(r"Share 1, line 1 > $")
        for paper, words in zip(strangers, (r"is\s+of\s+another\s+splitting", r"is\s+of\s+another\s+appliance")):
            room.type("".join(paper))
            index, _ = room.expect(words + r".*(?=Share 1, line 1 > $)")
            self.assertEqual(index, 0)
        self.finish(room, people)

    def test_passwords_typed_wrong_and_a_line_of_a_share_copied_wrong(self):
        self.write_plan(2, 2)
        people = self.people()
        room = self.room()
        self.assertTrue(people.play(room, until="New password of Anna Galli > $"))
        room.type("short")
        room.expect(r"!! That is shorter than.*New password of Anna Galli > $")
        room.type(PASSWORDS["Anna Galli"])
        room.expect(r"once more > $")
        room.type("something else")
        room.expect(r"!! The two are not the same.*New password of Anna Galli > $")
        room.type(people.say(PASSWORDS["Anna Galli"]))
        self.assertTrue(people.play(room, until="Type line (?=\\d)"))
        _, match = room.expect(r"(\d) from the paper > $")
        line = int(match.group(1))
        right = people.papers.last[line - 1]
        for wrong in (right[:-1], right[:-1] + ALPHABET[(ALPHABET.index(right[-1]) + 5) % 32], people.papers.last[line % 4]):
            room.type(wrong)
            index, _ = room.expect(r"!! Line \d.*?(from the paper|is then cleared\.) > $")
            self.assertEqual(index, 0)
        # After the third time the share is shown once more, the same one.
        before = people.papers.last
        people.seen(None)
        self.assertEqual(people.papers.last, before)
        room.type("")
        self.assertTrue(people.play(room, until="Password of Anna Galli, to sign > $"))
        for tried in (1, 2):
            room.type("not the password")
            room.expect(rf"!! Not signed:.*try\s+{tried};.*Password of Anna Galli, to sign > $")
        # Bruno's password is not Anna's.
        room.type(PASSWORDS["Bruno Conti"])
        room.expect(r"!! Not signed:.*Password of Anna Galli, to sign > $")
        room.type(PASSWORDS["Anna Galli"])
        self.finish(room, people)
        self.assert_verified()

    def test_a_set_up_pin_that_is_not_the_one_of_before(self):
        self.write_plan(2, 2)
        people = self.people()
        room = self.room()
        self.assertTrue(people.play(room, until=r"Giulia Bianchi comes[^>]*> $"))
        room.lose()
        people.so_pin = "another than before"
        people.patient = 1
        room = self.room()
        self.assertTrue(people.play(room, until="refuses that set-up PIN"))
        people.so_pin = SO_PIN
        self.finish(room, people)

    def test_no_stops_the_ceremony_and_it_goes_on_another_day(self):
        self.write_plan(2, 2)
        room = self.room()
        people = self.people()
        self.assertTrue(people.play(room, until=r"nobody else\? \(yes or no\) > $"))
        room.type("maybe")
        room.expect(r"!! Please type yes or no.*> $")
        room.type("no")
        self.assertEqual(room.wait(), 1)
        self.assertIn("come back when all are here", room.said)
        room = self.room()
        self.finish(room, people)


class Refused(Ceremony):
    def run_once(self):
        room = self.room()
        code = None
        people = self.people()
        people.play(room, until="Step 3 of")
        if room.status is None and "Step 3 of" not in room.said:
            code = room.wait()
        return code, room.said

    def test_soft_hsm_is_refused_unless_the_plan_says_so(self):
        self.write_plan(allow="false")
        code, said = self.run_once()
        self.assertEqual(code, 1, said)
        self.assertIn("FAILURE: this is SoftHSM2", said)
        self.assertNotIn("token", os.listdir(self.folder))

    def test_without_a_terminal_nothing_begins(self):
        self.write_plan()
        done = self.sigillo("ceremony", "--plan", self.plan)
        self.assertEqual(done.returncode, 1)
        self.assertIn("terminal", done.stderr)
        self.assertFalse(os.path.exists(self.folder))

    def test_a_folder_with_anything_else_and_another_plan_are_refused(self):
        self.write_plan()
        os.mkdir(self.folder)
        with open(f"{self.folder}/thesis.tex", "w", encoding="ascii") as file:
            file.write("x")
        code, said = self.run_once()
        self.assertEqual(code, 1)
        self.assertIn("is not empty", said)
        os.remove(f"{self.folder}/thesis.tex")
        os.chmod(self.folder, 0o700)
        room = self.room()
        self.assertTrue(self.people().play(room, until="Step 2 of"))
        room.lose()
        self.write_plan(2)
        code, said = self.run_once()
        self.assertEqual(code, 1)
        self.assertIn("begun with another plan", said)

    def test_two_ceremonies_in_one_folder(self):
        self.write_plan()
        first = self.room()
        self.assertTrue(self.people().play(first, until="Step 2 of"))
        code, said = self.run_once()
        self.assertEqual(code, 1)
        self.assertIn("another ceremony is being held", said)

    def test_a_plan_that_is_wrong_is_named_by_its_key(self):
        good = plan_text(self.folder)
        for old, new, word in (("threshold = 3", "threshold = 1", "custodians.threshold"),
                               ("threshold = 3", "threshold = 6", "custodians.threshold"),
                               ("threshold = 3", "", "custodians.threshold"),
                               ('bruno = "Bruno Conti"', "", "at least two"),
                               ('bruno = "Bruno Conti"', 'bruno = "Anna Galli"', "twice"),
                               ('"Zoë Dell\'Acqua"', '"Giulia Bianchi"', "twice"),
                               ('folder = "', 'foldr = "', "foldr"),
                               ("[hsm]", "[hsm]\npin = \"1234\"", "hsm.pin"),
                               ('appliance = "inps-prova-1"', 'appliance = "in ps"', "appliance"),
                               ("127.0.0.1:8443", "nowhere", "HOST:PORT"),
                               ('"127.0.0.1"', '"127.0.0.256"', "server.names"),
                               ('"localhost"', '"-localhost"', "server.names"),
                               ('"localhost"', '"localhost,pin.example.it"', "server.names"),
                               ('"localhost"', '" localhost"', "server.names"),
                               ("[officers]", "[officers", "not TOML")):
            with self.subTest(new=new):
                with open(self.plan, "w", encoding="utf-8") as file:
                    file.write(good.replace(old, new))
                done = self.sigillo("ceremony", "--plan", self.plan, "--dry-run")
                self.assertEqual(done.returncode, 1)
                self.assertIn(word, done.stderr)


class Altered(Ceremony):
    def test_every_byte_of_a_transcript_counts(self):
        self.write_plan(2, 2)
        people = self.people()
        room = self.room()
        self.finish(room, people)
        with open(f"{self.folder}/transcript.jsonl", "rb") as file:
            good = file.read()
        copy = f"{self.base}/copy.jsonl"
        # The first and the middle byte of each line, its hash, and all of the signatures' lines.
        starts = [0] + [i + 1 for i, b in enumerate(good) if b == 10][:-1]
        places = set()
        for line, start in enumerate(starts):
            end = good.index(b"\n", start)
            signature = good[start:end].startswith(b'{"signature_of"')
            places |= {(line, p) for p in (range(start, end, 7) if signature else (start, (start + end) // 2, end - 4, end))}
        for line, place in sorted(places):
            changed = bytearray(good)
            changed[place] ^= 0x01
            with open(copy, "wb") as file:
                file.write(changed)
            done = self.verify(file=copy)
            self.assertIn(done.returncode, (10, 12) if line else (1, 10, 12), (line, place, done.stdout))
            self.assertRegex(json.loads(done.stdout)["what"], rf"line ({line + 1}|{line + 2}): ")
        lines = good.splitlines(keepends=True)
        cases = {"the last signature is gone": (lines[:-1], 12), "all signatures are gone": (lines[:-3], 12),
                 "the end is gone": (lines[:10], 12), "a line is gone": (lines[:5] + lines[6:], 10),
                 "two lines are exchanged": (lines[:5] + [lines[6], lines[5]] + lines[7:], 10),
                 "a signature stands twice": (lines + [lines[-1]], 10)}
        for name, (changed, code) in cases.items():
            with self.subTest(name):
                with open(copy, "wb") as file:
                    file.write(b"".join(changed))
                self.assertEqual(self.verify(file=copy).returncode, code)
        # Another ledger's key.
        with open(f"{self.folder}/ledger-key.jwks", encoding="utf-8") as file:
            keys = json.load(file)
        keys["keys"][0].update(x="axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY", y="T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU")
        with open(copy, "w", encoding="utf-8") as file:
            json.dump(keys, file)
        self.assertEqual(self.verify("--keys", copy).returncode, 13)
        # A ceremony that is not finished cannot be gone on with after somebody changed its lines.
        with open(f"{self.folder}/transcript.jsonl", "wb") as file:
            file.write(good.replace(b"Anna Galli has a key", b"Anna Galla has a key"))
        room = self.room()
        self.assertEqual(room.wait(), 1)
        self.assertRegex(room.said, r"transcript\.jsonl,\s+line \d+: a line of the transcript does not hold")


class Rehearsed(Ceremony):
    def test_asked_for_json_it_gives_json(self):
        plan = self.sigillo("ceremony", "--example-plan")
        as_json = json.loads(self.sigillo("ceremony", "--example-plan", "--format", "json").stdout)
        self.assertEqual((as_json["schema"], as_json["plan"]), ("sigillo.ceremony-plan/1", plan.stdout))
        refused = self.sigillo("ceremony", "--dry-run", "--format", "json")
        self.assertEqual((refused.returncode, json.loads(refused.stdout)["schema"]), (1, "sigillo.error/1"))

    def test_the_dry_run_is_the_golden_file_and_the_script_of_the_documentation(self):
        root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
        done = self.sigillo("ceremony", "--dry-run")
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(f"{root}/tests/golden/ceremony-3-of-5.txt", encoding="utf-8") as file:
            self.assertEqual(done.stdout, file.read())
        with open(f"{root}/docs/CEREMONY.md", encoding="utf-8") as file:
            page = file.read()
        self.assertIn(f"```script\n{done.stdout.strip(chr(10))}\n```", page)
        example = self.sigillo("ceremony", "--example-plan").stdout
        self.assertIn(f"```toml\n{example}```", page)


if __name__ == "__main__":
    BIN = os.path.abspath(sys.argv.pop(1))
    if "--every-prompt" in sys.argv:
        sys.argv.remove("--every-prompt")
        EVERY_PROMPT = True
    unittest.main(verbosity=2)
