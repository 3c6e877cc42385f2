"""The service's unit: hardened by systemd's own measure, and a process that keeps its side: it says when it is ready, when it reloads
and when it stops, and gives up what it does not need. Arguments: the source folder, the folder of the programs."""

import configparser
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

SOURCE = BIN = None
MOST = 2.0


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Unit(unittest.TestCase):
    def setUp(self):
        self.path = SOURCE / "packaging" / "systemd" / "sigillod.service"

    def values(self, key):
        return re.findall(rf"^{key}=(.*)$", self.path.read_text(), re.MULTILINE)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not on this machine")
    def test_systemd_scores_it_at_most_two(self):
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", str(self.path)], capture_output=True,
                              text=True, timeout=60, check=False, env=os.environ | {"LC_ALL": "C.UTF-8"})
        score = float(re.search(r"Overall exposure level for sigillod.service: ([\d.]+)", done.stdout).group(1))
        self.assertLessEqual(score, MOST, done.stdout)

    def test_no_secret_reaches_a_disk_and_no_supervisor_locks_a_token(self):
        self.assertEqual(self.values("LimitCORE"), ["0"])
        self.assertEqual(self.values("MemorySwapMax"), ["0"])
        self.assertEqual(self.values("LoadCredentialEncrypted"), ["token-pin:sigillo.token-pin"])  # a path would have to be there
        self.assertLessEqual({"2", "3"}, set(self.values("RestartPreventExitStatus")[0].split()))
        self.assertEqual(self.values("Type"), ["notify"])
        self.assertFalse(self.values("Environment"))

    def test_it_is_an_ini_file_without_a_line_that_systemd_would_skip(self):
        parser = configparser.ConfigParser(strict=False, interpolation=None)
        parser.optionxform = str
        parser.read_string(self.path.read_text())
        self.assertEqual(parser.sections(), ["Unit", "Service", "Install"])


class Backup(unittest.TestCase):
    """The unit and timer of backups: read without a line that systemd would skip, and of a command that there is."""

    def read(self, name):
        parser = configparser.ConfigParser(strict=False, interpolation=None)
        parser.optionxform = str
        parser.read(SOURCE / "packaging" / "systemd" / name)
        return parser

    def test_the_timer_starts_what_the_unit_does_as_the_appliances_user(self):
        unit, timer = self.read("sigillo-backup.service"), self.read("sigillo-backup.timer")
        self.assertEqual((unit.sections(), timer.sections()), (["Unit", "Service"], ["Unit", "Timer", "Install"]))
        self.assertTrue(timer["Timer"]["OnCalendar"])
        self.assertEqual(unit["Service"]["User"], re.search(r"^User=(.*)$", (SOURCE / "packaging/systemd/sigillod.service").read_text(),
                                                            re.MULTILINE).group(1))
        words = re.search(r"/usr/bin/sigillo (backup create) .*", unit["Service"]["ExecStart"])
        usage = subprocess.run([BIN / "sigillo", *words.group(1).split(), "--help"], capture_output=True, text=True, check=True).stdout
        for option in re.findall(r"--[a-z-]+", words.group(0)):
            self.assertIn(option, usage)

    def test_an_appliance_without_its_socket_is_found_by_its_port(self):
        service = self.read("sigillo-backup.service")["Service"]
        self.assertNotIn("PrivateNetwork", service)
        self.assertIn("AF_INET", service["RestrictAddressFamilies"].split())
        self.assertEqual(service["IPAddressAllow"], "localhost")

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not on this machine")
    def test_systemd_scores_it_at_most_two(self):
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager",
                               str(SOURCE / "packaging" / "systemd" / "sigillo-backup.service")], capture_output=True, text=True, timeout=60,
                              check=False, env=os.environ | {"LC_ALL": "C.UTF-8"})
        score = float(re.search(r"Overall exposure level for sigillo-backup.service: ([\d.]+)", done.stdout).group(1))
        self.assertLessEqual(score, MOST, done.stdout)


class Allocator(unittest.TestCase):
    def test_it_has_an_arena_for_a_core(self):
        program = (BIN / "sigillod").read_bytes()
        if b"__asan_init" in program or b"__tsan_init" in program:
            self.skipTest("a sanitizer brings its own allocator")
        shown = subprocess.run([BIN / "sigillod", "--version"], env=os.environ | {"MALLOC_CONF": "stats_print:true"}, check=True,
                               capture_output=True, text=True, timeout=60).stderr
        self.assertIn('opt.percpu_arena: "percpu"', shown)


class Process(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.folder = pathlib.Path(self.temporary.name) / "dev"
        subprocess.run([BIN / "sigillo", "dev-init", self.folder, "--listen", f"127.0.0.1:{free_port()}", "--monitor", f"127.0.0.1:{free_port()}"],
                       check=True, capture_output=True, timeout=60)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(60)
        self.addCleanup(self.socket.close)

    def start(self, address, **more):
        self.socket.bind(address.replace("@", "\0", 1))
        self.server = subprocess.Popen([BIN / "sigillod", "--config", self.folder / "sigillo.toml"], stdout=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL, text=True, env=os.environ | {"NOTIFY_SOCKET": address} | more)
        self.addCleanup(self.server.stdout.close)
        self.addCleanup(self.server.wait)
        self.addCleanup(self.server.kill)

    def said(self):
        return self.socket.recv(4096).decode().split("\n")

    def test_it_says_when_it_is_ready_reloads_and_stops(self):
        self.start(str(pathlib.Path(self.temporary.name) / "notify"))
        self.assertIn("READY=1", self.said())
        self.assertIn("ready", self.server.stdout.readline())
        self.server.send_signal(signal.SIGHUP)
        self.assertIn("RELOADING=1", self.said())
        self.assertIn("READY=1", self.said())
        self.server.send_signal(signal.SIGTERM)
        self.assertIn("STOPPING=1", self.said())
        self.assertEqual(self.server.wait(60), 0)

    def test_a_watchdog_hears_it_while_it_moves_and_not_while_it_does_not(self):
        self.start(str(pathlib.Path(self.temporary.name) / "notify"), WATCHDOG_USEC="400000")
        self.assertIn("READY=1", self.said())
        for _ in range(3):
            self.assertIn("WATCHDOG=1", self.said())
        self.server.send_signal(signal.SIGSTOP)
        self.socket.settimeout(1)
        with self.assertRaises(TimeoutError):
            while True:
                self.said()  # what was on its way
        self.server.send_signal(signal.SIGCONT)
        self.socket.settimeout(60)
        self.assertIn("WATCHDOG=1", self.said())

    def test_an_abstract_socket_will_do_and_nobody_inherits_it(self):
        self.start(f"@sigillo-test-{os.getpid()}")
        self.assertIn("READY=1", self.said())
        status = pathlib.Path(f"/proc/{self.server.pid}/status").read_text()
        self.assertRegex(status, r"(?m)^NoNewPrivs:\s+1$")
        self.assertRegex(status, r"(?m)^Seccomp:\s+2$")


if __name__ == "__main__":
    SOURCE, BIN = (pathlib.Path(sys.argv.pop(1)).resolve() for _ in range(2))
    unittest.main()
