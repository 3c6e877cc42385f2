"""The results as tables, beside the bars; and in docs/PERFORMANCE.md with their plots."""
import json
import pathlib
import re
import statistics

import phases
import plots
from phases import table

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
TEN_MILLIONS = 10_000_000


def rate(results, part, name):
    return results[part][name]["per_second"]


def in_turn(r, name, other):
    """The ratios of the rounds: a machine that was slower for a minute was so for both."""
    rates = r["turns"]["rates"]
    return [one / beside for one, beside in zip(rates[name], rates[other], strict=True)]


def compared(r, name, other):
    return statistics.median(in_turn(r, name, other))


def right(r):
    return statistics.median(r["turns"]["rates"]["right"])


def size(all_, subjects):
    return {one["subjects"]: one for one in sizes(all_)}[subjects]


def network(latency_ms, sessions):
    return lambda r, all_: r["network"][f"network-{latency_ms}ms-{sessions}"]["share"]


# What, the bar, the hope, whether more is better, the figure of (these results, those of every number of subjects).
BARS = [
    ("wrong verifications / slapd's wrong binds, 64 connections", 5, 10, True,
     lambda r, all_: compared(r, "wrong", "ldap-wrong")),
    ("right verifications / slapd's right binds, 64 connections", 1.2, 2.5, True,
     lambda r, all_: compared(r, "right", "ldap-right")),
    ("right verifications / own no-op, 64 connections", 0.3, 0.6, True,
     lambda r, all_: compared(r, "right", "whoami")),
    ("right verifications / what their two HSM calls alone reach, bare on the module", 0.5, 0.8, True,
     lambda r, all_: right(r) / (r["limits"]["hmac_per_second"] / 2)),
    ("the same, the calls made as the appliance makes them (not the bar)", None, None, True,
     lambda r, all_: right(r) / r["limits"]["pairs_by_dispatcher_per_second"]),
    ("p99 at half of the top rate, right, open loop, ms", 5, 2, False,
     lambda r, all_: r["latency"]["right-0.5"]["p99_us"] / 1e3),
    ("p99 at half of the top rate, wrong, open loop, ms", 5, 2, False,
     lambda r, all_: r["latency"]["wrong-0.5"]["p99_us"] / 1e3),
    ("cost of strict anchoring against interval, 64 connections, %", 40, 15, False,
     lambda r, all_: 100 * (1 - rate(r, "options", "right-strict") / rate(r, "options", "right-interval"))),
    ("right verifications at 10,000,000 subjects / at 1,000,000", 0.8, 0.95, True,
     lambda r, all_: compared(all_[TEN_MILLIONS], "right", "right-million")),
    ("HSM calls a verification (8 characters, no receipt)", 2, 2, False,
     lambda r, all_: round(r["hsm"]["hsm_calls_per_verification"], 2)),
    ("memory at 10,000,000 subjects, MiB", 512, 256, False,
     lambda r, all_: size(all_, TEN_MILLIONS)["memory_most_mib"]),
    ("disk, bytes a subject", 700, 450, False,
     lambda r, all_: size(all_, r["subjects"])["disk_bytes_per_subject"]),
    *[(f"network HSM, {sessions} sessions of {latency} ms: share of sessions / (latency x calls)", 0.8, 0.9, True,
       network(latency, sessions)) for latency in (1, 5) for sessions in (8, 32)],
]


def ratios(results, all_):
    for what, bar, hope, more, figure in BARS:
        try:
            value = figure(results, all_)
        except KeyError:
            yield what, bar, hope, None, "not measured"
            continue
        if bar is None:
            yield what, bar, hope, value, ""
            continue
        reached = [value >= goal if more else value <= goal for goal in (bar, hope)]
        yield what, bar, hope, value, "hope" if reached[1] else "bar" if reached[0] else "MISSED"


KEPT_BESIDE = ("took_seconds", "others_percent")
LOADS = ("verify", "peer", "latency", "options", "write", "connect", "network")


def loads(results):
    for part in LOADS:
        for name, figure in results.get(part, {}).items():
            if isinstance(figure, dict):
                yield name, figure


def number(value):
    return "" if value is None else f"{value:g}"


def machine_of(results):
    machine = results.get("machine", {})
    return (f"{results.get('subjects', 0):,} subjects; {machine.get('cpu')}, {machine.get('cores')} cores, "
            f"{machine.get('memory_gib')} GiB, Linux {machine.get('kernel')}\n\nMeasured: {conditions(results)}.")


def conditions(results):
    """Of each part the commit, the day, and how much of the machine others used: --only leaves the other parts as they were."""
    parts = {}
    for name, found in results.items():
        if isinstance(found, dict) and "measured" in found:
            others = found.get("others_percent")
            how = "" if others is None else ", quiet" if others < 10 else f", others used {others} % of the machine"
            parts.setdefault(f"{found['commit']}, {found['measured'][:10]}{how}", []).append(name)
    return "; ".join(f"{', '.join(sorted(names))} ({how})" for how, names in sorted(parts.items()))


def load_rows(results):
    order = {"right": 1, "wrong": 2}
    key = lambda one: (one[1]["mode"] in order, one[1]["mode"], one[1]["rate_asked"], one[1]["connections"])  # noqa: E731
    for name, figure in sorted(loads(results), key=key):
        yield [figure["mode"] + (f" at {figure['rate_asked']:,.0f}/s" if figure["rate_asked"] else ""), name,
               f"{figure['connections']}", f"{figure['per_second']:,.0f}", f"{figure['p50_us'] / 1e3:.2f}",
               f"{figure['p99_us'] / 1e3:.2f}", f"{figure['p999_us'] / 1e3:.2f}",
               f"{figure['server_cpu_us']:.0f}" if "server_cpu_us" in figure else "", f"{figure['generator_cpu_us']:.0f}"]


COMPARED = (("wrong", "ldap-wrong"), ("right", "ldap-right"), ("right", "whoami"), ("right", "right-million"))


def turn_rows(all_):
    """How far the rounds of each comparison lie apart."""
    for subjects, results in sorted(all_.items()):
        rates = results.get("turns", {}).get("rates", {})
        for name, other in COMPARED:
            if name in rates and other in rates:
                found = in_turn(results, name, other)
                yield [f"{name} / {other}", f"{subjects:,}", f"{len(found)}", f"{statistics.median(rates[name]):,.0f}",
                       f"{statistics.median(rates[other]):,.0f}", f"{min(found):.2f}", f"{compared(results, name, other):.2f}",
                       f"{max(found):.2f}"]


def window_rows(results):
    """How far the windows lie apart of which the table of loads has the middle one."""
    for name, figure in sorted(results.get("latency", {}).items()):
        if isinstance(figure, dict) and "p99s_us" in figure:
            yield [name, *(f"{p99 / 1e3:.2f}" for p99 in (figure["p99s_us"][0], figure["p99_us"], figure["p99s_us"][-1]))]


def sizes(all_):
    """Every size that was measured with any number of subjects; the run of its own size has the last word."""
    found = {}
    for subjects, results in sorted(all_.items()):
        for one in results.get("sizes", {}).values():
            if isinstance(one, dict) and (one["subjects"] not in found or one["subjects"] == subjects):
                found[one["subjects"]] = one
    return [one for _, one in sorted(found.items())]


def costs(results, all_):
    """What the promises cost: strict anchoring, receipts, freshness."""
    options, micro = results.get("options", {}), results.get("micro", {})
    rows = []
    if options:
        strict, interval, receipt = (rate(results, "options", name) for name in ("right-strict", "right-interval", "receipt"))
        rows += [["strict anchoring against `interval`", f"{1e6 / strict - 1e6 / interval:.1f} us a verification at full load"],
                 ["a receipt, one ECDSA more", f"{1e6 / receipt - 1e6 / strict:.1f} us a verification at full load"]]
    try:
        print_us = micro["row_fingerprint"]
        rows += [["freshness, a row's read", f"{print_us:.1f} us of {micro['row_read_hot']:.1f} (one fingerprint)"],
                 ["freshness, a row's change", f"{2 * print_us:.1f} us (two fingerprints)"],
                 ["freshness, a start", f"{(micro['store_open'] - micro['file_open']) / 1e3:.1f} ms of "
                                        f"{micro['store_open'] / 1e3:.1f} (65,536 buckets, head and counters with them)"]]
    except KeyError:
        pass
    known = [one for one in sizes(all_) if one["subjects"] >= 5_000]
    if len(known) > 1:
        small, large = known[0], known[-1]
        grown = (large["memory_used_mib"] - small["memory_used_mib"]) * 2**20 / (large["subjects"] - small["subjects"])
        rows.append(["freshness and all else that grows with the subjects, memory", f"{grown:.0f} B a subject"])
    return rows


def text(results, all_):
    out = [machine_of(results)]
    out.append(table(["ratio", "bar", "hope", "measured", "reached"],
                     [[what, number(bar), number(hope), "" if value is None else f"{value:.2f}", word]
                      for what, bar, hope, value, word in ratios(results, all_)]))
    if turns := list(turn_rows(all_)):
        out.append(table(["in turn", "subjects", "rounds", "per second", "the other's", "lowest ratio", "median", "highest"], turns))
    out.append(table(["load", "figure", "connections", "per second", "p50 ms", "p99 ms", "p99.9 ms", "server CPU us",
                      "generator CPU us"], load_rows(results)))
    if windows := list(window_rows(results)):
        out.append(table(["open loop, p99 ms of the windows", "lowest", "median", "highest"], windows))
    known = sizes(all_)
    if known:
        out.append(table(["subjects", "start, s", "memory after it, MiB", "at work, MiB", "at most, MiB", "buckets checked, s",
                          "disk, B a subject"],
                         [[f"{one['subjects']:,}", f"{one['start_seconds']:.2f}", f"{one['memory_idle_mib']:.0f}",
                           f"{one['memory_used_mib']:.0f}", f"{one['memory_most_mib']:.0f}", f"{one.get('checked_seconds', 0):.1f}",
                           f"{one['disk_bytes_per_subject']:.0f}"] for one in known]))
    single = [[name.replace("_", " "), f"{value:,.2f}"] for part in ("limits", "hsm", "syncs")
              for name, value in results.get(part, {}).items()
              if isinstance(value, (int, float)) and name not in KEPT_BESIDE]
    if single:
        out.append(table(["figure", "value"], single))
    if costs(results, all_):
        out.append(table(["what it costs", ""], costs(results, all_)))
    if "phases" in results:
        out.append(phases.text(results["phases"]))
    micro = [[name.replace("_", " "), f"{value:,.2f}"] for name, value in results.get("micro", {}).items()
             if isinstance(value, (int, float)) and name not in KEPT_BESIDE]
    if micro:
        out.append(table(["part, by itself (Google Benchmark)", "us"], micro))
    return "\n\n".join(out)


def write_docs(results, all_):
    """Between the two marks of docs/PERFORMANCE.md; the words around them are a person's."""
    made = plots.draw(results, sizes(all_), DOCS / "performance")
    kept = {str(subjects): known for subjects, known in sorted(all_.items()) if subjects >= results["subjects"]}
    (DOCS / "performance" / "results.json").write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    images = "\n\n".join(f"![{title}](performance/{name}.svg)" for name, title in made)
    page = DOCS / "PERFORMANCE.md"
    before, after = re.split(r"<!-- bench/run begins -->.*<!-- bench/run ends -->", page.read_text(), flags=re.S)
    page.write_text(f"{before}<!-- bench/run begins -->\n{text(results, all_)}\n\n{images}\n<!-- bench/run ends -->{after}")
