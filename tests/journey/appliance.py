"""A development appliance with its couriers, started and stopped; and its channels, as an independent client sees them.

Only Python's standard library, against the API contract and the programs' command lines. Used by journey.py.
"""

import http.client
import json
import os
import queue
import secrets
import socket
import ssl
import subprocess
import threading

START_S = 60
WAIT_S = 60


class Trouble(Exception):
    """Something that ought to hold and does not; the message is for people."""


def free_ports(count):
    """Ports that nobody listens on now; all are held open together, so they differ."""
    holders = [socket.socket() for _ in range(count)]
    try:
        for holder in holders:
            holder.bind(("127.0.0.1", 0))
        return [holder.getsockname()[1] for holder in holders]
    finally:
        for holder in holders:
            holder.close()


class Courier:
    """A sigillo-courier that runs; what it says it delivered is waited for, then read from its spool folder."""

    def __init__(self, program, appliance, medium):
        self.medium = medium
        self.spool = os.path.join(appliance.folder, "spool", medium)
        channel = appliance.channel_folder(f"courier-{medium}")
        self.log_path = os.path.join(appliance.folder, f"courier-{medium}.log")
        self.delivered = queue.Queue()
        self.process = subprocess.Popen(
            [program, "--server", appliance.url, "--ca", appliance.ca, "--cert", f"{channel}/cert.pem", "--key",
             f"{channel}/key.pem", "--delivery-key", f"{channel}/delivery.jwk", "--spool", self.spool, "--poll", "1s"],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        with open(self.log_path, "w", encoding="utf-8") as log:
            for line in self.process.stderr:
                log.write(line)
                log.flush()
                if "courier.delivered" in line:
                    fields = dict(word.split("=", 1) for word in line.split() if "=" in word)
                    self.delivered.put(fields["delivery_id"].strip('"'))
        self.delivered.put(None)

    def message(self, delivery_id):
        """The message of that delivery, once the courier has it in its spool."""
        while True:
            try:
                said = self.delivered.get(timeout=WAIT_S)
            except queue.Empty:
                raise Trouble(f"the {self.medium} courier delivered nothing in {WAIT_S} s; its log is {self.log_path}") from None
            if said is None:
                raise Trouble(f"the {self.medium} courier ended by itself; its log is {self.log_path}")
            if said == delivery_id:
                with open(os.path.join(self.spool, f"{said}.json"), encoding="utf-8") as file:
                    return json.load(file)

    def stop(self):
        self.process.terminate()
        code = self.process.wait(WAIT_S)
        self.reader.join()
        self.process.stderr.close()
        return code


class Channel:
    """One enrolled channel, over one connection that is kept alive."""

    def __init__(self, appliance, name):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_verify_locations(appliance.ca)
        folder = appliance.channel_folder(name)
        context.load_cert_chain(f"{folder}/cert.pem", f"{folder}/key.pem")
        self.connection = http.client.HTTPSConnection("localhost", appliance.port, timeout=30, context=context)

    def call(self, method, path, body=None, key=None):
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if key is not None:
            headers["Idempotency-Key"] = key
        self.connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null")

    def post(self, path, body):
        return self.call("POST", path, body, secrets.token_hex(16))


class Appliance:
    """Made fresh in a folder by dev-init, on free ports, with the four couriers; a context manager that ends all."""

    def __init__(self, programs, folder, settings=""):
        self.programs, self.folder, self.settings = os.path.abspath(programs), os.path.abspath(folder), settings
        self.port, self.monitor = free_ports(2)
        self.url = f"https://localhost:{self.port}"
        self.ca = os.path.join(self.folder, "ca.pem")
        self.couriers, self.process = {}, None

    def program(self, name):
        return os.path.join(self.programs, name)

    def channel_folder(self, name):
        return os.path.join(self.folder, "channels", name)

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self):
        made = subprocess.run(
            [self.program("sigillo"), "dev-init", self.folder, "--listen", f"127.0.0.1:{self.port}", "--monitor",
             f"127.0.0.1:{self.monitor}"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=START_S)
        if made.returncode != 0:
            raise Trouble(f"dev-init failed: {made.stderr.strip()}")
        config = os.path.join(self.folder, "sigillo.toml")
        with open(config, "a", encoding="utf-8") as file:
            file.write(self.settings)
        self.log_path = os.path.join(self.folder, "sigillod.log")
        with open(self.log_path, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([self.program("sigillod"), "--config", config], stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=log, text=True)
        # The line "ready" is the event; a server that ends closes the pipe, and one that hangs is ended.
        watchdog = threading.Timer(START_S, self.process.kill)
        watchdog.start()
        said = self.process.stdout.readline()
        watchdog.cancel()
        if "ready" not in said:
            raise Trouble(f"the appliance did not become ready; its log is {self.log_path}")
        for medium in ("sms", "email", "pec", "post"):
            self.couriers[medium] = Courier(self.program("sigillo-courier"), self, medium)

    def __exit__(self, *_):
        self.codes = {f"courier-{medium}": courier.stop() for medium, courier in self.couriers.items()}
        if self.process is not None:
            self.process.terminate()
            try:
                self.codes["sigillod"] = self.process.wait(WAIT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.codes["sigillod"] = f"killed, for it did not end within {WAIT_S} s of SIGTERM"
            self.process.stdout.close()
