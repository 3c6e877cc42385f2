"""api/openapi.yaml takes nothing from the clients of api/openapi-released.yaml, which is the contract as it was released last: at a
release the one is copied over the other, and it is mended only where it took what the released appliance refused. And the judge of that, which is tried on changes of either kind."""

import copy

import pytest
import yaml
from harness.compatible import breaks
from harness.contract import PATH, contract

RELEASED = yaml.safe_load((PATH.parent / "openapi-released.yaml").read_text(encoding="utf-8"))


def test_nothing_that_was_released_is_broken():
    assert not breaks(RELEASED, contract().document)
    assert contract().document["info"]["version"].split(".")[0] == RELEASED["info"]["version"].split(".")[0]


def changed(change):
    document = copy.deepcopy(contract().document)
    change(document["paths"], document["components"]["schemas"], document)
    return breaks(contract().document, document)


def verify(paths):
    return paths["/v1/verifications"]["post"]


BREAKING = {
    "a path": lambda p, s, d: p.pop("/v1/status"),
    "a method": lambda p, s, d: p["/v1/status"].pop("post"),
    "an operation's name": lambda p, s, d: verify(p).update(operationId="check"),
    "a role": lambda p, s, d: verify(p)["x-roles"].remove("branch"),
    "who authenticates": lambda p, s, d: verify(p).update(security=[]),
    "a status": lambda p, s, d: verify(p)["responses"].pop("409"),
    "a status more": lambda p, s, d: verify(p)["responses"].update({"202": {"$ref": "#/components/responses/Conversion"}}),
    "a problem code": lambda p, s, d: d["x-problem-codes"].pop("four-eyes"),
    "a problem code's status": lambda p, s, d: d["x-problem-codes"]["four-eyes"].update(status=[409]),
    "a key that must be given": lambda p, s, d: verify(p).update(parameters=[{"$ref": "#/components/parameters/IdempotencyKey"}]),
    "a key that cannot be given": lambda p, s, d: verify(p).update(parameters=[]),
    "a shorter key": lambda p, s, d: d["components"]["parameters"]["IdempotencyKey"]["schema"].update(pattern="^[ -~]{1,32}$"),
    "a form of the body": lambda p, s, d: verify(p)["requestBody"].update(content={"text/plain": {}}),
    "a body where none was due": lambda p, s, d: p["/v1/whoami"]["get"].update(requestBody={"required": True, "content": {}}),
    "a member of a request that is due": lambda p, s, d: s["VerificationRequest"]["required"].append("receipt"),
    "a new one": lambda p, s, d: (s["Confirmation"]["properties"].update(why={}), s["Confirmation"]["required"].append("why")),
    "a member of a request": lambda p, s, d: s["VerificationRequest"]["properties"].pop("receipt"),
    "a request's type": lambda p, s, d: s["VerificationRequest"]["properties"].update(receipt={"type": "string"}),
    "a value of a request": lambda p, s, d: s["HalfRequest"]["properties"]["half"]["enum"].remove("second"),
    "a request's length": lambda p, s, d: s["DecisionRequest"]["properties"]["reason"].update(maxLength=100),
    "a request's least": lambda p, s, d: s["DecisionRequest"]["properties"]["reason"].update(minLength=2),
    "a closed request": lambda p, s, d: s["ReplyKey"].update(additionalProperties=False),
    "an alternative": lambda p, s, d: p["/v1/credentials"]["post"]["requestBody"]["content"]["application/json"]["schema"]["anyOf"].pop(),
    "an alternative of members": lambda p, s, d: s["ContactsRequestPortal"]["anyOf"].pop(),
    "a member of an answer": lambda p, s, d: s["Verified"]["properties"].pop("receipt"),
    "a member that was always there": lambda p, s, d: s["Issued"]["required"].remove("credential_id"),
    "an answer's type": lambda p, s, d: s["Issued"]["properties"].update(credential_id={"type": "integer"}),
    "an answer's form": lambda p, s, d: s["Id"].pop("pattern"),
    "an item of an answer": lambda p, s, d: s["Delivery"]["properties"].update(to={"type": ["string", "null"]}),
    "a value of an answer": lambda p, s, d: s["Conversion"]["properties"]["state"]["enum"].append("lost"),
    "an outcome": lambda p, s, d: d["components"]["responses"]["FailedPinDecision"]["content"]["application/json"]["schema"]["oneOf"].append(
        {"$ref": "#/components/schemas/NotEligible"}),
    "a member of an answer that is closed": lambda p, s, d: s["Rejected"]["properties"].update(hint={"type": "string"}),
    "a member that is never there": lambda p, s, d: s["Issued"]["properties"].update(pin={"type": "string"}),
    "a header": lambda p, s, d: d["components"]["responses"]["Unavailable"]["headers"].pop("Retry-After"),
    "a header that was always there": lambda p, s, d: d["components"]["headers"]["RequestId"].update(required=False),
    "what cannot be judged": lambda p, s, d: s["HalfRequest"].update(dependentRequired={"half": ["subject"]}),
}
HARMLESS = {
    "nothing": lambda p, s, d: None,
    "a path": lambda p, s, d: p.update({"/v1/more": p["/v1/status"]}),
    "a role": lambda p, s, d: verify(p)["x-roles"].append("auditor"),
    "a problem code": lambda p, s, d: d["x-problem-codes"].update(late={"status": [409], "meaning": ""}),
    "an error's status": lambda p, s, d: p["/v1/whoami"]["get"]["responses"].update({"409": {"$ref": "#/components/responses/Conflict"}}),
    "a key that need not be given": lambda p, s, d: p["/v1/credentials"]["post"].update(
        parameters=[{"$ref": "#/components/parameters/OptionalIdempotencyKey"}]),
    "a member of a request": lambda p, s, d: s["VerificationRequest"]["properties"].update(note={"type": "string"}),
    "a member that need not be given": lambda p, s, d: s["DecisionRequest"]["required"].remove("operator"),
    "a value of a request": lambda p, s, d: s["HalfRequest"]["properties"]["half"]["enum"].append("both"),
    "an alternative": lambda p, s, d: p["/v1/conversions"]["post"]["requestBody"]["content"]["application/json"]["schema"]["anyOf"].append(
        {"$ref": "#/components/schemas/StatusRequest"}),
    "a longer text": lambda p, s, d: s["DecisionRequest"]["properties"]["reason"].update(maxLength=400),
    "a member of an answer": lambda p, s, d: s["Issued"]["properties"].update(more={"type": "string"}),
    "a member that is always there": lambda p, s, d: s["Issued"]["required"].append("outcome"),
    "a value fewer of an answer": lambda p, s, d: s["Conversion"]["properties"]["state"]["enum"].remove("rejected"),
    "words": lambda p, s, d: (s["Issued"].update(description="Other words"), verify(p).update(summary="Other words")),
}


@pytest.mark.parametrize("what", BREAKING)
def test_what_breaks_a_client_is_found(what):
    assert changed(BREAKING[what])


@pytest.mark.parametrize("what", HARMLESS)
def test_what_breaks_nobody_passes(what):
    assert not changed(HARMLESS[what])
