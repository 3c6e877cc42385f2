"""api/openapi.yaml as a judge: every answer of an appliance under test is held against it."""

import functools
import pathlib
import re

import jsonschema
import yaml

PATH = pathlib.Path(__file__).resolve().parents[3] / "api" / "openapi.yaml"
METHODS = ("get", "post", "put", "delete", "patch")
# The contract fixes these statuses and leaves their code to the implementer.
STATUS_WITH_FREE_CODE = {400, 404, 405, 411, 413, 415, 431, 500}


class Operation:
    def __init__(self, contract, method, template, item, spec):
        self.contract, self.method, self.template, self.spec = contract, method.upper(), template, spec
        self.id, self.roles = spec["operationId"], spec.get("x-roles", [])
        self.pattern = re.compile("^" + re.sub(r"\{[^}]+\}", "[^/]+", template) + "$")
        parameters = [contract.resolve(p) for p in item.get("parameters", []) + spec.get("parameters", [])]
        self.needs_key = any(p["name"] == "Idempotency-Key" and p["required"] for p in parameters)

    def request_schema(self):
        body = self.spec.get("requestBody")
        return body and body["content"]["application/json"]["schema"]

    def response(self, status):
        responses = self.spec["responses"]
        found = responses.get(str(status))
        if found is None and status >= 400:
            found = responses.get("default")
        return self.contract.resolve(found) if found else None


class Contract:
    def __init__(self, path=PATH):
        self.document = yaml.safe_load(path.read_text(encoding="utf-8"))
        self.resolver = jsonschema.RefResolver.from_schema(self.document)
        self.codes = self.document["x-problem-codes"]
        self.operations = [
            Operation(self, method, template, item, item[method])
            for template, item in self.document["paths"].items()
            for method in METHODS
            if method in item
        ]

    def resolve(self, node):
        while isinstance(node, dict) and "$ref" in node:
            node = self.resolver.resolve(node["$ref"])[1]
        return node

    def operation(self, method, path):
        path = path.split("?")[0]
        for operation in self.operations:
            if operation.method == method and operation.pattern.match(path):
                return operation
        return None

    def errors(self, schema, instance):
        validator = jsonschema.Draft202012Validator(schema, resolver=self.resolver)
        return [f"{'/'.join(map(str, e.absolute_path))}: {e.message}" for e in validator.iter_errors(instance)]

    def component(self, name):
        return {"$ref": f"#/components/schemas/{name}"}

    def check(self, method, path, request, answer):
        """Raises AssertionError where an answer is not what the contract says; `request` is the JSON value or None."""
        where = f"{method} {path} -> {answer.status}"
        assert answer.headers.get("X-Request-Id"), f"{where}: no X-Request-Id"
        assert answer.headers.get("Cache-Control") == "no-store", f"{where}: may be kept"
        operation = self.operation(method, path)
        if operation and not operation.roles:
            operation = None  # of the monitoring listener, which is no channel's
        kind = (answer.headers.get("Content-Type") or "").split(";")[0].strip()
        if answer.status >= 400:
            self.check_problem(where, kind, answer)
        if operation is None:
            assert answer.status in (403, 404, 405), f"{where}: a path or method that the contract does not have"
            return
        response = operation.response(answer.status)
        assert response is not None, f"{where}: a status that the contract does not have: {answer.text[:300]}"
        content = response.get("content", {})
        assert kind in content, f"{where}: {kind!r}, not one of {list(content)}"
        if kind.endswith("json"):
            wrong = self.errors(content[kind]["schema"], answer.json)
            assert not wrong, f"{where}: {wrong} in {answer.text[:600]}"
        if answer.status < 400 and request is not None and operation.request_schema():
            wrong = self.errors(operation.request_schema(), request)
            assert not wrong, f"{where}: accepted what the contract refuses: {wrong}"

    def check_problem(self, where, kind, answer):
        assert kind == "application/problem+json", f"{where}: {kind!r}"
        wrong = self.errors(self.component("Problem"), answer.json)
        assert not wrong, f"{where}: {wrong}"
        problem = answer.json
        assert problem["status"] == answer.status, where
        assert problem["type"] == "urn:sigillo:problem:" + problem["code"], where
        assert problem["request_id"] == answer.headers["X-Request-Id"], where
        if answer.status not in STATUS_WITH_FREE_CODE:
            assert problem["code"] in self.codes, f"{where}: unknown code {problem['code']}"
            assert answer.status in self.codes[problem["code"]]["status"], f"{where}: {problem['code']}"
        if answer.status == 503 or problem["code"] == "quota-exceeded":
            assert int(answer.headers["Retry-After"]) >= 0, where
        if answer.status == 405:
            assert answer.headers.get("Allow"), f"{where}: no Allow"


@functools.lru_cache(maxsize=1)
def contract():
    return Contract()
