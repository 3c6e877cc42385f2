"""The manual pages and the completion as `cmake --install` puts them. Argument: the build folder."""

import os
import re
import subprocess
import sys
import tempfile
import unittest

BUILD = None


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.prefix = cls.temporary.name
        subprocess.run(["cmake", "--install", BUILD, "--prefix", cls.prefix], check=True, capture_output=True)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def help(self, *words):
        return subprocess.run([f"{self.prefix}/bin/{words[0]}", *words[1:], "--help"], check=True, capture_output=True,
                              text=True, stdin=subprocess.DEVNULL).stdout

    def page(self, program):
        with open(f"{self.prefix}/share/man/man8/{program}.8", encoding="utf-8") as file:
            return file.read().replace("\\-", "-").replace("\\e", "\\").replace("\\&", "")

    def complete(self, *words):
        script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _sigillo; printf "%s\\n" "${COMPREPLY[@]}"')
        done = subprocess.run(["bash", "-c", script, "bash", f"{self.prefix}/share/bash-completion/completions/sigillo",
                               "sigillo", *words], check=True, capture_output=True, text=True)
        return set(done.stdout.split())

    def test_every_command_and_option_stands_in_its_page(self):
        for program in ("sigillo", "sigillod", "sigillo-courier"):
            page = self.page(program)
            asked = [(program,)]
            while asked:
                words = asked.pop()
                text = self.help(*words)
                for option in re.findall(r"^  (?:-\w,)?(--[a-z][a-z0-9-]*)", text, re.M):
                    self.assertIn(option, page)
                below = re.search(r"^Subcommands:\n((?:  .*\n)+)", text, re.M)
                for word in re.findall(r"^  ([a-z][a-z-]*)(?: |$)", below.group(1), re.M) if below else []:
                    asked.append((*words, word))
                    self.assertIn(f'.SH "{" ".join([*words, word]).upper()}"', page)
            self.assertTrue(page.startswith(f".TH {program.upper()} 8 "))
            self.assertIn("Exit codes", page)

    def test_bash_completes_commands_options_and_files(self):
        self.assertEqual(self.complete("aud"), {"audit"})
        self.assertEqual(self.complete("audit", "verify", "--k"), {"--keys"})
        self.assertLessEqual({"export", "verify", "--help"}, self.complete("audit", ""))
        self.assertEqual(self.complete("dev-init", "somewhere", "--mon"), {"--monitor"})
        self.assertEqual(self.complete("audit", "verify", f"{self.prefix}/bi"), {f"{self.prefix}/bin"})


if __name__ == "__main__":
    BUILD = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
