"""That the bench does what it says: how it judges, and one run of it that takes seconds and is worth nothing as a figure."""
import json
import pathlib
import subprocess
import sys

BENCH = pathlib.Path(__file__).resolve().parents[2] / "bench"
sys.path.insert(0, str(BENCH))
import machine  # noqa: E402
import phases  # noqa: E402
import report  # noqa: E402


def load(mode, per_second, connections=64, **more):
    return {"mode": mode, "connections": connections, "per_second": per_second, "rate_asked": 0, "p50_us": 1000, "p99_us": 4000,
            "p999_us": 9000, "generator_cpu_us": 8, "server_cpu_us": 100} | more


def measured(right, subjects=1_000_000):
    return {"subjects": subjects, "machine": {},
            "turns": {"rates": {"right": [right, right / 2, right], "wrong": [9000, 4500, 1000], "whoami": [50_000] * 3,
                                "right-million": [30_000] * 3, "ldap-right": [10_000] * 3, "ldap-wrong": [1000, 500, 1000]}},
            "limits": {"hmac_per_second": 100_000, "pairs_by_dispatcher_per_second": 40_000}}


def verdicts(results, others):
    return {what.split(",")[0]: word for what, _, _, _, word in report.ratios(results, others)}


def test_a_ratio_is_judged_against_bar_and_hope_and_what_was_not_measured_is_said():
    found = verdicts(measured(30_000), {1_000_000: measured(30_000), 10_000_000: measured(25_000, 10_000_000)})
    assert found["right verifications / slapd's right binds"] == "hope"
    assert found["wrong verifications / slapd's wrong binds"] == "bar"
    assert found["right verifications / what their two HSM calls alone reach"] == "bar"
    assert found["right verifications at 10"] == "bar"
    assert found["HSM calls a verification (8 characters"] == "not measured"
    assert verdicts(measured(9_000), {})["right verifications / slapd's right binds"] == "MISSED"


def test_what_is_compared_is_compared_round_by_round():
    found = measured(30_000)
    assert report.in_turn(found, "wrong", "ldap-wrong") == [9, 9, 1]
    shown = next(row for row in report.turn_rows({1_000_000: found}) if row[0] == "wrong / ldap-wrong")
    assert shown == ["wrong / ldap-wrong", "1,000,000", "3", "4,500", "1,000", "1.00", "9.00", "9.00"]


def test_less_is_better_where_it_is():
    some = measured(20_000) | {"hsm": {"hsm_calls_per_verification": 2.004},
                               "options": {"right-strict": load("right", 5_000), "right-interval": load("right", 10_000)}}
    found = verdicts(some, {})
    assert found["HSM calls a verification (8 characters"] == "hope"
    assert found["cost of strict anchoring against interval"] == "MISSED"


def test_sizes_of_several_runs_are_one_series_and_each_runs_own_size_counts():
    def size(subjects, memory):
        return {"subjects": subjects, "memory_used_mib": memory}
    small = {"subjects": 100, "sizes": {"size-100": size(100, 1), "took_seconds": 3}}
    large = {"subjects": 1000, "sizes": {"size-100": size(100, 99), "size-1000": size(1000, 2)}}
    assert report.sizes({100: small, 1000: large}) == [size(100, 1), size(1000, 2)]


def test_perf_s_samples_are_sorted_by_thread_and_library():
    shown = "# Overhead\n  40.00%|io             |[kernel.kallsyms]\n  10.00%|io|libcrypto.so.3\n   5.00%|io|[kernel.vmlinux]\n"
    assert phases.samples(shown) == {("io", "kernel"): 0.45, ("io", "libcrypto"): 0.1}


def test_the_configuration_is_changed_where_it_is_meant(tmp_path):
    (tmp_path / "sigillo.toml").write_text('[server]\nlisten = "127.0.0.1:1"\nmonitor = "127.0.0.1:2"\n[anchor]\nmode = "strict"\n')
    one = machine.Appliance(tmp_path, 9, 1)
    text = one.config({"anchor": {"mode": '"interval"', "interval": '"1s"'}, "hsm": {"sessions": 8}}).read_text()
    assert text.count("[anchor]") == 1 and 'mode = "interval"' in text and 'interval = "1s"' in text
    assert "strict" not in text and "[hsm]\nsessions = 8" in text
    assert (one.port, one.monitor) == (1, 2)


def test_a_run_of_seconds_fills_measures_and_reports(tmp_path):
    parts = ["limits", "verify", "latency", "write", "connect", "hsm", "sizes", "phases", "micro"]
    # So many that none of them is guessed at ten times.
    done = subprocess.run([sys.executable, str(BENCH / "main.py"), "--quick", "--subjects", "8000", "--seconds", "0.2",
                           "--folder", str(tmp_path), *(word for part in parts for word in ("--only", part))],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    found = json.loads((tmp_path / "results-8000.json").read_text())
    assert "UNEXPECTED" not in done.stdout, done.stdout[-3000:]
    for name, one in report.loads(found):
        assert one["per_second"] > 0 and one["p50_us"] <= one["p99_us"] <= one["p999_us"], name
    assert round(found["hsm"]["hsm_calls_per_verification"], 2) == 2.00
    assert found["phases"]["threads"]["hsm-worker"]["limit_us"] > 0
    assert found["micro"]["row_read_hot"] > 0
    for words in ("right verifications / own no-op", "| activate |", "subjects | start, s", "all of the server's"):
        assert words in done.stdout, done.stdout[-6000:]
