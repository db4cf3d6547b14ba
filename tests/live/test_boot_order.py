"""A guest with two disks and a NIC boots from what is first, as its disks themselves tell on its serial line."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.labs.lab import Lab
from tests.labs.product import Product
from tests.live.text_client import TextClient, WebSession

pytestmark = pytest.mark.timeout(180)

GUEST = "5f3c1b0e-0000-4000-8000-0000000b0017"
MAC = "52:54:00:62:6f:6f"
XML = """
<domain type='qemu'>
  <name>boots</name><uuid>{uuid}</uuid><memory unit='MiB'>32</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/><source file='{images}/boots-a.img'/><target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/><source file='{images}/boots-b.img'/><target dev='vdb' bus='virtio'/>
    </disk>
    <interface type='user'><mac address='{mac}'/><model type='virtio'/></interface>
    <serial type='pty'/>
  </devices>
</domain>
"""


def boot_sector(letter: str) -> bytes:
    """A disk that, booted from, writes its letter to the first serial port for ever.

    mov dx, 0x3f8; mov al, LETTER; out dx, al; mov cx, 0; loop itself; jmp to the begin
    """
    code = b"\xba\xf8\x03\xb0" + letter.encode() + b"\xee\xb9\x00\x00\xe2\xfe\xeb\xf3"
    return code.ljust(510, b"\0") + b"\x55\xaa" + bytes(2**20 - 512)


@pytest.fixture
def session(product: Product, lab: Lab) -> Iterator[WebSession]:
    """Somebody signed in; the guest is defined and known, and gone afterwards."""
    layout = lab.host.layout()
    for letter in "ab":
        (layout.real / f"boots-{letter}.img").write_bytes(boot_sector(letter.upper()))
    lab.virsh("define", "/dev/stdin", stdin=XML.format(uuid=GUEST, mac=MAC, images=layout.seen))
    session = WebSession(product.url, "admin", product.admin_password)
    session.wait_for_console(GUEST)
    yield session
    for word in ("destroy", "undefine"):
        with suppress(subprocess.CalledProcessError):
            lab.virsh(word, GUEST)
    for letter in "ab":
        (layout.real / f"boots-{letter}.img").unlink()


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def boot_indices() -> dict[str, int]:
    """What QEMU was started with: the place of each device, by its alias."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = entry.read_text(errors="replace").split("\0")
            if any(word.startswith("guest=boots,") for word in words):
                found = re.findall(r'"id":"([\w-]+)"[^}]*?"bootindex":(\d+)', " ".join(words))
                return {alias: int(place) for alias, place in found}
    return {}


def order(session: WebSession, **places: str) -> str:
    """The form of the boot order, by the places of vda, vdb and the NIC."""
    devices = {"vda": "device-0", "vdb": "device-1", "nic": "device-2"}
    return session.post(f"/guests/{GUEST}/settings/boot/", **{devices[name]: n for name, n in places.items()})


def test_it_boots_from_what_is_first_from_the_next_boot_on(session: WebSession, lab: Lab) -> None:
    def start() -> TextClient:
        session.post(f"/guests/{GUEST}/power/start/")
        until(lambda: lab.virsh("domstate", GUEST).strip() == "running")
        return TextClient(session, GUEST)

    assert "Two devices have the same number." in order(session, vda="1", vdb="1")
    assert "boots: it was saved." in order(session, vda="1", vdb="2")
    console = start()
    try:
        console.wait_for_output(b"AAA", 30)
        assert boot_indices() == {"virtio-disk0": 1, "virtio-disk1": 2}
        # The other disk first, then the network: what runs goes on as it was started.
        assert "boots: it was saved." in order(session, vda="", vdb="1", nic="2")
        assert boot_indices() == {"virtio-disk0": 1, "virtio-disk1": 2}
        page = session.get(f"/guests/{GUEST}/settings/")
        assert re.search(r'name="device-1"[^>]*value="1"|value="1"[^>]*name="device-1"', page), page
        session.post(f"/guests/{GUEST}/power/force_off/")
        until(lambda: lab.virsh("domstate", GUEST).strip() == "shut off")
    finally:
        console.close()
    console = start()
    try:
        console.wait_for_output(b"BBB", 30)
        assert boot_indices() == {"virtio-disk1": 1, "net0": 2}
    finally:
        console.close()
