"""anchor.mode "interval": stops without an end are counted, anchored before anything is served, and ten hold the appliance back."""

import shutil
import subprocess

import pytest
from harness.appliance import BIN, SLOW
from test_officers import entries, readiness, served, start_sealed

HOLD = "unclean-stops"


@pytest.fixture
def lagging(appliances):
    """A production appliance whose anchor lags by an interval that no test waits for. Not started."""
    made = appliances({"anchor.mode": "interval", "anchor.interval": "1m"})
    made.stop()
    for name, value in {"dev.allow_weak_policy": False, "hsm.allow_test_module": True,
                        "quotas.per_second": 100, "quotas.burst": 200}.items():
        made.set(name, value)
    return made


def killed(appliance, times):
    for _ in range(times):
        appliance.start()
        appliance.kill9()


def counted(appliance):
    return appliance.ask("status")[1]["unclean_stops"]


def refused_at_start(appliance):
    done = subprocess.run([BIN / "sigillod", "--config", appliance.configuration], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=60 * SLOW)
    return done.returncode == 3 and b"behind or beside" in done.stderr


def test_ten_kills_hold_it_until_an_officer_accepts(lagging, town):
    killed(lagging, 9)
    lagging.start()  # it finds the ninth
    assert counted(lagging) == 9 and readiness(lagging)[0] == 200
    citizen = lagging.active(town.citizen())
    lagging.kill9()
    start_sealed(lagging, HOLD)
    # What two could do alone, or nobody, does not open it; it stays held over a restart, which is no reason to forget.
    code, said = lagging.ask("unseal", "--accept-unclean-stops", check=False)
    assert code == 1 and "signatures" in said["what"], said
    assert lagging.act("policy", "accept", check=False)[0] == 0 and readiness(lagging)[1] == ["sealed", HOLD]
    lagging.process.kill()
    lagging.process.wait()
    start_sealed(lagging, HOLD)
    code, said = lagging.ask("unseal", "--accept-unclean-stops", *lagging.officers("anna"))
    assert (code, said["schema"]) == (0, "sigillo.accept-unclean-stops/1")
    served(lagging)
    assert readiness(lagging)[0] == 200 and counted(lagging) == 0
    assert lagging.portal.verify(citizen.subject, citizen.pin).outcome == "verified"
    ledger = entries(lagging)
    found = [e["reference"] for e in ledger if e["event"] == "unclean-stop"]
    assert found == [str(n) for n in (*range(1, 11), 10)]
    accepted = next(e for e in ledger if e["event"] == "unclean-stops-accepted")
    assert accepted["operator"] == "anna"
    # The next ten begin at zero.
    lagging.kill9()
    lagging.start()
    assert counted(lagging) == 1


def test_clean_stops_and_sealing_are_not_counted(lagging):
    killed(lagging, 1)
    for _ in range(2):
        lagging.start()
        assert counted(lagging) == 1
        assert lagging.ask("seal")[0] == 0
        assert lagging.ask("unseal", "--pin-file", str(lagging.directory / "token-pin"))[0] == 0
        assert counted(lagging) == 1
        lagging.stop()


def copied(appliance, name):
    to = appliance.root / name
    shutil.copytree(appliance.directory / "store", to, ignore=shutil.ignore_patterns("*.sock*"))
    return to


def put_back(appliance, copy):
    store = appliance.directory / "store"
    for old in store.glob("sigillo.db*"):
        old.unlink()
    for file in copy.glob("sigillo.db*"):
        shutil.copy(file, store)


def test_a_store_with_fewer_stops_is_refused_and_its_own_keeps_them(lagging):
    killed(lagging, 2)
    with_two_runs = copied(lagging, "with-two-runs")
    lagging.start()  # anchored with its count of two before it said that it serves
    of_this_run = copied(lagging, "of-this-run")
    lagging.kill9()
    true_one = copied(lagging, "true")
    put_back(lagging, with_two_runs)
    assert refused_at_start(lagging)
    put_back(lagging, of_this_run)  # as new as the anchor: that is what a lagging one gives up, and it is counted
    lagging.start()
    assert counted(lagging) == 3
    lagging.kill9()
    put_back(lagging, true_one)
    assert refused_at_start(lagging)


@pytest.mark.parametrize("settings", [{"anchor.mode": "strict"}, {}])
def test_neither_a_strict_nor_a_development_appliance_is_counted(appliances, settings):
    made = appliances(settings or {"anchor.mode": "interval", "anchor.interval": "1m"})
    if settings:
        made.stop()
        for name, value in {"dev.allow_weak_policy": False, "hsm.allow_test_module": True,
                            "quotas.per_second": 100, "quotas.burst": 200}.items():
            made.set(name, value)
    else:
        made.kill9()
    killed(made, 2)
    made.start()
    assert counted(made) == 0 and readiness(made)[0] == 200
    assert "unclean-stop" not in [e["event"] for e in entries(made)]
