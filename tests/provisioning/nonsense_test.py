"""Every officers' command with nonsense: unknown options, missing arguments, configurations and files that are none. The commands
are found by --help, so a new one is tried too. Each has to end by itself with a documented exit code and a sentence, in JSON where
JSON was asked for, and to have changed nothing. Argument: the folder of the programs."""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

BIN = None
CODES = {1, 2, 10, 11, 12, 13}
# What stands for an argument while another one is nonsense; by its name, else "x".
PLAUSIBLE = {"reason": "order 2026/117", "seconds": "0.1", "threads": "1", "listen": "127.0.0.1:1", "monitor": "127.0.0.1:2"}


def sigillo(*arguments, cwd):
    return subprocess.run([BIN / "sigillo", *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, check=False, cwd=cwd, start_new_session=True)  # no terminal to ask on


def section(text, title):
    found = re.search(rf"^{title}:[^\n]*\n((?:  .*\n|\n(?=  ))*)", text, re.MULTILINE)
    return found.group(1) if found else ""


def commands(cwd, words=()):
    """Every command that has none below it: its words, positionals and options that take a value, and which are required."""
    text = sigillo(*words, "--help", cwd=cwd).stdout
    below = re.findall(r"^  ([a-z][a-z-]*)(?: |$)", section(text, "Subcommands"), re.MULTILINE)
    if below:
        for word in below:
            yield from commands(cwd, (*words, word))
        return
    positionals = re.findall(r"^  ([A-Z][A-Z_-]*) ", section(text, "Positionals"), re.MULTILINE)
    options = re.findall(r"^  (?:-\w,)?--([a-z][a-z0-9-]*) (?:TEXT|UINT|INT|FLOAT|FILE|DIR|NAME=FILE)", section(text, "Options"), re.MULTILINE)
    required = re.findall(r"^  (?:-\w,)?(?:--)?([A-Za-z][A-Za-z0-9-]*) .*REQUIRED", text, re.MULTILINE)
    yield words, positionals, options, required


class Nonsense(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.temporary.name)
        cls.cwd = cls.root / "cwd"
        cls.cwd.mkdir()
        made = sigillo("dev-init", cls.root / "dev", cwd=cls.cwd)
        assert made.returncode == 0, made.stderr
        cls.good = cls.root / "dev" / "sigillo.toml"
        cls.garbage = cls.root / "garbage"
        cls.garbage.write_bytes(b"\x00\xff\x80nonsense\n" + bytes(range(256)) * 20)
        cls.folder = cls.root / "folder"
        cls.folder.mkdir()
        (cls.folder / "x").write_text("x")
        cls.wrong = cls.root / "wrong.toml"
        cls.wrong.write_text(cls.good.read_text().replace("[store]", "[store]\ncolour = 1"))
        # An officers' act opens the appliance, and says so in its ledger: here there is none to open.
        cls.nothing = cls.root / "nothing.toml"
        cls.nothing.write_text(cls.good.read_text().replace("/store/sigillo.db", "/store/none.db"))
        cls.unreadable = cls.root / "unreadable"
        cls.unreadable.write_text("x")
        cls.unreadable.chmod(0)
        cls.all = list(commands(cls.cwd))
        cls.pool = concurrent.futures.ThreadPoolExecutor(2)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def kept(self):
        # SoftHSM2 writes token.object at a login and counts generations; no object of ours is in them.
        files = [p for p in self.root.rglob("*") if p.is_file() and not p.name.endswith("-shm") and p.name not in ("token.object", "generation") and p != self.unreadable]
        return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}

    def arguments(self, command, **instead):
        words, positionals, options, required = command
        out = list(words)
        for name in positionals + [o for o in options if o in required or o in instead]:
            config = self.nothing if "officer" in options else self.good
            plausible = config if name == "config" else PLAUSIBLE.get(name, "x")
            value = instead.get(name, plausible)
            out += [value] if name in positionals else [f"--{name}", value]
        return out

    def refused(self, arguments):
        done = sigillo(*arguments, cwd=self.cwd)
        shown = f"sigillo {' '.join(map(str, arguments))}\n{done.returncode}\n{done.stdout[:500]}\n{done.stderr[:500]}"
        assert done.returncode in CODES, shown  # negative: a signal
        said = done.stdout + done.stderr
        assert re.search(r"[a-z]{3,} [a-z]", said) and len(said) < 4000, shown
        for leak in ("terminate called", "what():", "std::", "Aborted", ".cpp:"):
            told = re.sub(r"(?m)^\d{4}-\d\d-\d\dT.*$", "", said)  # but for lines of the log, which name their place
            assert leak not in told, shown
        if arguments[-2:] == ["--format", "json"]:
            error = json.loads(done.stdout)
            if done.returncode >= 10:  # a verdict on a file, which is an answer
                assert error["verdict"] and error["detail"], shown
                return
            assert error["schema"] == "sigillo.error/1" and error["what"] and error["next"], shown

    def all_refused(self, calls):
        before = self.kept()
        calls = [[*c, *more] for c in calls for more in ([], ["--format", "json"])]
        list(self.pool.map(self.refused, calls))
        after = self.kept()
        self.assertEqual(sorted(n for n in before.keys() | after.keys() if before.get(n) != after.get(n)), [], "changed")
        return len(calls)

    def test_there_are_commands(self):
        found = {" ".join(words) for words, *_ in self.all}
        self.assertLessEqual({"dev-init", "validate-config", "audit export", "audit verify", "diagnose", "hsm check", "hsm speed"}, found)

    def test_options_that_nobody_knows_and_arguments_that_are_missing(self):
        self.all_refused([[*c[0], "--no-such-option"] for c in self.all] + [[*c[0], "--format", "yaml"] for c in self.all])
        self.all_refused([list(c[0]) for c in self.all if c[1] or c[3]])
        self.all_refused([["no-such-command"], ["audit", "no-such-command"], []])

    def test_configurations_that_are_none(self):
        wrong = [self.root / "not-there.toml", self.folder, self.garbage, self.wrong, self.garbage / "x"]
        if os.geteuid() != 0:
            wrong.append(self.unreadable)
        named = [c for c in self.all if "config" in c[2]]
        self.assertGreater(len(named), 3)
        self.all_refused([self.arguments(c, config=w) for c in named for w in wrong])
        self.all_refused([["validate-config", w] for w in wrong])

    def test_files_that_are_none(self):
        calls = []
        for command in self.all:
            words, positionals, options, _ = command
            for name in [o for o in options if o in ("keys", "key", "officer", "password-file", "csr", "share-file", "out", "into", "from")] + positionals:
                for value in (self.garbage / "x", self.folder, self.garbage):
                    value = f"anna={value}" if name == "officer" else value
                    calls.append(self.arguments(command, **{name: value}))
        self.all_refused(calls)

    def test_numbers_that_are_none(self):
        for name in ("seconds", "threads"):
            for value in ("x", "-1", "0", "1e99", "99999999999999999999", ""):
                done = sigillo("hsm", "speed", "--config", self.good, f"--{name}", value, cwd=self.cwd)
                self.assertEqual(done.returncode, 1, (name, value, done.stderr))

    def test_every_command_explains_itself(self):
        for words, *_ in self.all:
            text = sigillo(*words, "--help", cwd=self.cwd).stdout
            self.assertIn("Example", text, words)
            self.assertRegex(text, r"Exit codes?: ", words)


if __name__ == "__main__":
    BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
