"""The sealed texts of base/jwe against jwcrypto, both ways. Usage: jwe_interop.py PEER"""

import json
import os
import secrets
import subprocess
import sys

from jwcrypto import jwe, jwk

peer = subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ask(*words):
    peer.stdin.write(" ".join(words) + "\n")
    peer.stdin.flush()
    return peer.stdout.readline().rstrip("\n")


def compact_json(text):
    return json.dumps(json.loads(text), separators=(",", ":"))


def seal_there(key, plaintext, **header):
    token = jwe.JWE(plaintext, json.dumps({"alg": "ECDH-ES", "enc": "A256GCM", **header}))
    token.add_recipient(key)
    return token.serialize(compact=True)


# None is empty: jwcrypto takes an empty plaintext for a failure.
plaintexts = [b"K7QF-2M9X", '{"text": "La prima parte \u2026"}'.encode(), os.urandom(5000)]
rounds = 25
for number in range(rounds):
    theirs = jwk.JWK.generate(kty="EC", crv="P-256", kid=f"k{number}")
    assert ask("thumbprint", compact_json(theirs.export_public())) == theirs.thumbprint()
    ours = jwk.JWK.from_json(ask("generate", "mine"))
    for plaintext in [*plaintexts, secrets.token_bytes(number + 1)]:
        sealed = ask("seal", theirs["kid"], compact_json(theirs.export_public()), plaintext.hex())
        token = jwe.JWE()
        token.deserialize(sealed, key=theirs)
        assert token.payload == plaintext, "sealed here, opened there"
        assert token.jose_header["kid"] == theirs["kid"]
        assert ask("open", compact_json(ours.export_private()), seal_there(ours, plaintext, kid="mine")) == plaintext.hex()
        assert ask("open", compact_json(theirs.export_private()), seal_there(ours, plaintext)) == "refused"

# What jwcrypto makes and is not of our form.
key = jwk.JWK.generate(kty="EC", crv="P-256")
for header in ({"zip": "DEF"}, {"enc": "A128GCM"}, {"alg": "ECDH-ES+A256KW"}):
    assert ask("open", compact_json(key.export_private()), seal_there(key, b"K7QF-2M9X", **header)) == "refused", header
assert ask("seal", "k", compact_json(key.export_private()), "00") == "refused", "a private key where a public one belongs"

peer.stdin.close()
assert peer.wait() == 0
print(f"{rounds} keys each way agree with jwcrypto")
