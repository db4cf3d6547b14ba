"""A connected socket to a guest's VNC server, resolved now by UUID: never a port remembered from earlier.

On this machine libvirt hands over a descriptor (no port, no password, no race). Elsewhere the live XML says where the
hypervisor listens: a host that is reached by ssh is entered by ssh, of another one only an address of its own is
dialled. Whether the guest is still the one that listens there is asked again once its server has said something.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from uuid import UUID

import libvirt
from django.utils.translation import gettext as _

from guests.errors import HypervisorError, NotSupported, OperationRefused
from guests.hypervisor.connection import Connection
from guests.hypervisor.domain_xml import UnreadableDefinition, parse_screens
from guests.hypervisor.failures import translated_errors
from guests.hypervisor.reading import find_domain
from guests.hypervisor.ssh import SSHWay
from guests.resources import Graphics

DIAL_SECONDS = 5.0


def open_graphics(c: Connection, uuid: UUID, index: int = 0, way: SSHWay | None = None) -> socket.socket:
    """A blocking, connected stream socket that speaks RFB; `index` counts the guest's graphics devices.

    `way`: into the host, where it is reached by ssh. Raises OperationRefused when the guest does not run or its server
    does not answer, NotSupported with what to change when its definition allows no way to it.
    """
    name, found = _look(c, uuid, index)
    if c.is_local and not c.is_test:
        try:
            with translated_errors(name):
                # SKIPAUTH: libvirt has already decided that we may; no password is asked for.
                descriptor = find_domain(c, uuid).openGraphicsFD(index, libvirt.VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH)
            return socket.socket(fileno=descriptor)
        except NotSupported:
            pass  # Xen's driver cannot hand one over: dial what the XML says
    connected = _dial(c, name, found.graphics, way)
    try:
        _wait_for_banner(connected, name, way)
        # A guest that stopped meanwhile may have left its port to another one, even to itself.
        if find_domain(c, uuid).ID() != found.domain_id:
            raise OperationRefused(_("%(guest)s was restarted just now; open its console again.") % {"guest": name})
    except HypervisorError:
        connected.close()
        raise
    return connected


@dataclass(frozen=True, slots=True)
class _Screen:
    """A screen of one run of a guest: the domain id is another one after every start."""

    domain_id: int
    graphics: Graphics


def _look(c: Connection, uuid: UUID, index: int) -> tuple[str, _Screen]:
    """The guest's name, and where its screen is now."""
    domain = find_domain(c, uuid)
    name, domain_id = domain.name(), domain.ID()
    if domain_id < 0:
        raise OperationRefused(_("%(guest)s does not run: it has no screen now.") % {"guest": name})
    with translated_errors(name):
        xml = domain.XMLDesc(0)
    try:
        devices = parse_screens(xml)
    except UnreadableDefinition as error:
        raise OperationRefused(_("The definition of %(guest)s cannot be read.") % {"guest": name}) from error
    if index >= len(devices):
        raise NotSupported(
            _("%(guest)s has no graphics device: add one of type VNC to its definition.") % {"guest": name}
        )
    if devices[index].kind != "vnc":
        raise NotSupported(
            _("%(guest)s shows its screen by %(kind)s; only VNC can be shown here.")
            % {"guest": name, "kind": devices[index].kind.upper()}
        )
    return name, _Screen(domain_id, devices[index])


def _wait_for_banner(connected: socket.socket, name: str, way: SSHWay | None) -> None:
    """Until the server has said something: through ssh, only this tells that somebody is at the other end."""
    try:
        connected.settimeout(DIAL_SECONDS)
        if connected.recv(1, socket.MSG_PEEK):
            connected.settimeout(None)
            return
        detail = way.log() if way else "closed"
    except OSError as error:
        detail = str(error)
    if "administratively prohibited" in detail:
        raise NotSupported(
            _("The ssh server of the host forwards nothing: allow AllowTcpForwarding and AllowStreamLocalForwarding."),
            detail=detail,
        )
    raise OperationRefused(_("The VNC server of %(guest)s does not answer.") % {"guest": name}, detail=detail)


def _dial(c: Connection, name: str, graphics: Graphics, way: SSHWay | None) -> socket.socket:
    if not graphics.socket and graphics.port is None:
        raise NotSupported(
            _("The VNC server of %(guest)s listens for nobody but its own host: let it listen on 127.0.0.1.")
            % {"guest": name}
        )
    # How the host itself is reached decides first, then where the server listens.
    if way is not None:
        return way.to_socket(graphics.socket) if graphics.socket else way.to_port(*_address_inside(graphics, name))
    if graphics.socket:
        if not c.is_local:
            raise _elsewhere(name)
        return _connected(name, socket.AF_UNIX, graphics.socket)
    assert graphics.port is not None
    family, address = _remote_address(c.host, graphics, name) if c.host else _loopback_address(graphics, name)
    return _connected(name, family, (address, graphics.port))


def _address_inside(graphics: Graphics, name: str) -> tuple[str, int]:
    """Where a server listens, as its own host dials it."""
    listen = ipaddress_of(graphics.address or "127.0.0.1")
    if listen is None or graphics.port is None:
        raise NotSupported(
            _("The VNC server of %(guest)s listens on a name: only addresses are dialled, let it listen on 127.0.0.1.")
            % {"guest": name}
        )
    if listen.is_unspecified:
        return ("::1" if listen.version == 6 else "127.0.0.1"), graphics.port
    return str(listen), graphics.port


def _loopback_address(graphics: Graphics, name: str) -> tuple[socket.AddressFamily, str]:
    """Where a guest of this machine listens: loopback only, whatever the XML names."""
    listen = ipaddress_of(graphics.address or "127.0.0.1")
    if listen is not None and (listen.is_loopback or listen.is_unspecified):
        return (socket.AF_INET6, "::1") if listen.version == 6 else (socket.AF_INET, "127.0.0.1")
    raise NotSupported(
        _("The VNC server of %(guest)s listens on another address than this machine's loopback.") % {"guest": name}
    )


def _remote_address(host: str, graphics: Graphics, name: str) -> tuple[socket.AddressFamily, str]:
    """An address of the host itself at which this guest's server listens.

    Two guests may use the same port on different addresses of a host: only an address that the server really has is
    dialled, and only if the host's own name resolves to it.
    """
    listen = ipaddress_of(graphics.address or "")
    if listen is None or listen.is_loopback:
        raise _elsewhere(name)
    try:
        found = socket.getaddrinfo(host, graphics.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise OperationRefused(_("The name of the host cannot be resolved."), detail=str(error)) from error
    for family, _type, _protocol, _name, address in found:
        candidate = ipaddress_of(str(address[0]))
        if candidate is None or (candidate.version != listen.version and listen.version == 4):
            continue
        if listen.is_unspecified or candidate == listen:
            return family, str(address[0])
    raise _elsewhere(name)


def ipaddress_of(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address in a text, None for a name: names in a definition are not resolved."""
    try:
        return ipaddress.ip_address("127.0.0.1" if text == "localhost" else text)
    except ValueError:
        return None


def _connected(name: str, family: socket.AddressFamily, address: str | tuple[str, int]) -> socket.socket:
    connection = socket.socket(family, socket.SOCK_STREAM)
    connection.settimeout(DIAL_SECONDS)
    try:
        connection.connect(address)
        if family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        connection.close()
        raise OperationRefused(
            _("The VNC server of %(guest)s does not answer.") % {"guest": name}, detail=str(error)
        ) from error
    connection.settimeout(None)
    return connection


def _elsewhere(name: str) -> NotSupported:
    return NotSupported(
        _(
            "The VNC server of %(guest)s can be reached from inside its host only: connect to the host by qemu+ssh,"
            " or let the server listen on the host's own address, with TLS, and start the guest again."
        )
        % {"guest": name}
    )
