"""An export checked from docs/LEDGER.md alone: no code of the product, the distribution's `cryptography` for ECDSA."""

import base64
import datetime
import hashlib
import json
import struct

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

DOMAIN = b"sigillo/ledger/v1"


class Broken(Exception):
    """What does not hold."""


def need(holds, what):
    if not holds:
        raise Broken(what)


def text(value, limit):
    raw = value.encode()
    need(len(raw) <= limit, "a text beyond its limit")
    return bytes([len(raw)]) + raw


def encode(entry):
    """The table "An entry's bytes"."""
    out = struct.pack(">BQIqHH", 1, entry["seq"], entry["node"], entry["time_ms"], entry["kind"], entry["outcome_code"])
    out += bytes.fromhex(entry["subject"]) + struct.pack(">Q", entry["attempt"])
    out += text(entry["channel"], 80) + text(entry["operator"], 64) + text(entry["reference"], 128)
    guard, root, guard_hash = (entry.get(part) for part in ("guard", "root", "guard_hash"))
    out += bytes([(1 if guard else 0) | (2 if root else 0) | (4 if guard_hash else 0)])
    if guard:
        out += bytes.fromhex(guard["subject"])
        out += struct.pack(">BHHq", guard["counter"], guard["failures"], guard["unowned"], guard["last_ms"])
    return out + bytes.fromhex(root or "") + bytes.fromhex(guard_hash or "")


def catalogues(page):
    """Numbers and names, out of the page's own tables."""
    events, outcomes = {}, {}
    section = page.split("\n## Events\n")[1].split("\n## ")[0]
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[0][:1].isdigit():
            events.update(zip(map(int, cells[0].split(", ")), cells[1].split(", ")))
    for item in " ".join(section.split("Outcomes: ")[1].split(".")[0].split()).split(", "):
        number, name = item.split(" ")
        outcomes[int(number)] = name
    return events, outcomes


def public_key(jwk):
    number = lambda member: int.from_bytes(base64.urlsafe_b64decode(jwk[member] + "=="), "big")
    return ec.EllipticCurvePublicNumbers(number("x"), number("y"), ec.SECP256R1()).public_key()


def check_note(note, keys):
    """The signed text's lines, where one of the ledger keys has signed it."""
    body, signatures = note.split("\n\n", 1)
    body += "\n"
    lines = body.splitlines()
    dash, origin, encoded = signatures.rstrip("\n").split(" ")
    need(dash == "\u2014" and origin == lines[0], "the signature's line is of another shape")
    raw = base64.b64decode(encoded, validate=True)
    for jwk in keys["keys"]:
        if not jwk["kid"].startswith("sigillo.ledger-v"):
            continue
        key = public_key(jwk)
        spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        if hashlib.sha256(spki).digest()[:4] != raw[:4]:
            continue
        try:
            key.verify(raw[4:], body.encode(), ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            raise Broken("the signature does not hold") from None
        return lines
    raise Broken("no key of that id")


def check_file(path, keys, names, at, previous):
    """One export or segment that goes on after entry `at` with the hash `previous`; None where it is the first. Its entries and its end."""
    events, outcomes = names
    with open(path, encoding="utf-8", newline="\n") as file:
        lines = file.read().split("\n")
    need(lines.pop() == "", "the last line is not ended")
    closing = json.loads(lines.pop())
    base = (0, bytes(32))
    if lines and lines[0].startswith('{"base"'):
        note = check_note(json.loads(lines.pop(0))["base"], keys)
        need(len(note) == 5, "the base is not the end of a segment")
        base = (int(note[1]), base64.b64decode(note[2]))
    need(at is None or base == (at, previous), "the file does not begin where the one before has ended")
    (at, previous), entries = base, []
    for number, line in enumerate(lines, at + 1):
        entry = json.loads(line)
        need(entry["seq"] == number, f"entry {number} is not in its place")
        previous = hashlib.sha256(DOMAIN + previous + encode(entry)).digest()
        need(entry["hash"] == previous.hex(), f"the hash of entry {number}")
        need(entry["event"] == events[entry["kind"]], f"the name of kind {entry['kind']}")
        need(entry["outcome"] == outcomes[entry["outcome_code"]], f"the name of outcome {entry['outcome_code']}")
        need(entry["time"] == rfc3339(entry["time_ms"]), f"the time of entry {number}")
        entries.append(entry)
    origin, size, head, time, *segment = check_note(closing["checkpoint"], keys)
    need(origin.endswith(f"/ledger/{entries[-1]['node']}"), "the origin")
    need(int(size) == entries[-1]["seq"] and base64.b64decode(head) == previous, "the chain does not end in the checkpoint")
    need(time == "time " + entries[-1]["time"], "the checkpoint's time")
    need(segment in ([], [f"segment {entries[0]['seq']}"]), "the segment's beginning")
    return entries, entries[-1]["seq"], previous


def check_files(paths, keys, page):
    """All entries of segments and an export, in their order, where everything holds."""
    names, at, previous, all_entries = catalogues(page), None, None, []
    for path in paths:
        entries, at, previous = check_file(path, keys, names, at, previous)
        all_entries += entries
    return all_entries


def check_export(path, keys, page):
    """All entries of a whole ledger, from its first."""
    entries = check_files([path], keys, page)
    need(entries[0]["seq"] == 1, "the beginning is missing")
    return entries


def rfc3339(milliseconds):
    return datetime.datetime.fromtimestamp(milliseconds // 1000, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
