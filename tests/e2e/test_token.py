"""The token that comes and goes: an HSM that hangs, fails, is killed and returns; and the PIN that must not be tried twice."""

import os
import pathlib
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest
from harness.appliance import BIN, SLOW, Appliance, die_with_the_tests, eventually

TESTS = pathlib.Path(__file__).resolve().parents[1]
for folder in ("fault", "audit", "campaign"):
    sys.path.insert(0, str(TESTS / folder))
from books import PIN, Books  # noqa: E402
from clients import Guessers  # noqa: E402
from control import (CKF_USER_PIN_FINAL_TRY, CKF_USER_PIN_LOCKED, DEVICE_REMOVED, FAIL, HANG, NONE, TOKEN_ABSENT,  # noqa: E402
                     Control)

PRODUCTION = {"dev.allow_weak_policy": False, "quotas.per_second": 1000, "quotas.burst": 2000}
SETTINGS = {"policy.guess.delay_from": 11, "hsm.deadline": "1s"}
CLIENT = pathlib.Path("/usr/lib/x86_64-linux-gnu/pkcs11/p11-kit-client.so")
BACK_S = 10
DEVICE_ERROR, DEVICE_MEMORY, KEY_HANDLE_INVALID, PIN_INCORRECT = 0x30, 0x31, 0x60, 0xA0


def refused(appliance):
    done = subprocess.run([BIN / "sigillod", "--config", appliance.configuration], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=60, env=os.environ | appliance.environment)
    return done.returncode, done.stderr.decode()


def readiness(appliance):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{appliance.monitor}/readyz") as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def stays_sealed(appliance):
    """Started with a PIN that is not the token's: it waits for its officers, and what it has to say is in its log."""
    before = len(appliance.log_text())
    server = subprocess.Popen([BIN / "sigillod", "--config", appliance.configuration], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=appliance.log, preexec_fn=die_with_the_tests,
                              env=os.environ | appliance.environment)
    try:
        said = eventually(lambda: "warning sealed" in (log := appliance.log_text()[before:]) and log, what="the line that it is sealed")
        assert "reason=token-pin-refused" in said and "sealed" in readiness(appliance)[1]
        server.terminate()
        assert (server.wait(60), server.stdout.read()) == (0, b"")  # never a word of ready
        return said
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


class Desk:
    """An appliance behind the shim, one citizen who is guessed at, one who knows the PIN, and the books of both."""

    def __init__(self, appliance, town):
        self.appliance, self.people, self.books, self.dice = appliance, town, Books(), random.Random(town.seed)
        self.town = self  # Guessers asks for it
        self.holder, self.target = appliance.at_branch(town.citizen()), appliance.at_branch(town.citizen())
        for citizen in (self.holder, self.target):
            appliance.activate(citizen)
        self.wrong()
        self.books.ledger.read(appliance.auditor)
        self.books.index[self.target.subject] = self.books.ledger.last["subject"]

    def guess(self, dice):
        pin = "".join(dice.choice("ABCDEFGH23456789") for _ in range(8))
        return "portal", "/v1/verifications", {"subject": self.target.subject, "pin": pin}, self.target.subject, PIN

    def wrong(self):
        role, path, body, name, counter = self.guess(self.dice)
        answer = self.appliance.shared(role).post(path, body)
        self.books.answered(name, counter, answer)
        return answer

    def right(self):
        answer = self.appliance.portal.verify(self.holder.subject, self.holder.pin, status=(200, 503))
        self.books.answered_right(answer)
        return answer

    def back(self):
        """A right PIN verifies again, without a restart, within the time that is promised."""
        begin = time.monotonic()
        eventually(lambda: self.right().status == 200, BACK_S, "the HSM's return")
        eventually(lambda: readiness(self.appliance)[0] == 200, BACK_S, "readiness")
        return time.monotonic() - begin

    def is_back_and_nobody_was_charged(self):
        self.back()
        assert self.wrong()["attempts_remaining"] == 8
        self.balance()

    def balance(self):
        assert self.books.ledger.read(self.appliance.auditor)
        self.books.compare()
        assert not self.books.violations

    def events(self, name):
        entries = self.appliance.auditor.get("/v1/ledger?after=0&limit=1000")["entries"]
        return sum(entry["event"] == name for entry in entries)


@pytest.fixture(scope="module")
def faulty():
    """(appliance, faults): the shim stands in front of SoftHSM2."""
    appliance = Appliance(SETTINGS)
    faults = Control(appliance.root / "faults", BIN.parent / "fault")
    appliance.set("hsm.module", faults.module)
    appliance.environment = faults.environment()
    appliance.start()
    yield appliance, faults
    faults.clear()
    appliance.discard()


@pytest.fixture
def desk(faulty, town):
    appliance, faults = faulty
    faults.clear()
    yield Desk(appliance, town)
    faults.clear()


def test_a_call_that_never_returns_costs_nobody_a_guess_and_holds_nobody(faulty, desk):
    appliance, faults = faulty
    faults.arm("C_Sign", HANG, times=0)
    for _ in range(3):
        begin = time.monotonic()
        assert desk.wrong().code == "hsm-unavailable"
        assert time.monotonic() - begin < 5 * SLOW
    faults.clear()
    desk.back()
    before = desk.wrong()["attempts_remaining"]
    assert before == 8, "of those that hung none was charged"
    desk.balance()


def test_an_anchor_that_never_returns_is_told_from_a_store_that_is_away(faulty, desk):
    appliance, faults = faulty
    faults.arm("C_SetAttributeValue", HANG, times=0)
    assert desk.wrong().code == "hsm-unavailable"
    begin = time.monotonic()
    for _ in range(5):
        assert desk.wrong().code == "hsm-unavailable"
    assert time.monotonic() - begin < 5 * SLOW, "the first waited its deadline, nobody waits again"
    status, reasons = readiness(appliance)
    assert status == 503 and "hsm-unavailable" in reasons and "store-unavailable" not in reasons
    faults.clear()
    desk.is_back_and_nobody_was_charged()


def test_while_the_anchor_fails_and_macs_work_nothing_is_written_for_those_who_ask(faulty, desk):
    appliance, faults = faulty
    faults.arm("C_SetAttributeValue", FAIL, DEVICE_MEMORY, times=0)
    assert desk.wrong().code == "hsm-unavailable"
    eventually(lambda: "hsm-unavailable" in readiness(appliance)[1], what="not ready")
    written = appliance.metric("sigillo_ledger_entries")
    for _ in range(50):
        assert desk.wrong().code == "hsm-unavailable"
        assert desk.right().code == "hsm-unavailable"
    assert appliance.metric("sigillo_ledger_entries") - written < 5
    faults.clear()
    desk.is_back_and_nobody_was_charged()


def test_what_was_written_and_not_anchored_is_not_said_to_be_nothing(faulty, desk):
    appliance, faults = faulty
    citizen = appliance.active(desk.people.citizen())
    body = {"subject": citizen.subject, "operator": "op-117", "reason": "lost"}
    faults.arm("C_SetAttributeValue", FAIL, DEVICE_MEMORY, times=0)
    told = appliance.contact_centre.post("/v1/blocks", body, key="block-1", status=503)
    assert told.code == "hsm-unavailable" and told["detail"].startswith("It may have been done."), told
    told = desk.wrong()
    assert told.code == "hsm-unavailable" and told["detail"].startswith("Nothing was charged."), told
    faults.clear()
    desk.is_back_and_nobody_was_charged()
    assert appliance.contact_centre.post("/v1/blocks", body, key="block-1", status=200)["state"] == "blocked"
    assert desk.events("blocked") == 1


def test_where_macs_fail_and_random_works_it_is_not_ready_until_macs_work(faulty, desk):
    appliance, faults = faulty
    faults.arm("C_Sign", FAIL, DEVICE_ERROR, times=0)
    assert desk.wrong().code == "hsm-unavailable"
    asked = faults.calls("C_Sign")  # with C_SignInit: the housekeeping makes both once in each round
    while faults.calls("C_Sign") < asked + 6:
        assert readiness(appliance)[0] == 503
    faults.clear()
    desk.is_back_and_nobody_was_charged()


@pytest.fixture
def watched(town):
    """(desk, faults, supervisor): an appliance that tells its supervisor each 0.2 s that it moves."""
    appliance = Appliance(SETTINGS)
    supervisor = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    faults = Control(appliance.root / "faults", BIN.parent / "fault")
    try:
        supervisor.bind(str(appliance.root / "notify"))
        appliance.set("hsm.module", faults.module)
        appliance.environment = faults.environment() | {"NOTIFY_SOCKET": str(appliance.root / "notify"), "WATCHDOG_USEC": "400000"}
        appliance.start()
        yield Desk(appliance, town), faults, supervisor
    finally:
        faults.clear()
        supervisor.close()
        appliance.discard()


def hears_no_more(supervisor):
    """Of five beats a second; a hang is told after twelve deadlines of a second."""
    supervisor.settimeout(2 * SLOW)
    with pytest.raises(TimeoutError):
        for _ in range(300):
            supervisor.recv(4096)


def hears_again(supervisor):
    supervisor.settimeout(60 * SLOW)
    assert b"WATCHDOG=1" in supervisor.recv(4096)


def one_worker_and_the_login(desk, faults):
    faults.arm("C_Sign", HANG)
    desk.wrong()
    eventually(lambda: faults.block.hanging == 1, what="a call that hangs")
    faults.kill_sessions()
    eventually(lambda: "hsm-down" in desk.appliance.log_text(), what="a login that cannot be made anew")


def the_anchor(desk, faults):
    faults.arm("C_SetAttributeValue", HANG, times=0)
    assert desk.wrong().code == "hsm-unavailable"


@pytest.mark.parametrize("hang", [one_worker_and_the_login, the_anchor])
def test_a_hang_of_a_part_that_holds_everything_ends_the_supervisors_patience(watched, hang):
    desk, faults, supervisor = watched
    hang(desk, faults)
    hears_no_more(supervisor)
    assert desk.wrong().code == "hsm-unavailable"
    faults.clear()
    hears_again(supervisor)
    desk.back()
    desk.balance()


def test_a_seal_that_waits_for_a_call_that_hangs_ends_the_supervisors_patience(watched):
    desk, faults, supervisor = watched
    faults.arm("C_Sign", HANG)
    desk.wrong()
    eventually(lambda: faults.block.hanging == 1, what="a call that hangs")
    sealed = []
    sealing = threading.Thread(target=lambda: sealed.append(desk.appliance.sigillo("seal", "--config", str(desk.appliance.configuration))))
    sealing.start()
    eventually(lambda: "sealed" in readiness(desk.appliance)[1], what="sealed for all who ask")
    hears_no_more(supervisor)
    faults.clear()
    sealing.join(60 * SLOW)
    assert sealed, "it ended, and well"
    hears_again(supervisor)


class Knocks:
    """Clients that begin a handshake, each on its own thread, and wait for the server's signature."""

    def __init__(self, appliance, count):
        self.address = ("127.0.0.1", appliance.port)
        self.threads = [threading.Thread(target=self.knock, daemon=True) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def knock(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            with socket.create_connection(self.address, timeout=60) as plain, context.wrap_socket(plain):
                pass
        except OSError:  # cut by its deadline, or as the server ends
            pass

    def join(self):
        for thread in self.threads:
            thread.join(60 * SLOW)
            assert not thread.is_alive()


@pytest.fixture
def knocked(watched):
    """No call of its own is in the module but those of handshakes: what hangs at C_Sign is one of these."""
    desk, faults, supervisor = watched
    desk.appliance.set("hsm.canary", "1h")
    desk.appliance.restart()
    assert desk.right().outcome == "verified", "on a connection that stays open"
    seen = [0, 0.0]

    def quiet():
        if faults.calls("C_Sign") != seen[0]:
            seen[:] = faults.calls("C_Sign"), time.monotonic()
        return time.monotonic() - seen[1] > 3

    eventually(quiet, what="the end of what a start looks at")
    yield desk, faults, supervisor


def test_two_signatures_of_handshakes_that_never_return_end_the_supervisors_patience(knocked):
    desk, faults, supervisor = knocked
    faults.arm("C_Sign", HANG, times=2)
    knocks = Knocks(desk.appliance, 3)
    eventually(lambda: faults.block.hanging == 2, what="both handshake threads in the module")
    assert desk.right().outcome == "verified", "who is connected is served, and nothing else is wrong"
    hears_no_more(supervisor)
    assert desk.right().outcome == "verified"
    faults.clear()
    hears_again(supervisor)
    knocks.join()
    desk.balance()


def hang_in_turn(faults, turn):
    """Each turn has a row before the last one's: a call that goes on looks at those behind its own only."""
    rule = faults.block.rules[len(faults.block.rules) - 1 - turn]
    rule.point, rule.at, rule.times, rule.seen, rule.struck = b"C_Sign", 1, 0, 0, 0
    rule.action = HANG
    return rule


def test_signatures_that_are_slow_and_many_that_wait_for_them_are_no_hang(knocked):
    desk, faults, supervisor = knocked
    rule = hang_in_turn(faults, 0)
    knocks = Knocks(desk.appliance, 24)
    supervisor.settimeout(2 * SLOW)
    for turn in range(1, 6):  # 20 s: longer than a hang is given, and than anybody waits for a handshake
        eventually(lambda: faults.block.hanging == 2, what="both handshake threads in the module")
        until = time.monotonic() + 4
        while time.monotonic() < until:
            assert b"=" in supervisor.recv(4096)
        following = hang_in_turn(faults, turn)
        rule.action, rule = NONE, following
    eventually(lambda: faults.block.hanging == 2, what="others that still wait")
    faults.clear()
    knocks.join()
    assert desk.right().outcome == "verified"
    desk.balance()


@pytest.mark.parametrize("outage", [DEVICE_REMOVED, TOKEN_ABSENT])
def test_while_the_device_is_away_it_is_not_asked_and_each_change_is_one_entry(faulty, desk, outage):
    appliance, faults = faulty
    away, back, told = desk.events("hsm-away"), desk.events("hsm-back"), appliance.log_text().count("hsm-away")
    faults.begin_outage(outage)
    assert desk.wrong().code == "hsm-unavailable"
    eventually(lambda: readiness(appliance)[0] == 503, what="not ready")
    eventually(lambda: appliance.log_text().count("hsm-away") == told + 1, what="the housekeeping's round")
    signs = faults.calls("C_Sign")
    for _ in range(50):
        assert desk.wrong().code == "hsm-unavailable"
    assert faults.calls("C_Sign") == signs, "answered from a flag"
    faults.end_outage()
    assert desk.back() < BACK_S * SLOW
    assert desk.wrong()["attempts_remaining"] == 8
    eventually(lambda: (desk.events("hsm-away"), desk.events("hsm-back")) == (away + 1, back + 1), what="one entry each")
    desk.balance()


def test_an_idle_appliance_notices_that_the_device_went_and_that_it_came(faulty, desk):
    appliance, faults = faulty
    faults.begin_outage()
    eventually(lambda: readiness(appliance)[0] == 503, what="readiness without a request")
    faults.end_outage()
    eventually(lambda: readiness(appliance)[0] == 200, BACK_S, "readiness without a request")
    assert desk.right().outcome == "verified"


def test_sessions_that_died_are_opened_again_within_the_call(faulty, desk):
    _, faults = faulty
    for _ in range(3):
        faults.kill_sessions()
        assert desk.right().outcome == "verified"
    faults.arm("C_SignInit", FAIL, KEY_HANDLE_INVALID)
    assert desk.right().outcome == "verified"
    desk.balance()


def test_a_pin_that_would_lock_the_token_is_not_tried_and_a_refused_one_not_again():
    for prepare in (lambda f: setattr(f.block, "token_flags", CKF_USER_PIN_FINAL_TRY),
                    lambda f: setattr(f.block, "token_flags", CKF_USER_PIN_LOCKED),
                    lambda f: f.arm("C_Login", FAIL, PIN_INCORRECT, times=0)):
        appliance = Appliance()
        try:
            faults = Control(appliance.root / "faults", BIN.parent / "fault")
            appliance.set("hsm.module", faults.module)
            appliance.environment = faults.environment()
            prepare(faults)
            tries = []
            for _ in range(2):
                stays_sealed(appliance)
                tries.append(faults.calls("C_Login"))
            flagged = faults.block.token_flags != 0
            assert tries == ([0, 0] if flagged else [1, 1]), tries
        finally:
            appliance.discard()


def test_a_pin_that_was_refused_while_it_ran_is_not_tried_by_the_next_start():
    appliance = Appliance()
    try:
        faults = Control(appliance.root / "faults", BIN.parent / "fault")
        appliance.set("hsm.module", faults.module)
        appliance.environment = faults.environment()
        appliance.start()
        faults.arm("C_Login", FAIL, PIN_INCORRECT, times=0)
        faults.kill_sessions()
        eventually(lambda: "hsm-pin-refused" in appliance.log_text(), what="the housekeeping's call")
        appliance.stop()
        tries = faults.calls("C_Login")
        assert (appliance.directory / "store" / "token-pin-refused").exists()
        assert "is not tried again" in stays_sealed(appliance)
        assert faults.calls("C_Login") == tries
    finally:
        appliance.discard()


class RemoteModule:
    """SoftHSM2 in a process of its own, behind p11-kit's server, which forks one for each connection."""

    def __init__(self, appliance):
        self.appliance, self.socket, self.process = appliance, appliance.root / "p11.sock", None

    def start(self):
        self.socket.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            ["p11-kit", "server", "-f", "-n", self.socket, "--provider", "/usr/lib/softhsm/libsofthsm2.so", "pkcs11:token=sigillo-dev"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            env=os.environ | {"SOFTHSM2_CONF": str(self.appliance.directory / "softhsm2.conf")})
        eventually(self.socket.exists, what="p11-kit's server")

    def kill(self):
        if self.process:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


@pytest.mark.skipif(not CLIENT.exists(), reason="no p11-kit client module")
def test_a_module_in_another_process_is_killed_under_load_and_found_again(town):
    appliance = Appliance(SETTINGS)
    remote = RemoteModule(appliance)
    try:
        remote.start()
        appliance.set("hsm.module", str(CLIENT))
        appliance.environment = {"P11_KIT_SERVER_ADDRESS": f"unix:path={remote.socket}"}
        appliance.start()
        desk = Desk(appliance, town)
        guessers = Guessers(desk, [appliance], workers=4)
        try:
            eventually(lambda: desk.books.figures["right secrets answered"] > 5, what="load")
            remote.kill()
            eventually(lambda: desk.books.figures["answered 503"] > 0, what="an outage that is told")
            remote.start()
            desk.back()
        finally:
            guessers.end()
        desk.balance()
        appliance.stop()
    finally:
        appliance.discard()
        remote.kill()


def test_softhsm_is_refused_in_production_unless_that_is_said():
    appliance = Appliance(PRODUCTION)
    try:
        code, said = refused(appliance)
        assert code != 0 and "for development and tests" in said and "hsm.allow_test_module" in said, said
        appliance.set("hsm.allow_test_module", True)
        appliance.start()
        appliance.stop()
    finally:
        appliance.discard()


def test_a_module_that_is_not_roots_is_refused_in_production_and_said_in_development():
    appliance = Appliance()
    try:
        folder = appliance.root / "module"
        folder.mkdir(mode=0o755)
        module = shutil.copy(Control(appliance.root / "faults", BIN.parent / "fault").module, folder)
        if os.geteuid() == 0:
            os.chown(module, 65534, 65534)
        appliance.set("hsm.module", module)
        appliance.start()
        assert "hsm-module-not-roots" in appliance.log_text()
        found = appliance.ask("diagnose", check=False)[1]["findings"]
        assert any("is not root's" in one["what"] and one["level"] == "warning" for one in found)
        appliance.stop()
        for name, value in PRODUCTION.items():
            appliance.set(name, value)
        code, said = refused(appliance)
        assert code == 2 and "chown root" in said, said
    finally:
        appliance.discard()


def test_a_serial_number_alone_names_the_token():
    appliance = Appliance()
    try:
        text = appliance.configuration.read_text()
        serial = appliance.ask("hsm", "check")[1]["serial"]
        appliance.configuration.write_text(text.replace('token_label = "sigillo-dev"', f'token_serial = "{serial}"'))
        assert "token_label" not in appliance.configuration.read_text()
        appliance.start()
        appliance.stop()
    finally:
        appliance.discard()


def test_a_wrong_token_pin_is_tried_once_and_not_again_by_a_restart():
    appliance = Appliance()
    try:
        pin_file = appliance.directory / "token-pin"
        right = pin_file.read_text()
        pin_file.write_text("not the token's PIN")
        assert "refused its PIN" in stays_sealed(appliance)
        assert "is not tried again" in stays_sealed(appliance)
        marker = appliance.directory / "store" / "token-pin-refused"
        assert marker.stat().st_mode & 0o077 == 0 and "not the token" not in marker.read_text()
        pin_file.write_text("another wrong one")  # a new PIN has its one try
        assert "refused its PIN" in stays_sealed(appliance)
        pin_file.write_text(right)
        appliance.start()
        assert not marker.exists()
        appliance.stop()
    finally:
        appliance.discard()
