"""A way into a host by ssh, for screens that listen on its inside only: the ssh, keys and known hosts of qemu+ssh.

One master connection a host (ControlMaster), which ends by itself some time after its last screen (ControlPersist).
For each screen the master forwards a unix socket of ours and is asked to stop once we are connected: `ssh -W` reaches
no unix sockets before OpenSSH 9.4, and would leave a process beside every screen.
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
import socket
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from django.utils.translation import gettext as _

from guests.errors import AuthenticationFailed, OperationRefused

TRANSPORTS = {"ssh", "libssh", "libssh2"}
CONNECT_SECONDS = 8
ASK_SECONDS = 5.0
PERSIST_SECONDS = 300
LOG_BYTES = 4000
_CHECKING = {
    "normal": "yes",
    "auto": "accept-new",
    "ignore": "no",
}  # libvirt's known_hosts_verify → StrictHostKeyChecking
_TURNED_AWAY = ("Permission denied", "Host key verification failed")


@dataclass(frozen=True, slots=True)
class SSHAddress:
    """What a connection URI says of its ssh. Empty values leave it to ssh's own configuration."""

    host: str
    user: str = ""
    port: int | None = None
    keyfile: str = ""
    known_hosts: str = ""
    checking: str = ""  # StrictHostKeyChecking

    @classmethod
    def of(cls, uri: str) -> SSHAddress:
        """The address in a `…+ssh://` URI; OperationRefused for words that ssh would take for options."""
        parts = urlsplit(uri)
        said = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        unchecked = said.get("no_verify", "0") not in {"", "0"}
        address = cls(
            host=parts.hostname or "",
            user=parts.username or "",
            port=parts.port,
            keyfile=said.get("keyfile", ""),
            known_hosts="/dev/null" if unchecked else said.get("known_hosts", ""),
            checking="no" if unchecked else _CHECKING.get(said.get("known_hosts_verify", ""), ""),
        )
        if not address.host or any(_is_odd(word) for word in (address.host, address.user)):
            raise OperationRefused(_("The name of this host or its user is not one that ssh can be given."), detail=uri)
        if '"' in address.known_hosts or "\n" in address.known_hosts:
            raise OperationRefused(_("The file of known hosts has a name that ssh cannot be given."), detail=uri)
        return address

    def words(self) -> list[str]:
        """The end of an ssh command: options of this host, then the host."""
        words = ["-l", self.user] if self.user else []
        words += ["-p", str(self.port)] if self.port else []
        words += ["-i", self.keyfile] if self.keyfile else []
        words += ["-o", f'UserKnownHostsFile="{self.known_hosts}"'] if self.known_hosts else []
        words += ["-o", f"StrictHostKeyChecking={self.checking}"] if self.checking else []
        return [*words, "--", self.host]


def _is_odd(word: str) -> bool:
    return word.startswith("-") or any(character.isspace() or character in "\"'`$\\;&<>|(){}" for character in word)


class SSHWay:
    """The way into one host. `directory` is short and private: sockets lie in it."""

    def __init__(self, uri: str, directory: Path) -> None:
        self._address = SSHAddress.of(uri)
        self._directory = directory
        name = f"ssh-{hashlib.sha256(uri.encode()).hexdigest()[:8]}"
        self._control = directory / name
        self._log = directory / f"{name}.log"
        self._starting = threading.Lock()

    def to_port(self, address: str, port: int) -> socket.socket:
        """A socket to an address as the host itself dials it. Connected here; whether there, its first byte tells."""
        found = ipaddress.ip_address(address)
        return self._connect(f"[{found}]:{port}" if found.version == 6 else f"{found}:{port}")

    def to_socket(self, path: str) -> socket.socket:
        """The same for a unix socket of the host."""
        # ssh replaces %x and ${x} in paths; the first can be written as it is, the second not.
        if not path.startswith("/") or "$" in path or not path.isprintable():
            raise OperationRefused(_("The socket of this screen has a name that ssh cannot be given."), detail=path)
        for special, written in (("\\", "\\\\"), (":", "\\:"), ("%", "%%")):
            path = path.replace(special, written)
        return self._connect(path)

    def _connect(self, target: str) -> socket.socket:
        path = self._directory / f"{self._control.name}-{secrets.token_hex(6)}"
        forwarding = ["-L", f"{path}:{target}"]
        self._see_to("forward", *forwarding)
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connected.connect(str(path))
        except OSError as error:
            connected.close()
            raise self._failed(str(error)) from error
        finally:
            self._ask("cancel", *forwarding)
            path.unlink(missing_ok=True)
        return connected

    def _see_to(self, *request: str) -> None:
        """Ask the master, and start it first where there is none."""
        if not self._ask(*request):
            return
        with self._starting:
            if self._ask("check"):
                self._start()
        if told := self._ask(*request):
            raise self._failed(told)

    def _ask(self, request: str, *words: str) -> str:
        """Send the master a request; what is wrong, "" where nothing is."""
        return self._run(ASK_SECONDS, "-O", request, *words)

    def _start(self) -> None:
        self._log.unlink(missing_ok=True)
        options = (
            "BatchMode=yes",
            f"ControlPersist={PERSIST_SECONDS}",
            f"ConnectTimeout={CONNECT_SECONDS}",
            "ClearAllForwardings=yes",
            "PermitLocalCommand=no",
            "ServerAliveInterval=10",
            "ServerAliveCountMax=3",
            "LogLevel=INFO",
        )
        words = [word for option in options for word in ("-o", option)]
        if told := self._run(CONNECT_SECONDS + 4.0, "-M", "-N", "-T", "-a", "-x", "-E", str(self._log), *words):
            said = self.log() or told
            if any(words in said for words in _TURNED_AWAY):
                raise AuthenticationFailed(
                    _("ssh was not let in to the host: check the key and the host key that its address names."),
                    detail=said,
                )
            raise self._failed(said)

    def _run(self, seconds: float, *words: str) -> str:
        command = ["ssh", "-S", str(self._control), *words, *self._address.words()]
        try:
            # Its daemon keeps the descriptors it inherits: standard error is a pipe for requests only.
            ran = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL if "-M" in words else subprocess.PIPE,
                timeout=seconds,
                check=False,
            )
        except FileNotFoundError as error:
            raise OperationRefused(_("ssh is not installed on the machine of Guesthouse.")) from error
        except subprocess.TimeoutExpired:
            return "no answer"
        told = (ran.stderr or b"").decode(errors="replace")[-LOG_BYTES:].strip()
        return (told or f"status {ran.returncode}") if ran.returncode else ""

    def log(self) -> str:
        """What the master said last: why it could not begin, and which forwardings the host refused."""
        with suppress(OSError):
            return self._log.read_text(errors="replace")[-LOG_BYTES:]
        return ""

    def _failed(self, detail: str) -> OperationRefused:
        text = _("ssh found no way into the host %(host)s: sign in there once by hand and see what it says.")
        return OperationRefused(text % {"host": self._address.host}, detail=detail)

    def close(self) -> None:
        """End the master, and with it every screen that goes through it."""
        if self._control.exists():
            self._ask("exit")
        self._log.unlink(missing_ok=True)
