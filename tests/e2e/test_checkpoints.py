"""Signed checkpoints leave the host: into a folder that stays bounded, and to an https server that fails, hangs and comes back."""

import base64
import datetime
import http.server
import ipaddress
import json
import pathlib
import re
import ssl
import sys
import threading
import urllib.error
import urllib.request

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from harness.appliance import BIN, Appliance, eventually

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fault"))
from control import FAIL, Control  # noqa: E402


def certificate(folder, name):
    """A self-signed certificate for an address; its file is its own CA's."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "log")])
    alternative = x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name)
    now = datetime.datetime.utcnow()
    made = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([alternative]), False)
            .add_extension(x509.BasicConstraints(True, None), True).sign(key, hashes.SHA256()))
    certificate_file, key_file = folder / f"{name}.pem", folder / f"{name}.key"
    certificate_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                           serialization.NoEncryption()))
    return certificate_file, key_file


class LogServer:
    """Takes notes over TLS; `status` is what it answers, and while `hung` is set it answers nothing."""

    def __init__(self, certificate_file, key_file):
        self.notes, self.requests, self.status, self.hung, self.let_go = [], 0, 200, False, threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                outer.requests += 1
                note = self.rfile.read(int(self.headers["Content-Length"])).decode()
                if outer.hung:
                    outer.let_go.wait(60)
                    return
                if outer.status == 200:
                    outer.notes.append((self.path, self.headers["Content-Type"], note))
                self.send_response(outer.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def get_request(self):
                connection, address = super().get_request()
                connection.settimeout(10)
                return context.wrap_socket(connection, server_side=True), address

            def handle_error(self, *_):
                pass  # a client that refuses our certificate

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate_file, key_file)
        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.let_go.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def log(tmp_path):
    server = LogServer(*certificate(tmp_path, "127.0.0.1"))
    server.ca = str(tmp_path / "127.0.0.1.pem")
    yield server
    server.close()


def appliance_with(settings, tmp_path):
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    return Appliance({"audit.checkpoint_interval": "1s", "audit.checkpoint_folder": str(folder)} | settings), folder


def ready(appliance):
    with urllib.request.urlopen(f"http://127.0.0.1:{appliance.monitor}/readyz", timeout=10) as answer:
        return answer.status == 200


def happen(appliance):
    """Something that is in the ledger, and the number of its last entry."""
    appliance.portal.post("/v1/verifications", {"subject": "VRDLGU80A01F205T", "pin": "ZZZZZZZZ"}, status=200)


def seq_of(note):
    origin, seq, head, time, *_ = note.split("\n")
    assert origin == "sigillo/ledger/1" and len(base64.b64decode(head)) == 32 and time.startswith("time "), note
    return int(seq)


def test_a_server_that_fails_hangs_and_comes_back_gets_the_newest_and_holds_up_nobody(log, tmp_path):
    appliance, _ = appliance_with({"audit.checkpoint_url": f"https://127.0.0.1:{log.port}/log?of=1",
                                   "audit.checkpoint_ca": log.ca}, tmp_path)
    try:
        appliance.start()
        path, kind, note = eventually(lambda: log.notes, what="the first checkpoint")[0]
        assert path == "/log?of=1" and kind.startswith("text/plain")
        first = seq_of(note)
        assert "\n\n\u2014 sigillo/ledger/1 " in note

        log.status = 500
        before = log.requests
        happen(appliance)
        eventually(lambda: log.requests > before + 1, timeout=30, what="a second try")
        assert appliance.metric('sigillo_checkpoint_pushes_total{result="failed"}') >= 1
        assert appliance.metric("sigillo_checkpoint_push_failing") == 1
        assert ready(appliance)
        assert "checkpoint-not-pushed" in appliance.log_text()

        log.hung = True
        held = log.requests
        eventually(lambda: log.requests > held, timeout=30, what="a try that hangs")
        for _ in range(20):
            happen(appliance)  # answered meanwhile
        assert ready(appliance)

        log.hung, log.status = False, 200
        log.let_go.set()
        newest = eventually(lambda: [n for _, _, n in log.notes if seq_of(n) > first], timeout=60, what="the newest")
        assert seq_of(newest[-1]) >= first + 20
        # The server notes a checkpoint before it answers; the appliance knows of it when it has read the answer.
        eventually(lambda: appliance.metric("sigillo_checkpoint_push_failing") == 0, what="that it says so")
        appliance.stop()
    finally:
        appliance.discard()


def test_a_server_with_another_name_or_an_unknown_ca_gets_nothing(tmp_path):
    wrong_name = LogServer(*certificate(tmp_path, "log.example.it"))
    unknown = LogServer(*certificate(tmp_path, "127.0.0.1"))
    try:
        for server, ca in ((wrong_name, tmp_path / "log.example.it.pem"), (unknown, tmp_path / "log.example.it.pem")):
            folder = tmp_path / str(server.port)
            folder.mkdir()
            appliance, _ = appliance_with({"audit.checkpoint_url": f"https://127.0.0.1:{server.port}/",
                                           "audit.checkpoint_ca": str(ca)}, folder)
            try:
                appliance.start()
                eventually(lambda: appliance.metric('sigillo_checkpoint_pushes_total{result="failed"}') >= 1, timeout=30,
                           what="a failed push")
                assert server.requests == 0 and not server.notes
            finally:
                appliance.discard()
    finally:
        wrong_name.close()
        unknown.close()


def test_the_folder_stays_bounded_and_every_file_is_whole(tmp_path):
    appliance, folder = appliance_with({"audit.checkpoints_kept": 3}, tmp_path)
    try:
        appliance.start()
        seen = set()

        def five():
            happen(appliance)
            seen.update(p.name for p in folder.iterdir() if not p.name.startswith("."))
            return len(seen) >= 5

        eventually(five, timeout=60, what="five checkpoints")
        appliance.stop()
        files = [p for p in folder.iterdir()]
        assert 1 <= len(files) <= 3, files
        for file in files:
            assert seq_of(file.read_text()) == int(re.fullmatch(r"checkpoint-(\d+)\.txt", file.name)[1])
        newest = max(int(re.findall(r"\d+", name)[0]) for name in seen)
        assert max(seq_of(file.read_text()) for file in files) >= newest, "the oldest went, not the newest"
    finally:
        appliance.discard()


def test_checkpoints_go_on_after_the_clock_was_a_month_ahead_and_was_put_back(tmp_path):
    appliance, folder = appliance_with({}, tmp_path)
    faults = Control(appliance.root / "faults", BIN.parent / "fault")
    appliance.environment = faults.environment(disk=tmp_path)

    def newest():
        return max((int(re.findall(r"\d+", p.name)[0]) for p in folder.glob("checkpoint-*.txt")), default=0)

    try:
        appliance.start()
        for offset_ms in (30 * 86_400_000, 0):
            faults.block.clock_offset_ms = offset_ms
            happen(appliance)
            head = appliance.metric("sigillo_ledger_entries")
            eventually(lambda: newest() >= head, what="a checkpoint of now")
    finally:
        appliance.discard()


def reasons(appliance):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{appliance.monitor}/readyz", timeout=10) as answer:
            return json.loads(answer.read())["reasons"]
    except urllib.error.HTTPError as refusal:
        return json.loads(refusal.read())["reasons"]


def test_a_disk_that_is_full_is_told_before_anybody_calls(tmp_path):
    appliance, _ = appliance_with({}, tmp_path)
    faults = Control(appliance.root / "faults", BIN.parent / "fault")
    appliance.environment = faults.environment(disk=appliance.directory / "store")
    try:
        appliance.start()
        assert reasons(appliance) == []
        faults.arm("disk.space", FAIL, times=0)
        eventually(lambda: reasons(appliance) == ["disk-full"], what="that it is not ready")
        assert appliance.metric('sigillo_not_ready{reason="disk-full"}') == 1
        assert "disk-full" in appliance.log_text()
        faults.clear()
        eventually(lambda: reasons(appliance) == [], what="that it is ready")
    finally:
        appliance.discard()


def test_how_full_the_disk_is_and_what_memory_grows_with_are_metrics(tmp_path):
    appliance, _ = appliance_with({}, tmp_path)
    try:
        appliance.start()
        happen(appliance)
        assert 0 < appliance.metric("sigillo_store_disk_used_ratio") <= 1
        assert appliance.metric("sigillo_counters") == 1
        assert appliance.metric("sigillo_store_stale") == 0
        assert appliance.metric("sigillo_ledger_entries") > appliance.metric("sigillo_ledger_base") == 0
    finally:
        appliance.discard()
