"""The devices of a domain XML as values: disks, NICs, text consoles, graphics."""

from __future__ import annotations

from lxml import etree

from guests.hypervisor.xml_document import attribute, text_of
from guests.resources import NIC, Disk, Graphics, TextConsole


def parse_disk(disk: etree._Element) -> Disk:
    """One `<disk>`; source_kind and source are "" for an empty drive."""
    source = _disk_source(disk)
    return Disk(
        target=attribute(disk, "target", "dev"),
        device=disk.get("device", "disk"),
        bus=attribute(disk, "target", "bus"),
        source_kind=disk.get("type", "") if source else "",
        source=source,
        format=attribute(disk, "driver", "type"),
        readonly=disk.find("readonly") is not None,
        shareable=disk.find("shareable") is not None,
        cache=attribute(disk, "driver", "cache").replace("default", ""),
        serial=text_of(disk, "serial"),
        backing=_backing(disk),
        tray_open=attribute(disk, "target", "tray") == "open",
    )


def _backing(disk: etree._Element) -> tuple[str, ...]:
    """The chain below a disk, nearest first; a `<backingStore/>` without a source is the end of one."""
    found, below = [], disk.find("backingStore")
    while below is not None and (source := _disk_source(below)):
        found.append(source)
        below = below.find("backingStore")
    return tuple(found)


def _disk_source(disk: etree._Element) -> str:
    source = disk.find("source")
    if source is None:
        return ""
    kind = disk.get("type", "")
    if kind == "volume":
        return f"{source.get('pool', '')}/{source.get('volume', '')}"
    if kind == "network":
        host = attribute(source, "host", "name")
        port = attribute(source, "host", "port")
        where = f"{host}:{port}" if host and port else host
        return f"{source.get('protocol', '')}://{where}/{source.get('name', '')}"
    attributes = {"file": "file", "block": "dev", "dir": "dir", "vhostuser": "path", "nvme": "namespace"}
    return source.get(attributes.get(kind, "file"), "")


def parse_nic(nic: etree._Element) -> NIC:
    """One `<interface>`; the source is what its kind names: network, bridge, device or socket."""
    source = nic.find("source")
    named = "" if source is None else next((source.get(k, "") for k in _NIC_SOURCES if source.get(k)), "")
    return NIC(
        mac=attribute(nic, "mac", "address").lower(),
        # What runs in a network is told as what the network made of it, a bridge, with the network's name beside it.
        kind="network" if source is not None and source.get("network") else nic.get("type", ""),
        source=named,
        model=attribute(nic, "model", "type"),
        target=attribute(nic, "target", "dev"),
        link_up=attribute(nic, "link", "state") != "down",
        inbound_kib=_rate(nic, "inbound"),
        outbound_kib=_rate(nic, "outbound"),
    )


def _rate(nic: etree._Element, direction: str) -> int | None:
    text = attribute(nic, f"bandwidth/{direction}", "average")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 and int(text) else None


_NIC_SOURCES = ("network", "bridge", "dev", "path", "address")


def parse_text_consoles(root: etree._Element, *, xen: bool) -> tuple[TextConsole, ...]:
    """All that a text console can be opened on, named serial0… and console0… by their order.

    libvirt shows the first serial device of a fully virtualised guest again as `<console><target type='serial'/>`:
    that one is listed once, as serial0. Xen's driver gives no aliases; its first device is the default (None).
    """
    serials = root.findall("devices/serial")
    found = [_text_console(device, f"serial{i}", default=xen and i == 0) for i, device in enumerate(serials)]
    for i, device in enumerate(root.iterfind("devices/console")):
        repeats_serial = attribute(device, "target", "type", "serial") == "serial" and serials
        if not repeats_serial:
            found.append(_text_console(device, f"console{i}", default=xen and not found))
    return tuple(found)


def _text_console(device: etree._Element, name: str, *, default: bool) -> TextConsole:
    alias = attribute(device, "alias", "name") or name  # QEMU names them so at the next boot
    return TextConsole(
        device=name,
        alias=None if default else alias,
        target=attribute(device, "target/model", "name") or attribute(device, "target", "type"),
        pty=device.get("type") == "pty",
        host_log=attribute(device, "log", "file"),
    )


def parse_graphics(graphics: etree._Element) -> Graphics:
    """One `<graphics>`. Ports of -1 and 0 mean "not chosen yet". Passwords are never read, only that there is one."""
    listen = graphics.find("listen")
    socket = graphics.get("socket") or ("" if listen is None else listen.get("socket", ""))
    address = graphics.get("listen") or ("" if listen is None else listen.get("address", ""))
    kind = "" if listen is None else listen.get("type", "")
    return Graphics(
        kind=graphics.get("type", ""),
        listen=kind or ("socket" if socket else "address"),
        address=address or None,
        port=_port(graphics.get("port")),
        tls_port=_port(graphics.get("tlsPort")),
        socket=socket or None,
        has_password=bool(graphics.get("passwd")),
    )


def _port(text: str | None) -> int | None:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 5:
        return None
    port = int(text)
    return port if 0 < port < 65536 else None
