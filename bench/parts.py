"""The parts of the bench: what each of them measures. main.py runs them, report.py judges what they found."""
import contextlib
import json
import pathlib
import re
import statistics
import subprocess
import time

import phases
from machine import (BIN, FAULTS, Appliance, Control, Failed, bytes_in, memory_mib, run)

CONNECTIONS = (1, 8, 64, 256)
# More than are under way while each place in the device is taken: 16,000/s of which each takes 20 ms, 2 of them in the
# device, are 320 (Little's law).
NETWORK_CONNECTIONS = 512
MILLION = 1_000_000
HANDSHAKES = 'sigillo_tls_handshakes_total{result="good"}'
EVALUATED = 'sigillo_step_seconds_count{step="evaluate"}'
ANCHORS = 'sigillo_step_seconds_count{step="anchor"}'


def part_limits(bench):
    """what this machine can do at all: bare HMACs, bare grouped appends, bare data objects"""
    return bench.figures(json.loads(run(BIN / "bench_limits", bench.appliance.folder / "sigillo.toml", bench.folder,
                                        bench.seconds / 4)))


def part_verify(bench):
    """the own no-op, right and wrong verifications, at 1, 8, 64 and 256 connections"""
    out = {}
    with bench.appliance.running() as it:
        # Of a start of this minute, which still checks its buckets; then after that.
        out["cold-64"] = bench.load(it, "right", 64, warm_up=0)
        bench.warm(it)
        for mode in ("whoami", "right", "wrong"):
            for connections in CONNECTIONS:
                out[f"{mode}-{connections}"] = bench.load(it, mode, connections)
    return out


def part_peer(bench):
    """OpenLDAP's right and wrong binds"""
    bench.peer.fill(bench.say)
    with bench.peer.running() as it:
        return {mode: bench.load(it, mode) for mode in ("ldap-right", "ldap-wrong")}


def part_turns(bench):
    """what the bars compare with one another, 64 connections, two seconds of each in turn"""
    with contextlib.ExitStack() as started:
        it = started.enter_context(bench.appliance.running())
        bench.warm(it)
        sides = {"right": (it, "right")}
        if bench.subjects > MILLION:
            million = Appliance.of(bench.folder, MILLION)
            million.fill(bench.say)
            started.enter_context(million.running())
            bench.warm(million)
            sides["right-million"] = (million, "right")
        else:
            bench.peer.fill(bench.say)
            peer = started.enter_context(bench.peer.running())
            bench.load(peer, "ldap-right", seconds=bench.seconds / 2)
            sides |= {"wrong": (it, "wrong"), "whoami": (it, "whoami"), "ldap-right": (peer, "ldap-right"),
                      "ldap-wrong": (peer, "ldap-wrong")}
        rates = {name: [] for name in sides}
        rounds = 3 if bench.quick else 12
        for done in range(rounds):
            for name in sorted(sides, reverse=done % 2 == 1):
                server, mode = sides[name]
                found = server.load(mode, connections=64, seconds=bench.seconds / 4, warm_up=min(0.3, bench.warm_up))
                rates[name].append(found["per_second"])
            bench.say(f"  {done + 1:>2} of {rounds}   " + "   ".join(f"{name} {some[-1]:,.0f}/s" for name, some in rates.items()))
    return {"rates": rates}


def part_latency(bench):
    """open loop at a part of the top rate; three times each, that of the median 99th percentile"""
    out = {}
    with bench.appliance.running() as it:
        bench.warm(it)
        for mode in ("right", "wrong"):
            top = bench.load(it, mode)["per_second"]
            windows = {share: [] for share in (0.25, 0.5, 0.75)}
            for _ in range(1 if bench.quick else 3):
                for share, some in windows.items():
                    some.append(bench.load(it, mode, rate=top * share))
            for share, some in windows.items():
                by_p99 = sorted(some, key=lambda one: one["p99_us"])
                out[f"{mode}-{share}"] = {**by_p99[len(some) // 2], "p99s_us": [one["p99_us"] for one in by_p99]}
    return out


def part_options(bench):
    """what strict anchoring and receipts cost"""
    out = {"right-strict": [], "right-interval": [], "receipt": []}
    interval = {"anchor": {"mode": '"interval"', "interval": '"1s"'}}
    # In turn, because a shared machine changes its mind.
    for _ in range(1 if bench.quick else 2):
        with bench.appliance.running() as it:
            bench.warm(it)
            out["right-strict"].append(bench.load(it, "right"))
            out["receipt"].append(bench.load(it, "receipt"))
        with bench.appliance.running(interval) as it:
            bench.warm(it)
            out["right-interval"].append(bench.load(it, "right"))
    return {name: max(some, key=lambda one: one["per_second"]) for name, some in out.items()}


def part_write(bench):
    """requests, activations, right provisional PINs"""
    with bench.appliance.running() as it:
        return {mode: bench.load(it, mode, seconds=max(bench.seconds / 2, 0.6)) for mode in ("provisional", "activate", "issue")}


def part_connect(bench):
    """new connections: a full mutual handshake, without resumption, and one no-op on each"""
    with bench.appliance.running() as it:
        return {f"connect-{connections}": bench.load(it, "connect", connections) for connections in (1, 16)}


def shim(**more):
    """The configuration with the module that counts, and can be slow, in front of SoftHSM2."""
    return {"hsm": {"module": f'"{FAULTS}/libsigillo_fault_pkcs11.so"', **more}}


OTHER_CALLS = ("C_CreateObject", "C_CopyObject", "C_DestroyObject", "C_SetAttributeValue", "C_GetAttributeValue",
               "C_GenerateRandom", "C_FindObjectsInit")


def part_hsm(bench):
    """HSM calls of a verification, counted by a module in between; those of anchors, which verifications share, apart"""
    control = Control(bench.folder / "hsm-calls", FAULTS)

    def counts():
        return {point.name.decode(): point.calls for point in control.block.points[:control.block.points_used]}

    with bench.appliance.running(shim(profile='"softhsm2"'), control.environment()) as it:
        before, known = counts(), it.metrics()
        loaded = bench.load(it, "right")
        now = it.idle()
        made = {name: count - before.get(name, 0) for name, count in counts().items()}
    # The server's side of a handshake is one signature.
    signed = made["C_Sign"] - (now[HANDSHAKES] - known[HANDSHAKES])
    anchors = now[ANCHORS] - known[ANCHORS]
    evaluated = now[EVALUATED] - known[EVALUATED]
    return bench.figures({"hsm_calls_per_verification": signed / max(evaluated, 1),
                          "verifications_per_anchor_64": loaded["asked"] / max(anchors, 1),
                          "hsm_calls_per_anchor": sum(made.get(name, 0) for name in OTHER_CALLS) / max(anchors, 1)})


def wait_traced(pid, tracer):
    """Until strace has every thread of the process."""
    tasks = pathlib.Path(f"/proc/{pid}/task")
    while not all("TracerPid:\t0" not in (task / "status").read_text() for task in tasks.iterdir()):
        if tracer.poll() is not None:
            raise Failed("strace could not look at the appliance; it has to be there, and allowed to trace")
        time.sleep(0.01)


def part_syncs(bench):
    """syncs of the disk against answers, counted by strace: that durability was on"""
    out = {}
    with bench.appliance.running() as it:
        for connections in (1, 64):
            counted = bench.folder / "strace.txt"
            pid = it.server.pid
            tracer = subprocess.Popen(["strace", "-f", "-qq", "-c", "-e", "trace=fsync,fdatasync,sync_file_range", "-o",
                                       str(counted), "-p", str(pid)], stderr=subprocess.DEVNULL)
            wait_traced(pid, tracer)
            loaded = bench.load(it, "right", connections, seconds=bench.seconds / 2)
            tracer.send_signal(subprocess.signal.SIGINT)
            tracer.wait(30)
            syncs = sum(int(calls) for calls in re.findall(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+).*sync", counted.read_text(),
                                                           re.M))
            out[f"syncs_per_answer_{connections}"] = syncs / max(loaded["asked"], 1)
    if out["syncs_per_answer_1"] < 1:
        raise Failed("fewer syncs than answers on one connection: durability was off, and no figure here counts")
    return bench.figures(out)


def part_network(bench):
    """a network HSM: throughput against sessions / (latency x calls)"""
    out = {}
    for latency_ms in (1, 5):
        for sessions in (8, 32):
            control = Control(bench.folder / "network-hsm", FAULTS)
            changes = shim(profile='"network"', sessions=sessions)
            with bench.appliance.running(changes, control.environment()) as it:
                bench.warm(it)
                control.network_hsm(latency_us=latency_ms * 1000, sessions=sessions)
                # Long enough that connections that began together have fallen out of step.
                loaded = bench.load(it, "right", NETWORK_CONNECTIONS, seconds=max(bench.seconds, 2),
                                    warm_up=max(bench.warm_up, 1))
                control.clear()
            ideal = sessions / (latency_ms / 1000 * 2)
            loaded.update(latency_ms=latency_ms, sessions=sessions, ideal=ideal, share=loaded["per_second"] / ideal)
            bench.say(f"    {sessions} sessions of {latency_ms} ms: {loaded['share']:.2f} of {ideal:,.0f}/s")
            out[f"network-{latency_ms}ms-{sessions}"] = loaded
    return out


def size_of(bench, appliance):
    """One size: how long a start takes, what it keeps in memory, what it takes of the disk."""
    appliance.fill(bench.say)
    starts = []
    for _ in range(1 if bench.quick else 3):
        starts.append(appliance.start())
        idle = memory_mib(appliance.server.pid)
        appliance.server.stop()
    with appliance.running() as it:
        # Once all of the 65,536 buckets were read: their rows' marks are what grows with the subjects.
        began = time.monotonic()
        it.wait_checked()
        checked = time.monotonic() - began
        bench.load(it, "right", 256)
        used, most = memory_mib(it.server.pid), memory_mib(it.server.pid, "VmHWM")
    known = appliance.state()
    return {"subjects": appliance.subjects, "start_seconds": statistics.median(starts), "memory_idle_mib": idle,
            "memory_used_mib": used, "memory_most_mib": most, "checked_seconds": starts[-1] + checked,
            "disk_bytes_per_subject": known["bytes"] / appliance.subjects, "fill_seconds": known["fill_seconds"],
            "store_bytes_now": bytes_in(appliance.folder / "store")}


def part_sizes(bench):
    """start-up time, memory and disk by number of subjects"""
    out = {}
    for subjects in sorted({bench.subjects // 100, bench.subjects // 10, bench.subjects}):
        if subjects > 2_000_000 and subjects != bench.subjects:
            continue
        one = bench.appliance if subjects == bench.subjects else Appliance.of(bench.folder, subjects)
        out[f"size-{subjects}"] = size_of(bench, one)
        bench.say(f"  {subjects:>12,} subjects")
        bench.figures({name: value for name, value in out[f"size-{subjects}"].items() if name != "subjects"})
    return out


def part_micro(bench):
    """the parts by themselves (Google Benchmark)"""
    done = json.loads(run(BIN / "bench_micro", "--benchmark_format=json",
                          f"--benchmark_min_time={bench.seconds / 40:.3f}"))
    out = {}
    for one in done["benchmarks"]:
        scale = {"ns": 1e-3, "us": 1, "ms": 1e3, "s": 1e6}[one["time_unit"]]
        name = one["name"].split("/")[0]  # without the options of its run
        out[name] = one["real_time"] * scale
        bench.say(f"  {name:<40}{out[name]:>14.2f} us")
    return out


PARTS = {"limits": part_limits, "verify": part_verify, "peer": part_peer, "turns": part_turns, "latency": part_latency,
         "options": part_options, "write": part_write, "connect": part_connect, "hsm": part_hsm, "syncs": part_syncs,
         "network": part_network, "sizes": part_sizes, "phases": phases.part_phases, "micro": part_micro}
