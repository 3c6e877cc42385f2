"""./bench/run: the figures of docs/PERFORMANCE.md, each part by itself or all in one go."""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

import report
from machine import BIN, ROOT, Appliance, Failed, bytes_in, memory_mib, run
from peer import Peer


def say(text):
    print(text, flush=True)


class Bench:
    def __init__(self, arguments):
        self.quick = arguments.quick
        self.subjects = arguments.subjects or (50_000 if self.quick else 1_000_000)
        self.seconds = 2 if self.quick else 8
        self.folder = pathlib.Path(arguments.folder).resolve()
        provisional = self.subjects // 10
        name = f"appliance-{self.subjects}"
        self.appliance = Appliance(self.folder / name, self.subjects - provisional, provisional)
        self.peer = Peer(self.folder / f"peer-{self.subjects}", self.appliance)
        self.results_file = self.folder / f"results-{self.subjects}.json"
        self.results = json.loads(self.results_file.read_text()) if self.results_file.exists() else {}

    def keep(self, part, figures):
        figures["measured"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.results[part] = figures
        self.results["machine"] = machine()
        self.results["subjects"] = self.subjects
        self.results_file.write_text(json.dumps(self.results, indent=1, sort_keys=True) + "\n")

    def load(self, server, mode, connections=64, **more):
        out = server.load(mode, connections, more.pop("seconds", self.seconds), **more)
        name = mode + (f" at {more['rate']:.0f}/s" if more.get("rate") else "")
        trouble = f"   UNEXPECTED {out['unexpected']}: {out['sample'][-120:]}" if out["unexpected"] else ""
        say(f"  {name:<24}{connections:>4} connections {out['per_second']:>9,.0f}/s   p50 {out['p50_us'] / 1e3:7.2f} ms   "
            f"p99 {out['p99_us'] / 1e3:7.2f} ms   p99.9 {out['p999_us'] / 1e3:7.2f} ms{trouble}")
        return out


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="ascii", errors="replace")
                  if line.startswith("model name")), "unknown")
    memory = next(int(line.split()[1]) for line in open("/proc/meminfo", encoding="ascii") if line.startswith("MemTotal"))
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], stdout=subprocess.PIPE, text=True,
                            stderr=subprocess.DEVNULL, check=False).stdout.strip()
    return {"cpu": model, "cores": os.cpu_count(), "memory_gib": round(memory / 2**20, 1), "kernel": os.uname().release,
            "commit": commit}


def part_limits(bench):
    """what this machine can do at all: bare HMACs, bare grouped appends"""
    out = json.loads(run(BIN / "bench_limits", bench.appliance.folder / "sigillo.toml", bench.folder,
                         1 if bench.quick else 3))
    for name, value in out.items():
        say(f"  {name:<32}{value:>12,.0f}")
    return out


CONNECTIONS = (1, 8, 64, 256)


def part_verify(bench):
    """the own no-op, right and wrong verifications, at 1, 8, 64 and 256 connections"""
    out = {}
    with bench.appliance.running() as it:
        for mode in ("whoami", "right", "wrong"):
            for connections in CONNECTIONS:
                out[f"{mode}-{connections}"] = bench.load(it, mode, connections)
    return out


def part_peer(bench):
    """OpenLDAP's right and wrong binds"""
    bench.peer.fill(say)
    with bench.peer.running() as it:
        return {mode: bench.load(it, mode) for mode in ("ldap-right", "ldap-wrong")}


def part_latency(bench):
    """open loop at a part of the top rate"""
    out = {}
    with bench.appliance.running() as it:
        for mode in ("right", "wrong"):
            top = bench.load(it, mode)["per_second"]
            for share in (0.25, 0.5, 0.75):
                out[f"{mode}-{share}"] = bench.load(it, mode, rate=top * share)
    return out


def part_write(bench):
    """requests, activations, right provisional PINs"""
    with bench.appliance.running() as it:
        return {mode: bench.load(it, mode, seconds=bench.seconds / 2) for mode in ("provisional", "activate", "issue")}


def part_connect(bench):
    """new connections: a full mutual handshake and one no-op on each"""
    with bench.appliance.running() as it:
        return {str(connections): bench.load(it, "connect", connections) for connections in (1, 16)}


def part_options(bench):
    """what strict anchoring and receipts cost"""
    out = {"right-strict": [], "right-interval": []}
    # In turn, because a shared machine changes its mind.
    for _ in range(1 if bench.quick else 2):
        with bench.appliance.running() as it:
            out["right-strict"].append(bench.load(it, "right"))
            out["receipt"] = bench.load(it, "receipt")
        for interval in ("1s",):
            with bench.appliance.running({"anchor": {"mode": '"interval"', "interval": f'"{interval}"'}}) as it:
                out["right-interval"].append(bench.load(it, "right"))
    return {name: value if isinstance(value, dict) else max(value, key=lambda one: one["per_second"])
            for name, value in out.items()}


def part_start(bench):
    """start-up time, memory, disk"""
    starts = []
    for _ in range(1 if bench.quick else 3):
        starts.append(bench.appliance.start())
        idle = memory_mib(bench.appliance.server.pid)
        bench.appliance.server.stop()
    with bench.appliance.running() as it:
        bench.load(it, "right", seconds=2 * bench.seconds)
        used = memory_mib(it.server.pid)
    known = bench.appliance.state()
    out = {"start_seconds": statistics.median(starts), "memory_idle_mib": idle, "memory_used_mib": used,
           "disk_bytes_per_subject": known["bytes"] / bench.subjects, "fill_seconds": known["fill_seconds"],
           "store_bytes_now": bytes_in(bench.appliance.folder / "store")}
    for name, value in out.items():
        say(f"  {name:<32}{value:>12,.2f}")
    return out


PARTS = {"limits": part_limits, "verify": part_verify, "peer": part_peer, "latency": part_latency, "options": part_options,
         "write": part_write, "connect": part_connect, "start": part_start}


def arguments():
    parser = argparse.ArgumentParser(prog="bench/run", formatter_class=argparse.RawDescriptionHelpFormatter, epilog="parts:\n"
                                     + "\n".join(f"  {name:<10}{part.__doc__}" for name, part in PARTS.items()))
    parser.add_argument("--quick", action="store_true", help="50,000 subjects and short measurements: under two minutes")
    parser.add_argument("--subjects", type=int, help="how many subjects (1,000,000)")
    parser.add_argument("--only", action="append", choices=list(PARTS), metavar="PART",
                        help="this part alone (again for more); what was measured before is kept")
    parser.add_argument("--folder", default=str(ROOT / "var" / "bench"), help="where appliances and results are kept")
    parser.add_argument("--write-docs", action="store_true", help="put table and plots into docs/PERFORMANCE.md")
    parser.add_argument("--report", action="store_true", help="measure nothing, show what was measured before")
    return parser.parse_args()


def main():
    given = arguments()
    bench = Bench(given)
    bench.folder.mkdir(parents=True, exist_ok=True)
    try:
        if not given.report:
            bench.appliance.fill(say)
            for name in given.only or PARTS:
                say(f"{name}: {PARTS[name].__doc__}")
                bench.keep(name, PARTS[name](bench))
    except Failed as failure:
        sys.exit(f"bench: {failure}")
    say("\n" + report.text(bench.results))
    if given.write_docs:
        report.write_docs(bench.folder, bench.results)


if __name__ == "__main__":
    main()
