"""A development appliance in a folder of its own: made by `dev-init`, served by `sigillod`, driven as its channels drive it."""

import ctypes
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request

from jwcrypto import jwe, jwk

from .channel import Channel
from .contract import contract

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
BIN = pathlib.Path(os.environ.get("SIGILLO_BIN", REPOSITORY / "build" / "bin"))
DOCUMENT = {"type": "identity-card", "number": "CA00000AA", "expires": "2049-01-01"}
SLOW = float(os.environ.get("SIGILLO_TEST_SLOWDOWN", "1"))  # sanitizers and busy machines stretch every deadline


def eventually(probe, timeout=15, what="the event"):
    """Polls until `probe` gives something true; the poll is short and the deadline is a failure, never a pass."""
    deadline = time.monotonic() + timeout * SLOW
    while True:
        found = probe()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what} did not come within {timeout * SLOW:.0f} s"
        threading.Event().wait(0.02)  # between two looks; the deadline above is what fails


LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def die_with_the_tests():
    """A test run that is killed (a time-out) leaves no server behind."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def set_key(text, table, key, value):
    """`key = value` in [table]: replaced, else added at its head, else the table is added at the end."""
    line = f"{key} = {json.dumps(value)}"
    lines, inside, header = text.splitlines(), False, None
    for i, old in enumerate(lines):
        if old.strip().startswith("["):
            inside = old.strip().split("#")[0].strip() == f"[{table}]"
            header = i if inside else header
        elif inside and re.match(rf"\s*{re.escape(key)}\s*=", old):
            lines[i] = line
            return "\n".join(lines) + "\n"
    if header is not None:
        lines.insert(header + 1, line)
    else:
        lines += ["", f"[{table}]", line]
    return "\n".join(lines) + "\n"


class Appliance:
    def __init__(self, settings=None):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="sigillo-e2e-"))
        self.directory = self.root / "dev"
        self.port, self.monitor = free_ports(2)
        self.process, self.channels, self.inbox, self.keys = None, {}, {}, {}
        self.environment = {}  # sigillod's, beside that of the tests
        self.log = open(self.root / "sigillod.log", "ab")
        self.sigillo("dev-init", str(self.directory), "--listen", f"127.0.0.1:{self.port}",
                     "--monitor", f"127.0.0.1:{self.monitor}")
        self.configuration = self.directory / "sigillo.toml"
        for name, value in (settings or {}).items():
            self.set(name, value)

    def set(self, name, value):
        table, key = name.rsplit(".", 1)
        self.configuration.write_text(set_key(self.configuration.read_text(), table, key, value))

    def sigillo(self, *arguments, check=True, line=""):
        done = subprocess.run([BIN / "sigillo", *arguments], input=line.encode(), capture_output=True, timeout=120 * SLOW)
        assert not check or done.returncode == 0, f"sigillo {arguments}: {done.returncode}\n{done.stderr.decode()}"
        return done

    def officers(self, *names):
        """The arguments by which the development officers sign; without names both of them."""
        out = []
        for name in names or ("anna", "bruno"):
            key = self.directory / "officers" / name
            out += ["--officer", f"{name}={key}.key", "--password-file", f"{key}.password"]
        return out

    def ask(self, *arguments, check=True, line=""):
        """An officers' command on this appliance: its exit code, and what it says as JSON."""
        done = self.sigillo(*arguments, "--config", str(self.configuration), "--format", "json", check=check, line=line)
        assert done.stdout, (arguments, done.returncode, done.stderr)
        return done.returncode, json.loads(done.stdout)

    def act(self, *arguments, check=True, line=""):
        """The same, signed by both development officers."""
        return self.ask(*arguments, *self.officers(), check=check, line=line)

    def start(self):
        self.process = subprocess.Popen([BIN / "sigillod", "--config", self.configuration], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=self.log, preexec_fn=die_with_the_tests,
                                        env=os.environ | self.environment)
        line, deadline = b"", time.monotonic() + 60 * SLOW
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"sigillod not ready in time:\n{self.log_text()[-3000:]}"
            piece = os.read(self.process.stdout.fileno(), 4096)
            assert piece, f"sigillod ended with {self.process.wait()}:\n{self.log_text()[-3000:]}"
            line += piece
        assert line.count(b"\n") == 1 and b"ready" in line, line
        return self

    def _ended(self):
        for channel in self.channels.values():
            channel.close()
        rest = self.process.stdout.read()
        self.process.stdout.close()
        self.process = None
        return rest

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60 * SLOW)
        rest = self._ended()
        assert code == 0, f"sigillod ended with {code} on SIGTERM:\n{self.log_text()[-3000:]}"
        assert rest == b"", f"more than the ready line on standard output: {rest[:200]}"

    def kill9(self):
        self.process.kill()
        self.process.wait()
        self._ended()

    def restart(self):
        self.stop()
        return self.start()

    def discard(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self._ended()
        self.log.close()
        shutil.rmtree(self.root, ignore_errors=True)

    def metric(self, name):
        """Of /metrics, which no ledger entry tells of; 0 where it is not there."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.monitor}/metrics", timeout=10) as answer:
            found = re.search(rf"^{re.escape(name)} (\S+)$", answer.read().decode(), re.MULTILINE)
        return float(found[1]) if found else 0.0

    def log_text(self):
        """Its log, and first of all whether it died by itself: then every other failure is only that one again."""
        self.log.flush()
        died = self.process and self.process.poll()
        return (f"*** sigillod died: {died}\n" if died else "") + (self.root / "sigillod.log").read_text(errors="replace")

    # Channels
    def channel(self, role):
        """A connection of its own, for a thread."""
        return Channel(self.directory, role, self.port)

    def shared(self, role):
        if role not in self.channels:
            self.channels[role] = self.channel(role)
        return self.channels[role]

    portal = property(lambda self: self.shared("portal"))
    contact_centre = property(lambda self: self.shared("contact-centre"))
    branch = property(lambda self: self.shared("branch"))
    back_office = property(lambda self: self.shared("back-office"))
    auditor = property(lambda self: self.shared("auditor"))

    # Sealed texts
    def open(self, role, sealed):
        if role not in self.keys:
            self.keys[role] = jwk.JWK.from_json((self.directory / "channels" / role / "delivery.jwk").read_text())
        token = jwe.JWE(algs=["ECDH-ES", "A256GCM"])
        token.deserialize(sealed, key=self.keys[role])
        header = token.jose_header
        assert (header["alg"], header["enc"]) == ("ECDH-ES", "A256GCM"), header
        assert header["kid"], header
        text = json.loads(token.payload)
        wrong = contract().errors(contract().component("SealedText"), text)
        assert not wrong, f"sealed text: {wrong}"
        return text

    def lease(self, medium, maximum=100):
        return self.shared(f"courier-{medium}").post("/v1/outbox/leases", {"max": maximum}, status=200)["deliveries"]

    def ack(self, medium, *ids, status="delivered", **more):
        acks = [{"delivery_id": i, "status": status} | more for i in ids]
        return self.shared(f"courier-{medium}").post("/v1/outbox/acks", {"acks": acks}, status=200)["results"]

    def pump(self, medium):
        """The courier's round: lease, open, acknowledge. What came is kept in the inbox of the medium."""
        box = self.inbox.setdefault(medium, {})
        leased = self.lease(medium)
        for delivery in leased:
            text = self.open(f"courier-{medium}", delivery["sealed"])
            assert text["delivery_id"] == delivery["delivery_id"]
            box[delivery["delivery_id"]] = text
        if leased:
            for result in self.ack(medium, *[d["delivery_id"] for d in leased]):
                assert result["result"] == "recorded", result
        return box

    def delivery(self, medium, wanted, timeout=15):
        """Waits for a text that `wanted` takes: a predicate, or a delivery_id."""
        take = wanted if callable(wanted) else lambda text: text["delivery_id"] == wanted
        return eventually(lambda: next((t for t in self.pump(medium).values() if take(t)), None), timeout, f"a {medium} delivery")

    def link(self, identifier, media=("email", "pec")):
        def found():
            for medium in media:
                for text in self.pump(medium).values():
                    if identifier in (text.get("recovery_id"), text.get("revocation_id")):
                        return medium, text
            return None

        return eventually(found, what=f"the link of {identifier}")

    def notices(self, medium, address):
        return [t for t in self.pump(medium).values() if t["kind"] == "notice" and address in json.dumps(t["to"], ensure_ascii=False)]

    # Ways that citizens take
    def halves(self, citizen, issued):
        """Opens both halves of an issued credential into the citizen's hands."""
        citizen.credential_id = issued["credential_id"]
        for item in issued["deliveries"]:
            if item["medium"] in ("voice", "counter"):
                role = "contact-centre" if item["medium"] == "voice" else "branch"
                text = self.open(role, item["sealed"])
            else:
                text = self.delivery(item["medium"], item["delivery_id"])
            pin = text["pin"].replace("-", "")
            if item["half"] == "whole":
                assert len(pin) == 16
                citizen.first, citizen.second = pin[:8], pin[8:]
            else:
                assert len(pin) == 8
                setattr(citizen, item["half"], pin)
        return citizen

    def request(self, citizen, **more):
        body = {"subject": citizen.subject, "contacts": citizen.contacts, "health_card": citizen.health_card} | more
        return self.portal.post("/v1/credentials", body, status=201)

    def provisional(self, citizen, **more):
        return self.halves(citizen, self.request(citizen, **more))

    def activate(self, citizen, **more):
        answer = self.portal.post("/v1/activations", {"subject": citizen.subject, "pin": citizen.whole} | more, status=201)
        assert answer.outcome == "verified"
        citizen.pin = answer.json.get("pin", "")
        return answer

    def active(self, citizen, **more):
        self.provisional(citizen, **more)
        self.activate(citizen)
        return citizen

    def at_branch(self, citizen, operator="op-301", **more):
        body = {"subject": citizen.subject, "contacts": citizen.contacts, "health_card": citizen.health_card,
                "operator": operator, "evidence": {"document": DOCUMENT}} | more
        return self.halves(citizen, self.branch.post("/v1/credentials", body, status=201))

    def status(self, citizen):
        return self.contact_centre.post("/v1/status", {"subject": citizen.subject, "operator": "op-117"}, status=200).json

    def remaining(self, citizen, town):
        """Charges one wrong PIN and says what is left after it."""
        answer = self.portal.verify(citizen.subject, town.pin(other_than=(citizen.pin, citizen.first, citizen.second)))
        assert answer.outcome == "rejected", answer
        return answer["attempts_remaining"]

    def dispositive(self, citizen):
        body = {"subject": citizen.subject, "operator": "op-301", "evidence": {"document": DOCUMENT}}
        assert self.branch.post("/v1/conversions", body, status=201)["state"] == "approved"
        return citizen
