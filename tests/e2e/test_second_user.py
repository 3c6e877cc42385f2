"""Another user of the machine and the officers' socket: for root alone, who can be somebody else; skipped elsewhere."""

import json
import os
import shutil
import subprocess

import pytest
from harness.appliance import BIN, free_ports
from test_officers import names

SOMEBODY, SOMEBODY_ELSE = 64_001, 64_002  # users that need no name
ASK = """
import json, socket, sys
with socket.socket(socket.AF_UNIX) as peer:
    peer.settimeout(20)
    try:
        peer.connect(sys.argv[1])
        peer.sendall(b'{"schema":"sigillo.admin/1","action":"officers.list","parameters":{}}\\n')
        print(json.dumps({"answer": peer.makefile().readline()}))
    except OSError as error:
        print(json.dumps({"errno": error.errno}))
"""
pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user"),
              pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not there")]


def as_user(uid, *command, **more):
    return subprocess.run(["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *command], capture_output=True, timeout=60, **more)


def ask(uid, path):
    done = as_user(uid, "/usr/bin/python3", "-c", ASK, str(path))
    return json.loads(done.stdout)


@pytest.fixture
def socket_path(appliance):
    path = appliance.directory / "store" / "admin.sock"
    folders = [appliance.root, appliance.directory, path.parent]
    before = [folder.stat().st_mode & 0o7777 for folder in folders]
    for folder in folders:  # as somebody left them; the socket's own mode is not the folder's
        folder.chmod(0o755)
    yield path
    for folder, mode in zip(folders, before):
        folder.chmod(mode)
    path.chmod(0o600)


def test_the_mode_of_the_socket_keeps_another_user_out(appliance, socket_path):
    assert ask(SOMEBODY, socket_path) == {"errno": 13}
    assert "officers" in ask(0, socket_path)["answer"]


def test_with_every_mode_wide_open_the_peer_s_user_is_asked_for(appliance, socket_path):
    socket_path.chmod(0o666)
    before = appliance.log_text().count("admin-refused")
    said = ask(SOMEBODY, socket_path)
    assert said in ({"answer": ""}, {"errno": 32}, {"errno": 104}), said  # closed without a word
    assert appliance.log_text().count("admin-refused") == before + 1
    assert names(appliance) == {"anna": "active", "bruno": "active"}
    # His own `sigillo`, with a configuration that he can read, gets no further.
    configuration = appliance.root / "readable.toml"
    configuration.write_text(appliance.configuration.read_text())
    configuration.chmod(0o644)
    done = as_user(SOMEBODY, BIN / "sigillo", "status", "--config", configuration, "--format", "json")
    assert done.returncode in (1, 2) and "error" in json.loads(done.stdout)["schema"], done


def test_an_appliance_of_a_user_answers_that_user_and_root_and_nobody_else(appliance):
    folder = appliance.root / "of-a-user"
    folder.mkdir()
    port, monitor = free_ports(2)
    appliance.root.chmod(0o755)
    os.chown(folder, SOMEBODY, SOMEBODY)
    made = as_user(SOMEBODY, BIN / "sigillo", "dev-init", str(folder / "dev"), "--listen", f"127.0.0.1:{port}", "--monitor", f"127.0.0.1:{monitor}",
                   env={"PATH": os.environ["PATH"], "HOME": str(folder)})
    assert made.returncode == 0, made.stderr
    server = subprocess.Popen(["setpriv", f"--reuid={SOMEBODY}", f"--regid={SOMEBODY}", "--clear-groups", BIN / "sigillod",
                               "--config", str(folder / "dev" / "sigillo.toml")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert b"ready" in server.stdout.readline()
        path = folder / "dev" / "store" / "admin.sock"
        for opened in (folder, folder / "dev", path.parent):
            opened.chmod(0o755)
        path.chmod(0o666)
        assert "officers" in ask(SOMEBODY, path)["answer"]
        assert "officers" in ask(0, path)["answer"]
        assert ask(SOMEBODY_ELSE, path) in ({"answer": ""}, {"errno": 32}, {"errno": 104})
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
