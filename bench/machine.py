"""The programs that are measured: an appliance, the peer, the load. Nothing here decides what is measured."""
import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("SIGILLO_BUILD", ROOT / "build"))
BIN, FAULTS = BUILD / "bin", BUILD / "fault"
TICKS = os.sysconf("SC_CLK_TCK")
# More people than this are written in the order of their rows: at random it would take the better part of an hour.
RANDOM_MAX = 2_000_000

sys.path.insert(0, str(ROOT / "tests" / "fault"))
from control import Control  # noqa: E402, F401  (the shim's; parts take it from here)


class Failed(Exception):
    pass


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run(*command, seconds=600, **more):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=seconds, check=False, **more)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command[:3]))} ... ended with {done.returncode}: {done.stderr.strip()[-400:]}")
    return done.stdout


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mib(pid, which="VmRSS"):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"{which}:\s+(\d+)", status)[1]) / 1024


def threads(pid):
    """Of each thread's name: user and system CPU in microseconds, and how often it waited; threads of one name together."""
    out = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            name, rest = (task / "stat").read_text().split("(", 1)[1].rsplit(")", 1)
            waits = re.search(r"^voluntary_ctxt_switches:\s+(\d+)", (task / "status").read_text(), re.M)[1]
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        fields = rest.split()
        known = out.setdefault(name, {"user": 0, "system": 0, "waits": 0})
        known["user"] += int(fields[11]) * 1e6 / TICKS
        known["system"] += int(fields[12]) * 1e6 / TICKS
        known["waits"] += int(waits)
    return out


def bytes_in(folder):
    return sum(path.stat().st_size for path in pathlib.Path(folder).iterdir() if path.is_file())


def record_format():
    """Changes with what the records, the file and the token look like: an appliance of another shape is filled anew."""
    digest = hashlib.sha256()
    for name in ("appliance/include/appliance/subject_record.hpp", "appliance/include/appliance/registered_contacts.hpp",
                 "appliance/include/appliance/records.hpp",
                 "sealed-store/src/schema.cpp", "sealed-store/src/database.cpp", "provisioning/src/founding.cpp"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()[:16]


@dataclasses.dataclass
class People:
    """As bench_fill and bench_load know them: the first with a definitive PIN, the others with two halves."""
    seed: int
    active: int
    provisional: int


class Server:
    """A program that serves until it is told to stop."""

    def __init__(self, command, log, environment=None):
        self.log = open(log, "ab")
        self.process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=self.log,
                                        env={**os.environ, **(environment or {})})

    @property
    def pid(self):
        return self.process.pid

    def stop(self, seconds=60):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log.close()


class Appliance:
    """A filled development appliance in a folder, and what is known of its people."""

    def __init__(self, folder, active, provisional, seed=1):
        self.folder, self.active, self.provisional, self.seed = pathlib.Path(folder), active, provisional, seed
        self.server = None

    @classmethod
    def of(cls, folder, subjects):
        """One in ten has two halves still, and waits to be activated."""
        return cls(folder / f"appliance-{subjects}", subjects - subjects // 10, subjects // 10)

    @property
    def subjects(self):
        return self.active + self.provisional

    def state(self, **changes):
        """What the walks have used up: a number of wrong guesses a person, each activation once."""
        path = self.folder / "bench.json"
        known = json.loads(path.read_text()) if path.exists() else {"wrong": 0, "issue": 0, "activate": 0, "run": 1}
        if changes:
            known.update(changes)
            path.write_text(json.dumps(known))
        return known

    def worn_out(self):
        known = self.state()
        return known["wrong"] > 6 * self.active or self.provisional - known["activate"] < self.provisional // 4

    def fill(self, say):
        whole = self.folder / "filled"
        wanted = f"{self.active} {self.provisional} {record_format()}"
        if whole.exists() and whole.read_text() == wanted and not self.worn_out():
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        say(f"Filling an appliance with {self.subjects:,} subjects ...")
        self.port, self.monitor = free_port(), free_port()
        run(BIN / "sigillo", "dev-init", self.folder, "--listen", f"127.0.0.1:{self.port}", "--monitor",
            f"127.0.0.1:{self.monitor}")
        config = self.folder / "sigillo.toml"
        # Guesses without delays up to the limit, so that wrong ones can be measured; all else as it comes.
        config.write_text(config.read_text() + "\n[policy.guess]\ndelay_from = 11\n")
        before = bytes_in(self.folder / "store")
        began = time.monotonic()
        order = ["--in-order"] if self.subjects > RANDOM_MAX else []
        run(BIN / "bench_fill", config, "--active", self.active, "--provisional", self.provisional, "--seed", self.seed,
            *order, seconds=7200)
        known = {"fill_seconds": time.monotonic() - began, "bytes": bytes_in(self.folder / "store") - before}
        self.state(**known)
        whole.write_text(wanted)

    def config(self, changes=None):
        """The configuration with other values: {"anchor": {"mode": '"interval"'}}."""
        text = (self.folder / "sigillo.toml").read_text()
        self.port = int(re.search(r'listen = ".*:(\d+)"', text)[1])
        self.monitor = int(re.search(r'monitor = ".*:(\d+)"', text)[1])
        for table, keys in (changes or {}).items():
            for key, value in keys.items():
                line = f"{key} = {value}\n"
                section = re.search(rf"^\[{re.escape(table)}\]\n((?:[^\[].*\n|\n)*)", text, re.M)
                if not section:
                    text += f"\n[{table}]\n{line}"
                elif re.search(rf"^{key} = .*\n", section[1], re.M):
                    changed = re.sub(rf"^{key} = .*\n", lambda _: line, section[0], flags=re.M)
                    text = text[:section.start()] + changed + text[section.end():]
                else:
                    text = text[:section.start()] + f"[{table}]\n{line}" + section[1] + text[section.end():]
        path = self.folder / "bench.toml"
        path.write_text(text)
        return path

    def start(self, changes=None, environment=None):
        """Seconds until it serves."""
        began, log = time.monotonic(), self.folder / "sigillod.log"
        self.log_from = log.stat().st_size if log.exists() else 0
        self.server = Server([BIN / "sigillod", "--config", self.config(changes)], log, environment)
        line = self.server.process.stdout.readline()
        if b"ready" not in line:
            raise Failed(f"the appliance did not start; its log is {self.folder}/sigillod.log")
        return time.monotonic() - began

    @contextlib.contextmanager
    def running(self, changes=None, environment=None):
        self.start(changes, environment)
        try:
            yield self
        finally:
            self.server.stop()

    def metrics(self):
        """What it says of itself: {'sigillo_outcomes_total{outcome="verified"}': 12.0}."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.monitor}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line and line[0] != "#")}

    def idle(self, seconds=20):
        """Its metrics once nothing is under way any more: a load leaves without waiting for its last answers."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = self.metrics()
            if found["sigillo_calls_in_flight"] == 0:
                return found
            time.sleep(0.05)
        raise Failed("the appliance still had calls under way when nobody asked any more")

    def wait_checked(self, seconds=300):
        """Until the store's buckets and lists have been looked through after the start; most of a minute with ten millions."""
        until = time.monotonic() + seconds
        while b"store.checked" not in (self.folder / "sigillod.log").read_bytes()[self.log_from:]:
            if time.monotonic() > until:
                raise Failed("the store was not looked through in time")
            time.sleep(0.1)

    def load(self, mode, connections=64, seconds=5, rate=0, warm_up=1.5):
        known = self.state()
        channel = self.folder / "channels" / "portal"
        first = {"issue": known["issue"], "activate": known["activate"], "wrong": known["wrong"],
                 "unknown": known["wrong"]}.get(mode, known["run"] * 1_000_003)
        before = cpu_seconds(self.server.pid)
        # Whoever was activated has no halves any more.
        gone = known["activate"] if mode == "provisional" else 0
        out = load(mode, self.port, self.folder / "ca.pem", People(self.seed, self.active + gone, self.provisional - gone),
                   connections, seconds, rate, warm_up,
                   "--cert", channel / "cert.pem", "--key", channel / "key.pem", "--first", first, "--run", known["run"])
        out["server_cpu_us"] = (cpu_seconds(self.server.pid) - before) * 1e6 / max(out["asked"], 1)
        used = {mode: known[mode] + out["asked"]} if mode in ("issue", "activate", "wrong") else {}
        self.state(run=known["run"] + 1, **used)
        return out


def load(mode, port, ca, people, connections, seconds, rate, warm_up, *more):
    command = [BIN / "bench_load", mode, "--port", port, "--ca", ca, "--connections", connections, "--seconds", seconds,
               "--warm-up", warm_up, "--rate", rate, "--seed", people.seed, "--active", people.active, "--provisional",
               people.provisional, *more]
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=seconds + warm_up + 120, check=False)
    if not done.stdout:
        raise Failed(f"the load \"{mode}\" ended with {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)
