"""Where a verification's time goes: CPU by thread, and by library where perf is there, beside the limit of each phase."""
import json
import re
import shutil
import subprocess
import threading
import time

from machine import BIN, run, threads

ANSWERS = 'sigillo_request_seconds_count{route="POST /v1/verifications"}'
STEPS = ("charge", "anchor", "evaluate", "settle")
# What a thread does, by its name.
THREADS = {
    "io": "I/O: TLS, HTTP, JSON", "hsm-worker": "HSM's worker: two HMACs", "decider": "decider: reading, opening, deciding, sealing",
    "store-writer": "writer: two ledger entries, the row, their commit",
    "store-witness": "witness: hands heads to the anchor, answers after it", "anchor": "anchor: the head written into the token",
    "store-ahead": "buckets checked ahead of their first use", "hsm-deadlines": "deadlines of HSM calls", "housekeeping": "housekeeping",
}


def deltas(before, after, answers):
    return {name: {what: (value - before.get(name, {}).get(what, 0)) / answers for what, value in known.items()}
            for name, known in after.items()}


class Window:
    """The server's threads and its own figures between two moments of a load, and perf's samples of it."""

    def __init__(self, bench, server, mode):
        self.bench, self.server, self.mode = bench, server, mode

    def measure(self, seconds):
        sampled = self.mode == "right" and shutil.which("perf") is not None

        def load():
            self.loaded = self.bench.load(self.server, self.mode, seconds=seconds * (2 if sampled else 1) + 1)

        loading = threading.Thread(target=load)
        loading.start()
        time.sleep(self.bench.warm_up + 0.5)
        pid = self.server.server.pid
        threads_before, metrics_before = threads(pid), self.server.metrics()
        began = time.monotonic()
        time.sleep(seconds)
        threads_after, self.metrics = threads(pid), self.server.metrics()
        self.seconds, self.before = time.monotonic() - began, metrics_before
        # Afterwards, for perf slows what it looks at; of it the shares are taken, and nothing else.
        self.libraries = self.sample(pid, seconds) if sampled else {}
        loading.join()
        route = ANSWERS if self.mode == "right" else 'sigillo_request_seconds_count{route="GET /v1/whoami"}'
        self.answers = max(self.grown(route), 1)
        self.threads = deltas(threads_before, threads_after, self.answers)
        return self

    def grown(self, name):
        return self.metrics.get(name, 0) - self.before.get(name, 0)

    def sample(self, pid, seconds):
        """{(thread, library): share of the samples}; nothing where perf is not there or may not look."""
        data = self.bench.folder / "perf.data"
        try:
            subprocess.run(["perf", "record", "-q", "-F", "999", "-p", str(pid), "-o", str(data), "--", "sleep",
                            f"{seconds:.2f}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, timeout=120)
            shown = subprocess.run(["perf", "report", "-i", str(data), "--stdio", "--sort", "comm,dso", "-t", "|"],
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True, timeout=120).stdout
        except (subprocess.SubprocessError, OSError):
            return {}
        finally:
            data.unlink(missing_ok=True)
        return samples(shown)


def samples(shown):
    """perf report's lines "  12.34%|thread|library"."""
    out = {}
    for line in shown.splitlines():
        found = re.match(r"\s*([\d.]+)%\s*\|([^|]*)\|([^|]*)$", line)
        if found:
            key = (found[2].strip(), library(found[3].strip()))
            out[key] = out.get(key, 0) + float(found[1]) / 100
    return out


def library(file):
    for name, word in (("kernel", "kernel"), ("libcrypto", "libcrypto"), ("libssl", "libssl"), ("libsqlcipher", "SQLCipher"),
                       ("libsofthsm2", "SoftHSM2"), ("sigillod", "sigillod")):
        if name in file:
            return word
    return "C library and others"


def limits_of(bench, noop, anchors):
    """us a verification that each thread's work costs by itself, and how that was measured."""
    known = bench.results.get("limits")
    if not known or "anchor_writes_per_second" not in known:
        known = json.loads(run(BIN / "bench_limits", bench.appliance.folder / "sigillo.toml", bench.folder, bench.seconds / 4))
    io = noop.threads.get("io", {})
    return {"io": (io.get("user", 0) + io.get("system", 0), "the own no-op"),
            "hsm-worker": (2e6 / known["hmac_per_second"], "two bare HMACs"),
            "store-writer": (2e6 / known["appends_by_64_per_second"], "two bare appends, 64 to a commit"),
            "anchor": (anchors * 1e6 / known["anchor_writes_per_second"],
                       f"{anchors:.3f} bare writes and checks of a head")}


def part_phases(bench):
    """where a verification's time goes, by thread and by step, beside the limit of each"""
    seconds = max(bench.seconds / 2, 0.5)
    with bench.appliance.running() as it:
        noop = Window(bench, it, "whoami").measure(seconds)
        bench.warm(it)
        right = Window(bench, it, "right").measure(seconds)
    anchors = right.grown('sigillo_step_seconds_count{step="anchor"}') / right.answers
    limits = limits_of(bench, noop, anchors)
    total = sum(one["user"] + one["system"] for one in right.threads.values())
    out = {"per_second": right.answers / right.seconds, "cpu_us": total, "generator_cpu_us": right.loaded["generator_cpu_us"],
           "answers_per_anchor": 1 / anchors if anchors else 0, "threads": {}, "steps_ms": {}}
    rest = {"user": 0, "system": 0, "waits": 0}
    for name, one in right.threads.items():
        if name not in THREADS:
            rest = {what: value + one[what] for what, value in rest.items()}
            continue
        limit, how = limits.get(name, (None, ""))
        out["threads"][name] = {**one, "limit_us": limit, "limit_is": how}
    out["threads"]["all others"] = {**rest, "limit_us": None, "limit_is": ""}
    for step in STEPS:
        count = right.grown(f'sigillo_step_seconds_count{{step="{step}"}}')
        out["steps_ms"][step] = 1e3 * right.grown(f'sigillo_step_seconds_sum{{step="{step}"}}') / max(count, 1)
    out["libraries"] = [{"thread": thread, "library": name, "us": share * total}
                        for (thread, name), share in sorted(right.libraries.items(), key=lambda one: -one[1])]
    bench.say(text(out))
    return out


def table(header, rows):
    return "\n".join(["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
                     + ["| " + " | ".join(row) + " |" for row in rows])


def text(found):
    lines = []
    for name, one in sorted(found["threads"].items(), key=lambda item: -(item[1]["user"] + item[1]["system"])):
        limit = f"{one['limit_us']:.1f}, {one['limit_is']}" if one.get("limit_us") is not None else "-"
        lines.append([THREADS.get(name, name), f"{one['user'] + one['system']:.1f}", f"{one['user']:.1f}",
                      f"{one['system']:.1f}", f"{one['waits']:.2f}", limit])
    known = sum(one["limit_us"] or 0 for one in found["threads"].values())
    lines.append(["**all of the server's**", f"**{found['cpu_us']:.1f}**", "", "", "", f"{known:.1f}, the sum"])
    lines.append(["the generator, on the same cores", f"{found['generator_cpu_us']:.1f}", "", "", "", ""])
    out = table([f"thread, at {found['per_second']:,.0f} right verifications/s", "CPU us", "user", "system", "waits",
                 "limit of that phase, us"], lines)
    by_thread = {}
    for one in found["libraries"]:
        by_thread.setdefault(one["thread"], {})[one["library"]] = one["us"]
    words = sorted({one["library"] for one in found["libraries"]})
    if words:
        rows = [[thread, *(f"{by[word]:.1f}" if by.get(word, 0) >= 0.05 else "" for word in words)]
                for thread, by in by_thread.items() if sum(by.values()) >= 0.3]
        out += "\n\n" + table(["CPU us by library (perf)", *words], rows)
    steps = [[f"{found['steps_ms'][step]:.2f}" for step in STEPS] + [f"{found['answers_per_anchor']:.1f}"]]
    return out + "\n\n" + table(["ms from the step's begin to its end: charge", "anchor", "evaluate", "settle",
                                 "answers to an anchor"], steps)
