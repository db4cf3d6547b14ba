"""The ssh of a host, as its connection URI says it: words that cannot become options, and nobody who waits for ever."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from guests.errors import OperationRefused
from guests.hypervisor.ssh import SSHAddress, SSHWay


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("qemu+ssh://atlas/system", ["--", "atlas"]),
        ("qemu+ssh://root@atlas:2222/system", ["-l", "root", "-p", "2222", "--", "atlas"]),
        ("qemu+ssh://[2001:db8::7]/system", ["--", "2001:db8::7"]),
        ("qemu+ssh://atlas/system?keyfile=/etc/gh/id", ["-i", "/etc/gh/id", "--", "atlas"]),
        (
            "qemu+libssh://atlas/system?known_hosts=/etc/gh/known&known_hosts_verify=normal",
            ["-o", 'UserKnownHostsFile="/etc/gh/known"', "-o", "StrictHostKeyChecking=yes", "--", "atlas"],
        ),
        (
            "xen+ssh://atlas/?no_verify=1&keyfile=a",
            ["-i", "a", "-o", 'UserKnownHostsFile="/dev/null"', "-o", "StrictHostKeyChecking=no", "--", "atlas"],
        ),
        ("qemu+ssh://atlas/system?no_verify=0&command=/bin/evil&proxy=native", ["--", "atlas"]),
    ],
)
def test_ssh_is_called_as_the_uri_says(uri: str, words: list[str]) -> None:
    assert SSHAddress.of(uri).words() == words


@pytest.mark.parametrize(
    "uri",
    [
        "qemu+ssh://-oProxyCommand=evil/system",
        "qemu+ssh://-l@atlas/system",
        "qemu+ssh:///system",
        "qemu+ssh://a$b/system",
        'qemu+ssh://atlas/system?known_hosts=/a"b',
    ],
)
def test_what_ssh_would_misread_is_refused(uri: str) -> None:
    with pytest.raises(OperationRefused):
        SSHAddress.of(uri).words()


@pytest.mark.parametrize("path", ["relative", "/a${HOME}", "/a\nb", ""])
def test_a_socket_that_ssh_would_misread_is_refused(path: str, tmp_path: Path) -> None:
    with pytest.raises(OperationRefused, match="socket of this screen"):
        SSHWay("qemu+ssh://127.0.0.1:1/system", tmp_path).to_socket(path)


def test_a_host_that_refuses_ssh_is_told_at_once_and_leaves_nothing(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        way = SSHWay(f"qemu+ssh://127.0.0.1:{nobody.getsockname()[1]}/system", tmp_path)
        began = time.monotonic()
        with pytest.raises(OperationRefused, match=r"no way into the host 127\.0\.0\.1") as refused:
            way.to_port("127.0.0.1", 5900)
        assert time.monotonic() - began < 5
        assert "refused" in refused.value.detail
    way.close()
    assert list(tmp_path.iterdir()) == []
