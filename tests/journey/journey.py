"""One citizen's journey through the real API, each step in plain words. Exit code 0 only if every step held.

    python3 journey.py --bin build/bin --folder var/journey     (what ./run journey does, after building)
"""

import argparse
import datetime
import os
import random
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from appliance import Appliance, Channel, Trouble  # noqa: E402

SUBJECT = "RSSMRA85T10A562S"
MOBILE = "+393331234567"
POSTAL = {"name": "Mario Rossi", "street": "Via Garibaldi 1", "postcode": "00153", "city": "Roma", "province": "RM",
          "country": "IT"}
ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
GUESSES = 10
LIMITED = ["portal.explore", "profile.manage"]
# The delays between wrong guesses are 30 s doubling to 1 h; from above the limit on, a development appliance has none.
SETTINGS = f"\n[policy.guess]\ndelay_from = {GUESSES + 1}\n"


def expect(condition, what, seen):
    if not condition:
        raise Trouble(f"{what} did not hold; the answer was {seen}")


class Story:
    """Numbers the steps, and keeps secrets off the screen: a PIN is shown by its first two characters."""

    def __init__(self):
        self.steps = 0

    def step(self, text):
        self.steps += 1
        print(f"{self.steps:3}. {text}", flush=True)

    @staticmethod
    def masked(pin):
        return pin[:2] + "•" * (len(pin) - 2)


def wrong_pin(pin, dice):
    """Another PIN of the same shape."""
    while True:
        other = "".join(dice.choice(ALPHABET) for _ in pin)
        if other != pin:
            return other


def request_pin(story, portal):
    status, answer = portal.post("/v1/credentials", {
        "subject": SUBJECT, "contacts": {"mobile": MOBILE, "postal": POSTAL}, "first_half_by": "sms"})
    expect(status == 201 and answer["state"] == "provisional" and answer["level"] == "ordinary", "a new PIN", (status, answer))
    ways = {d["half"]: d for d in answer["deliveries"]}
    expect(set(ways) == {"first", "second"} and ways["first"]["medium"] == "sms" and ways["second"]["medium"] == "post",
           "two halves by two ways", answer)
    expect("pin" not in answer and "sealed" not in str(answer), "no half in the answer", answer)
    expect(MOBILE not in str(answer) and POSTAL["street"] not in str(answer), "masked addresses", answer)
    story.step(f"Mario Rossi asks for a PIN at the portal. It is made, and goes out in two halves: by SMS to "
               f"{ways['first']['to']}, by post to {ways['second']['to']}. The portal sees neither half.")
    status, answer = portal.post("/v1/credentials", {"subject": SUBJECT, "contacts": {"mobile": MOBILE, "postal": POSTAL}})
    expect(status == 409 and answer["code"] == "credential-exists", "a second request is refused", (status, answer))
    story.step("Asking again while that one is live is refused.")
    return ways["first"]["delivery_id"], ways["second"]["delivery_id"]


def fetch_half(story, appliance, medium, delivery_id, kind, words):
    message = appliance.couriers[medium].message(delivery_id)
    expect(message["delivery_id"] == delivery_id and message["kind"] == kind, f"a {kind} by {medium}", message["kind"])
    half = message["pin"].replace("-", "")
    expect(len(half) == 8 and set(half) <= set(ALPHABET), "8 characters of the alphabet", "something else")
    expect(message["pin"] in message["text"], "a text that has the half", "none")
    story.step(f"The {medium} courier fetches its sealed delivery, opens it with its own key and {words} "
               f"({Story.masked(half)}). It could not have opened the other.")
    return half


def verify(portal, pin):
    status, answer = portal.post("/v1/verifications", {"subject": SUBJECT, "pin": pin})
    expect(status == 200 and "outcome" in answer, "a decision", (status, answer))
    return answer


def use_halves(story, portal, first, second):
    answer = verify(portal, first)
    expect(answer["outcome"] == "verified" and answer["presented"] == "first-half" and sorted(answer["scopes"]) == LIMITED,
           "the first half opens what it may", answer)
    story.step("With the first half alone he may look around and keep his profile, and nothing else.")
    answer = verify(portal, second)
    expect(answer["outcome"] == "rejected" and answer["attempts_remaining"] == GUESSES - 1, "the second half alone is charged",
           answer)
    story.step("The second half alone is rejected, and charged as a wrong guess: 9 are left.")
    answer = verify(portal, first)
    expect(answer["outcome"] == "verified", "the first half still verifies", answer)
    answer = verify(portal, wrong_pin(second, random.Random(second)))
    expect(answer["outcome"] == "rejected" and answer["attempts_remaining"] == GUESSES - 2, "the first half refills nothing", answer)
    story.step("The first half, right again, does not give that guess back: after one more wrong one 8 are left.")
    answer = verify(portal, first + second)
    expect(answer["outcome"] == "verified" and answer["presented"] == "provisional" and answer["next"] == "activate"
           and sorted(answer["scopes"]) == LIMITED, "the 16 characters verify and ask for activation", answer)
    story.step("Both halves together verify, set the count back, and the answer says: activate.")


def activate(story, portal, first, second):
    status, answer = portal.post("/v1/activations", {"subject": SUBJECT, "pin": first + second})
    expect(status == 201 and answer["outcome"] == "verified", "an activation", (status, {**answer, "pin": "…"}))
    definitive = answer["pin"].replace("-", "")
    expect(len(definitive) == 8 and definitive not in (first, second), "a definitive PIN that is neither half", "something else")
    expires = datetime.datetime.fromisoformat(answer["expires_at"].replace("Z", "+00:00"))
    days = (expires - datetime.datetime.now(datetime.timezone.utc)).days
    expect(179 <= days <= 180, "180 days of validity", answer["expires_at"])
    story.step(f"He activates with the 16 characters and gets his definitive PIN, once ({Story.masked(definitive)}), "
               f"good until {expires.date()}.")
    answer = verify(portal, first + second)
    expect(answer["outcome"] == "rejected", "the 16 characters are dead", answer)
    story.step("The 16 characters are dead from then on.")
    return definitive


def use_definitive(story, portal, definitive):
    status, answer = portal.post("/v1/verifications", {"subject": SUBJECT, "pin": definitive.lower(), "receipt": True})
    expect(status == 200 and answer["outcome"] == "verified" and answer["presented"] == "definitive"
           and answer["state"] == "active", "the definitive PIN verifies", (status, answer))
    expect({"records.read", "claims.defer"} <= set(answer["scopes"]), "the scopes of an ordinary PIN", answer)
    expect(answer["receipt"].count(".") == 2 and SUBJECT not in answer["receipt"], "a signed receipt", answer)
    story.step("The definitive PIN verifies (small letters do as well) and opens his records; the portal gets a signed receipt.")


def guess_until_locked(story, portal, definitive):
    dice = random.Random(definitive)
    for guess in range(1, GUESSES + 1):
        answer = verify(portal, wrong_pin(definitive, dice))
        expect(answer["outcome"] == "rejected" and answer["attempts_remaining"] == GUESSES - guess, f"wrong guess {guess}", answer)
    story.step(f"Somebody guesses: {GUESSES} wrong PINs are rejected, each charged, down to none left.")
    answer = verify(portal, wrong_pin(definitive, dice))
    expect(answer["outcome"] == "locked", "the lock", answer)
    answer = verify(portal, definitive)
    expect(answer["outcome"] == "locked" and answer["attempts_remaining"] == 0, "the lock holds for the right PIN too", answer)
    story.step("He is locked: not even the right PIN is looked at any more.")
    status, answer = portal.post("/v1/verifications", {"subject": "VRDLGU80A01F205T", "pin": definitive})
    if status == 422:
        raise Trouble("the unknown citizen's codice fiscale is refused")
    expect(answer["outcome"] == "rejected" and set(answer) == {"outcome", "attempts_remaining"}, "an unknown citizen", answer)
    story.step("Of a citizen that was never here the answer is a plain rejection: nobody learns who exists.")


def journey(appliance, story):
    portal = Channel(appliance, "portal")
    status, answer = portal.call("GET", "/v1/whoami")
    expect(status == 200 and answer["role"] == "portal", "the portal is known by its certificate", (status, answer))
    story.step(f"The portal connects with its certificate and is known as {answer['role']} \"{answer['name']}\".")
    status, answer = Channel(appliance, "auditor").post("/v1/verifications", {"subject": SUBJECT, "pin": "ABCD2345"})
    expect(status == 403 and answer["code"] == "role-not-permitted", "a wrong role is refused", (status, answer))
    story.step("The auditor's certificate, which may only read the ledger, is refused a verification.")
    first_id, second_id = request_pin(story, portal)
    first = fetch_half(story, appliance, "sms", first_id, "pin.first-half", "sends the first half")
    second = fetch_half(story, appliance, "post", second_id, "pin.second-half", "prints the second half")
    expect(first != second, "halves made independently", "they are equal")
    use_halves(story, portal, first, second)
    definitive = activate(story, portal, first, second)
    use_definitive(story, portal, definitive)
    guess_until_locked(story, portal, definitive)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", required=True, help="folder of sigillod, sigillo and sigillo-courier")
    parser.add_argument("--folder", required=True, help="made anew for the appliance; what was in it is removed")
    arguments = parser.parse_args()
    shutil.rmtree(arguments.folder, ignore_errors=True)
    os.makedirs(os.path.dirname(os.path.abspath(arguments.folder)), exist_ok=True)
    story = Story()
    appliance = Appliance(arguments.bin, arguments.folder, SETTINGS)
    try:
        with appliance:
            journey(appliance, story)
        expect(not any(appliance.codes.values()), "everything stops cleanly", appliance.codes)
        story.step("Appliance and couriers stop cleanly.")
    except (Trouble, KeyError, OSError, ValueError) as trouble:
        print(f"Step {story.steps + 1} failed: {type(trouble).__name__}: {trouble}", file=sys.stderr)
        return 1
    print(f"All {story.steps} steps held.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
