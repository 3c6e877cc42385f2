"""./bench/run: the figures of docs/PERFORMANCE.md, each part by itself or all in one go."""
import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys
import time

import report
from machine import ROOT, Appliance, Failed
from parts import MILLION, PARTS
from peer import Peer

QUICK = 50_000


class Bench:
    """What the parts share: the appliance, the peer, how long to measure, and where what was found is kept."""

    def __init__(self, arguments):
        self.quick = arguments.quick
        self.subjects = arguments.subjects or (QUICK if self.quick else MILLION)
        self.seconds = arguments.seconds or (1.2 if self.quick else 8)
        self.warm_up = min(1.5, self.seconds / 4)
        self.folder = pathlib.Path(arguments.folder).resolve()
        self.appliance = Appliance.of(self.folder, self.subjects)
        self.peer = Peer(self.folder / f"peer-{self.subjects}", self.appliance)
        self.results_file = self.folder / f"results-{self.subjects}.json"
        self.results = self.kept()

    def kept(self):
        return json.loads(self.results_file.read_text()) if self.results_file.exists() else {}

    @staticmethod
    def say(words):
        print(words, flush=True)

    def figures(self, out):
        for name, value in out.items():
            self.say(f"  {name:<40}{value:>14,.2f}")
        return out

    def keep(self, part, found, took):
        found["measured"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        found["took_seconds"] = round(took, 1)
        found["commit"] = machine()["commit"]
        # Of another run as well, which may have measured other parts meanwhile.
        self.results = {name: known for name, known in self.kept().items() if name in PARTS}
        self.results.update({part: found, "machine": machine(), "subjects": self.subjects})
        self.results_file.write_text(json.dumps(self.results, indent=1, sort_keys=True) + "\n")

    def warm(self, server):
        """As it is some while after a start: the buckets checked that a start leaves for later, pages in the caches."""
        server.wait_checked()
        server.load("right", 64, self.seconds / 2, warm_up=0)

    def load(self, server, mode, connections=64, seconds=None, warm_up=None, **more):
        out = server.load(mode, connections, self.seconds if seconds is None else seconds,
                          warm_up=self.warm_up if warm_up is None else warm_up, **more)
        name = mode + (f" at {more['rate']:.0f}/s" if more.get("rate") else "")
        trouble = f"   UNEXPECTED {out['unexpected']}: {out['sample'][-120:]}" if out["unexpected"] else ""
        self.say(f"  {name:<24}{connections:>4} connections {out['per_second']:>9,.0f}/s   p50 {out['p50_us'] / 1e3:7.2f} ms   "
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


def others(bench):
    """What was measured with other numbers of subjects: {subjects: results}."""
    out = {}
    for file in bench.folder.glob("results-*.json"):
        known = json.loads(file.read_text())
        out[known.get("subjects", 0)] = known
    return out | {bench.subjects: bench.results}


def arguments():
    parser = argparse.ArgumentParser(prog="bench/run", formatter_class=argparse.RawDescriptionHelpFormatter, epilog="parts:\n"
                                     + "\n".join(f"  {name:<10}{part.__doc__}" for name, part in PARTS.items()))
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} subjects and short measurements: under two minutes")
    parser.add_argument("--subjects", type=int, help=f"how many subjects ({MILLION:,})")
    parser.add_argument("--seconds", type=float, help="how long each load is measured (8, quick 1.2)")
    parser.add_argument("--only", action="append", choices=list(PARTS), metavar="PART",
                        help="this part alone (again for more); what was measured before is kept")
    parser.add_argument("--folder", default=str(ROOT / "var" / "bench"), help="where appliances and results are kept")
    parser.add_argument("--fill", action="store_true", help="fill what is to be measured, and measure nothing")
    parser.add_argument("--write-docs", action="store_true", help="put table and plots into docs/PERFORMANCE.md")
    parser.add_argument("--report", action="store_true", help="measure nothing, show what was measured before")
    return parser.parse_args()


def own_cpu():
    """Seconds of CPU of this process and of all that it started and that have ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def machine_busy():
    """Seconds of CPU that anybody used, or that another machine took, on all cores."""
    fields = [int(field) for field in open("/proc/stat", encoding="ascii").readline().split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def measure(bench, names):
    for name in names:
        bench.say(f"{name}: {PARTS[name].__doc__}")
        began, busy, ours = time.monotonic(), machine_busy(), own_cpu()
        found = PARTS[name](bench)
        took = time.monotonic() - began
        # What it measured is worth less, the more of the machine was somebody else's meanwhile.
        shared = (machine_busy() - busy - (own_cpu() - ours)) / took / os.cpu_count()
        found["others_percent"] = round(100 * max(shared, 0))
        bench.keep(name, found, took)


def main():
    given = arguments()
    bench = Bench(given)
    bench.folder.mkdir(parents=True, exist_ok=True)
    try:
        if not given.report:
            bench.appliance.fill(bench.say)
        if given.fill:
            bench.peer.fill(bench.say)
            return
        if not given.report:
            measure(bench, given.only or PARTS)
    except Failed as failure:
        sys.exit(f"bench: {failure}")
    bench.say("\n" + report.text(bench.results, others(bench)))
    if given.write_docs:
        report.write_docs(bench.results, others(bench))


if __name__ == "__main__":
    main()
