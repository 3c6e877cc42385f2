"""The plots of docs/PERFORMANCE.md: SVG, of the same bytes for the same figures."""


def draw(results, sizes, folder):
    """[(file's name, title)] of what was drawn into `folder`."""
    import matplotlib
    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "sigillo", "svg.fonttype": "none", "font.size": 9})
    from matplotlib import pyplot
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for name, title, fill in (("verify", "Verifications a second, and their p99, by connections", by_connections),
                              ("latency", "Latency from the intended start, open loop, by rate", by_rate),
                              ("sizes", "Start and memory by number of subjects", by_subjects)):
        figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.4))
        if fill(axes, results, sizes):
            for one in axes:
                one.set_ylim(bottom=0)
                one.grid(alpha=0.3)
                one.legend(fontsize=8)
            figure.tight_layout()
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
            made.append((name, title))
        pyplot.close(figure)
    return made


def by_connections(axes, results, _):
    if "verify" not in results:
        return False
    for mode, word in (("right", "right PIN"), ("wrong", "wrong PIN")):
        some = sorted((one["connections"], one["per_second"], one["p99_us"] / 1e3)
                      for name, one in results["verify"].items() if name.startswith(mode + "-"))
        axes[0].plot([c for c, _, _ in some], [r for _, r, _ in some], marker="o", label=word)
        axes[1].plot([c for c, _, _ in some], [p for _, _, p in some], marker="o", label=word)
    for one in results.get("peer", {}).values():
        if isinstance(one, dict):
            for axis, value in ((axes[0], one["per_second"]), (axes[1], one["p99_us"] / 1e3)):
                axis.plot([one["connections"]], [value], marker="s", linestyle="", label=f"slapd, {one['mode'][5:]} bind")
    for axis, what in zip(axes, ("verifications a second", "p99, ms")):
        axis.set_xscale("log", base=2)
        axis.set_xticks([1, 8, 64, 256], ["1", "8", "64", "256"])
        axis.set_xlabel("connections")
        axis.set_ylabel(what)
    return True


def by_rate(axes, results, _):
    if "latency" not in results:
        return False
    for axis, mode in zip(axes, ("right", "wrong")):
        some = sorted((one["rate_asked"], one["p50_us"], one["p99_us"], one["p999_us"])
                      for name, one in results["latency"].items() if name.startswith(mode + "-"))
        for place, word in ((1, "p50"), (2, "p99"), (3, "p99.9")):
            axis.plot([one[0] for one in some], [one[place] / 1e3 for one in some], marker="o", label=word)
        axis.set_xlabel(f"{mode} verifications a second")
        axis.set_ylabel("ms")
    return True


def by_subjects(axes, _, sizes):
    if len(sizes) < 2:
        return False
    subjects = [one["subjects"] for one in sizes]
    axes[0].plot(subjects, [one["start_seconds"] for one in sizes], marker="o", label="until it serves")
    axes[0].set_ylabel("seconds")
    for name, word in (("memory_idle_mib", "after the start"), ("memory_used_mib", "at work"), ("memory_most_mib", "at most")):
        axes[1].plot(subjects, [one[name] for one in sizes], marker="o", label=word)
    axes[1].set_ylabel("MiB")
    for axis in axes:
        axis.set_xscale("log")
        axis.set_xlabel("subjects")
    return True
