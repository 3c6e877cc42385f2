"""kill -9 at every call on HSM and disk that an act makes: the next start closes it in the ledger with what is there of it.

CTest takes some of the steps, by the dice; SIGILLO_ALL_STEPS=1 takes every one of the first 400.
"""

import os
import pathlib
import random
import sys

import pytest
from harness.appliance import BIN, eventually
from test_officers import entries, keygen, names

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fault"))
from control import FAIL, KILL, Control  # noqa: E402

SEED = int(os.environ.get("SIGILLO_SEED", random.randrange(2**32)))
STRIDE = 1 if os.environ.get("SIGILLO_ALL_STEPS") else 12
MANY = 400


@pytest.fixture
def breakable(appliances):
    made = appliances()
    made.stop()
    made.faults = Control(made.root / "faults", pathlib.Path(BIN).parent / "fault")
    preload = (made.faults.libraries / "libsigillo_fault_preload.so").exists()  # not under the sanitizers
    made.environment = made.faults.environment(made.directory / "store" if preload else None)
    made.set("hsm.module", made.faults.module)
    return made.start()


def killed_at_each_step(appliance, act, truth):
    """`act(n)` for each step; `truth(n)` is what a finding must say then, of what was found in the ledger's own words."""
    dice = random.Random(SEED)
    print("seed", SEED)
    step, seen, closed = dice.randint(1, STRIDE), set(), 0
    for n in range(10_000):
        arguments, line = act(n)
        before = len(entries(appliance))
        rule = appliance.faults.arm("", KILL, at=step)
        said = appliance.ask(*arguments, check=False, line=line)
        died = bool(rule.struck)
        appliance.faults.clear()
        if died:
            appliance.process.wait()
            appliance._ended()
            appliance.channels.clear()
            appliance.start()
        new = entries(appliance)[before:]
        begun = [e["reference"] for e in new if e["event"] == "act"]
        ended = [e for e in new if e["event"] == "act-ended"]
        assert len(begun) <= 1 and [e["reference"][:64] for e in ended] == begun, (step, new)
        if not died:
            assert ended[0]["outcome"] == "approved", (step, said)
            assert ended[0]["channel"] == "officer"
            assert seen >= {"nothing", "interrupted"} or STRIDE > 1, seen
            return closed
        if begun:
            if ended[0]["outcome"] == "interrupted":
                found = ended[0]["reference"][65:]
                assert ended[0]["channel"] == "appliance" and ended[0]["operator"] == "anna+bruno", ended
                closed += 1
            else:  # killed once its end was durable
                found = ended[0]["outcome"]
            assert found in truth(n, new), (step, found, truth(n, new), new)
            seen |= {"nothing"} if found == "nothing" else {"interrupted"}
        else:
            assert truth(n, new) >= {"nothing"}, (step, truth(n, new))  # not even written down: nothing was done
        step += dice.randint(1, 2 * STRIDE - 1) if STRIDE > 1 else 1
        if step > MANY:  # the copy of a store reads it page by page: of thousands of such steps the dice take some
            step += dice.randint(1, step // 3)
    raise AssertionError("the act never came to its end")


def effect(new, event):
    """How the ledger's entry of an effect is named by a finding."""
    return {f"done, entry {e['seq']}" for e in new if e["event"] == event} | {"approved"}


def test_an_enrolment_of_an_officer(breakable):
    people = {}

    def act(n):
        people[n], _ = keygen(breakable, f"officer-{n}")
        return ("officer", "enrol", f"officer-{n}", "--key", f"{people[n]}.pub", *breakable.officers()), ""

    def truth(n, new):
        return effect(new, "officer-enrolled") if f"officer-{n}" in names(breakable) else {"nothing"}

    assert killed_at_each_step(breakable, act, truth)


@pytest.mark.parametrize("use", ["verifier", "store", "tls"])
def test_a_rotation(breakable, use):
    kids = {}

    def active():
        keys = breakable.ask("keys", "list")[1]["keys"]
        return next(k["kid"] for k in keys if k["use"] == use and k["state"] == "active")

    def act(n):
        kids[n] = active()
        return ("keys", "rotate", use, *breakable.officers()), ""

    def truth(n, new):
        now = active()
        if now != kids[n]:
            return {f"{now} is active", "approved"}
        return {"nothing"} | {e["reference"][65:] for e in new if e["reference"].endswith("has the certificate")}

    assert killed_at_each_step(breakable, act, truth)


def test_a_rotation_of_the_store_that_the_token_fails_is_ended_by_the_same_command(breakable):
    CKR_DEVICE_MEMORY = 0x31
    rotate = ("keys", "rotate", "store", *breakable.officers())

    def waiting():
        keys = [k for k in breakable.ask("keys", "list")[1]["keys"] if k["use"] == "store"]
        return [k["kid"] for k in keys if k["state"] not in ("active", "retiring", "destroyed")]

    exchanged = 0
    for nth in range(1, 20):
        rule = breakable.faults.arm("C_CreateObject", FAIL, CKR_DEVICE_MEMORY, at=nth)
        code, said = breakable.ask(*rotate, check=False)
        breakable.faults.clear()
        if not rule.struck:
            assert code == 0, said
            break
        if code == 0:
            continue
        # A store that the token kept from being opened again is opened by the appliance itself.
        eventually(lambda: breakable.ask("officer", "list", check=False)[0] == 0, what="the store open")
        for kid in waiting():
            exchanged += 1
            code, said = breakable.ask("keys", "retire", kid, *breakable.officers(), check=False)
            assert code == 1 and "it opens the store's file" in said["what"], said
        assert breakable.ask(*rotate)[1]["state"] == "active", (nth, said)
    assert exchanged, "the token failed after the file's exchange"
    breakable.restart()


def test_an_erasure(breakable, town):
    people = {}

    def act(n):
        people[n] = breakable.at_branch(town.citizen())
        return ("subject", "erase", "--reason", "asked for", *breakable.officers()), people[n].subject + "\n"

    def truth(n, new):
        gone = breakable.status(people[n])["state"] == "none"
        return effect(new, "erased") if gone else {"nothing"}

    assert killed_at_each_step(breakable, act, truth)
