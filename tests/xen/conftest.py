"""The hosts of tests/labs/xen-host: built once (3 min), each booted by the first test that wants it (60 to 90 s)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from guests.errors import HypervisorUnreachable
from guests.hypervisor.connection import Connection, open_connection

SCRIPT = Path(__file__).parent.parent / "labs" / "xen-host"
LAB = Path(os.environ.get("LAB", "/var/lib/virtlab"))
PLAIN_URI = "qemu+tcp://127.0.0.1:16609/system"
URI = os.environ.get("GUESTHOUSE_TEST_XEN", "xen+tcp://127.0.0.1:16509/system")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test in this room `xen`: they run by `make test-xen` only."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("xen")


@pytest.fixture(scope="session")
def xen_uri() -> Iterator[str]:
    """A Xen host that runs already is used and left running; else the lab's is built, booted and ended."""
    try:
        open_connection(URI, deadline_s=10).close()
    except HypervisorUnreachable:
        _see_to("disk.img")
        subprocess.run([SCRIPT, "up"], check=True, timeout=400, stdin=subprocess.DEVNULL)
        yield URI
        subprocess.run([SCRIPT, "down"], check=True, timeout=60)
    else:
        yield URI


@pytest.fixture(scope="module")
def plain_uri() -> Iterator[str]:
    """The same Debian without Xen: a host of QEMU whose kernel has control groups, traffic control, LVM and NFS."""
    _see_to("plain.img")
    subprocess.run([SCRIPT, "up-plain"], check=True, timeout=400, stdin=subprocess.DEVNULL)
    yield PLAIN_URI
    subprocess.run([SCRIPT, "down-plain"], check=True, timeout=60)


def _see_to(image: str) -> None:
    if not (LAB / "xen" / image).exists():
        subprocess.run([SCRIPT, "build"], check=True, timeout=1200)


@pytest.fixture(scope="module")
def xen(xen_uri: str) -> Iterator[Connection]:
    connection = open_connection(xen_uri, deadline_s=30)
    yield connection
    connection.close()
