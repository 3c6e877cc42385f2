"""The contract by itself, without an appliance: whole, closed, consistent, and the helpers that judge by it."""

import re

import jsonschema
import pytest
from harness.appliance import set_key
from harness.citizen import Town, check_character, company_code, fiscal_code, wrong_check_character
from harness.contract import METHODS, PATH, contract

OPERATIONS = [o for o in contract().operations if o.roles]


def nodes(node, path=()):
    yield path, node
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield from nodes(value, path + (key,))


def test_every_reference_leads_somewhere():
    for path, node in nodes(contract().document):
        if isinstance(node, dict) and "$ref" in node:
            assert contract().resolve(node) is not None, path


def test_every_schema_is_a_schema():
    for name, schema in contract().document["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert not [p for p, n in nodes(schema) if n is None and p[-2:-1] != ("enum",) and "enum" not in p], name


def test_every_example_is_what_its_schema_takes():
    seen = 0
    for path, node in nodes(contract().document):
        if not (isinstance(node, dict) and "schema" in node and ("example" in node or "examples" in node)):
            continue
        examples = [node["example"]] if "example" in node else [e["value"] for e in node["examples"].values()]
        for example in examples:
            assert not contract().errors(node["schema"], example), path
            seen += 1
    assert seen > 30


def test_every_object_of_a_request_is_closed():
    open_ones = set()

    def visit(schema, name):
        schema = contract().resolve(schema)
        if not isinstance(schema, dict):
            return
        if "properties" in schema and schema.get("additionalProperties") is not False:
            open_ones.add(name)
        for key, value in schema.get("properties", {}).items():
            visit(value, key)
        choices = [] if "type" in schema else schema.get("anyOf", []) + schema.get("oneOf", [])  # else they only narrow it
        for part in choices + ([schema["items"]] if "items" in schema else []):
            visit(part, name)

    for operation in OPERATIONS:
        if operation.request_schema():
            visit(operation.request_schema(), operation.id)
    assert open_ones == {"reply_key"}  # a JWK that a library made carries members of its own


def test_operations_have_roles_ids_and_problem_answers():
    assert len({o.id for o in contract().operations}) == len(contract().operations)
    roles = set(contract().document["components"]["schemas"]["Role"]["enum"])
    for operation in OPERATIONS:
        assert set(operation.roles) <= roles, operation.id
        for status in (400, 403, 404, 405, 415, 500, 503):
            assert "application/problem+json" in operation.response(status)["content"], (operation.id, status)
        assert not set(contract().document["paths"][operation.template]) - {"parameters", "servers", *METHODS}


def test_problem_codes_name_their_statuses():
    for code, entry in contract().codes.items():
        assert entry["meaning"] and all(400 <= s <= 599 for s in entry["status"]), code


def test_the_codes_are_those_that_the_appliance_can_say():
    said = {}
    for status, code in re.findall(r'SIGILLO_CODE\(\w+, (\d+), "([a-z-]+)"', (PATH.parent / "src" / "problem.cpp").read_text()):
        said.setdefault(code, set()).add(int(status))
    assert said and said == {code: set(entry["status"]) for code, entry in contract().codes.items()}


def test_the_schema_checker_can_say_no():
    rejected = contract().component("Rejected")
    assert not contract().errors(rejected, {"outcome": "rejected", "attempts_remaining": 3})
    assert contract().errors(rejected, {"outcome": "rejected", "attempts_remaining": 3, "known": True})
    assert contract().errors(contract().component("Delivery"), {"delivery_id": "d", "half": "first", "medium": "sms", "pin": "ABCD2345"})
    assert contract().errors(contract().component("DefinitivePin"), {"outcome": "verified", "credential_id": "c", "level": "ordinary", "expires_at": "2031-01-01T00:00:00Z"})


def test_codice_fiscale_generator_follows_the_public_algorithm():
    assert check_character("RSSMRA85T10A562") == "S"
    town = Town()
    for _ in range(500):
        for omocodia in (False, True):
            code = fiscal_code(town.rng, omocodia)
            assert len(code) == 16 and check_character(code[:15]) == code[15]
            assert wrong_check_character(code) != code
    assert len(company_code(town.rng)) == 11


@pytest.mark.parametrize("code", ["00743110157", "00488410010", "06655971007"])
def test_company_code_check_digit_agrees_with_real_ones(code):
    class Fixed:
        def __init__(self):
            self.values = iter((int(code[:7]), int(code[7:10])))

        def randint(self, low, high):
            return next(self.values)

    assert company_code(Fixed()) == code


def test_configuration_keys_are_set_in_their_table():
    text = '[server]\nlisten = "a"\n\n[policy.guess]\nlimit = 10\n'
    assert set_key(text, "policy.guess", "limit", 5).splitlines()[-1] == "limit = 5"
    assert set_key(text, "server", "monitor", "b").splitlines()[1] == 'monitor = "b"'
    assert set_key(text, "policy.delivery", "lease", "1s").endswith('[policy.delivery]\nlease = "1s"\n')
