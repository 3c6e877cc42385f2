"""sigillo-courier against a scripted appliance, sealed by another JOSE library. Argument: the courier's binary."""

import json
import os
import resource
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from jwcrypto import jwe, jwk

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from scripted_server import DEADLINE_S, ScriptedServer, make_certificates  # noqa: E402

COURIER = None
PIN = "ABCD-2345"


def document(delivery_id, **more):
    return {"delivery_id": delivery_id, "kind": "pin.first-half", "pin": PIN, "to": {"mobile": "+393331234567"},
            "subject_hint": "RSS…", "created_at": "2031-01-01T00:00:00Z", "expires_at": "2031-03-01T00:00:00Z",
            "text": f"Prima metà del PIN: {PIN}", **more}


class CourierTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.certificates = tempfile.TemporaryDirectory()
        cls.folder = cls.certificates.name
        make_certificates(cls.folder)
        cls.key = jwk.JWK.generate(kty="EC", crv="P-256", kid="delivery-1")
        with open(os.open(f"{cls.folder}/delivery.jwk", os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(cls.key.export_private())

    @classmethod
    def tearDownClass(cls):
        cls.certificates.cleanup()

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.spool = os.path.join(temporary.name, "spool", "sms")
        self.server = ScriptedServer(self.folder, time.monotonic)
        self.addCleanup(self.server.close)

    def seal(self, content, key=None):
        header = {"alg": "ECDH-ES", "enc": "A256GCM", "kid": "delivery-1"}
        token = jwe.JWE(json.dumps(content).encode(), json.dumps(header))
        token.add_recipient(key or self.key)
        return token.serialize(compact=True)

    def lease_of(self, *ids, **sealed):
        deliveries = [{"delivery_id": i, "lease_expires_at": "2031-01-01T00:01:00Z", "attempt": 1,
                       "sealed": sealed.get("sealed") or self.seal(document(i))} for i in ids]
        return lambda handler, body: handler.answer(200, {"deliveries": deliveries})

    def start(self, *arguments, server=None, ca="ca.pem", key="courier.key", **popen):
        command = [COURIER, "--server", (server or self.server).url, "--ca", f"{self.folder}/{ca}", "--cert",
                   f"{self.folder}/courier.pem", "--key", f"{self.folder}/{key}", "--delivery-key",
                   f"{self.folder}/delivery.jwk", "--spool", self.spool, "--poll", "1h", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **popen)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        return process

    def run_courier(self, *arguments, **more):
        process = self.start(*arguments, **more)
        output, _ = process.communicate(timeout=DEADLINE_S)
        self.assertNotIn(PIN, output)
        return process.returncode, output

    def spooled(self):
        return sorted(os.listdir(self.spool))

    def content(self, name):
        with open(os.path.join(self.spool, name), encoding="utf-8") as file:
            return json.load(file)

    def test_a_message_is_in_the_spool_before_it_is_acknowledged(self):
        seen = []
        self.server.leases = [self.lease_of("d-1")]

        def on_ack(handler, body):
            seen.extend(self.spooled())
            handler.answer(200, {"results": [{"delivery_id": "d-1", "result": "recorded"}]})

        self.server.acks = [on_ack]
        code, output = self.run_courier("--once")
        self.assertEqual(code, 0, output)
        self.assertEqual(seen, ["d-1.json"])
        self.assertEqual(self.content("d-1.json"), document("d-1"))
        self.assertEqual(os.stat(f"{self.spool}/d-1.json").st_mode & 0o777, 0o600)
        self.assertEqual(os.stat(self.spool).st_mode & 0o777, 0o700)
        self.assertEqual(self.server.acknowledged(), [{"delivery_id": "d-1", "status": "delivered"}])

    def test_drain_goes_on_until_nothing_is_left_on_one_connection(self):
        self.server.leases = [self.lease_of("a", "b"), self.lease_of("c")]
        code, output = self.run_courier("--drain")
        self.assertEqual(code, 0, output)
        self.assertEqual(self.spooled(), ["a.json", "b.json", "c.json"])
        self.assertEqual(len({r.connection for r in self.server.requests}), 1)

    def test_what_another_key_sealed_is_reported_failed_and_the_rest_delivered(self):
        stranger = jwk.JWK.generate(kty="EC", crv="P-256")
        bad = {"delivery_id": "bad", "lease_expires_at": "x", "attempt": 1, "sealed": self.seal(document("bad"), stranger)}
        good = {"delivery_id": "good", "lease_expires_at": "x", "attempt": 1, "sealed": self.seal(document("good"))}
        self.server.leases = [lambda handler, body: handler.answer(200, {"deliveries": [bad, good]})]
        code, output = self.run_courier("--once")
        self.assertEqual(code, 0, output)
        self.assertEqual(self.spooled(), ["good.json"])
        failed, delivered = self.server.acknowledged()
        self.assertEqual((failed["delivery_id"], failed["status"]), ("bad", "failed"))
        self.assertTrue(0 < len(failed["reason"]) <= 64)
        self.assertEqual(delivered, {"delivery_id": "good", "status": "delivered"})

    def test_a_message_that_says_another_delivery_is_reported_failed(self):
        self.server.leases = [self.lease_of("d-1", sealed=self.seal(document("d-2")))]
        code, output = self.run_courier("--once")
        self.assertEqual(code, 0, output)
        self.assertEqual(self.spooled(), [])
        self.assertEqual(self.server.acknowledged()[0]["status"], "failed")

    def test_what_is_sealed_and_no_message_is_reported_failed(self):
        for sealed in (self.seal([1, 2]), self.seal({"delivery_id": "d-1"}), self.seal("x" * 20000), "a.b.c.d.e", ""):
            with self.subTest(sealed=sealed[:20]):
                self.server.requests.clear()
                self.server.leases = [lambda handler, body, sealed=sealed: handler.answer(200, {"deliveries": [
                    {"delivery_id": "d-1", "lease_expires_at": "x", "attempt": 1, "sealed": sealed}]})]
                code, output = self.run_courier("--once")
                self.assertEqual(code, 0, output)
                self.assertEqual(self.spooled(), [])
                self.assertEqual(self.server.acknowledged()[0]["status"], "failed")

    def test_killed_between_sink_and_acknowledgement_it_delivers_again_under_the_same_name(self):
        killed = threading.Event()

        def kill(handler, body):
            process.kill()
            killed.set()
            handler.hang_up()

        self.server.leases = [self.lease_of("d-1"), self.lease_of("d-1")]
        self.server.acks = [kill]
        process = self.start()
        self.assertTrue(killed.wait(DEADLINE_S))
        self.assertEqual(process.wait(DEADLINE_S), -signal.SIGKILL)
        self.assertEqual(self.spooled(), ["d-1.json"])
        code, output = self.run_courier("--drain")
        self.assertEqual(code, 0, output)
        self.assertEqual(self.spooled(), ["d-1.json"])
        self.assertEqual(self.server.acknowledged()[-1], {"delivery_id": "d-1", "status": "delivered"})

    def test_a_lost_acknowledgement_is_sent_again_before_the_next_lease(self):
        self.server.leases = [self.lease_of("d-1")]
        self.server.acks = [lambda handler, body: handler.hang_up()]
        process = self.start()
        self.server.wait_for(lambda requests: len([r for r in requests if r.path.endswith("acks")]) >= 2)
        self.server.wait_for(lambda requests: requests[-1].path.endswith("leases"))
        process.terminate()
        self.assertEqual(process.wait(DEADLINE_S), 0)
        paths = [r.path.rsplit("/", 1)[1] for r in self.server.requests]
        self.assertEqual(paths[:2], ["leases", "acks"])
        self.assertTrue(all(p == "acks" for p in paths[2:-1]), paths)

    def test_503_is_waited_out_for_as_long_as_it_says(self):
        busy = {"type": "urn:sigillo:problem:sealed", "code": "sealed", "status": 503}
        self.server.leases = [lambda handler, body: handler.answer(503, busy, [("Retry-After", "3")]), self.lease_of("d-1")]
        process = self.start()
        self.server.wait_for(lambda requests: any(r.path.endswith("acks") for r in requests))
        process.terminate()
        self.assertEqual(process.wait(DEADLINE_S), 0)
        first, second = [r for r in self.server.requests if r.path.endswith("leases")][:2]
        self.assertGreaterEqual(second.at - first.at, 2.9)

    def test_a_full_spool_says_nothing_to_the_appliance(self):
        def no_file_may_grow():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

        self.server.leases = [self.lease_of("d-1", "d-2")]
        code, output = self.run_courier("--once", preexec_fn=no_file_may_grow)
        self.assertEqual(code, 1, output)
        self.assertEqual(self.spooled(), [])
        self.assertEqual(self.server.acknowledged(), [])

    def test_an_id_that_is_no_identifier_names_no_file(self):
        for evil in ("../evil", "", "a/b", ".", "x" * 65, "a\u0000b"):
            with self.subTest(id=evil):
                self.server.leases = [self.lease_of(evil, sealed=self.seal(document(evil)))]
                code, output = self.run_courier("--once")
                self.assertEqual(code, 2, output)
                self.assertEqual(self.spooled(), [])
                self.assertEqual(os.listdir(os.path.dirname(self.spool)), ["sms"])

    def test_a_key_that_others_can_read_is_refused_before_anything_is_sent(self):
        shared = f"{self.folder}/shared.key"
        with open(f"{self.folder}/courier.key", encoding="ascii") as source, open(shared, "w", encoding="ascii") as out:
            out.write(source.read())
        os.chmod(shared, 0o640)
        code, output = self.run_courier("--once", key="shared.key")
        self.assertEqual(code, 1)
        self.assertIn("chmod 600", output)
        self.assertEqual(self.server.requests, [])

    def test_what_the_system_refuses_is_said_in_its_words(self):
        code, output = self.run_courier("--once", key="missing.key")
        self.assertEqual(code, 1)
        self.assertIn("No such file or directory", output)

    def test_sigterm_ends_a_wait_and_a_lease_that_hangs(self):
        process = self.start()  # waits an hour after an empty lease
        self.server.wait_for(lambda requests: len(requests) == 1)
        process.terminate()
        self.assertEqual(process.wait(DEADLINE_S), 0)

        release = threading.Event()
        self.addCleanup(release.set)
        self.server.leases = [lambda handler, body: release.wait(DEADLINE_S)]
        process = self.start()
        self.server.wait_for(lambda requests: len(requests) == 2)
        process.terminate()
        self.assertEqual(process.wait(DEADLINE_S), 0)

    def test_another_ca_and_an_older_tls_are_refused(self):
        code, output = self.run_courier("--once", ca="other-ca.pem")
        self.assertEqual(code, 2, output)
        older = ScriptedServer(self.folder, time.monotonic, tls_max=ssl.TLSVersion.TLSv1_2)
        self.addCleanup(older.close)
        code, output = self.run_courier("--once", server=older)
        self.assertEqual(code, 2, output)
        self.assertEqual(self.server.requests + older.requests, [])

    def test_a_refusal_is_remote_and_a_wrong_option_is_local(self):
        self.server.leases = [lambda handler, body: handler.answer(403, {"code": "channel-revoked", "status": 403})]
        code, output = self.run_courier("--once")
        self.assertEqual(code, 2)
        self.assertIn("403", output)
        self.assertEqual(self.run_courier("--lease", "0")[0], 1)
        self.assertEqual(self.run_courier("--pin", "x")[0], 1)

    def test_options_may_come_from_a_file_and_unknown_ones_are_errors(self):
        path = os.path.join(os.path.dirname(os.path.dirname(self.spool)), "courier.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("lease = 7\n")
        code, output = self.run_courier("--once", "--config", path)
        self.assertEqual(code, 0, output)
        self.assertEqual(self.server.requests[0].body, {"max": 7})
        with open(path, "w", encoding="utf-8") as file:
            file.write("leese = 7\n")
        self.assertEqual(self.run_courier("--once", "--config", path)[0], 1)


if __name__ == "__main__":
    COURIER = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
