"""Officers' signatures in an export, checked from docs/LEDGER.md alone: as independent.py, no code of the product."""

import base64
import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from independent import need

STATUS = {"officer-enrolled": "active", "officer-resumed": "active", "officer-suspended": "suspended", "officer-revoked": "revoked"}
BY_ONE = ("channel-suspended", "unclean-stops-accepted", "act-ended")


def unpadded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def signed(point, digest, signature):
    raw = unpadded(signature)
    need(len(raw) == 64, "a signature of another length")
    der = utils.encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    try:
        public.verify(der, digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
    except InvalidSignature:
        return False
    return True


def check_acts(entries):
    """Of a whole ledger, from its first entry: the digests of the acts that hold."""
    keys, status, founded, act, digests = {}, {}, False, None, []
    for entry in entries:
        event, name = entry["event"], entry["operator"]
        if event == "act-signed":
            need(act and name in act["to sign"], "a signature that no act asks for")
            act["to sign"].remove(name)
            act["signed"] += 1
            need(status.get(name) == "active", f"{name} is no active officer")
            need(signed(keys[name], bytes.fromhex(act["digest"]), entry["reference"]), f"the signature of {name}")
            continue
        need(not act or not act["to sign"], "an act lacks a signature")
        founded = founded or event == "started"
        if event == "act":
            need(entry["reference"] not in digests, "an act twice")
            digests.append(entry["reference"])
            act = {"digest": entry["reference"], "by": name, "to sign": name.split("+"), "signed": 0}
            continue
        if event == "act-ended" and entry["outcome"] == "interrupted":
            need(act and entry["reference"].split(" ")[0] == act["digest"], "the end of another act")
            act = None
            continue
        if event == "backed-up" or entry["channel"] != "officer" and event not in STATUS:
            continue
        if founded:
            need(act, f"{event} by no act")
            need(event in STATUS or name == act["by"], f"{event} by others")
            need(event in BY_ONE or act["signed"] >= 2, f"{event} by one")
        if event == "act-ended":
            need(entry["reference"] == act["digest"], "the end of another act")
            act = None
        elif event == "officer-enrolled":
            need(name not in keys, "an officer twice")
            keys[name], status[name] = unpadded(entry["reference"]), "active"
        elif event in STATUS:
            status[name] = STATUS[event]
    need(not act or not act["to sign"], "an act lacks a signature")
    return digests


def digest_of(text):
    return hashlib.sha256(b"sigillo/act/v1\0" + text.encode()).hexdigest()
