"""Requests made from api/openapi.yaml alone, as a client's generated code makes them: whatever a schema takes is a request.

It may be refused for what it says (a subject with a wrong check character, an address that nobody has), never for its shape, and never
by a fault of the appliance. The seed is printed; SIGILLO_GENERATED=<seed>:<n> makes one request alone."""

import json
import os
import random
import re._constants as rx
import re._parser as parser
import string
import time

import pytest
from harness.appliance import SLOW
from harness.citizen import company_code, fiscal_code
from harness.contract import contract
from jwcrypto import jwk

SECONDS = 20
# Which of the bodies that an operation takes is a role's own: the end of its schema's name.
OWN = {"portal": ("Portal",), "contact-centre": ("ContactCentre", "Operator", "OperatorAction"), "branch": ("Branch", "Operator", "OperatorAction"),
       "back-office": ("Operator",)}
POINTS = [json.loads(jwk.JWK.generate(kty="EC", crv="P-256").export_public()) for _ in range(3)]
SPICE = ("", " ", "\0", "\x1f", "\x7f", "é", "ß", "\u0300", "\u200b", "\u202e", "\U0001f600", "'\"\\", "%00", "{}", "<x>", "../", "\r\n")


class Generator:
    def __init__(self, seed, town):
        self.rng = town.rng = random.Random(seed)
        self.town = town

    def of(self, schema, name=""):
        reference = schema.get("$ref", "")
        if reference:  # what stands beside a reference holds, too
            schema = {**contract().resolve(schema), **{k: v for k, v in schema.items() if k != "$ref"}}
        if "anyOf" in schema and "type" not in schema:
            return self.of(self.rng.choice(schema["anyOf"]), name)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self.rng.choice(schema["enum"])
        kind = schema["type"]
        if reference.endswith("/ReplyKey"):  # no schema says that a point is on the curve
            return {"kty": "EC", "crv": "P-256", **self.rng.choice(POINTS), **self.rng.choice(({}, {"use": "enc"}, {"kid": "é", "alg": None}))}
        if kind == "object":
            return self.object_of(schema)
        if kind == "array":
            most = min(schema.get("maxItems", 4), 4)
            return [self.of(schema["items"], name) for _ in range(self.rng.randint(schema.get("minItems", 0), most))]
        if kind == "boolean":
            return self.rng.random() < 0.5
        if kind == "integer":
            low, high = schema.get("minimum", 0), schema.get("maximum", 2**31)
            return self.rng.choice((low, high, self.rng.randint(low, high)))
        assert kind == "string", schema
        return self.text_of(schema, reference.rsplit("/", 1)[-1] or name)

    def object_of(self, schema):
        one = self.rng.choice(schema.get("anyOf", [{}]))
        required = schema.get("required", []) + one.get("required", [])
        narrower = one.get("properties", {})
        properties = {name: {**of, **narrower.get(name, {})} if name in narrower else of for name, of in schema["properties"].items()}
        free = [name for name in properties if name not in required and properties[name] is not False]
        self.rng.shuffle(free)
        least = max(0, schema.get("minProperties", 0) - len(required))
        most = min(len(free), schema.get("maxProperties", len(properties)) - len(required))
        chosen = [*required, *free[:self.rng.randint(least, most)]]
        self.rng.shuffle(chosen)
        return {name: self.of(properties[name], name) for name in chosen}

    def text_of(self, schema, name):
        if "pattern" in schema:
            while True:
                text = self.sample(parser.parse(schema["pattern"]))
                if len(text.encode()) <= schema.get("maxLength", 10**6):  # of an operator's name bytes count, says its description
                    return text
        low, high = schema.get("minLength", 0), schema.get("maxLength", 300)
        if self.rng.random() < 0.9:
            known = self.known(name)
            if known is not None and low <= len(known) <= high:
                return known
        length = self.rng.choice((low, high, self.rng.randint(low, min(high, 40))))
        text = "".join(self.rng.choice(string.ascii_letters + string.digits + " +@.-") for _ in range(length))
        if self.rng.random() < 0.5:
            at = self.rng.randint(0, len(text))
            text = text[:at] + self.rng.choice(SPICE) + text[at:]
        return text[:high].ljust(low, "x")

    def known(self, name):
        """What such a string usually looks like."""
        citizen = self.town.citizen()
        made = {"Subject": lambda: self.rng.choice((citizen.subject, fiscal_code(self.rng, True), company_code(self.rng), citizen.subject.lower())),
                "Pin": lambda: self.town.pin(self.rng.choice((8, 16))), "token": self.town.token,
                "number": lambda: citizen.health_card["number"], "expires": lambda: citizen.health_card["expires"]}
        if name in made:
            return made[name]()
        return {**citizen.contacts, **citizen.postal, "phone": citizen.mobile}.get(name)

    def sample(self, pattern):
        """A text that a pattern takes: what the patterns of the contract are made of, no more."""
        out = []
        for op, value in pattern:
            if op is rx.LITERAL:
                out.append(chr(value))
            elif op is rx.IN and value[0][0] is rx.NEGATE:
                refused = {c for kind, chosen in value[1:] for c in (range(chosen[0], chosen[1] + 1) if kind is rx.RANGE else (chosen,))}
                out += self.rng.choice([c for c in string.ascii_letters + "".join(SPICE) if ord(c) not in refused])
            elif op is rx.IN:
                kind, chosen = self.rng.choice(value)
                out.append(chr(self.rng.randint(*chosen) if kind is rx.RANGE else chosen))
            elif op is rx.MAX_REPEAT:
                low, high, inner = value
                high = min(int(high), low + self.rng.choice((0, 1, 3, 30)))
                out += [self.sample(inner) for _ in range(self.rng.randint(low, high))]
            elif op is rx.SUBPATTERN:
                out.append(self.sample(value[-1]))
            elif op is rx.BRANCH:
                out.append(self.sample(self.rng.choice(value[1])))
            else:
                assert op is rx.AT, op
        return "".join(out)


def bodies(operation, role):
    """The schemas of a role's own requests."""
    schema = operation.request_schema()
    whole = schema.get("anyOf", [schema])
    own = [one for one in whole if one.get("$ref", "").endswith(OWN.get(role, ()))]
    return own if len(whole) > 1 else whole


OPERATIONS = [(operation, role) for operation in contract().operations if operation.request_schema() for role in operation.roles]


def made(seed, town):
    generator = Generator(seed, town)
    operation, role = generator.rng.choice(OPERATIONS)
    path = operation.template
    while "{" in path:
        head, _, rest = path.partition("{")
        path = head + generator.of(contract().component("Id")) + rest.partition("}")[2]
    body = generator.of(generator.rng.choice(bodies(operation, role)))
    key = generator.sample(parser.parse("^[ -~]{1,64}$")).strip() or "k"
    return operation, role, path, body, key


def test_every_role_has_a_body_of_its_own():
    for operation, role in OPERATIONS:
        assert bodies(operation, role), (operation.id, role)


@pytest.fixture(scope="module")
def numbers():
    seed, _, one = os.environ.get("SIGILLO_GENERATED", "").partition(":")
    seed = int(seed or random.SystemRandom().getrandbits(32))
    print(f"seed {seed}")
    if one:
        return [(seed, int(one))]
    until = time.monotonic() + SECONDS * SLOW

    def until_then():
        n = 0
        while time.monotonic() < until or n < 200:
            yield seed, n
            n += 1
    return until_then()


def test_what_a_schema_takes_is_never_refused_for_its_shape(appliance, town, numbers):
    told = {}
    for seed, n in numbers:
        operation, role, path, body, key = made(seed * 1_000_003 + n, town)
        errors = contract().errors(operation.request_schema(), body)
        assert not errors, f"SIGILLO_GENERATED={seed}:{n} the generator itself: {errors}"
        answer = appliance.shared(role).post(path, body, key=key if operation.needs_key else None)
        where = f"SIGILLO_GENERATED={seed}:{n} {role} {operation.id} {body}: {answer!r}"
        assert answer.status != 400 and answer.status < 500, where
        told[answer.status] = told.get(answer.status, 0) + 1
    print(told)
    assert len(told) == 1 or told.get(201, 0) > 0, f"none of them did anything: {told}"
