"""What the clients saw, and what the ledger says: compared after every start."""

import base64
import collections
import hashlib
import threading

from independent import DOMAIN, encode

LIMIT, LINK_LIMIT = 10, 5
PIN, CONTACTS, CARD, LINK = 1, 2, 3, 4  # the ledger's numbers of the counters


def limit_of(counter):
    return LINK_LIMIT if counter == LINK else LIMIT


class Books:
    """Of each counter (a subject's or a link's, by kind) every attempts_remaining that was answered. Whoever is written
    down here only ever gets wrong secrets, so that no count is ever set back, and no number may come twice."""

    def __init__(self):
        self.lock = threading.Lock()
        self.figures, self.violations = collections.Counter(), []
        self.answers = collections.defaultdict(list)  # (name, counter): attempts_remaining in order of arrival
        self.index = {}                               # name: as the ledger calls it
        self.closed = collections.Counter()           # figures of the ledgers of appliances that are gone
        self.ledger = Ledger(self)

    def count(self, name, by=1):
        with self.lock:
            self.figures[name] += by

    def violation(self, text):
        with self.lock:
            self.violations.append(text)
        print(f"VIOLATION: {text}", flush=True)

    def evaluated(self):
        return self.figures["answered after an evaluation"]

    def answered(self, name, counter, answer):
        """An answer to a wrong secret."""
        self.count("guesses answered")
        if answer.status == 503:
            return self.count("answered 503")
        if answer.status >= 400 or answer.outcome not in ("rejected", "locked"):
            return self.violation(f"a wrong secret was answered {answer!r}")
        if answer.outcome == "locked":
            return self.count("answered locked")
        left = answer["attempts_remaining"]
        if counter == LINK and left == 0:
            return self.count("answered by a link that is dead or dies")  # the two answer alike, by contract
        with self.lock:
            self.figures["answered after an evaluation"] += 1
            again = left in self.answers[name, counter]
            self.answers[name, counter].append(left)
            seen = list(self.answers[name, counter])
        if again or not 0 <= left < limit_of(counter):
            self.violation(f"two answers for one charge, or one too many, on counter {counter}: attempts_remaining {seen}")

    def answered_right(self, answer):
        self.count("right secrets answered")
        if answer.status == 503:
            return self.count("right secrets answered 503")
        if answer.status != 200 or answer.outcome != "verified":
            self.violation(f"a right PIN was answered {answer!r}")

    def another_appliance(self):
        """With subjects and a ledger of its own."""
        self.closed += self.ledger.figures()
        self.ledger = Ledger(self)
        self.index.clear()
        self.answers.clear()

    def compare(self):
        """Nothing answered is missing from the ledger, and no counter ever got more than its limit."""
        self.count("comparisons of the books")
        for (name, counter), seen in self.answers.items():
            key = (self.index.get(name), counter)
            charged = self.ledger.rejected.get(key, [])
            missing = [left for left in seen if left not in charged]
            if missing:
                self.violation(f"answered and not in the ledger: attempts_remaining {missing} of counter {key}, which has {charged}")
        for key, charged in self.ledger.rejected.items():
            if len(charged) > limit_of(key[1]):
                self.violation(f"the ledger has {len(charged)} evaluated wrong guesses of counter {key}")
        now = self.closed + self.ledger.figures()
        self.figures.update({name: now[name] - self.figures[name] for name in now})


def link_index(identifier):
    return base64.urlsafe_b64decode(identifier + "==").hex()


class Ledger:
    """The chain as the auditor reads it, page after page; what was read once may never change."""

    def __init__(self, books):
        self.books = books
        self.seq, self.hash, self.charges, self.closed = 0, bytes(32), {}, set()
        self.refunds, self.rejected, self.last = 0, collections.defaultdict(list), None

    def figures(self):
        return collections.Counter({"guesses charged": len(self.charges), "charges put back, not evaluated": self.refunds,
                                    "charges never settled (kills)": len(self.charges) - len(self.closed),
                                    "ledger entries": self.seq})

    def read(self, auditor):
        """False where the appliance could not serve the auditor."""
        while True:
            answer = auditor.get(f"/v1/ledger?after={self.seq}&limit=500", status=(200, 503))
            if answer.status != 200:
                return False
            for entry in answer["entries"]:
                self.take(entry)
            if len(answer["entries"]) < 500:
                return True

    def take(self, entry):
        self.hash = hashlib.sha256(DOMAIN + self.hash + encode(entry)).digest()
        if entry["seq"] != self.seq + 1 or entry["hash"] != self.hash.hex():
            self.books.violation(f"the chain does not hold at entry {entry['seq']}, after {self.seq}")
        self.seq = entry["seq"]
        if entry["event"] == "charge":
            self.charges[entry["seq"]] = self.last = entry
        elif entry["event"] in ("settle", "not-evaluated"):
            attempt = entry["attempt"]
            if attempt not in self.charges or attempt in self.closed:
                self.books.violation(f"ledger entry {entry['seq']} settles {attempt}, which is no open charge")
                return
            self.closed.add(attempt)
            guard = self.charges[attempt]["guard"]
            if entry["event"] == "not-evaluated":
                self.refunds += 1
            elif entry["outcome"] == "rejected":
                total = guard["failures"] + guard["unowned"]
                key = (guard["subject"], guard["counter"])
                self.rejected[key].append(limit_of(guard["counter"]) - total)
