"""Every command of the three programs with nonsense, by a table: unknown options, missing arguments, and for each argument that a
command takes, values that are none. Commands and arguments are found by --help, so a new one is tried too. Each has to end by itself
with a documented exit code, a sentence that says what is wrong and one that says what to do, nothing on standard output (or JSON where
JSON was asked for), and to have changed nothing. Argument: the folder of the programs."""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import unittest

BIN = None
CODES = {1, 2, 10, 11, 12, 13, 14, 15, 16, 17}
LINES_MAX, LETTERS_MAX = 3, 1600
# What stands for an argument while another one is nonsense; by its name, else "x".
PLAUSIBLE = {"threshold": "2", "reason": "order 2026/117", "seconds": "0.1", "threads": "1", "listen": "127.0.0.1:1", "monitor": "127.0.0.1:2",
             "role": "portal", "use": "verifier", "kid": "sigillo.verifier-v1", "keep-entries": "5", "server": "https://localhost:1"}
SECRETS = ("token-pin", "anna.password", "bruno.password")


def run(*arguments, cwd):
    """No terminal to ask at, and arguments that may be any bytes."""
    words = [BIN / arguments[0], *(a if isinstance(a, bytes) else str(a) for a in arguments[1:])]
    return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False, cwd=cwd, start_new_session=True)


def section(text, title):
    found = re.search(rf"^{title}:[^\n]*\n((?:  .*\n|\n(?=  ))*)", text, re.MULTILINE)
    return found.group(1) if found else ""


class Command:
    """One that has none below it: its words, and what it takes."""

    def __init__(self, words, text):
        self.words, self.text = words, text
        self.positionals = re.findall(r"^  ([A-Z][A-Z_-]*) ", section(text, "Positionals"), re.MULTILINE)
        typed = re.findall(r"^  (?:-\w,)?--([a-z][a-z0-9-]*) ((?:TEXT|UINT|INT|FLOAT|FILE|DIR|NAME=KEY)\S*.*)", section(text, "Options"), re.MULTILINE)
        self.kinds = dict(re.findall(r"^  ([A-Z][A-Z_-]*) (.*)", section(text, "Positionals"), re.MULTILINE)) | dict(typed)
        if words[0] == "sigillo-courier":
            self.kinds.setdefault("config", "FILE")  # CLI11's own option has no type
        self.required = {name for name, rest in self.kinds.items() if "REQUIRED" in rest}
        self.excluded = {name for name, rest in self.kinds.items() if "Excludes" in rest}

    def takes(self):
        return [name for name in self.kinds if name != "format"]

    def is_number(self, name):
        return bool(re.match(r"(UINT|INT|FLOAT)", self.kinds[name]))

    def is_choice(self, name):
        return "{" in self.kinds[name].split("  ")[0]


def commands(cwd, words):
    text = run(*words, "--help", cwd=cwd).stdout.decode()
    below = re.findall(r"^  ([a-z][a-z-]*)(?: |$)", section(text, "Subcommands"), re.MULTILINE)
    for word in below:
        yield from commands(cwd, (*words, word))
    if not below or "Exit codes: 0 complete" in text:  # `ceremony` is a command with one below it
        yield Command(words, text)


class Nonsense(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.temporary.name)
        cls.cwd = cls.root / "cwd"
        cls.cwd.mkdir()
        made = run("sigillo", "dev-init", cls.root / "dev", cwd=cls.cwd)
        assert made.returncode == 0, made.stderr
        cls.good = cls.root / "dev" / "sigillo.toml"
        cls.secrets = [p.read_text().strip() for p in (cls.root / "dev").rglob("*") if p.name in SECRETS]
        cls.garbage = cls.root / "garbage"
        cls.garbage.write_bytes(b"\x00\xff\x80nonsense\n" + bytes(range(256)) * 20)
        cls.folder = cls.root / "folder"
        cls.folder.mkdir()
        (cls.folder / "x").write_text("x")
        cls.wrong = cls.root / "wrong.toml"
        cls.wrong.write_text(cls.good.read_text().replace("[store]", "[store]\ncolour = 1"))
        cls.broken = cls.root / "broken.toml"
        cls.broken.write_text(cls.good.read_text() + '\n[server\nlisten = "x')
        cls.mistyped = cls.root / "mistyped.toml"
        cls.mistyped.write_text(re.sub(r"(?m)^mode = .*$", 'mode = "loose"', cls.good.read_text()))
        cls.huge = cls.root / "huge.toml"
        cls.huge.write_text(cls.good.read_text().replace("[store]", "[store]\nnode = 99999999999999999999"))
        # A file that even root cannot read: nobody listens on it.
        cls.unreadable = cls.root / "unreadable"
        with socket.socket(socket.AF_UNIX) as end:
            end.bind(str(cls.unreadable))
        cls.dangling = cls.root / "dangling"
        cls.dangling.symlink_to(cls.root / "gone")
        cls.all = [c for program in ("sigillo", "sigillod", "sigillo-courier") for c in commands(cls.cwd, (program,))]
        cls.pool = concurrent.futures.ThreadPoolExecutor(2)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def kept(self):
        # SoftHSM2 writes token.object at a login and counts generations; no object of ours is in them.
        files = [p for p in self.root.rglob("*") if p.is_file() and not p.name.endswith("-shm") and p.name not in ("token.object", "generation")]
        return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}

    def arguments(self, command, **instead):
        out = list(command.words)
        for name in command.kinds:
            if name not in command.required and name not in instead:
                continue
            if name in instead and instead[name] is None:
                continue
            value = instead.get(name, self.good if name == "config" else PLAUSIBLE.get(name.lower(), "x"))
            out += [value] if name in command.positionals else [f"--{name}", value]
        return out + [f"--{name}" for name, value in instead.items() if value is None]

    def refused(self, arguments, named=None):
        done = run(*arguments, cwd=self.cwd)
        out, err = done.stdout.decode(), done.stderr.decode()  # UTF-8, whatever went in
        shown = f"{[str(a)[:200] for a in arguments]}\n{done.returncode}\n{out[:800]}\n{err[:800]}"
        assert done.returncode in CODES, shown  # negative: a signal
        # Lines of the log, which name their place, are no sentence of a command's.
        told = re.sub(r"(?m)^\d{4}-\d\d-\d\dT.*\n?", "", err)
        for leak in ("terminate called", "what():", "std::", "Aborted", ".cpp:", *self.secrets):
            assert leak not in out + told, shown
        if arguments[-2:] == ["--format", "json"]:
            said = json.loads(out)
            if done.returncode >= 10:  # a verdict on a file, which is an answer
                assert said["verdict"] and said["detail"], shown
                return
            assert said["schema"] == "sigillo.error/1" and said["next"], shown
            told = said["what"]
        elif done.returncode < 10:
            assert out == "", shown
            lines = told.strip().splitlines()
            assert 1 <= len(lines) <= LINES_MAX and lines[0].startswith(f"{arguments[0]}: "), shown
            assert len(lines) > 1 or re.search(r": .*(:|\.) .*\.$", told), shown  # what, and what to do
        told = told or out  # a verdict
        assert re.search(r"[A-Za-z]{2,} [A-Za-z]", told) and len(told) < LETTERS_MAX and "\x1b" not in told, shown
        assert named is None or named in told, shown
        # A number of the system's or of PKCS#11's, where it has words or a name.
        assert not re.search(r"error (602|162|2\d\d), raw 0x[^0]", told), shown

    def complaint(self, call):
        try:
            self.refused(*call)
        except (AssertionError, ValueError, subprocess.TimeoutExpired) as error:
            return f"{error}"
        return None

    def all_refused(self, calls):
        """`calls`: pairs of arguments and what the sentence must name. Every other one is asked for JSON."""
        before = self.kept()
        asked = [(list(a) + (["--format", "json"] if number % 2 and a[0] == "sigillo" else []), named) for number, (a, named) in enumerate(calls)]
        wrong = [shown for shown in self.pool.map(self.complaint, asked) if shown]
        self.assertFalse(wrong, f"{len(wrong)} of {len(asked)}:\n" + "\n".join(wrong[:40]))
        after = self.kept()
        self.assertEqual(sorted(n for n in before.keys() | after.keys() if before.get(n) != after.get(n)), [], "changed")
        self.assertEqual(list(self.cwd.iterdir()), [])

    def test_there_are_commands(self):
        found = {" ".join(c.words) for c in self.all}
        self.assertLessEqual({"sigillo dev-init", "sigillo audit export", "sigillo ceremony", "sigillo ceremony verify", "sigillo diagnose",
                              "sigillo officer sign", "sigillo hsm speed", "sigillod", "sigillo-courier"}, found)
        self.assertNotIn("sigillo token-signer", found)

    def test_options_that_nobody_knows_and_arguments_that_are_missing(self):
        ours = [c for c in self.all if c.words[0] == "sigillo"]
        self.all_refused([(self.arguments(c) + ["--no-such-option"], "--no-such-option") for c in self.all])
        self.all_refused([(self.arguments(c) + ["no-such-argument"], None) for c in self.all if c.words[-1] != "verify"])
        self.all_refused([([*c.words, "--format", "yaml"], "--format") for c in ours])
        self.all_refused([(list(c.words), None) for c in self.all for _ in range(2) if c.required])
        # The value of an option that stands last; in text alone, for else "--format" would be that value.
        self.all_refused([(call, named) for c in self.all for name in c.takes() if name not in c.positionals
                          for call, named in ((self.arguments(c, **{name: None}), f"--{name}"), (["sigillo", "--no-such-option"], None))])
        self.all_refused([(["sigillo", "no-such-command"], "no-such-command"), (["sigillo", "audit", "no-such-command"], "no-such-command")] * 2)
        # The file that is wrong, and not the one that would be made.
        self.all_refused([(["sigillo", "officer", "keygen", self.root / "new.key", "--password-file", self.root / "no-password"], "no-password")] * 2)
        self.all_refused([(["sigillo"], None)] * 2 + [(["sigillod"], "--config"), (["sigillo-courier"], None)])

    def test_nothing_and_far_too_much(self):
        calls = []
        for command in self.all:
            for name in command.takes():
                option = name if name in command.positionals else f"--{name}"
                named = option if command.words[0] == "sigillo" else None
                calls += [(self.arguments(command, **{name: value}), named) for value in ("", "x" * 100_000)]
        self.all_refused(calls)

    def test_configurations_that_are_none(self):
        wrong = [self.root / "not-there.toml", self.folder, self.garbage, self.wrong, self.broken, self.mistyped, self.huge, self.garbage / "x",
                 self.unreadable, self.dangling]
        # These read something else first, which is none here either.
        others = {"enrol", "prune", "erase"}
        calls = [(self.arguments(c, config=w), None if c.words[-1] in others else str(w)) for c in self.all for w in wrong if "config" in c.kinds and c.words[0] != "sigillo-courier"]
        calls += [(["sigillo", "validate-config", w], str(w)) for w in wrong]
        self.assertGreater(len(calls), 200)
        self.all_refused(calls)

    def test_files_and_names_that_are_none(self):
        nobody = os.fsencode(self.garbage) + b"/\xff\xfe\x1b[31m\n"
        calls = []
        for command in self.all:
            for name in command.takes():
                if name == "config" or command.is_number(name):
                    continue
                for value in (self.garbage / "x", self.folder, self.garbage, self.unreadable, nobody):
                    value = b"anna=" + os.fsencode(value) if name == "officer" else value
                    calls.append((self.arguments(command, **{name: value}), None))
        self.all_refused(calls)

    def test_numbers_and_choices_that_are_none(self):
        calls = []
        for command in self.all:
            for name in command.takes():
                named = name if name in command.positionals else f"--{name}"
                if command.is_number(name):
                    calls += [(self.arguments(command, **{name: v}), named) for v in ("x", "-1", "1e99", "99999999999999999999", "0x", "1.5.2")]
                if command.is_choice(name):
                    calls += [(self.arguments(command, **{name: v}), named) for v in ("no-such-choice", "-1")]
        self.assertGreater(len(calls), 20)
        self.all_refused(calls)

    def test_every_command_explains_itself(self):
        for command in self.all:
            self.assertIn("Example", command.text, command.words)
            self.assertRegex(command.text, r"Exit codes?:\s", command.words)


if __name__ == "__main__":
    BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
