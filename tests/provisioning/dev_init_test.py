"""sigillo dev-init and validate-config as a user meets them. Argument: the binary. OpenSSL and jwcrypto check its work."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import unittest

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from jwcrypto import jwk

SIGILLO = None
COURIERS = ("courier-sms", "courier-email", "courier-pec", "courier-post")
ROLES = ("portal", "contact-centre", "branch", "back-office", "auditor") + COURIERS


def sigillo(*arguments, **more):
    return subprocess.run([SIGILLO, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                          check=False, **more)


def read(*parts, mode="r"):
    with open(os.path.join(*parts), mode) as file:
        return file.read()


def certificate(*parts):
    return x509.load_pem_x509_certificate(read(*parts, mode="rb"))


def mode(*parts):
    return os.stat(os.path.join(*parts)).st_mode & 0o777


class MadeOnce(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = os.path.join(os.path.realpath(cls.temporary.name), 'an "odd" folder')
        began = time.monotonic()
        cls.made = sigillo("dev-init", cls.folder, "--listen", "127.0.0.1:18443", "--format", "json")
        cls.seconds = time.monotonic() - began

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def test_it_takes_no_input_and_less_than_five_seconds(self):
        self.assertEqual(self.made.returncode, 0, self.made.stderr)
        self.assertLess(self.seconds, 5)
        answer = json.loads(self.made.stdout)
        self.assertEqual((answer["schema"], answer["config"]), ("sigillo.dev-init/1", f"{self.folder}/sigillo.toml"))

    def test_the_configuration_is_as_the_contract_says_and_is_accepted(self):
        text = read(self.folder, "sigillo.toml")
        config = tomllib.loads(text)
        self.assertEqual(config["server"]["listen"], "127.0.0.1:18443")
        self.assertEqual(config["server"]["monitor"], "127.0.0.1:9464")
        self.assertEqual(config["store"]["path"], f"{self.folder}/store/sigillo.db")
        self.assertEqual(config["hsm"]["softhsm2_conf"], f"{self.folder}/softhsm2.conf")
        self.assertTrue(os.path.isabs(config["hsm"]["module"]))
        self.assertEqual(config["anchor"]["mode"], "strict")
        self.assertEqual(config["quotas"], {"per_second": 0, "burst": 0})
        self.assertIs(config["dev"]["allow_weak_policy"], True)
        headers = re.findall(r"^\[.*\]$", text, re.M)
        self.assertEqual(len(headers), len(set(headers)))
        for line in text.splitlines():
            self.assertRegex(line, r'^$|^#|^\[[a-z.]+\]$|^[a-z0-9_]+ = ("([^"\\]|\\.)*"|\d+|true|false)$')
        checked = sigillo("validate-config", f"{self.folder}/sigillo.toml")
        self.assertEqual(checked.returncode, 0, checked.stderr)

    def test_twice_on_one_folder_it_refuses_and_changes_nothing(self):
        before = {name: os.stat(os.path.join(self.folder, name)).st_mtime_ns for name in os.listdir(self.folder)}
        again = sigillo("dev-init", self.folder)
        self.assertEqual(again.returncode, 1)
        self.assertIn("already holds an appliance", again.stderr)
        after = {name: os.stat(os.path.join(self.folder, name)).st_mtime_ns for name in os.listdir(self.folder)}
        self.assertEqual(before, after)

    def test_secrets_are_for_their_owner_only(self):
        for path in ["token-pin", *(f"officers/{name}.{kind}" for name in ("anna", "bruno") for kind in ("key", "password")), *(f"channels/{role}/key.pem" for role in ROLES),
                     *(f"channels/{role}/delivery.jwk" for role in (*COURIERS, "branch", "contact-centre"))]:
            self.assertEqual(mode(self.folder, path), 0o600, path)
        for path in ("", "token", "store", "channels", "officers"):
            self.assertEqual(mode(self.folder, path), 0o700, path)
        self.assertNotIn(read(self.folder, "token-pin"), self.made.stdout + self.made.stderr)

    def test_the_ca_signs_channels_and_nothing_that_signs(self):
        ca = certificate(self.folder, "ca.pem")
        self.assertIsInstance(ca.public_key().curve, ec.SECP384R1)
        constraints = ca.extensions.get_extension_for_class(x509.BasicConstraints)
        self.assertTrue(constraints.critical and constraints.value.ca and constraints.value.path_length == 0)
        for purpose, name in [("sslserver", "server.pem"), *(("sslclient", f"channels/{r}/cert.pem") for r in ROLES)]:
            done = subprocess.run(["openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", "ca.pem", name],
                                  cwd=self.folder, capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_each_channel_is_named_by_its_uri_alone(self):
        serials = set()
        for role in ROLES:
            channel = certificate(self.folder, "channels", role, "cert.pem")
            names = channel.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            self.assertEqual([n.value for n in names], [f"urn:sigillo:channel:{role}:{role}"])
            usage = channel.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
            self.assertEqual(list(usage), [ExtendedKeyUsageOID.CLIENT_AUTH])
            serials.add(channel.serial_number)
        self.assertEqual(len(serials), len(ROLES))

    def test_the_server_is_localhost(self):
        names = certificate(self.folder, "server.pem").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertEqual([str(n.value) for n in names], ["localhost", "127.0.0.1"])

    def test_every_delivery_key_is_its_own_and_named_by_its_thumbprint(self):
        thumbprints = set()
        for role in (*COURIERS, "contact-centre", "branch"):
            text = read(self.folder, "channels", role, "delivery.jwk")
            key = jwk.JWK.from_json(text)
            self.assertTrue(key.has_private)
            self.assertEqual(json.loads(text)["kid"], key.thumbprint())
            thumbprints.add(key.thumbprint())
        self.assertEqual(len(thumbprints), 6)
        for role in ("portal", "back-office", "auditor"):
            self.assertFalse(os.path.exists(os.path.join(self.folder, "channels", role, "delivery.jwk")))


class Refusals(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.folder = os.path.join(self.temporary.name, "dev")

    def test_half_way_it_takes_back_what_it_made(self):
        def files_stay_small(limit):
            def limited():
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            return limited

        for limit in (10, 200, 700, 2000):
            with self.subTest(limit=limit):
                failed = sigillo("dev-init", self.folder, preexec_fn=files_stay_small(limit))
                self.assertEqual(failed.returncode, 1, failed.stdout)
                self.assertIn("while", failed.stderr)
                self.assertFalse(os.path.exists(self.folder))
        os.mkdir(self.folder)
        self.assertEqual(sigillo("dev-init", self.folder, preexec_fn=files_stay_small(200)).returncode, 1)
        self.assertEqual(os.listdir(self.folder), [])
        self.assertEqual(sigillo("dev-init", self.folder).returncode, 0)

    def test_a_folder_that_holds_anything_is_left_alone(self):
        os.mkdir(self.folder)
        with open(os.path.join(self.folder, "thesis.tex"), "w", encoding="ascii") as file:
            file.write("x")
        refused = sigillo("dev-init", self.folder)
        self.assertEqual(refused.returncode, 1)
        self.assertEqual(os.listdir(self.folder), ["thesis.tex"])

    def test_wrong_arguments_are_local_errors_with_a_sentence(self):
        for arguments in (["dev-init"], ["dev-init", self.folder, "--listen", "nowhere"], ["dev-init", self.folder, "--pin", "1"],
                          ["no-such-command"], [], ["dev-init", self.folder, "--format", "xml"]):
            with self.subTest(arguments=arguments):
                done = sigillo(*arguments)
                self.assertEqual(done.returncode, 1)
                self.assertTrue(done.stdout + done.stderr)
                self.assertFalse(os.path.exists(self.folder))
        self.assertEqual(sigillo("--help").returncode, 0)
        self.assertIn("Exit codes", sigillo("dev-init", "--help").stdout)

    def test_a_configuration_that_is_wrong_is_named_with_file_and_key(self):
        path = os.path.join(self.temporary.name, "wrong.toml")
        with open(path, "w", encoding="ascii") as file:
            file.write('[server]\nlisten = "127.0.0.1:8443"\nlissten = "x"\n')
        refused = sigillo("validate-config", path, "--format", "json")
        self.assertEqual(refused.returncode, 1)
        answer = json.loads(refused.stdout)
        self.assertEqual(answer["schema"], "sigillo.error/1")
        self.assertIn("lissten", answer["what"])
        self.assertIn(path, answer["what"])


if __name__ == "__main__":
    SIGILLO = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
