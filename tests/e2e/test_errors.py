"""What is refused, in which order, and that a refusal says where and nothing more."""

import http.client
import json

import pytest
from harness.channel import Answer
from harness.contract import contract

SETTINGS = {"policy.guess.delay_from": 11}
VERIFY = "/v1/verifications"


def verify_raw(appliance, raw, status, code=None, **headers):
    answer = appliance.portal.call("POST", VERIFY, raw=raw, headers=headers, status=status)
    assert code is None or answer.code == code, answer
    return answer


def over_the_wire(appliance, request, role="portal"):
    """Bytes that no client library would send; an answer, or None where the connection was just closed."""
    with appliance.channel(role).socket() as wire:
        wire.sendall(request)
        response = http.client.HTTPResponse(wire)
        try:
            response.begin()
            return Answer(response.status, response.headers, response.read())
        except (http.client.HTTPException, OSError):
            return None


def still_fine(appliance):
    assert appliance.channel("portal").get("/v1/whoami").status == 200


@pytest.mark.parametrize("raw", [
    b"", b"{", b"}", b"nonsense", b"{'subject': 'x'}", b'{"subject": "x",}', b'{"subject": "x"} {}', b'{"subject": "x"}x', b"[]", b'"x"', b"1", b"null",
    b"true", b"\xef\xbb\xbf{}", b'{"subject": "\xff\xfe"}', b'{"subject": "\xed\xa0\x80"}', b'{"subject": "\xc0\xaf"}', b'{"subject": "\\ud800"}',
    '{"subject": "x"}'.encode("utf-16"), b'{"subject": "a\nb"}', b'{"subject": NaN}', b'{"pin": Infinity}', b'{"a": 01}', b"\x00"])
def test_what_is_not_json_in_utf_8(appliance, raw):
    answer = verify_raw(appliance, raw, 400, "invalid-request")
    for piece in ("exception", "boost", "std::", ".cpp", "line "):
        assert piece not in answer.text.lower()


def test_the_pointer_names_the_place(appliance, someone):
    good = {"subject": someone.subject, "contacts": someone.contacts}
    wrong = [
        (good | {"colour": "red"}, {"/colour"}),
        (good | {"contacts": someone.contacts | {"fax": "1"}}, {"/contacts/fax"}),
        (good | {"contacts": someone.contacts | {"postal": someone.postal | {"planet": "Mars"}}}, {"/contacts/postal/planet"}),
        (good | {"contacts": someone.contacts | {"mobile": 39333}}, {"/contacts/mobile"}),
        (good | {"contacts": []}, {"/contacts"}),
        (good | {"subject": None}, {"/subject"}),
        (good | {"a/b~c": 1}, {"/a~1b~0c"}),
        ({"contacts": someone.contacts}, {"/subject", ""}),
        ({"subject": someone.subject}, {"/contacts", ""}),
        (good | {"first_half_by": "pigeon"}, {"/first_half_by"}),
    ]
    for body, pointers in wrong:
        answer = appliance.portal.refused("/v1/credentials", body, 400, "invalid-request")
        assert answer.json.get("pointer") in pointers, (body, answer)
        assert someone.subject not in answer.text and "Mars" not in answer.text


def test_duplicate_members_at_any_depth(appliance, someone):
    s = someone.subject
    assert verify_raw(appliance, f'{{"subject": "{s}", "pin": "ABCDEFGH", "pin": "ABCDEFGJ"}}'.encode(), 400, "invalid-request")["pointer"] == "/pin"
    assert verify_raw(appliance, f'{{"subject": "{s}", "pin": "ABCDEFGH", "p\\u0069n": "ABCDEFGJ"}}'.encode(), 400, "invalid-request")["pointer"] == "/pin"
    raw = json.dumps({"subject": s, "contacts": someone.contacts}).replace('"city"', '"city": "Ostia", "city"').encode()
    answer = appliance.portal.call("POST", "/v1/credentials", raw=raw, status=400)
    assert answer["pointer"] == "/contacts/postal/city"


@pytest.mark.parametrize("opening, closing", [("[", "]"), ('{"a":', "}")])
def test_nesting_is_bounded(appliance, opening, closing):
    for depth in (17, 100, 2000):
        verify_raw(appliance, (opening * depth + "1" + closing * depth).encode(), 400, "invalid-request")
    verify_raw(appliance, (opening * 3000).encode(), 400, "invalid-request")
    still_fine(appliance)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 400, "1" + "0" * 5000, "0." + "0" * 5000 + "1", "-0", "1.5", "18446744073709551616", "-1", "1e2"])
def test_huge_and_odd_numbers(appliance, number):
    raw = f'{{"max": {number}}}'.encode()
    answer = appliance.shared("courier-sms").call("POST", "/v1/outbox/leases", raw=raw)
    assert answer.status in (400, 422) or (number == "1e2" and answer.status == 200), answer
    verify_raw(appliance, f'{{"subject": {number}, "pin": "ABCDEFGH"}}'.encode(), 400, "invalid-request")


def test_sizes(appliance, someone):
    body = json.dumps({"subject": someone.subject, "pin": "ABCDEFGH"}).encode()
    verify_raw(appliance, body + b" " * (16 * 1024 - len(body)), 200)
    for size in (16 * 1024 + 1, 20_000, 60_000):
        verify_raw(appliance, body + b" " * (size - len(body)), 413)
    still_fine(appliance)


def test_a_huge_content_length_is_refused_before_the_body_comes(appliance):
    request = b"POST /v1/verifications HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    for size in (1 << 30, 1 << 62):
        answer = over_the_wire(appliance, request % size)
        assert answer is None or answer.status in (400, 413), answer
    still_fine(appliance)


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "json", "application/jsonp"])
def test_other_media_types(appliance, kind):
    verify_raw(appliance, b"{}", 415, **{"Content-Type": kind})


def test_json_with_a_charset_of_utf_8_is_json(appliance, someone):
    body = json.dumps({"subject": someone.subject, "pin": "ABCDEFGH"}).encode()
    for kind in ("application/json; charset=utf-8", "application/json;charset=UTF-8", "Application/JSON"):
        verify_raw(appliance, body, 200, **{"Content-Type": kind})


def test_a_compressed_body_is_not_taken(appliance):
    verify_raw(appliance, b"\x1f\x8b", (400, 415), **{"Content-Encoding": "gzip"})


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/", "/v2/verifications", "/v1/verifications/", "/v1//verifications", "/V1/verifications", "/v1/verifications/x",
                                  "/v1/conversions/a/b", "/v1/../v1/whoami", "/v1/%76erifications", "/v1/authorizations/", "/v1/conversions/a%2Fb", "/metrics", "/livez"])
def test_unknown_paths(appliance, path):
    for method in ("GET", "POST"):
        appliance.portal.refused(path, {}, 404, "not-found", method=method)


@pytest.mark.parametrize("method, path, status", [("GET", "/livez?verbose", 200), ("GET", "/readyz?x=1", 200), ("GET", "/metrics?", 200),
                                                  ("GET", "/nothing", 404), ("GET", "/v1/whoami", 404), ("POST", "/readyz", 405)])
def test_the_monitor_answers_as_the_api_does(appliance, method, path, status):
    connection = http.client.HTTPConnection("127.0.0.1", appliance.monitor, timeout=30)
    connection.request(method, path)
    answer = connection.getresponse()
    assert answer.status == status and answer.getheader("X-Request-Id") and answer.getheader("Cache-Control") == "no-store"
    if status >= 400:
        problem = json.loads(answer.read())
        assert answer.getheader("Content-Type") == "application/problem+json"
        assert (problem["status"], problem["request_id"]) == (status, answer.getheader("X-Request-Id"))
    connection.close()


def test_wrong_methods(appliance):
    for operation in contract().operations:
        if not operation.roles:
            continue
        path = operation.template.replace("{", "").replace("}", "")
        for method in ("PUT", "DELETE", "PATCH", "GET", "POST"):
            if contract().operation(method, path):
                continue
            answer = appliance.portal.call(method, path, {}, status=405)
            assert operation.method in answer.headers["Allow"]


def test_the_order_of_the_checks(appliance, someone):
    big, not_json = b"{" + b" " * 20_000 + b"}", b"nonsense"
    xml = {"Content-Type": "application/xml"}
    portal, auditor = appliance.portal, appliance.auditor
    assert auditor.call("PUT", "/v1/nowhere", raw=big, headers=xml).status == 404  # path before method
    assert auditor.call("PUT", "/v1/activations", raw=big, headers=xml).status == 405  # method before role
    assert auditor.call("POST", "/v1/activations", raw=big, headers=xml, key=None).code == "role-not-permitted"  # role before media type
    assert portal.call("POST", "/v1/activations", raw=big, headers=xml, key=None).status == 415  # media type before size
    assert portal.call("POST", "/v1/activations", raw=big, key=None).status == 413  # size before JSON
    assert portal.call("POST", "/v1/activations", raw=not_json, key=None).code == "invalid-request"  # JSON before the key
    assert portal.call("POST", "/v1/activations", {"subject": "x", "pin": "x", "y": 1}, key=None).code == "invalid-request"
    assert portal.call("POST", "/v1/activations", {"subject": "x", "pin": "x"}, key=None).code == "idempotency-key-required"  # the key before values
    assert portal.call("POST", "/v1/activations", {"subject": "x", "pin": "x"}).status == 422
    assert appliance.status(someone)["state"] == "none"


HEAD = b"POST /v1/verifications HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize("request_bytes", [
    HEAD + b"Transfer-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
    HEAD + b"Content-Length: -1\r\n\r\n{}", HEAD + b"Host: other\r\nContent-Length: 2\r\n\r\n{}", HEAD + b"Content-Length: 2\r\nX-Fold: a\r\n b\r\n\r\n{}",
    HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", HEAD.replace(b"Host: localhost\r\n", b"") + b"Content-Length: 2\r\n\r\n{}",
    HEAD + b"X-Long: " + b"a" * 70_000 + b"\r\nContent-Length: 2\r\n\r\n{}", b"POST /v1/verifications HTTP/3.7\r\n\r\n", b"\x16\x03\x01 nonsense\r\n\r\n",
    b"GET http://other.example/v1/whoami HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET /v1/whoami\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n"])
def test_http_that_two_readers_could_read_differently(appliance, request_bytes):
    answer = over_the_wire(appliance, request_bytes)
    assert answer is None or 400 <= answer.status < 500, answer
    still_fine(appliance)


def test_no_refusal_repeats_a_subject_or_a_pin(appliance, someone):
    for body in ({"subject": someone.subject, "pin": "ABCD2345", "x": 1}, {"subject": someone.subject, "pin": "ABCD234"},
                 {"subject": someone.subject[:-1] + "0", "pin": "ABCD2345"}, {"subject": someone.subject, "pin": ["ABCD2345"]}):
        answer = appliance.portal.post(VERIFY, body, status=(400, 422))
        assert someone.subject[:-1] not in answer.text and "ABCD234" not in answer.text


def test_a_channel_that_asks_too_much_is_told_to_wait(appliances):
    appliance = appliances({"quotas.per_second": 1, "quotas.burst": 5})
    answers = [appliance.portal.call("GET", "/v1/whoami") for _ in range(30)]
    refused = [a for a in answers if a.status == 429]
    assert refused and all(a.code == "quota-exceeded" for a in refused)
    assert appliance.branch.get("/v1/whoami").status == 200  # quotas are per channel
