"""Searches every run of guess_limit.pml for a guess too many; then exchanges two steps at a time, and each must be found out.

    /usr/bin/python3 tests/model/run.py [--long]     (spin and gcc are needed; --long takes a quarter of an hour more)
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import time

MODEL = pathlib.Path(__file__).resolve().parent / "guess_limit.pml"
TOO_MANY = "evaluated<="
NOTHING_LEFT = "newest!=255"
STANDS = [
    (("EPOCHS=3",), "as it stands, and a copy beside no other always starts"),
    (("EPOCHS=3", "LIMIT=2", "NODES=5"), "two guesses, so that a kill in the middle of the second's write is among the runs"),
    (("EPOCHS=3", "REWRITTEN"), "a module that writes a new object twice, and brings back what was destroyed between"),
    (("EPOCHS=3", "NODES=4", "RESTORE"), "restores of any store that any disk ever held"),
    (("EPOCHS=3", "MADE_TWICE"), "creations that were reported as failed and were none"),
    (("EPOCHS=3", "LOST_ANCHOR"), "a token of which only a cell is left"),
    (("EPOCHS=3", "ANEW"), "a module that changes no object, and an anchor made anew for each head"),
    (("EPOCHS=3", "NODES=4", "ANEW", "RESTORE"), "the same, with restores"),
    (("EPOCHS=3", "ANEW", "REWRITTEN"), "the same, where a new object is written twice"),
]
RESTORING = ("NODES=4", "RESTORE")
LONG = [
    (("EPOCHS=3", "LIMIT=2", "NODES=5", "REWRITTEN"), "two guesses, and new objects written twice"),
    ((), "an epoch more"),
    (("ANEW",), "an epoch more, anchors made anew"),
    (("ANEW", "NODES=4", "RESTORE"), "the same, with restores"),
]
MUTANTS = [
    ("EVALUATE_FIRST", TOO_MANY, "the comparison before the charge is durable: a kill between, again and again"),
    ("ANSWER_FIRST", TOO_MANY, "comparison and answer before the anchor: an older store put back is accepted"),
    ("NO_CHECK", TOO_MANY, "a head is written, and nobody asks whether the anchor is still there"),
    ("CHECK_FIRST", TOO_MANY, "it is asked before the head is written, and not after: a copy takes over between"),
    ("NO_LOOK EPOCHS=3", TOO_MANY, "who takes over does not read the cells again: what was written until then is lost"),
    ("ONE_CELL LIMIT=2 NODES=5 EPOCHS=3", TOO_MANY, "one cell for all heads: a kill in the middle of a write leaves the anchor's own, which is old"),
    ("NO_FOREIGN LOST_ANCHOR EPOCHS=3", TOO_MANY, "nothing is left to destroy, and who takes over does not look for another that does"),
    ("ANY_ORDER", TOO_MANY, "cells destroyed in any order: a kill leaves an older one, and it is believed"),
    ("ANEW DESTROY_FIRST", NOTHING_LEFT, "the old anchor destroyed before the new one is made: a kill leaves none"),
    ("ANEW NO_SECOND EPOCHS=3", TOO_MANY, "anchors made anew, and the claim left where it is"),
    ("EPOCH_FIRST", TOO_MANY, "the epoch raised before the store is accepted: an older store vouches for itself"),
    ("NO_FENCING EPOCHS=3", TOO_MANY, "a destruction that failed is passed over: two copies count each for itself"),
    ("HANDLES_AGAIN EPOCHS=3", TOO_MANY, "a module that gives a destroyed object's handle to a new one: a late destroy hits the wrong anchor"),
    ("NO_CLAIM", NOTHING_LEFT, "nothing stands in for the anchor while it is replaced: a kill leaves none"),
    ("RESTORE_UNMARKED", TOO_MANY, "a restore that locks nobody: the guesses of since are given back"),
    ("RESTORE_MARKS_LATER", TOO_MANY, "a restore that anchors before it has marked: a kill between gives them back"),
    ("NO_SECOND EPOCHS=3", TOO_MANY, "the claim is left where it is: who took it for the truth and who made it both go on"),
]

LONG_MUTANTS = [
    ("ANEW CLAIMS_LAST EPOCHS=5", TOO_MANY, "a claim comes after whatever a copy makes that was stopped three take-overs ago"),
]


def search(folder, *defines):
    """The violated assertion ("" for none), the number of states and the seconds; every run within the bounds is searched."""
    started = time.monotonic()
    definitions = [f"-D{d}" for d in defines]
    subprocess.run(["spin", *definitions, "-a", MODEL], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["gcc", "-w", "-O2", "-DSAFETY", "-DCOLLAPSE", "-o", "pan", "pan.c"], cwd=folder, check=True)
    # -E: a copy that has used up its epochs simply stops.
    said = subprocess.run(["./pan", "-E", "-m60000"], cwd=folder, capture_output=True, text=True, check=False).stdout
    if "max search depth too small" in said or not re.search(r"errors: [01]\b", said):
        sys.exit(f"the search was cut short:\n{said}")
    violated = re.search(r"assertion violated \(*(.*)\) \(at depth", said)
    if "errors: 0" in said and "Search not completed" in said:
        sys.exit(f"the search was cut short:\n{said}")
    states = re.search(r"([\d.e+]+) states, stored", said).group(1)
    return violated.group(1) if violated else "", states, time.monotonic() - started


def main():
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for defines, words in STANDS + (LONG if "--long" in sys.argv else []):
            violated, states, seconds = search(folder, *defines)
            wrong += violated != ""
            print(f"{words}: {violated or 'holds'}, {states} states, {seconds:.1f} s", flush=True)
        for name, reason, words in MUTANTS + (LONG_MUTANTS if "--long" in sys.argv else []):
            violated, states, seconds = search(folder, *name.split(), *(RESTORING if name.startswith("RESTORE") else ()))
            right = reason in violated.replace(" ", "")
            wrong += not right
            print(f"{name}: {'found' if right else 'NOT FOUND: ' + (violated or 'holds')}, {seconds:.1f} s: {words}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
