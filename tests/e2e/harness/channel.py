"""One connection of one channel: mutual TLS 1.3, keep-alive, JSON, and the contract held against every answer."""

import http.client
import json
import select
import socket
import ssl
import uuid

from .contract import contract

AUTO = object()  # an idempotency key of its own, where the operation needs one


class Answer:
    def __init__(self, status, headers, raw):
        self.status, self.headers, self.raw = status, headers, raw
        self.text = raw.decode("utf-8", "replace")
        kind = headers.get("Content-Type", "")
        self.json = json.loads(raw) if "json" in kind and raw else None

    def __getitem__(self, name):
        return self.json[name]

    @property
    def outcome(self):
        return self.json.get("outcome")

    @property
    def code(self):
        return self.json.get("code")

    def __repr__(self):
        return f"<{self.status} {self.text[:400]}>"


def tls_context(directory, role, certificate=True):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(directory / "ca.pem")
    if certificate:
        context.load_cert_chain(directory / "channels" / role / "cert.pem", directory / "channels" / role / "key.pem")
    return context


class Channel:
    """Not for two threads at once: a thread takes a channel of its own from Appliance.channel()."""

    def __init__(self, directory, role, port, timeout=30):
        self.role, self.port, self.timeout = role, port, timeout
        self.context = tls_context(directory, role)
        self.connection = None

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def socket(self):
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=self.timeout)
        return self.context.wrap_socket(plain, server_hostname="localhost")

    def _exchange(self, method, path, data, headers):
        if self.connection and self.connection.sock and select.select([self.connection.sock], [], [], 0)[0]:
            self.close()  # nothing was asked, so what is there to read is the end: it idled too long
        if self.connection is None:
            self.connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context,
                                                          timeout=self.timeout)
        self.connection.request(method, path, data, headers)
        response = self.connection.getresponse()
        answer = Answer(response.status, response.headers, response.read())
        if response.will_close:
            self.close()
        return answer

    def call(self, method, path, body=None, key=AUTO, headers=None, raw=None, status=None):
        """`raw` sends bytes as they are; `status` (a number or a tuple) is asserted. Never retries: a retry is a test's decision."""
        operation = contract().operation(method, path)
        sent = {"Accept": "application/json"}
        data = raw
        if method == "POST":
            sent["Content-Type"] = "application/json"
            data = json.dumps(body, ensure_ascii=False).encode() if raw is None else raw
        if key is AUTO:
            key = uuid.uuid4().hex if operation and operation.needs_key else None
        if key is not None:
            sent["Idempotency-Key"] = key
        sent.update(headers or {})
        sent = {name: value for name, value in sent.items() if value is not None}
        try:
            answer = self._exchange(method, path, data, sent)
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        contract().check(method, path, body if raw is None else None, answer)
        if status is not None:
            wanted = status if isinstance(status, tuple) else (status,)
            assert answer.status in wanted, f"{self.role} {method} {path}: wanted {wanted}, got {answer!r}"
        return answer

    def post(self, path, body=None, status=None, **options):
        return self.call("POST", path, body, status=status, **options)

    def get(self, path, status=200, **options):
        return self.call("GET", path, status=status, **options)

    # The operations that most tests use.
    def verify(self, subject, pin, **options):
        receipt = options.pop("receipt", None)
        body = {"subject": subject, "pin": pin} | ({} if receipt is None else {"receipt": receipt})
        return self.post("/v1/verifications", body, status=options.pop("status", 200), **options)

    def refused(self, path, body, status, code, method="POST", **options):
        answer = self.call(method, path, body, status=status, **options)
        assert answer.code == code, f"{self.role} {method} {path}: wanted {code}, got {answer!r}"
        return answer
