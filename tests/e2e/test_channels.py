"""Channels that come, change and go while the appliance serves."""

import http.client
import json
import os
import ssl
import subprocess
import threading

import pytest
from harness.appliance import BIN, eventually

SETTINGS = {"policy.guess.delay_from": 11}


def act(appliance, verb, *arguments, check=True):
    return appliance.act("channel", verb, *map(str, arguments), check=check)


def listed(appliance):
    done = appliance.sigillo("channel", "list", "--config", str(appliance.configuration), "--format", "json")
    return {c["channel"]: c for c in json.loads(done.stdout)["channels"]}


class Connection:
    """A connection with any certificate, kept alive."""

    def __init__(self, appliance, certificate, key):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(appliance.directory / "ca.pem")
        context.load_cert_chain(certificate, key)
        self.http = http.client.HTTPSConnection("127.0.0.1", appliance.port, context=context, timeout=30)

    def whoami(self):
        self.http.request("GET", "/v1/whoami")
        answer = self.http.getresponse()
        return answer.status, json.loads(answer.read())


def last_events(appliance, count=6):
    head = int(appliance.auditor.get("/v1/ledger/checkpoint", status=200).text.splitlines()[1])
    return appliance.auditor.get(f"/v1/ledger?after={max(0, head - count - 1)}&limit=100", status=200)["entries"]


def test_a_channel_is_enrolled_with_a_key_made_for_it_and_revoked_in_the_middle_of_a_connection(appliance, tmp_path):
    key, certificate = tmp_path / "second.key", tmp_path / "second.pem"
    act(appliance, "enrol", "portal", "second", "--owner", "Second portal", "--new-key", key, "--certificate", certificate)
    assert os.stat(key).st_mode & 0o077 == 0
    connection = Connection(appliance, certificate, key)
    assert connection.whoami() == (200, connection.whoami()[1])
    act(appliance, "revoke", "portal", "second")
    status, body = connection.whoami()
    assert (status, body["code"]) == (403, "channel-revoked"), body
    assert any(e["event"] == "channel-revoked" and e["reference"] == "portal:second" and e["operator"] == "anna+bruno"
               for e in last_events(appliance))
    assert act(appliance, "resume", "portal", "second", check=False)[0] == 1, "revoked is for good"


def test_a_request_for_another_name_becomes_a_certificate_of_the_name_that_officers_said(appliance, tmp_path):
    key, csr, certificate = tmp_path / "k.pem", tmp_path / "k.csr", tmp_path / "c.pem"
    subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key,
                    "-out", csr, "-subj", "/CN=branch everywhere", "-addext", "subjectAltName=URI:urn:sigillo:channel:branch:branch"],
                   check=True, capture_output=True)
    act(appliance, "enrol", "auditor", "court", "--owner", "Court", "--csr", csr, "--certificate", certificate)
    text = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-ext", "subjectAltName"], check=True, capture_output=True,
                          text=True).stdout
    assert "urn:sigillo:channel:auditor:court" in text and "branch" not in text
    assert Connection(appliance, certificate, key).whoami()[1]["role"] == "auditor"


def test_suspending_takes_one_officer_and_resuming_two(appliance):
    one = ["--config", str(appliance.configuration), *appliance.officers("anna")]
    connection = appliance.channel("back-office")
    assert connection.get("/v1/whoami").status == 200
    appliance.sigillo("channel", "suspend", "back-office", "back-office", *one)
    assert connection.get("/v1/whoami", status=403).code == "channel-suspended"
    assert appliance.sigillo("channel", "resume", "back-office", "back-office", *one, check=False).returncode == 1
    act(appliance, "resume", "back-office", "back-office")
    assert connection.get("/v1/whoami").status == 200
    connection.close()


def test_what_is_for_a_suspended_courier_waits_and_goes_when_it_is_resumed(appliance, town):
    one = ["--config", str(appliance.configuration), *appliance.officers("anna")]
    citizen = town.citizen()
    appliance.sigillo("channel", "suspend", "courier-sms", "courier-sms", *one)
    issued = appliance.request(citizen, first_half_by="sms")
    courier = appliance.shared("courier-sms")
    assert courier.post("/v1/outbox/leases", {"max": 1}, status=403).code == "channel-suspended"
    act(appliance, "resume", "courier-sms", "courier-sms")
    appliance.activate(appliance.halves(citizen, issued))
    appliance.pump("sms")  # the notice of it: another test counts what waits


def test_a_courier_gets_nothing_that_is_sealed_to_another_of_its_medium(appliances, town):
    appliance = appliances({"policy.delivery.lease": "1s", "policy.delivery.attempts": 3})
    role, second = "courier-email", appliance.directory / "channels" / "courier-email-2"

    def asked():
        citizen = town.citizen()
        issued = appliance.request(citizen, first_half_by="email")
        return citizen, issued["credential_id"], issued["deliveries"][0]["delivery_id"]

    def first_half(citizen):
        return next(d["state"] for d in appliance.status(citizen)["deliveries"] if d["half"] == "first")

    waiting, _, of_first = asked()
    appliance.sigillo("channel", "suspend", role, role, "--config", str(appliance.configuration), *appliance.officers("anna"))
    second.mkdir()
    act(appliance, "enrol", role, "second", "--owner", "Second courier", "--new-key", second / "key.pem", "--certificate",
        second / "cert.pem", "--new-delivery-key", second / "delivery.jwk")
    successor = appliance.channel("courier-email-2")

    def lease(channel):
        return channel.post("/v1/outbox/leases", {"max": 100}, status=200)["deliveries"]

    for _ in range(3):
        assert lease(successor) == []
        ack = {"acks": [{"delivery_id": of_first, "status": "failed"}]}
        assert successor.post("/v1/outbox/acks", ack, status=200)["results"] == [{"delivery_id": of_first, "result": "unknown"}]
    _, _, of_second = asked()
    (got,) = lease(successor)
    assert appliance.open("courier-email-2", got["sealed"])["delivery_id"] == of_second
    act(appliance, "resume", role, role)
    citizen, credential, lost = asked()
    appliance.restart()
    (got,) = lease(appliance.shared(role))
    assert appliance.open(role, got["sealed"])["delivery_id"] == of_first and first_half(waiting) == "leased"

    done = act(appliance, "revoke", role, "second")[1]
    assert done["lost_deliveries"] == 2, "the one that was leased too"
    eventually(lambda: first_half(citizen) == "failed", what="the end of what nobody can open")
    assert act(appliance, "revoke", "courier-pec", "courier-pec")[1]["lost_deliveries"] == 0
    anew = appliance.portal.post(f"/v1/credentials/{credential}/halves", {"subject": citizen.subject, "half": "first"}, status=202)
    appliance.delivery("email", anew["deliveries"][0]["delivery_id"])
    assert lost != anew["deliveries"][0]["delivery_id"]


def test_a_renewed_channel_is_let_in_by_both_certificates_until_the_overlap_ends(appliance, tmp_path):
    key, certificate = tmp_path / "new.key", tmp_path / "new.pem"
    old = appliance.channel("portal")
    act(appliance, "renew", "portal", "portal", "--new-key", key, "--certificate", certificate, "--overlap", "7d")
    new = Connection(appliance, certificate, key)
    assert old.get("/v1/whoami").status == 200 and new.whoami()[0] == 200
    assert "former" in listed(appliance)["portal:portal"]
    again, third = tmp_path / "third.key", tmp_path / "third.pem"
    act(appliance, "renew", "portal", "portal", "--new-key", again, "--certificate", third, "--overlap", "0s")
    assert old.get("/v1/whoami", status=403).code == "channel-unknown", "it was two renewals ago"
    assert new.whoami()[0] == 403, "no overlap was given"
    assert Connection(appliance, third, again).whoami()[0] == 200
    old.close()
    for name, made in (("key.pem", again), ("cert.pem", third)):
        (appliance.directory / "channels" / "portal" / name).write_bytes(made.read_bytes())
    appliance.channels.pop("portal", None)


def test_a_key_of_two_renewals_ago_is_its_channels_and_no_others(appliance, tmp_path):
    csr, key, certificate = tmp_path / "first.csr", tmp_path / "k.pem", tmp_path / "c.pem"
    subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                    tmp_path / "first.key", "-out", csr, "-subj", "/CN=x"], check=True, capture_output=True)
    act(appliance, "enrol", "auditor", "archive", "--owner", "Archive", "--csr", csr, "--certificate", certificate)
    for number in range(2):
        act(appliance, "renew", "auditor", "archive", "--new-key", tmp_path / f"{number}.key", "--certificate", tmp_path / f"{number}.pem")
    code, said = act(appliance, "enrol", "courier-post", "xenia", "--owner", "Xenia S.r.l.", "--csr", csr, "--new-delivery-key",
                     tmp_path / "x.jwk", "--certificate", tmp_path / "x.pem", check=False)
    assert code == 1 and said["what"].startswith("Refused"), said
    assert "courier-post:xenia" not in listed(appliance)
    act(appliance, "renew", "auditor", "archive", "--csr", csr, "--certificate", tmp_path / "back.pem")
    assert Connection(appliance, tmp_path / "back.pem", tmp_path / "first.key").whoami()[0] == 200, "its own, come back"


@pytest.mark.parametrize("clash", ["owner", "delivery key", "key for two purposes"])
def test_who_could_open_both_halves_is_refused_whatever_officers_sign(appliance, tmp_path, clash):
    key, certificate, delivery = tmp_path / "x.key", tmp_path / "x.pem", tmp_path / "x.jwk"
    owner = "Development-courier-SMS " if clash == "owner" else "Xenia S.r.l."
    public = ["--new-delivery-key", delivery]
    if clash == "delivery key":
        private = json.loads((appliance.directory / "channels" / "courier-sms" / "delivery.jwk").read_text())
        private.pop("d")
        (tmp_path / "taken.jwk").write_text(json.dumps(private))
        public = ["--delivery-key", tmp_path / "taken.jwk"]
    request = ["--new-key", key]
    if clash == "key for two purposes":
        from jwcrypto import jwk
        pair = jwk.JWK.generate(kty="EC", crv="P-256", kid="both")
        key.write_bytes(pair.export_to_pem(True, None))
        csr = tmp_path / "x.csr"
        subprocess.run(["openssl", "req", "-new", "-key", key, "-out", csr, "-subj", "/CN=x"], check=True, capture_output=True)
        (tmp_path / "both.jwk").write_text(pair.export_public())
        request, public = ["--csr", csr], ["--delivery-key", tmp_path / "both.jwk"]
    code, said = act(appliance, "enrol", "courier-post", "xenia", "--owner", owner, *request, *public, "--certificate", certificate,
                     check=False)
    assert code == 1 and said["what"].startswith("Refused"), said
    assert not certificate.exists() and "courier-post:xenia" not in listed(appliance)


def test_a_private_key_is_not_taken_for_a_delivery_key(appliance, tmp_path):
    private = appliance.directory / "channels" / "courier-sms" / "delivery.jwk"
    assert act(appliance, "renew", "courier-sms", "courier-sms", "--delivery-key", private, check=False)[0] == 1


def test_a_courier_opens_what_came_before_and_after_a_new_delivery_key(appliance, town, tmp_path):
    new = tmp_path / "delivery-2.jwk"
    first = town.citizen()
    appliance.request(first)
    before = listed(appliance)["courier-sms:courier-sms"]["delivery_kid"]
    act(appliance, "renew", "courier-sms", "courier-sms", "--new-delivery-key", new)
    assert listed(appliance)["courier-sms:courier-sms"]["delivery_kid"] != before
    second = town.citizen()
    appliance.request(second)
    channel, spool = appliance.directory / "channels" / "courier-sms", tmp_path / "spool"
    base = [BIN / "sigillo-courier", "--server", f"https://localhost:{appliance.port}", "--ca", appliance.directory / "ca.pem", "--cert",
            channel / "cert.pem", "--key", channel / "key.pem", "--spool", spool, "--drain"]
    subprocess.run([*base, "--delivery-key", new, "--delivery-key", channel / "delivery.jwk"], check=True, timeout=60, capture_output=True)
    assert len(list(spool.glob("*.json"))) == 2
