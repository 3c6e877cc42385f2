"""The results as a table, beside the bars; as plots; and both in docs/PERFORMANCE.md."""
import json
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


def rate(results, part, name):
    return results[part][name]["per_second"]


# What, the bar, the hope, the figure; above the bar is good, or below it.
BARS = [
    ("wrong verifications / slapd's wrong binds, 64 connections", 5, 10, True,
     lambda r: rate(r, "verify", "wrong-64") / rate(r, "peer", "ldap-wrong")),
    ("right verifications / slapd's right binds, 64 connections", 1.2, 2.5, True,
     lambda r: rate(r, "verify", "right-64") / rate(r, "peer", "ldap-right")),
    ("right verifications / own no-op, 64 connections", 0.3, 0.6, True,
     lambda r: rate(r, "verify", "right-64") / rate(r, "verify", "whoami-64")),
    ("right verifications / what their two HSM calls alone reach", 0.5, 0.8, True,
     lambda r: rate(r, "verify", "right-64") / (r["limits"]["hmac_per_second"] / 2)),
    ("p99 at half of the top rate, right, ms", 5, 2, False, lambda r: r["latency"]["right-0.5"]["p99_us"] / 1e3),
    ("p99 at half of the top rate, wrong, ms", 5, 2, False, lambda r: r["latency"]["wrong-0.5"]["p99_us"] / 1e3),
    ("cost of strict anchoring against interval, %", 40, 15, False,
     lambda r: 100 * (1 - rate(r, "options", "right-strict") / rate(r, "options", "right-interval"))),
    ("disk, bytes a subject", 700, 450, False, lambda r: r["start"]["disk_bytes_per_subject"]),
]


def ratios(results):
    for what, bar, hope, above, figure in BARS:
        try:
            value = figure(results)
        except KeyError:
            continue
        good = value >= bar if above else value <= bar
        best = value >= hope if above else value <= hope
        yield what, bar, hope, value, "hope" if best else "bar" if good else "MISSED"


def loads(results):
    for part in ("verify", "latency", "options", "write", "connect", "peer"):
        for name, figure in results.get(part, {}).items():
            if isinstance(figure, dict):
                yield part, name, figure


def table(rows, header):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def text(results):
    out = []
    machine = results.get("machine", {})
    out.append(f"{results.get('subjects', 0):,} subjects; {machine.get('cpu')}, {machine.get('cores')} cores, "
               f"{machine.get('memory_gib')} GiB, Linux {machine.get('kernel')}; commit {machine.get('commit')}")
    out.append(table([[what, f"{bar:g}", f"{hope:g}", f"{value:.2f}", word]
                      for what, bar, hope, value, word in ratios(results)], ["ratio", "bar", "hope", "measured", "reached"]))
    out.append(table(
        [[f"{figure['mode']}" + (f" at {figure['rate_asked']:,.0f}/s" if figure["rate_asked"] else ""), name,
          f"{figure['connections']}", f"{figure['per_second']:,.0f}", f"{figure['p50_us'] / 1e3:.2f}",
          f"{figure['p99_us'] / 1e3:.2f}", f"{figure['p999_us'] / 1e3:.2f}",
          f"{figure['server_cpu_us']:.0f}" if "server_cpu_us" in figure else "", f"{figure['generator_cpu_us']:.0f}"]
         for _, name, figure in loads(results)],
        ["load", "part", "connections", "per second", "p50 ms", "p99 ms", "p99.9 ms", "server CPU us", "generator CPU us"]))
    single = [[name.replace("_", " "), f"{value:,.1f}"] for part in ("limits", "start")
              for name, value in results.get(part, {}).items() if isinstance(value, (int, float))]
    out.append(table(single, ["figure", "value"]))
    return "\n\n".join(out)


def plots(results, folder):
    import matplotlib
    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "sigillo"
    from matplotlib import pyplot
    folder.mkdir(parents=True, exist_ok=True)
    made = []

    def save(figure, name, title):
        figure.tight_layout()
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
        pyplot.close(figure)
        made.append((name, title))

    verify = results.get("verify", {})
    if verify:
        figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.4))
        for mode, word in (("right", "right PIN"), ("wrong", "wrong PIN")):
            some = [(one["connections"], one["per_second"], one["p99_us"] / 1e3) for name, one in verify.items()
                    if name.startswith(mode + "-")] if verify else []
            some.sort()
            left.plot([c for c, _, _ in some], [r for _, r, _ in some], marker="o", label=word)
            right.plot([c for c, _, _ in some], [p for _, _, p in some], marker="o", label=word)
        for name, one in results.get("peer", {}).items():
            if isinstance(one, dict):
                left.plot([one["connections"]], [one["per_second"]], marker="s", linestyle="", label=f"slapd, {name[5:]} bind")
        for axes, what in ((left, "verifications a second"), (right, "p99, ms")):
            axes.set_xscale("log", base=2)
            axes.set_xlabel("connections")
            axes.set_ylabel(what)
            axes.set_ylim(bottom=0)
            axes.grid(alpha=0.3)
            axes.legend(fontsize=8)
        save(figure, "verify", "Verifications a second, and their p99, by connections")
    if results.get("latency"):
        figure, axes = pyplot.subplots(figsize=(6, 3.2))
        for mode in ("right", "wrong"):
            some = sorted((one["rate_asked"], one) for name, one in results["latency"].items()
                          if name.startswith(mode + "-") and isinstance(one, dict))
            for quantile in ("p50", "p99", "p999"):
                axes.plot([r for r, _ in some], [one[f"{quantile}_us"] / 1e3 for _, one in some], marker="o",
                          label=f"{mode}, {quantile.replace('999', '99.9')}")
        axes.set_xlabel("verifications a second, open loop")
        axes.set_ylabel("ms")
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
        save(figure, "latency", "Latency from the intended start, by rate")
    return made


def write_docs(folder, results):
    """Between the two marks of docs/PERFORMANCE.md; the words around them are a person's."""
    made = plots(results, DOCS / "performance")
    (DOCS / "performance" / "results.json").write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    images = "\n\n".join(f"![{title}](performance/{name}.svg)" for name, title in made)
    page = DOCS / "PERFORMANCE.md"
    before, after = re.split(r"<!-- bench/run begins -->.*<!-- bench/run ends -->", page.read_text(), flags=re.S)
    page.write_text(f"{before}<!-- bench/run begins -->\n{text(results)}\n\n{images}\n<!-- bench/run ends -->{after}")
