"""A room with a terminal for `sigillo ceremony`: a real pseudo-terminal, people who type what they are asked, and what a
custodian has on paper. Only Python's standard library; nothing is timed, every answer follows a prompt."""

import os
import pty
import re
import select
import signal
import struct
import fcntl
import termios

WAIT_S = 25
ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


class Unexpected(Exception):
    """The program said something else, or nothing any more."""


class Room:
    """One process on a pseudo-terminal that it is the controlling one of."""

    def __init__(self, argv, rows=40, columns=100):
        self.said = ""  # everything, from the beginning
        self.unread = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execv(argv[0], argv)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.status = None

    def _more(self):
        """False at the end."""
        if not select.select([self.fd], [], [], WAIT_S)[0]:
            raise Unexpected(f"nothing came in {WAIT_S} s after: ...{self.said[-2000:]}")
        try:
            text = os.read(self.fd, 65536)
        except OSError:  # the other side is closed
            return False
        if not text:
            return False
        while True:  # a character of several bytes may be cut
            try:
                decoded = text.decode()
                break
            except UnicodeDecodeError:
                text += os.read(self.fd, 1)
        self.said += decoded
        self.unread += decoded
        return True

    def expect(self, *patterns):
        """(index, match) of the first pattern that appears in what was not read yet, or (None, None) at the end."""
        compiled = [re.compile(p, re.S) for p in patterns]
        while True:
            found = [(m.end(), i, m) for i, m in ((i, c.search(self.unread)) for i, c in enumerate(compiled)) if m]
            if found:
                end, index, match = min(found, key=lambda f: (f[0], f[1]))
                self.unread = self.unread[end:]
                return index, match
            if not self._more():
                return None, None

    def type(self, text):
        os.write(self.fd, (text + "\n").encode())

    def read_on(self):
        while self._more():
            pass

    def wait(self):
        """The exit code, once everything that is said was read."""
        if self.status is None:
            self.read_on()
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            os.close(self.fd)
        return self.status

    def lose(self, how="kill"):
        """The terminal is lost: by SIGKILL to the process, or by a line that hangs up."""
        if how == "kill":
            os.kill(self.pid, signal.SIGKILL)
            return self.wait()
        os.close(self.fd)
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status


class Papers:
    """What the custodians wrote down: by kind and number, the last that was shown."""

    def __init__(self):
        self.shares = {}
        self.dead = []

    def take(self, screen):
        kind, number = re.search(r"(AUTHORISATION|BACKUP) SHARE (\d+) of", screen).groups()
        rows = re.findall(r"([1-4])\)  ((?:[A-Z2-9]{4} ){3}[A-Z2-9]{4})", screen)
        assert [r for r, _ in rows] == ["1", "2", "3", "4"], screen
        key = (kind, int(number))
        share = [row for _, row in rows]
        if key in self.shares and self.shares[key] != share:
            self.dead.append(self.shares[key])
        self.shares[key] = share
        self.last = share

    def of(self, kind, number):
        return self.shares[(kind, number)]


class People:
    """They type what the prompts ask for. `passwords` by name; `custodians`: who come when shares are wanted, in order."""

    PROMPTS = [
        (r"Shall this step be tried again now\? \(yes or no\) > $", lambda self, m: self.try_again()),
        (r"(?<!tried again now\? )(?<!be tried again\? )\(yes or no\) > $", lambda self, m: "yes"),
        (r"this screen is then cleared\. > $", lambda self, m: self.seen(m)),
        (r"Press Enter\. > $", lambda self, m: ""),
        (r"New password of ([^>\n]+) > $", lambda self, m: self.say(self.passwords[m.group(1)])),
        (r"The same once more > $", lambda self, m: self.last),
        (r"Set-up PIN of the tokens > $", lambda self, m: self.say(self.so_pin)),
        (r"Type line (\d) from the paper > $", lambda self, m: self.papers.last[int(m.group(1)) - 1]),
        (r"Share (\d+), line (\d) > $", lambda self, m: self.row(int(m.group(1)), int(m.group(2)))),
        (r'PIN of the token "[^"]+" > $', lambda self, m: self.token_pin),
        (r"Shall it be tried again\? \(yes or no\) > $", lambda self, m: self.try_again()),
        (r"Password of ([^>\n]+), to sign > $", lambda self, m: self.passwords[m.group(1)]),
    ]

    def __init__(self, passwords, so_pin, custodians=(1, 2, 3)):
        self.passwords, self.so_pin, self.custodians = passwords, so_pin, list(custodians)
        self.papers = Papers()
        self.token_pin = ""
        self.last = ""
        self.patient = 0  # how often a step may fail
        self.prompts = 0  # answered

    def say(self, text):
        self.last = text
        return text

    def try_again(self):
        if not self.patient:
            raise Unexpected(f"a step failed: ...{self.room.said[-1500:]}")
        self.patient -= 1
        return "yes"

    def seen(self, _):
        screen = self.room.said.rsplit("\x1b[?1049h", 1)[1]
        self.papers.take(screen)
        return ""

    def row(self, number, row):
        # `row()` is asked for one line of the number-th share that is wanted.
        return self.papers.of(self.kind(), self.custodians[number - 1])[row - 1]

    def kind(self):
        wanted = re.findall(r"four\s+lines\s+of\s+their\s+(\w+)\s+share", self.room.said)
        return wanted[-1].upper()

    def play(self, room, until=None, prompts=None):
        """Answers prompt after prompt. Ends before the prompt or at the text `until`, after `prompts` of them (the next one
        stands unanswered), or when the program ends. True where it is still there."""
        self.room = room
        patterns = ([until] if until else []) + [p for p, _ in self.PROMPTS]
        first = len(patterns) - len(self.PROMPTS)
        left = prompts
        while True:
            index, match = room.expect(*patterns)
            if index is None:
                return False
            if index < first:
                return True
            if left is not None and left == 0:
                return True
            room.type(self.PROMPTS[index - first][1](self, match))
            self.prompts += 1
            left = None if left is None else left - 1


# ---- a share, read by another hand (docs/CEREMONY.md has the format) ----------------------------------------------------

def symbols(rows):
    text = "".join(rows).replace(" ", "")
    return [ALPHABET.index(c) for c in text]


def value_of(rows):
    """(kind, threshold, count, number, appliance, set, the 25 bytes)"""
    all_rows = symbols(rows)
    data = [s for i, s in enumerate(all_rows) if i % 16 != 15]
    marks = "".join(ALPHABET[s] for s in data[4:14])
    bits = "".join(f"{s:05b}" for s in data[14:54])
    return data[0], data[1], data[2], data[3], marks[:5], marks[5:], bytes(int(bits[i:i + 8], 2) for i in range(0, 200, 8))


def gf_multiply(a, b):
    product = 0
    while b:
        if b & 1:
            product ^= a
        a = a << 1 ^ (0x11d if a & 0x80 else 0)
        b >>= 1
    return product


def gf_inverse(a):
    power = 1
    for _ in range(254):
        power = gf_multiply(power, a)
    return power


def combine(papers):
    """The PIN of these shares: Lagrange at 0 over GF(256), x^8+x^4+x^3+x^2+1."""
    parts = [value_of(rows) for rows in papers]
    secret = bytearray(25)
    for part in parts:
        weight = 1
        for other in parts:
            if other[3] != part[3]:
                weight = gf_multiply(weight, gf_multiply(other[3], gf_inverse(other[3] ^ part[3])))
        for i, byte in enumerate(part[6]):
            secret[i] ^= gf_multiply(weight, byte)
    bits = "".join(f"{b:08b}" for b in secret[:20])
    return "".join(ALPHABET[int(bits[i:i + 5], 2)] for i in range(0, 160, 5))
