"""A guest of a live test's own: the demo guest web-1 under another name and UUID, without its disk."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID, uuid4
from xml.etree import ElementTree

import libvirt

from guests.hypervisor.connection import Connection
from guests.hypervisor.streams import TextStream, open_text_stream

BANNER = b"is up on ttyS0"


def until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """The first true answer of `condition`, or a failure that says what did not happen."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.02)


@contextmanager
def own_guest(connection: Connection, name: str, template: str = "web-1") -> Iterator[UUID]:
    """Define a guest, shut off: 192 of 256 MiB, 1 of 3 vCPUs, serial and VNC. It is gone afterwards."""
    uuid = uuid4()
    xml = connection.raw.lookupByName(template).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    domain = connection.raw.defineXML(_renamed(xml, name, uuid))
    try:
        yield uuid
    finally:
        with suppress(libvirt.libvirtError):
            domain.destroy()
        with suppress(libvirt.libvirtError):
            domain.undefine()


def _renamed(xml: str, name: str, uuid: UUID) -> str:
    root = ElementTree.fromstring(xml)
    cmdline = root.find("os/cmdline")
    assert cmdline is not None
    words = [word for word in (cmdline.text or "").split() if not word.startswith(("guest=", "address="))]
    for path, text in (
        ("name", name),
        ("uuid", str(uuid)),
        ("memory", str(256 * 1024)),
        ("currentMemory", str(192 * 1024)),
        ("vcpu", "3"),
        ("os/cmdline", " ".join([*words, f"guest={name}"])),
    ):
        element = root.find(path)
        assert element is not None, path
        element.text = text
    vcpu, devices = root.find("vcpu"), root.find("devices")
    assert vcpu is not None
    assert devices is not None
    vcpu.set("current", "1")
    for path in ("disk", "interface"):
        for device in devices.findall(path):
            devices.remove(device)
    return ElementTree.tostring(root, encoding="unicode")


class Terminal:
    """One text stream that remembers what it got, as a test reads it."""

    def __init__(
        self, connection: Connection, uuid: UUID, *, force: bool = False, alias: str | None = "serial0"
    ) -> None:
        self.received = bytearray()
        self.ends: list[str] = []
        self.stream: TextStream = open_text_stream(
            connection, uuid, alias, force=force, on_data=self.received.extend, on_end=self.ends.append
        )

    def expect(self, text: bytes, seconds: float = 20) -> None:
        until(lambda: text in self.received, seconds, f"{text!r} on the text console")

    def wait_for_shell(self, seconds: float = 60) -> None:
        """Press Enter until there is a prompt: what is typed before the shell has its terminal is lost."""
        deadline = time.monotonic() + seconds
        while b"# " not in self.received:
            assert time.monotonic() < deadline, "no prompt on the text console"
            self.stream.send(b"\r")
            time.sleep(0.3)

    def answer_to(self, command: str, seconds: float = 20) -> str:
        """What a shell prints for a command, between two marks that its echo does not contain."""
        self.received.clear()
        self.stream.send(f"echo BEG''IN; {command}; echo EN''D\r".encode())
        self.expect(b"END", seconds)
        return self.received.split(b"BEGIN", 1)[1].split(b"END", 1)[0].decode(errors="replace").strip()


def virsh(uri: str, *arguments: str) -> str:
    """What virsh prints."""
    done = subprocess.run(
        ["virsh", "-q", "-c", uri, *arguments], check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout
