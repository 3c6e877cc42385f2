"""Invented citizens: a valid codice fiscale by the public algorithm, and contacts that nobody else has."""

import dataclasses
import random
import string

# Decree of the Minister of Finance, 23 December 1976: what a character counts for in an odd place (the first is odd).
ODD = dict(zip("0123456789", (1, 0, 5, 7, 9, 13, 15, 17, 19, 21)))
ODD.update(zip(string.ascii_uppercase,
               (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)))
EVEN = {c: int(c) for c in string.digits} | {c: i for i, c in enumerate(string.ascii_uppercase)}
OMOCODIA = dict(zip(string.digits, "LMNPQRSTUV"))
PIN_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def check_character(first15):
    total = sum((ODD if i % 2 == 0 else EVEN)[c] for i, c in enumerate(first15))
    return string.ascii_uppercase[total % 26]


def fiscal_code(rng, omocodia=False):
    consonants = "BCDFGLMNPRSTVZ"
    name = "".join(rng.choice(consonants) for _ in range(6))
    day = rng.randint(1, 28) + rng.choice((0, 40))
    first15 = f"{name}{rng.randint(40, 99):02}{rng.choice('ABCDEHLMPRST')}{day:02}{rng.choice('ABCDEFGHIL')}{rng.randint(1, 999):03}"
    if omocodia:
        first15 = first15[:14] + OMOCODIA[first15[14]]
    return first15 + check_character(first15)


def company_code(rng):
    """Eleven digits, the last by the rule of the partita IVA."""
    digits = [int(c) for c in f"{rng.randint(0, 9999999):07}{rng.randint(1, 100):03}"]
    total = sum(digits[0::2]) + sum(2 * d - 9 if d > 4 else 2 * d for d in digits[1::2])
    return "".join(map(str, digits)) + str(-total % 10)


def wrong_check_character(code):
    return code[:-1] + ("A" if code[-1] != "A" else "B")


@dataclasses.dataclass
class Citizen:
    subject: str
    mobile: str
    email: str
    pec: str
    postal: dict
    health_card: dict
    # What is known only once it was given out:
    credential_id: str = ""
    first: str = ""
    second: str = ""
    pin: str = ""

    @property
    def whole(self):
        return self.first + self.second

    @property
    def contacts(self):
        return {"mobile": self.mobile, "email": self.email, "pec": self.pec, "postal": self.postal}


class Town:
    """A source of citizens; the seed is printed, so that a failure can be repeated."""

    def __init__(self, seed=None):
        self.seed = random.SystemRandom().getrandbits(32) if seed is None else seed
        print(f"town seed {self.seed}")
        self.rng = random.Random(self.seed)
        self.used = set()

    def citizen(self, subject=None):
        rng = self.rng
        while subject is None or subject in self.used:
            subject = fiscal_code(rng)
        self.used.add(subject)
        mark = "".join(rng.choice(string.ascii_lowercase) for _ in range(10))
        postal = {"name": f"Mario {mark.capitalize()}", "street": f"Via {mark[::-1].capitalize()} {rng.randint(1, 99)}",
                  "postcode": "00153", "city": "Roma", "province": "RM", "country": "IT"}
        card = {"number": "80380" + "".join(rng.choice(string.digits) for _ in range(15)), "expires": "2049-05-31"}
        return Citizen(subject, "+3933" + "".join(rng.choice(string.digits) for _ in range(8)),
                       f"{mark}@example.it", f"{mark}@pec.example.it", postal, card)

    def pin(self, length=8, other_than=()):
        while True:
            pin = "".join(self.rng.choice(PIN_ALPHABET) for _ in range(length))
            if pin not in other_than:
                return pin

    def token(self):
        return "".join(self.rng.choice(string.ascii_letters + string.digits + "-_") for _ in range(42)) + "A"

    def sha256(self):
        return f"{self.rng.getrandbits(256):064x}"
