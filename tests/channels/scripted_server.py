"""An appliance that does what a test says: HTTPS with mutual TLS, answers taken from a script, requests kept.

A step of the script is a function of (handler, body) that answers; where the script is over, leases are empty and acks
are recorded. Waiting is for events, with a deadline that only a broken test reaches.
"""

import http.server
import json
import os
import ssl
import subprocess
import threading

DEADLINE_S = 20


def openssl(*arguments, folder):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def make_certificates(folder):
    """ca.pem, server.pem/.key (localhost), courier.pem/.key, and other-ca.pem that signed none of them."""
    for name in ("ca", "other-ca"):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem", folder=folder)
    for name, san in (("server", "DNS:localhost,IP:127.0.0.1"), ("courier", "URI:urn:sigillo:channel:courier-sms:test")):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                "-addext", f"subjectAltName={san}", "-keyout", f"{name}.key", "-out", f"{name}.csr", folder=folder)
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2",
                "-copy_extensions", "copy", "-out", f"{name}.pem", folder=folder)
        os.chmod(os.path.join(folder, f"{name}.key"), 0o600)


class Request:
    def __init__(self, path, body, connection, at):
        self.path, self.body, self.connection, self.at = path, body, connection, at


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.scripted.serve(self, body)

    def answer(self, status, document, headers=()):
        text = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if status < 400 else "application/problem+json")
        self.send_header("Content-Length", str(len(text)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def hang_up(self):
        self.close_connection = True
        self.connection.close()

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, address):
        pass  # a client that is killed, or refuses our certificate, is what several tests are about


class ScriptedServer:
    def __init__(self, folder, clock, tls_max=ssl.TLSVersion.TLSv1_3):
        self.requests, self.leases, self.acks = [], [], []  # the script is what stands in leases and acks
        self.changed = threading.Condition()
        self.clock = clock
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = tls_max
        context.load_cert_chain(os.path.join(folder, "server.pem"), os.path.join(folder, "server.key"))
        context.load_verify_locations(os.path.join(folder, "ca.pem"))
        context.verify_mode = ssl.CERT_REQUIRED
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.scripted = self
        # The handshake belongs to the connection's thread: a client that stalls holds up nobody.
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://localhost:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def serve(self, handler, body):
        leasing = handler.path == "/v1/outbox/leases"
        with self.changed:
            self.requests.append(Request(handler.path, body, handler.client_address, self.clock()))
            script = self.leases if leasing else self.acks
            step = script.pop(0) if script else None
            self.changed.notify_all()
        if step is not None:
            step(handler, body)
        elif leasing:
            handler.answer(200, {"deliveries": []})
        else:
            handler.answer(200, {"results": [{"delivery_id": a["delivery_id"], "result": "recorded"} for a in body["acks"]]})

    def wait_for(self, condition):
        with self.changed:
            if not self.changed.wait_for(lambda: condition(self.requests), timeout=DEADLINE_S):
                raise AssertionError(f"waited in vain; requests were {[(r.path, r.body) for r in self.requests]}")

    def acknowledged(self):
        return [ack for r in self.requests if r.path == "/v1/outbox/acks" for ack in r.body["acks"]]
