"""Who asks for much and reads slowly gets no share of the memory that is locked for secrets, and little of the other."""

import socket

from harness.channel import tls_context

CONNECTIONS, ENTRIES = 200, 1000
PAGE = f"GET /v1/ledger?after=0&limit={ENTRIES} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def slow_reader(appliance, context):
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    plain.settimeout(30)
    plain.connect(("127.0.0.1", appliance.port))
    return context.wrap_socket(plain, server_hostname="localhost")


def test_an_auditor_that_reads_by_many_connections_at_once_ends_nobodys_answers(appliance, town, someone):
    for _ in range(ENTRIES):
        appliance.contact_centre.post("/v1/status", {"subject": someone.subject, "operator": "o" * 64}, status=200)
    assert len(appliance.auditor.get(f"/v1/ledger?after=0&limit={ENTRIES}").raw) > 300_000
    context = tls_context(appliance.directory, "auditor")
    readers = [slow_reader(appliance, context) for _ in range(CONNECTIONS)]
    for reader in readers:
        reader.sendall(PAGE)
    begun = {reader.recv(12) for reader in readers}
    assert appliance.process.poll() is None, appliance.log_text()[-300:]
    assert begun == {b"HTTP/1.1 200", b"HTTP/1.1 503"}, begun
    assert appliance.metric("sigillo_answer_bytes_held") <= 16 << 20  # and not a page for each of them
    assert appliance.portal.verify(someone.subject, town.pin()).outcome == "rejected"
    for reader in readers:
        reader.close()
