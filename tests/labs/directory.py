"""An LDAP directory of one test process: OpenLDAP's slapd on loopback, gone with its temporary directory."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from deploy.demo.processes import wait_until
from tests.labs.certificates import Authority
from tests.labs.postgresql import NOBODY, ORDINARY, end_with_the_test_process

PROGRAM, SCHEMAS, MODULES = Path("/usr/sbin/slapd"), Path("/etc/ldap/schema"), Path("/usr/lib/ldap")
BASE = "dc=example,dc=org"
SEARCHER, SEARCHER_PASSWORD = f"cn=searcher,{BASE}", "a secret of the searcher"
CONFIGURATION = """
include {schemas}/core.schema
include {schemas}/cosine.schema
include {schemas}/inetorgperson.schema
modulepath {modules}
moduleload back_mdb
pidfile {directory}/pid
TLSCACertificateFile {directory}/tls/ca-cert.pem
TLSCertificateFile {directory}/tls/server-cert.pem
TLSCertificateKeyFile {directory}/tls/server-key.pem
security simple_bind=128
database mdb
maxsize 10485760
suffix {base}
directory {directory}/data
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{searcher}" read by self read by * none
"""
ENTRIES = f"""
dn: {BASE}
objectClass: domain
dc: example

dn: {SEARCHER}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: searcher
userPassword: {SEARCHER_PASSWORD}

dn: ou=people,{BASE}
objectClass: organizationalUnit
ou: people
"""
PERSON = """
dn: uid={name},ou=people,{base}
objectClass: inetOrgPerson
uid: {name}
cn: {first} {last}
givenName: {first}
sn: {last}
mail: {name}@example.org
userPassword: {password}
"""


class Directory:
    """It accepts passwords over TLS only. `ca_file` is the authority that signed it, for the name 127.0.0.1 alone."""

    def __init__(self, people: dict[str, str]) -> None:
        """With these names and passwords below ou=people."""
        self.directory = Path(mkdtemp(prefix="gh-ldap-", dir="/tmp"))
        self.port, self.tls_port = _free_port(), _free_port()
        Authority("The directory's").write(self.directory / "tls", "server", "127.0.0.1")
        (self.directory / "data").mkdir()
        (self.directory / "slapd.conf").write_text(
            CONFIGURATION.format(
                schemas=SCHEMAS,
                modules=MODULES,
                directory=self.directory,
                base=BASE,
                searcher=SEARCHER,
            )
        )
        entries = [
            PERSON.format(name=name, first=name.title(), last="Example", password=password, base=BASE)
            for name, password in people.items()
        ]
        (self.directory / "entries").write_text(ENTRIES + "".join(entries))
        self._give_to_who_runs_it()
        self._slapd("-T", "add", "-l", str(self.directory / "entries"), wait=True)
        self.start()

    @property
    def ca_file(self) -> Path:
        return self.directory / "tls" / "ca-cert.pem"

    def url(self, scheme: str = "ldaps", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.tls_port if scheme == 'ldaps' else self.port}"

    def start(self) -> None:
        addresses = f"{self.url('ldap')} {self.url('ldaps')}"
        self._server = self._slapd("-d", "0", "-h", addresses, wait=False)
        if not wait_until(self._answers, 30):
            self.stop()
            raise AssertionError((self.directory / "log").read_text())

    @property
    def pid(self) -> int:
        return self._server.pid

    def stop(self) -> None:
        """End it; `start` has the same people again."""
        self._server.send_signal(signal.SIGCONT)
        self._server.terminate()
        self._server.wait(30)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.directory)

    def _slapd(self, *words: str, wait: bool) -> subprocess.Popen[bytes]:
        with (self.directory / "log").open("ab") as log:
            process = subprocess.Popen(
                (str(PROGRAM), *words, "-f", str(self.directory / "slapd.conf")),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                preexec_fn=end_with_the_test_process,
                **ORDINARY,
            )
        if wait and process.wait(30) != 0:
            raise AssertionError((self.directory / "log").read_text())
        return process

    def _give_to_who_runs_it(self) -> None:
        if os.getuid() == 0:
            for path in (self.directory, *self.directory.rglob("*")):
                os.chown(path, NOBODY, NOBODY)

    def _answers(self) -> bool:
        if self._server.poll() is not None:
            return False
        with socket.socket() as asked:
            return asked.connect_ex(("127.0.0.1", self.tls_port)) == 0


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running_directory(people: dict[str, str]) -> Iterator[Directory]:
    """A directory for the time of some tests."""
    directory = Directory(people)
    try:
        yield directory
    finally:
        directory.remove()
