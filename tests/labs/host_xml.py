"""Hosts of libvirt's test driver, made by tests."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID, uuid4
from xml.etree import ElementTree

TEST = "http://libvirt.org/schemas/domain/test/1.0"
RUNNING, SHUT_OFF = 1, 5  # virDomainState


class HostXml:
    """The file of a `test://` host. Every open of its URI has state of its own: share one connection."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._root = ElementTree.Element("node")
        self._write()

    @property
    def uri(self) -> str:
        """The connection URI."""
        return f"test://{self.path.resolve()}"

    def add_guest(
        self,
        name: str,
        *,
        uuid: UUID | None = None,
        current_kib: int = 256 * 1024,
        maximum_kib: int = 512 * 1024,
        vcpus: int = 1,
        maximum_vcpus: int = 4,
        running: bool = True,
        os_type: str = "hvm",
        devices: str = "",
        disk_format: str = "",
    ) -> UUID:
        """Add a guest with a disk, a NIC, a console, VNC and a balloon; `devices` is more XML for its devices."""
        driver = f'<driver name="qemu" type="{disk_format}"/>' if disk_format else ""
        uuid = uuid or uuid4()
        ElementTree.register_namespace("test", TEST)
        domain = ElementTree.SubElement(self._root, "domain", type="test")
        ElementTree.SubElement(domain, f"{{{TEST}}}runstate").text = str(RUNNING if running else SHUT_OFF)
        ElementTree.SubElement(domain, "name").text = name
        ElementTree.SubElement(domain, "uuid").text = str(uuid)
        ElementTree.SubElement(domain, "memory", unit="KiB").text = str(maximum_kib)
        ElementTree.SubElement(domain, "currentMemory", unit="KiB").text = str(current_kib)
        ElementTree.SubElement(domain, "vcpu", current=str(vcpus)).text = str(maximum_vcpus)
        os = ElementTree.SubElement(domain, "os")
        ElementTree.SubElement(os, "type", arch="x86_64").text = os_type
        number = len(self._root)
        domain.append(
            ElementTree.fromstring(f"""
            <devices>
              <disk type="file" device="disk">
                {driver}<source file="/guests/disk-{number}.img"/><target dev="vda" bus="virtio"/>
              </disk>
              <interface type="network">
                <mac address="52:54:00:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"/>
                <source network="default"/>
              </interface>
              <console type="pty"/>
              <graphics type="vnc" port="{5900 + number}" autoport="no" listen="127.0.0.1"/>
              <memballoon model="virtio"/>
              {devices}
            </devices>""")
        )
        self._write()
        return uuid

    def add_network(self, name: str) -> None:
        """An isolated virtual network that is active."""
        network = ElementTree.SubElement(self._root, "network")
        ElementTree.SubElement(network, "name").text = name
        ElementTree.SubElement(network, "bridge", name=f"br-{name}"[:15])
        self._write()

    def add_pool(self, name: str, *volumes: str) -> UUID:
        """An active directory pool, /NAME, with raw volumes of 1 MiB."""
        uuid = uuid4()
        pool = ElementTree.SubElement(self._root, "pool", type="dir")
        ElementTree.SubElement(pool, "name").text = name
        ElementTree.SubElement(pool, "uuid").text = str(uuid)
        ElementTree.SubElement(ElementTree.SubElement(pool, "target"), "path").text = f"/{name}"
        for one in volumes:
            volume = ElementTree.SubElement(pool, "volume", type="file")
            ElementTree.SubElement(volume, "name").text = one
            ElementTree.SubElement(volume, "capacity", unit="MiB").text = "1"
            ElementTree.SubElement(ElementTree.SubElement(volume, "target"), "path").text = f"/{name}/{one}"
        self._write()
        return uuid

    def _write(self) -> None:
        ElementTree.indent(self._root)
        self.path.write_bytes(ElementTree.tostring(self._root))
