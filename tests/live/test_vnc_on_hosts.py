"""The relay and screens that are not on this machine: through ssh, through TLS, and never another's."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from consoles.models import ConsoleSession, Kind, Mode
from consoles.tickets import mint
from guests.errors import NotSupported, OperationRefused
from guests.hypervisor import writing
from guests.hypervisor.connection import Connection, open_connection
from guests.inventory.models import Guest, Host
from tests.consoles.conftest import Person
from tests.consoles.vnc.conftest import Relay, close_of, handshake, relay, rfb_server, wait_for  # noqa: F401
from tests.labs.lab import Lab
from tests.labs.two_hosts import TwoHosts
from tests.live.test_vnc_relay import picture

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="bridges and network namespaces need root")
# No kernel: its firmware says so on the screen, and 32 MiB are enough for that.
SMALL = """
<domain type='qemu'>
  <name>{name}</name><uuid>{uuid}</uuid><memory unit='MiB'>32</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>{graphics}<video><model type='vga'/></video></devices>
</domain>"""
LOOPBACK = "<graphics type='vnc' port='5944' autoport='no'><listen type='address' address='127.0.0.1'/></graphics>"


@dataclass
class SmallGuests:
    """Guests that are made, and gone after the test; `run` is virsh of host K."""

    run: Callable[..., str]
    uris: dict[int, str]
    made: list[tuple[int, UUID]] = field(default_factory=list)

    def make(self, host: int, name: str, graphics: str, *, start: bool = True) -> Guest:
        uuid = uuid4()
        xml = SMALL.format(name=name, uuid=uuid, graphics=graphics)
        self.run(host, "define", "/dev/stdin", stdin=xml)
        self.made.append((host, uuid))
        row, _ = Host.objects.get_or_create(name=f"host-{host}", defaults={"uri": self.uris[host]})
        if start:
            self.start(host, uuid)
        definition = {"graphics": [{"kind": "vnc", "listen": "address"}]}
        return Guest.objects.create(id=uuid, uuid=uuid, host=row, name=name, state="running", definition=definition)

    def start(self, host: int, uuid: UUID) -> None:
        self.run(host, "start", str(uuid))

    def destroy(self, host: int, uuid: UUID) -> None:
        self.run(host, "destroy", str(uuid))

    def clear(self) -> None:
        for host, uuid in self.made:
            for word in ("destroy", "undefine"):
                with suppress(subprocess.CalledProcessError):
                    self.run(host, word, str(uuid))


@pytest.fixture
def far(transactional_db: None, two_hosts: TwoHosts, settings: Settings, tmp_path: Path) -> Iterator[SmallGuests]:
    """Guests of the two hosts over ssh; the authority of host 2 is believed, and our certificate is signed by it."""
    settings.VNC_TLS_DIR = tmp_path
    two_hosts.authority.write(tmp_path / "host-2", "client")
    guests = SmallGuests(two_hosts.virsh, {host: two_hosts.ssh_uri(host) for host in (1, 2)})
    yield guests
    guests.clear()


@pytest.fixture
def near(transactional_db: None, lab: Lab) -> Iterator[SmallGuests]:
    """Guests of a host on this machine."""
    guests = SmallGuests(lambda _host, *words, **more: lab.virsh(*words, **more), {0: lab.uri})
    yield guests
    guests.clear()


@pytest.fixture
def ana(transactional_db: None) -> Person:
    """Somebody who may everything."""
    client = Client()
    user = User.objects.create_superuser("ana", password="correct horse battery")
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return Person(user, client, None)


def assert_shows_its_screen(relay: Relay, person: Person, guest: Guest) -> None:  # noqa: F811
    browser = relay.connect(person, guest)
    assert len(picture(browser, handshake(browser))) >= 320 * 200 * 4
    browser.close()


@needs_root
@pytest.mark.parametrize(
    "graphics",
    [
        LOOPBACK,
        "<graphics type='vnc'><listen type='socket'/></graphics>",
        "<graphics type='vnc' autoport='yes'><listen type='address' address='0.0.0.0'/></graphics>",
        "<graphics type='vnc' autoport='yes' passwd='s3cret'><listen type='address' address='::1'/></graphics>",
    ],
    ids=["loopback", "socket", "everywhere", "ipv6 with a password"],
)
def test_a_screen_inside_of_a_host_is_reached_by_ssh(
    graphics: str,
    far: SmallGuests,
    relay: Relay,  # noqa: F811
    ana: Person,
) -> None:
    guest = far.make(1, "inside", graphics)
    assert_shows_its_screen(relay, ana, guest)


@needs_root
@pytest.mark.parametrize("password", ["", " passwd='s3cret'"], ids=["x509none", "x509vnc"])
@pytest.mark.parametrize("over", ["tcp", "ssh"])
def test_a_screen_that_wants_tls_is_reached(
    over: str,
    password: str,
    far: SmallGuests,
    relay: Relay,  # noqa: F811
    ana: Person,
    two_hosts: TwoHosts,
) -> None:
    address = "127.0.0.1"
    if over == "tcp":
        far.uris[2], address = two_hosts.uri(2), two_hosts.address(2)
    graphics = f"<graphics type='vnc' autoport='yes'{password}><listen type='address' address='{address}'/></graphics>"
    guest = far.make(2, "secret", graphics)
    assert_shows_its_screen(relay, ana, guest)


@needs_root
def test_a_host_that_forwards_nothing_is_named(
    far: SmallGuests,
    relay: Relay,  # noqa: F811
    ana: Person,
    two_hosts: TwoHosts,
) -> None:
    guest = far.make(1, "inside", LOOPBACK)
    key = two_hosts.directory / "ssh_key.pub"
    known = key.read_text()
    key.write_text(f"no-port-forwarding {known}")
    try:
        code, sentence = close_of(relay.connect(ana, guest))
        assert (code, "AllowTcpForwarding" in sentence) == (4404, True), sentence
    finally:
        key.write_text(known)


@needs_root
def test_a_console_outlives_its_host_s_libvirtd_and_not_its_ssh(
    far: SmallGuests,
    relay: Relay,  # noqa: F811
    ana: Person,
    two_hosts: TwoHosts,
) -> None:
    guest = far.make(1, "inside", LOOPBACK)
    browser = relay.connect(ana, guest)
    reader = handshake(browser)
    two_hosts.run("exec", "1", "sh", "-c", "kill -9 $(cat /run/libvirtd.pid); sleep 0.3; libvirtd -l -d")
    assert picture(browser, reader)
    assert_shows_its_screen(relay, ana, guest)
    two_hosts.run("exec", "1", "sh", "-c", "kill -9 $(pgrep -f '[s]shd: root')")
    assert close_of(browser) == (4500, "The guest's screen closed the connection.")
    assert_shows_its_screen(relay, ana, guest)


def assert_never_the_other(guests: SmallGuests, host: int, relay: Relay, ana: Person) -> None:  # noqa: F811
    """A's port is taken over by B: A's console ends, A's ticket opens nothing, B's opens B."""
    a = guests.make(host, "first", LOOPBACK)
    b = guests.make(host, "second", LOOPBACK, start=False)
    open_before = relay.connect(ana, a)
    handshake(open_before)
    ticket = mint(ana.user, ana.session_key, a, kind=Kind.VNC, mode=Mode.CONTROL)
    guests.destroy(host, a.uuid)
    guests.start(host, b.uuid)
    assert close_of(open_before) == (4410, "first was shut off.")
    code, sentence = close_of(relay.connect(ana, a, token=ticket))
    assert (code, sentence) == (4410, "first does not run: it has no screen now.")
    assert_shows_its_screen(relay, ana, b)
    assert wait_for(lambda: not ConsoleSession.objects.filter(ended_at=None).exists())
    assert [row.bytes_out for row in ConsoleSession.objects.filter(guest=a, reason__contains="has no screen")] == [0]


def test_C5_a_ticket_opens_no_other_guest_that_took_the_port(
    near: SmallGuests,
    relay: Relay,  # noqa: F811
    ana: Person,
) -> None:
    assert_never_the_other(near, 0, relay, ana)


@needs_root
def test_C5_nor_on_a_host_that_is_reached_by_ssh(
    far: SmallGuests,
    relay: Relay,  # noqa: F811
    ana: Person,
) -> None:
    assert_never_the_other(far, 1, relay, ana)


@contextmanager
def connected(uri: str) -> Iterator[Connection]:
    connection = open_connection(uri, deadline_s=30)
    yield connection
    connection.close()


def test_a_screen_is_added_that_only_a_descriptor_leads_to(
    near: SmallGuests,
    relay: Relay,  # noqa: F811
    ana: Person,
) -> None:
    guest = near.make(0, "bare", "", start=False)
    with connected(near.uris[0]) as connection:
        writing.add_vnc(connection, guest.uuid)
        with pytest.raises(OperationRefused, match="has a graphical console already"):
            writing.add_vnc(connection, guest.uuid)
    near.start(0, guest.uuid)
    xml = near.run(0, "dumpxml", str(guest.uuid))
    assert "<listen type='none'/>" in xml
    assert "<input type='tablet' bus='usb'" in xml
    assert_shows_its_screen(relay, ana, guest)


@needs_root
def test_a_screen_that_the_network_reached_stays_inside_of_its_host(
    far: SmallGuests,
    relay: Relay,  # noqa: F811
    ana: Person,
    two_hosts: TwoHosts,
) -> None:
    everywhere = "<graphics type='vnc' port='5950' autoport='no'><listen type='address' address='0.0.0.0'/></graphics>"
    guest = far.make(1, "open", everywhere)
    with connected(two_hosts.uri(1)) as by_tcp, pytest.raises(NotSupported, match="reached without ssh"):
        writing.keep_vnc_inside(by_tcp, guest.uuid)
    with connected(far.uris[1]) as by_ssh:
        writing.keep_vnc_inside(by_ssh, guest.uuid)
    socket.create_connection((two_hosts.address(1), 5950), timeout=5).close()  # what runs is not touched
    far.destroy(1, guest.uuid)
    far.start(1, guest.uuid)
    xml = far.run(1, "dumpxml", str(guest.uuid))
    assert "<listen type='address' address='127.0.0.1'/>" in xml
    assert "0.0.0.0" not in xml
    assert_shows_its_screen(relay, ana, guest)


@needs_root
@pytest.mark.parametrize("options", [("--undefinesource",), ()], ids=["and is gone", "and stays defined"])
def test_a_console_of_a_guest_that_migrates_ends_and_the_next_one_finds_it(
    options: tuple[str, ...],
    far: SmallGuests,
    relay: Relay,  # noqa: F811
    ana: Person,
    two_hosts: TwoHosts,
) -> None:
    guest = far.make(1, "nomad", LOOPBACK)
    far.made.append((2, guest.uuid))
    browser = relay.connect(ana, guest)
    handshake(browser)
    ticket = mint(ana.user, ana.session_key, guest, kind=Kind.VNC, mode=Mode.CONTROL)
    to = ("--migrateuri", f"tcp://{two_hosts.address(2)}", "--live", "--persistent")
    far.run(1, "migrate", str(guest.uuid), two_hosts.uri(2), *to, *options)
    assert close_of(browser) == (4412, "nomad is not on host-1 any more.")
    # Before its row has followed (the host's worker sees to that), and with a ticket from before.
    assert close_of(relay.connect(ana, guest)) == (4412, "nomad is not on host-1 any more.")
    guest.host = Host.objects.create(name="host-2", uri=far.uris[2])
    guest.save()
    assert close_of(relay.connect(ana, guest, token=ticket)) == (4412, "nomad is on another host now.")
    assert_shows_its_screen(relay, ana, guest)
