"""The token that comes and goes, and the PIN that must not be tried twice."""

import subprocess

from harness.appliance import BIN, Appliance, die_with_the_tests, eventually

PRODUCTION = {"dev.allow_weak_policy": False, "quotas.per_second": 1000, "quotas.burst": 2000}


def refused(appliance):
    done = subprocess.run([BIN / "sigillod", "--config", appliance.configuration], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=60)
    return done.returncode, done.stderr.decode()


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


def stays_sealed(appliance):
    """Started with a PIN that is not the token's: it waits for its officers, and what it has to say is in its log."""
    before = len(appliance.log_text())
    server = subprocess.Popen([BIN / "sigillod", "--config", appliance.configuration], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=appliance.log, preexec_fn=die_with_the_tests)
    try:
        said = eventually(lambda: "warning sealed" in (log := appliance.log_text()[before:]) and log, what="the line that it is sealed")
        assert "reason=token-pin-refused" in said
        server.terminate()
        assert (server.wait(60), server.stdout.read()) == (0, b"")  # never a word of ready
        return said
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


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
