"""Where a guest's screen is: asked of its host at the moment of connecting, by UUID; nothing is remembered.

One libvirt connection per host for consoles only, so that a slow call of the worker never holds up a console.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from enum import Enum
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from consoles.close_codes import CloseCode, ConsoleRefused
from consoles.screens import vnc_index
from consoles.vnc.endings import Ending
from consoles.vnc.vencrypt import TLSFiles, encrypt
from guests.errors import GuestNotFound, HypervisorError, HypervisorUnreachable, NotSupported
from guests.hypervisor.connection import Connection, open_connection
from guests.hypervisor.graphics import open_graphics
from guests.hypervisor.graphics_password import graphics_password
from guests.hypervisor.reading import get_guest
from guests.hypervisor.ssh import TRANSPORTS, SSHWay
from guests.inventory.models import Guest

logger = logging.getLogger(__name__)

STOPPING_SECONDS = 2.0  # QEMU closes its sockets some milliseconds before libvirt says that the guest is shut off
LOOK_SECONDS = 0.1


class Fate(Enum):
    """What became of a guest on its host."""

    RUNS = "runs"
    STOPPED = "stopped"
    LEFT = "left"  # migrated, or not known there any more
    UNKNOWN = "unknown"  # the host does not say


class ConsoleHosts:
    """The console server's connections, one per host, opened when first needed and again when lost."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opening: dict[str, threading.Lock] = {}
        self._connections: dict[str, Connection] = {}
        self._ways: dict[str, SSHWay] = {}
        self._failures: dict[str, tuple[float, HypervisorError]] = {}  # when and why the last opening failed

    def connection(self, uri: str) -> Connection:
        """A living connection. Raises HypervisorError within the deadline of settings.OPEN_DEADLINE_SECONDS."""
        with self._lock:
            opening = self._opening.setdefault(uri, threading.Lock())
        asked_at = time.monotonic()
        with opening:
            failed_at, failure = self._failures.get(uri, (0.0, None))
            if failure is not None and failed_at > asked_at:
                raise failure  # found out while we waited: a queue before a dead host moves on together
            known = self._connections.get(uri)
            if known is not None and known.is_alive():
                return known
            if known is not None:
                known.close()
            try:
                fresh = open_connection(uri)
            except HypervisorError as error:
                self._failures[uri] = time.monotonic(), error
                raise
            self._connections[uri] = fresh
            return fresh

    def screen(self, guest: Guest) -> socket.socket:
        """A connected socket to the guest's VNC server. Raises ConsoleRefused with the reason as a person reads it."""
        try:
            return self._screen(guest)
        except GuestNotFound as error:
            raise ConsoleRefused(CloseCode.MOVED, _left(guest)) from error
        except NotSupported as error:
            raise ConsoleRefused(CloseCode.NOT_FOUND, str(error)) from error
        except HypervisorUnreachable as error:
            raise ConsoleRefused(CloseCode.FAILED, str(error)) from error
        except HypervisorError as error:
            match self._fate(guest):
                case Fate.LEFT:
                    raise ConsoleRefused(CloseCode.MOVED, _left(guest)) from error
                case Fate.STOPPED:
                    raise ConsoleRefused(CloseCode.GUEST_STOPPED, str(error)) from error
            raise ConsoleRefused(CloseCode.FAILED, str(error)) from error

    def _screen(self, guest: Guest) -> socket.socket:
        index, way = vnc_index(guest) or 0, self._way(guest.host.uri)
        try:
            return open_graphics(self.connection(guest.host.uri), guest.uuid, index, way)
        except HypervisorUnreachable:
            # A connection may have died unnoticed since its last use; a fresh one tells whether the host has.
            logger.info("host %s: console connection lost, opening it again", guest.host.name)
            return open_graphics(self.connection(guest.host.uri), guest.uuid, index, way)

    def _way(self, uri: str) -> SSHWay | None:
        """Into a host that is reached by ssh; it outlives the connection to the host's libvirt."""
        parts = urlsplit(uri)
        if parts.scheme.partition("+")[2] not in TRANSPORTS:
            return None
        with self._lock:
            if uri not in self._ways:
                self._ways[uri] = SSHWay(uri, settings.RUNTIME_DIR)
            return self._ways[uri]

    @staticmethod
    def encrypted(guest: Guest, plain: socket.socket) -> socket.socket:
        """TLS with the guest's VNC server, whose certificate must name the host as its URI does."""
        name = urlsplit(guest.host.uri).hostname or "localhost"
        return encrypt(plain, TLSFiles.of(guest.host.name), name)

    def password(self, guest: Guest) -> str | None:
        """The VNC password in the guest's live definition."""
        try:
            return graphics_password(self.connection(guest.host.uri), guest.uuid, vnc_index(guest) or 0)
        except HypervisorError as error:
            raise ConsoleRefused(CloseCode.FAILED, str(error)) from error

    def why_gone(self, guest: Guest) -> Ending:
        """Why the guest's screen has just gone away; waits up to 2 s for the host to know."""
        deadline = time.monotonic() + STOPPING_SECONDS
        while (fate := self._fate(guest)) is Fate.RUNS and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
        if fate is Fate.STOPPED:
            return Ending(CloseCode.GUEST_STOPPED, _("%(guest)s was shut off.") % {"guest": guest.name})
        if fate is Fate.LEFT:
            return Ending(CloseCode.MOVED, _left(guest))
        return Ending(CloseCode.FAILED, _("The guest's screen closed the connection."))

    def _fate(self, guest: Guest) -> Fate:
        try:
            found = get_guest(self.connection(guest.host.uri), guest.uuid)
        except GuestNotFound:
            return Fate.LEFT
        except HypervisorError:
            return Fate.UNKNOWN
        if found.state.is_active:
            return Fate.RUNS
        return Fate.LEFT if found.reason == "migrated" else Fate.STOPPED

    def close(self) -> None:
        """Close every connection, and every way into a host."""
        with self._lock:
            connections, self._connections = list(self._connections.values()), {}
            ways, self._ways = list(self._ways.values()), {}
        for way in ways:
            way.close()
        for connection in connections:
            connection.close()


def _left(guest: Guest) -> str:
    return _("%(guest)s is not on %(host)s any more.") % {"guest": guest.name, "host": guest.host.name}
