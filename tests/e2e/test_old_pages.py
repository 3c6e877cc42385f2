"""One page of before a channel was enrolled, put back into the stopped store: refused, or the channel is known. No list is believed that is short."""

import http.client
import shutil
import ssl

REFUSED = 3  # sigillod --help
PAGE = 4096


def answers(appliance, certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(appliance.directory / "ca.pem")
    context.load_cert_chain(certificate, key)
    http_ = http.client.HTTPSConnection("127.0.0.1", appliance.port, context=context, timeout=30)
    try:
        http_.request("GET", "/v1/whoami")
        return http_.getresponse().status
    finally:
        http_.close()


def exit_code(appliance):
    """Of a start; None where it serves."""
    try:
        appliance.start()
    except AssertionError:
        code = appliance.process.wait()
        appliance._ended()
        return code


def test_a_page_of_before_a_channel_was_enrolled(appliances, tmp_path):
    appliance = appliances()
    store = appliance.directory / "store" / "sigillo.db"
    appliance.stop()
    old = store.read_bytes()
    appliance.start()
    key, certificate = tmp_path / "second.key", tmp_path / "second.pem"
    appliance.act("channel", "enrol", "portal", "second", "--owner", "Second portal", "--new-key", str(key), "--certificate", str(certificate))
    assert answers(appliance, certificate, key) == 200
    appliance.stop()
    now = store.read_bytes()
    true = tmp_path / "true"  # with the token: each attempt is made against the same moment
    shutil.copytree(appliance.directory, true)
    changed = [at for at in range(0, min(len(old), len(now)), PAGE) if old[at:at + PAGE] != now[at:at + PAGE]]
    before, served = len(appliance.log_text()), 0
    for at in changed:
        shutil.rmtree(appliance.directory)
        shutil.copytree(true, appliance.directory)
        store.write_bytes(now[:at] + old[at:at + PAGE] + now[at + PAGE:])
        code = exit_code(appliance)
        if code is None:
            served += 1
            status = answers(appliance, certificate, key)
            assert status in (200, 503), f"page {at // PAGE}: {status}"
            appliance.kill9()
        else:
            assert code == REFUSED, f"page {at // PAGE}: sigillod ended with {code}"
    assert len(changed) > 3 and served < len(changed)
    assert "the list on disk is not the one that was acknowledged" in appliance.log_text()[before:]
