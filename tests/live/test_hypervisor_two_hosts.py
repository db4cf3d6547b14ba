"""Two libvirt hosts over qemu+tcp and qemu+ssh: each is read and changed by itself, VNC stays on its own host."""

from __future__ import annotations

import hashlib
import io
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID

import pytest

from guests.errors import AuthenticationFailed, HypervisorUnreachable, NotSupported
from guests.hypervisor.connection import Connection, open_connection
from guests.hypervisor.events import subscribe
from guests.hypervisor.graphics import open_graphics
from guests.hypervisor.pool_changes import NewPool, forget_pool, make_pool
from guests.hypervisor.reading import get_guest, host_facts, list_guests, list_stats
from guests.hypervisor.volume_streams import PIECE_BYTES, content_bytes, read_pieces, write_piece
from guests.hypervisor.volumes import create_volume, delete_volume
from guests.hypervisor.writing import force_off, pause, resume, set_current_memory, set_vcpus, start
from guests.resources import GuestEvent, GuestState
from tests.guests.hypervisor.recording import recorded
from tests.labs.product import Product
from tests.labs.two_hosts import IMAGES, TwoHosts
from tests.live.hypervisor_guest import BANNER, Terminal, until
from tests.live.storage_client import PIECE, StorageClient
from tests.live.text_client import WebSession

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="bridges and network namespaces need root")

MIB = 1024
GUEST = """
<domain type='qemu'>
  <name>twin</name><uuid>{uuid}</uuid>
  <memory unit='MiB'>256</memory><currentMemory unit='MiB'>192</currentMemory><vcpu current='1'>2</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>/var/lib/libvirt/images/vmlinuz</kernel><initrd>/var/lib/libvirt/images/initrd.gz</initrd>
    <cmdline>console=ttyS0 quiet guest=twin{host}</cmdline>
  </os>
  <features><acpi/><tcg><tb-cache unit='MiB'>64</tb-cache></tcg></features>
  <devices>
    <serial type='pty'/>
    <graphics type='vnc' autoport='yes'><listen type='address' address='{listen}'/></graphics>
    <memballoon model='virtio'><stats period='2'/></memballoon>
  </devices>
</domain>
"""


@pytest.fixture(scope="module")
def twins(two_hosts: TwoHosts) -> Iterator[dict[int, tuple[Connection, UUID]]]:
    """A guest of the same name on each host, booted; host 1's VNC listens on its address, host 2's on its loopback."""
    found, terminals = {}, []
    for host, listen in ((1, f"{two_hosts.network}.1"), (2, "127.0.0.1")):
        connection = open_connection(two_hosts.uri(host))
        uuid = UUID(f"5f3c1b0e-0000-4000-8000-0000000b000{host}")
        connection.raw.defineXML(GUEST.format(uuid=uuid, host=host, listen=listen))
        start(connection, uuid)
        found[host] = (connection, uuid)
        terminals.append(Terminal(connection, uuid))  # now: what a guest writes while nobody reads is lost
    for terminal in terminals:
        terminal.expect(BANNER, 90)
        terminal.stream.close()
    yield found
    for host, (connection, uuid) in found.items():
        connection.close()
        for word in ("destroy", "undefine"):
            with suppress(subprocess.CalledProcessError):
                two_hosts.virsh(host, word, str(uuid))


def test_each_host_tells_its_own_facts_and_guests(twins: dict[int, tuple[Connection, UUID]]) -> None:
    for host, (connection, uuid) in twins.items():
        facts = host_facts(connection)
        assert (facts.hostname, facts.driver, facts.is_local) == (f"kvm{host}", "QEMU", False)
        assert uuid in [guest.uuid for guest in list_guests(connection)]
        with recorded(connection) as calls:
            samples = list_stats(connection)
        assert calls == ["getAllDomainStats"]
        assert next(sample for sample in samples if sample.uuid == uuid).cpu_time_ns


def test_a_change_on_one_host_leaves_the_other_alone(twins: dict[int, tuple[Connection, UUID]]) -> None:
    (one, on_one), (two, on_two) = twins[1], twins[2]
    events: list[GuestEvent] = []
    end = subscribe(two, events.append)
    try:
        set_current_memory(one, on_one, 224 * MIB, live=True, next_boot=False)
        set_vcpus(one, on_one, 2, live=True, next_boot=False)
        pause(two, on_two)
        until(lambda: [e for e in events if e.detail == "suspended"], 5, "the event of host 2")
        assert get_guest(one, on_one).state is GuestState.RUNNING
        assert get_guest(two, on_two).state is GuestState.PAUSED
        resume(two, on_two)
        until(lambda: list_stats(one)[0].balloon_current_kib == 224 * MIB, 15, "224 MiB on host 1")
        assert list_stats(two)[0].balloon_current_kib == 192 * MIB
    finally:
        end()
    assert {event.uuid for event in events} == {on_two}


def test_text_consoles_of_both_hosts_answer_at_once(twins: dict[int, tuple[Connection, UUID]]) -> None:
    terminals = {host: Terminal(connection, uuid) for host, (connection, uuid) in twins.items()}
    for host, terminal in terminals.items():
        assert terminal.answer_to("hostname", 30) == f"twin{host}"
        terminal.stream.close()


def test_vnc_is_dialled_on_the_address_of_the_host_and_nowhere_else(
    twins: dict[int, tuple[Connection, UUID]],
) -> None:
    connection, uuid = twins[1]
    with open_graphics(connection, uuid) as connected:
        connected.settimeout(10)
        assert connected.recv(12) == b"RFB 003.008\n"
        assert connected.getpeername()[0] == connection.host
    connection, uuid = twins[2]
    with pytest.raises(NotSupported, match="listen on the host's own address"):
        open_graphics(connection, uuid)


def test_the_same_guest_is_read_through_ssh(two_hosts: TwoHosts, twins: dict[int, tuple[Connection, UUID]]) -> None:
    connection = open_connection(two_hosts.ssh_uri(1), deadline_s=30)
    try:
        assert twins[1][1] in [guest.uuid for guest in list_guests(connection)]
        terminal = Terminal(connection, twins[1][1])
        assert terminal.answer_to("echo $((6*7))", 30) == "42"
        terminal.stream.close()
    finally:
        connection.close()


def test_a_key_that_the_host_does_not_know_is_told_as_such(two_hosts: TwoHosts, tmp_path: Path) -> None:
    key = tmp_path / "other_key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True, timeout=20)
    with pytest.raises(AuthenticationFailed, match="did not let Guesthouse in"):
        open_connection(two_hosts.ssh_uri(1).replace(str(two_hosts.directory / "ssh_key"), str(key)), deadline_s=20)


def test_a_hung_host_is_noticed_by_keepalive_while_the_other_answers(
    two_hosts: TwoHosts, twins: dict[int, tuple[Connection, UUID]]
) -> None:
    reasons: list[str] = []
    hung = open_connection(two_hosts.uri(2), keepalive=(1, 1), on_close=reasons.append)
    two_hosts.signal_libvirtd(2, signal.SIGSTOP)
    try:
        until(lambda: reasons, 8, "keepalive")
        assert reasons == ["keepalive"]
        began = time.monotonic()
        list_guests(twins[1][0])
        assert time.monotonic() - began < 2
        with pytest.raises(HypervisorUnreachable):
            open_connection(two_hosts.uri(2), deadline_s=1)
    finally:
        two_hosts.signal_libvirtd(2, signal.SIGCONT)
        hung.close()


def test_force_off_ends_only_the_guest_of_that_host(twins: dict[int, tuple[Connection, UUID]]) -> None:
    (one, on_one), (_two, _on_two) = twins[1], twins[2]
    force_off(one, on_one)
    assert get_guest(one, on_one).state is GuestState.SHUT_OFF
    assert get_guest(one, on_one).reason == "destroyed"


def test_a_volume_of_a_remote_host_is_written_and_read_in_pieces(two_hosts: TwoHosts) -> None:
    content = random.Random(2).randbytes(PIECE_BYTES + 54321)
    connection = open_connection(two_hosts.ssh_uri(2))
    try:
        pool = make_pool(connection, NewPool("pieces", "dir", f"{IMAGES}/pieces"), autostart=False)
        create_volume(connection, pool, "data", "raw", len(content), whole=False)
        for start, length in ((0, PIECE_BYTES), (PIECE_BYTES, len(content) - PIECE_BYTES)):
            file = io.BytesIO(content[start : start + length])
            write_piece(connection, pool, "data", start, length, file.read)
        assert content_bytes(connection, pool, "data") == len(content)
        assert b"".join(read_pieces(connection, pool, "data", 7, len(content))) == content[7:]
        delete_volume(connection, pool, "data")
        forget_pool(connection, pool)
    finally:
        connection.close()


def test_an_upload_to_a_remote_host_goes_on_after_its_connection_broke_and_comes_back_whole(
    two_hosts: TwoHosts, start_product: Callable[..., Product]
) -> None:
    content = random.Random(3).randbytes(2 * PIECE + 12345)
    product = start_product({"far": two_hosts.ssh_uri(2)}, {"GUESTHOUSE_STORAGE_ROOTS": IMAGES})
    client = StorageClient(WebSession(product.url, "admin", product.admin_password))
    made = client.session.post("/storage/hosts/far/new/", name="depot", what="dir", root=IMAGES)
    assert "Done." in made, made
    try:
        pool = client.pool("depot")
        upload = client.begin(pool, "data.raw", content)[1]["upload"]
        assert client.send(upload, content, 0)[1]["received"] == PIECE
        two_hosts.signal_libvirtd(2, signal.SIGSTOP)
        broken: list[tuple[int, dict[str, Any]]] = []
        sending = Thread(target=lambda: broken.append(client.send(upload, content, PIECE)))
        sending.start()
        time.sleep(0.5)
        assert sending.is_alive()  # the piece is on its way
        two_hosts.signal_libvirtd(2, signal.SIGKILL)
        sending.join(30)
        assert broken[0][0] in {409, 503}, broken
        two_hosts.run("exec", "2", "libvirtd", "-l", "-d")
        assert client.send_until_taken(upload, content, PIECE) == 2 * PIECE
        assert client.send(upload, content, 2 * PIECE)[1]["received"] == len(content)
        status, told = client.told("POST", f"/storage/uploads/{upload}/finish/")
        assert status == 200, told
        on_host = two_hosts.images(2) / "depot" / "data.raw"
        assert hashlib.sha256(on_host.read_bytes()).digest() == hashlib.sha256(content).digest()
        status, _headers, whole = client.ask("GET", f"{client.volume(pool, 'data.raw')}download/")
        assert (status, whole == content) == (200, True)
    finally:
        for word in ("pool-destroy", "pool-undefine"):
            two_hosts.virsh(2, word, "depot")
