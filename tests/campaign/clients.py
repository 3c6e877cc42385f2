"""Clients on every endpoint that can confirm something: wrong secrets, and one citizen's right ones among them."""

import http.client
import random
import threading

from books import CARD, CONTACTS, LINK, PIN
from harness.citizen import PIN_ALPHABET

ACTION = {"type": "claim.submit", "reference": "R-1", "sha256": "ab" * 32}
# Role, path, what stands beside subject and PIN, length of the PIN.
PIN_ENDPOINTS = [("portal", "/v1/verifications", {}, 8), ("contact-centre", "/v1/verifications", {}, 8),
                 ("branch", "/v1/verifications", {}, 16), ("portal", "/v1/activations", {}, 16), ("portal", "/v1/renewals", {}, 8),
                 ("portal", "/v1/conversions", {}, 8), ("portal", "/v1/authorizations", {"action": ACTION}, 8),
                 ("portal", "/v1/contacts", {"contacts": {"phone": "+390612345678"}}, 8)]


class Town:
    """Who is guessed at: subjects (known, provisional and invented), links, and a holder who knows the own PIN."""

    def __init__(self):
        self.subjects, self.links, self.holder = [], [], None

    def guess(self, dice):
        """(role, path, body, name, counter) of a wrong secret, on any endpoint."""
        kind = dice.choices((PIN, CONTACTS, CARD, LINK if self.links else PIN), (10, 2, 2, 3))[0]
        if kind == LINK:
            path, identifier = dice.choice(self.links)
            token = "".join(dice.choice(PIN_ALPHABET) for _ in range(42)) + "A"
            return "portal", f"/v1/{path}/{identifier}/confirmation", {"token": token}, identifier, LINK
        subject = dice.choice(self.subjects)
        if kind == CONTACTS:
            contacts = {"mobile": f"+3934{dice.randrange(10**8):08}", "email": f"x{dice.randrange(10**8)}@example.it"}
            return "portal", "/v1/recoveries", {"subject": subject, "contacts": contacts}, subject, CONTACTS
        if kind == CARD:
            card = {"number": f"80390{dice.randrange(10**15):015}", "expires": "2049-05-31"}
            body = {"subject": subject, "health_card": card, "contact": {"email": "x@example.it"}}
            return "portal", "/v1/revocations", body, subject, CARD
        role, path, more, length = dice.choice(PIN_ENDPOINTS)
        pin = "".join(dice.choice(PIN_ALPHABET) for _ in range(length))  # right once in 2^40
        return role, path, {"subject": subject, "pin": pin} | more, subject, PIN


def send(channels, appliance, town, books, dice):
    """One guess, written into the books whatever becomes of it."""
    role, path, body, name, counter = town.guess(dice)
    books.count("guesses sent")
    try:
        channel = channels.get(role) or channels.setdefault(role, appliance.channel(role))
        books.answered(name, counter, channel.post(path, body))
    except (OSError, http.client.HTTPException):
        books.count("guesses without an answer")
        close(channels)
        return False
    return True


def close(channels):
    for channel in channels.values():
        channel.close()
    channels.clear()


class Guessers:
    """Threads with connections of their own, guessing until told to end or until nobody answers."""

    def __init__(self, campaign, appliances, workers=5):
        self.campaign, self.ended = campaign, threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(appliances[i % len(appliances)], campaign.dice.getrandbits(32), i == 0))
                        for i in range(workers)]
        for thread in self.threads:
            thread.start()

    def work(self, appliance, seed, right):
        dice, channels, books, town = random.Random(seed), {}, self.campaign.books, self.campaign.town
        while not self.ended.is_set():
            if right and dice.random() < 0.5:
                answered = self.right(channels, appliance, town.holder, books)
            else:
                answered = send(channels, appliance, town, books, dice)
            if not answered and (appliance.process is None or appliance.process.poll() is not None):
                break
        close(channels)

    @staticmethod
    def right(channels, appliance, holder, books):
        try:
            channel = channels.get("portal") or channels.setdefault("portal", appliance.channel("portal"))
            books.answered_right(channel.post("/v1/verifications", {"subject": holder.subject, "pin": holder.pin, "receipt": True}))
        except (OSError, http.client.HTTPException):
            close(channels)
            return False
        return True

    def alive(self):
        return any(thread.is_alive() for thread in self.threads)

    def end(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()


class Holders(Guessers):
    """Right secrets alone, by every thread: what fills a WAL and touches no counter of the books."""

    def work(self, appliance, seed, right):
        channels = {}
        while not self.ended.is_set():
            if not self.right(channels, appliance, self.campaign.town.holder, self.campaign.books):
                break
        close(channels)
