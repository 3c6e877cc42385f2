"""What a contract takes away from the clients of an older one. No appliance, no network: two documents, and sentences.

A request that was good stays good: what the old schema allows, the new one must allow. An answer that is new must be one that the old
contract foretold: what the new schema allows, the old one must allow, and no member that it named may go. Both are one question, is
whatever `inner` allows allowed by `outer`, and where it cannot be told the answer is no. `oneOf` is read as `anyOf`: the alternatives
of this contract exclude each other.
"""

import jsonschema
from harness.contract import METHODS

WORDS = {"description", "summary", "title", "example", "examples", "deprecated", "$comment"}
ALIKE = ("pattern", "format", "uniqueItems")
LEAST = ("minimum", "minLength", "minItems", "minProperties")
MOST = ("maximum", "maxLength", "maxItems", "maxProperties")
JUDGED = {"type", "enum", "const", "required", "properties", "additionalProperties", "items", *ALIKE, *LEAST, *MOST}


class Document:
    def __init__(self, document):
        self.document = document
        self.resolver = jsonschema.RefResolver.from_schema(document)

    def resolve(self, node):
        """Without a reference at its top; what stands beside one counts on, as OpenAPI 3.1 has it."""
        while isinstance(node, dict) and "$ref" in node:
            beside = {key: value for key, value in node.items() if key != "$ref"}
            target = self.resolver.resolve(node["$ref"])[1]
            node = {**target, **beside} if isinstance(target, dict) else target
        return node

    def alternatives(self, schema):
        """The schema as a list of plain ones, of which an instance matches at least one."""
        schema = self.resolve(schema)
        if isinstance(schema, bool):
            return [{}] if schema else []
        for key in ("anyOf", "oneOf"):
            if key in schema:
                base = {k: v for k, v in schema.items() if k != key}
                return [one for part in schema[key] for one in self.alternatives(self.both(base, part))]
        return [{key: value for key, value in schema.items() if key not in WORDS and not key.startswith("x-")}]

    def both(self, base, part):
        part = self.resolve(part)
        return {**base, **part, **({"required": base.get("required", []) + part.get("required", [])} if "required" in {**base, **part} else {}),
                **({"properties": self.members(base, part)} if "properties" in {**base, **part} else {})}

    @staticmethod
    def members(base, part):
        out = {**base.get("properties", {})}
        for name, narrower in part.get("properties", {}).items():
            known = out.get(name)
            out[name] = {**known, **narrower} if isinstance(known, dict) and isinstance(narrower, dict) else narrower
        return out


def values(schema):
    return schema["enum"] if "enum" in schema else [schema["const"]] if "const" in schema else None


def types(schema):
    named = schema.get("type", [])
    return set([named] if isinstance(named, str) else named)


class Within:
    """Whether whatever a schema of `inner` allows is allowed by one of `outer`; with `stay` no member of outer's may be missing."""

    def __init__(self, inner, outer, stay):
        self.inner, self.outer, self.stay = inner, outer, stay

    def faults(self, inner, outer, where):
        found, choices = [], self.outer.alternatives(outer)
        for one in self.inner.alternatives(inner):
            found += min(([*self.plain(one, choice, where)] for choice in choices), key=len, default=[f"{where}: is not allowed"])
        return found

    def plain(self, inner, outer, where):
        for key in sorted((set(inner) | set(outer)) - JUDGED):
            if inner.get(key) != outer.get(key):
                yield f"{where}: `{key}` cannot be judged"
        if values(inner) is not None:
            judge = jsonschema.Draft202012Validator(outer, resolver=self.outer.resolver)
            yield from (f"{where}: the value {value!r}" for value in values(inner) if not judge.is_valid(value))
            return
        if values(outer) is not None:
            yield f"{where}: any value, where there were {values(outer)}"
        if types(outer) and (not types(inner) or types(inner) - types(outer) - ({"integer"} if "number" in types(outer) else set())):
            yield f"{where}: the type {inner.get('type')} in place of {outer['type']}"
        for key in ALIKE:
            if key in outer and inner.get(key) != outer[key]:
                yield f"{where}: another `{key}`"
        for key in LEAST:
            if key in outer and inner.get(key, 0 if key != "minimum" else float("-inf")) < outer[key]:
                yield f"{where}: `{key}`"
        for key in MOST:
            if key in outer and inner.get(key, float("inf")) > outer[key]:
                yield f"{where}: `{key}`"
        if "items" in outer:
            yield from self.faults(inner.get("items", True), outer["items"], f"{where}[]")
        yield from self.members(inner, outer, where)

    def members(self, inner, outer, where):
        for name in sorted(set(outer.get("required", [])) - set(inner.get("required", []))):
            yield f"{where}/{name}: required on one side alone"
        mine, theirs = inner.get("properties", {}), outer.get("properties", {})
        more, beyond = inner.get("additionalProperties", True), outer.get("additionalProperties", True)
        for name in sorted(set(mine) | set(theirs)):
            if name not in mine and self.stay:
                yield f"{where}/{name}: gone"
            else:
                yield from self.faults(mine.get(name, more), theirs.get(name, beyond), f"{where}/{name}")
        if types(inner) == {"object"} or mine:
            yield from self.faults(more, beyond, f"{where}/*")


class Compatibility:
    def __init__(self, old, new):
        self.old, self.new = Document(old), Document(new)
        self.requests, self.answers = Within(self.old, self.new, False), Within(self.new, self.old, True)

    def breaks(self):
        old, new = self.old.document, self.new.document
        for code, meant in old["x-problem-codes"].items():
            for status in set(meant["status"]) - set(new["x-problem-codes"].get(code, {"status": []})["status"]):
                yield f"problem code {code}: no longer of {status}"
        for path, item in old["paths"].items():
            for method in (m for m in METHODS if m in item):
                newer = new["paths"].get(path, {})
                if method in newer:
                    yield from self.operation(f"{method.upper()} {path}", item, item[method], newer, newer[method])
                else:
                    yield f"{method.upper()} {path}: gone"

    def operation(self, where, old_item, old, new_item, new):
        if old.get("operationId") != new.get("operationId"):
            yield f"{where}: another operationId"
        for role in sorted(set(old.get("x-roles", [])) - set(new.get("x-roles", []))):
            yield f"{where}: closed to {role}"
        if old.get("security", self.old.document["security"]) != new.get("security", self.new.document["security"]):
            yield f"{where}: another `security`"
        yield from self.parameters(where, self.named(self.old, old_item, old), self.named(self.new, new_item, new))
        yield from self.body(f"{where} request", self.old.resolve(old.get("requestBody")), self.new.resolve(new.get("requestBody")))
        for status, response in old["responses"].items():
            if status in new["responses"]:
                yield from self.answer(f"{where} {status}", self.old.resolve(response), self.new.resolve(new["responses"][status]))
            else:
                yield f"{where} {status}: gone"
        for status in sorted(set(new["responses"]) - set(old["responses"])):
            if not status.startswith(("4", "5")):
                yield f"{where} {status}: an answer that nobody foretold"

    @staticmethod
    def named(side, item, spec):
        found = [side.resolve(p) for p in item.get("parameters", []) + spec.get("parameters", [])]
        return {(p["in"], p["name"]): p for p in found}

    def parameters(self, where, old, new):
        for key in sorted(set(old) | set(new)):
            place = f"{where} {key[0]} {key[1]}"
            if key not in new:
                yield f"{place}: gone"
            elif new[key].get("required") and not old.get(key, {}).get("required"):
                yield f"{place}: required now"
            elif key in old:
                yield from self.requests.faults(old[key]["schema"], new[key]["schema"], place)

    def body(self, where, old, new):
        if (new or {}).get("required") and not (old or {}).get("required"):
            yield f"{where}: required now"
        for kind, content in (old or {}).get("content", {}).items():
            if kind in (new or {}).get("content", {}):
                yield from self.requests.faults(content.get("schema", True), new["content"][kind].get("schema", True), where)
            else:
                yield f"{where}: {kind} is gone"

    def answer(self, where, old, new):
        theirs, mine = old.get("content", {}), new.get("content", {})
        for kind in sorted(set(theirs) ^ set(mine)):
            yield f"{where}: {kind} on one side alone"
        for kind in sorted(set(theirs) & set(mine)):
            yield from self.answers.faults(mine[kind].get("schema", True), theirs[kind].get("schema", True), where)
        for name, header in old.get("headers", {}).items():
            before, now = self.old.resolve(header), self.new.resolve(new.get("headers", {}).get(name))
            if now is None or (before.get("required") and not now.get("required")):
                yield f"{where} {name}: not there, or not always"
            else:
                yield from self.answers.faults(now["schema"], before["schema"], f"{where} {name}")


def breaks(old, new):
    """A sentence for each thing by which a client of `old` would be broken by `new`."""
    return list(Compatibility(old, new).breaks())
