"""The peer: OpenLDAP's slapd with the password policy's lockout, as an operator would use it for the same task."""
import contextlib
import pathlib
import shutil
import subprocess
import time

from machine import BIN, Failed, Server, free_port, load, run

CONFIG = """include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
pidfile {folder}/slapd.pid
TLSCACertificateFile {folder}/cert.pem
TLSCertificateFile {folder}/cert.pem
TLSCertificateKeyFile {folder}/key.pem
TLSVerifyClient never
disallow bind_anon
database mdb
maxsize {maxsize}
suffix "dc=bench"
rootdn "cn=admin,dc=bench"
directory {folder}/db
index objectClass eq
index uid eq
overlay ppolicy
ppolicy_default "cn=policy,dc=bench"
"""


class Peer:
    def __init__(self, folder, people):
        self.folder, self.people, self.server, self.used = pathlib.Path(folder), people, None, 0

    def fill(self, say):
        whole = self.folder / "filled"
        wanted = f"{self.people.subjects} {self.people.seed}"
        if whole.exists() and whole.read_text() == wanted:
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "db").mkdir(parents=True)
        say(f"Filling OpenLDAP with {self.people.subjects:,} entries ...")
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout",
            self.folder / "key.pem", "-out", self.folder / "cert.pem")
        (self.folder / "slapd.conf").write_text(
            CONFIG.format(folder=self.folder, maxsize=max(2 << 30, self.people.subjects * 8192)))
        ldif = self.folder / "people.ldif"
        run(BIN / "bench_fill", "--ldif", ldif, "--active", self.people.subjects, "--seed", self.people.seed, seconds=3600)
        run("/usr/sbin/slapadd", "-q", "-f", self.folder / "slapd.conf", "-l", ldif, seconds=3600)
        ldif.unlink()
        whole.write_text(wanted)

    @contextlib.contextmanager
    def running(self):
        self.port = free_port()
        self.server = Server(["/usr/sbin/slapd", "-d", "0", "-h", f"ldaps://127.0.0.1:{self.port}", "-f",
                              self.folder / "slapd.conf"], self.folder / "slapd.log")
        try:
            self.wait()
            yield self
        finally:
            self.server.stop()

    def wait(self):
        for _ in range(200):
            asked = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}"], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
            if asked.returncode == 0:
                return
            if self.server.process.poll() is not None:
                break
            time.sleep(0.1)
        raise Failed(f"slapd did not start; its log is {self.folder}/slapd.log")

    def load(self, mode, connections=64, seconds=5, warm_up=1.5):
        out = load(mode, self.port, self.folder / "cert.pem", self.people, connections, seconds, 0, warm_up, "--first",
                   self.used)
        self.used += out["asked"]
        return out
