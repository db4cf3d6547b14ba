"""The definition of a real guest, given to QEMU's driver as a text."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest

from guests.errors import OperationRefused
from guests.hypervisor.connection import Connection, open_connection
from guests.hypervisor.definition import define
from guests.hypervisor.definition_text import as_at_rest, digest_of
from guests.hypervisor.reading import get_guest
from tests.labs.lab import Lab

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def connection(lab: Lab) -> Iterator[Connection]:
    lab.wait_until_booted("db-1")
    connection = open_connection(lab.uri)
    yield connection
    connection.close()


@pytest.fixture
def guest(lab: Lab) -> Iterator[UUID]:
    """db-1, running; its definition is put back."""
    uuid = lab.uuid("db-1")
    before = lab.virsh("dumpxml", uuid, "--inactive", "--security-info")
    yield UUID(uuid)
    lab.virsh("define", "/dev/stdin", stdin=before)


def test_what_runs_differs_from_its_next_boot_by_what_was_changed_only(connection: Connection, guest: UUID) -> None:
    found = get_guest(connection, guest)
    current_kib = found.definition.memory.current_kib
    live, next_boot = as_at_rest(found.live_xml, found.next_boot_xml, current_kib=current_kib)
    assert live == next_boot


def test_the_next_boot_is_what_was_written_and_what_runs_stays(lab: Lab, connection: Connection, guest: UUID) -> None:
    found = get_guest(connection, guest)
    live, base = found.live_xml, digest_of(found.next_boot_xml)
    wanted = found.next_boot_xml.replace("<on_crash>destroy", "<on_crash>restart").replace(
        "<boot dev='hd'/>", "<boot dev='cdrom'/>"
    )
    with pytest.raises(OperationRefused, match="does not follow libvirt's schema") as refused:
        define(connection, guest, wanted.replace("<on_crash>", "<on_crash nonsense='1'>"), base=base)
    assert (refused.value.field, "on_crash" in refused.value.detail) == ("xml", True)
    assert digest_of(get_guest(connection, guest).next_boot_xml) == base

    define(connection, guest, wanted, base=base)
    after = get_guest(connection, guest)
    assert "<on_crash>restart" in lab.virsh("dumpxml", str(guest), "--inactive")
    assert after.next_boot is not None
    assert after.next_boot.boot_order == ("disk:hda",)
    assert digest_of(after.live_xml) == digest_of(live)
    texts = as_at_rest(live, after.next_boot_xml, current_kib=after.definition.memory.current_kib)
    assert sum(a != b for a, b in zip(*map(str.splitlines, texts), strict=True)) == 2

    with pytest.raises(OperationRefused, match="was changed since it was opened"):
        define(connection, guest, found.next_boot_xml, base=base)
    define(connection, guest, found.next_boot_xml, base=digest_of(after.next_boot_xml))
    assert digest_of(get_guest(connection, guest).next_boot_xml) == base


def test_the_password_of_a_screen_stays(lab: Lab, connection: Connection, guest: UUID) -> None:
    xml = lab.virsh("dumpxml", str(guest), "--inactive")
    lab.virsh("define", "/dev/stdin", stdin=xml.replace("<graphics type='vnc'", "<graphics type='vnc' passwd='geheim'"))
    found = get_guest(connection, guest)
    assert "geheim" not in found.next_boot_xml
    wanted = found.next_boot_xml.replace("<on_crash>destroy", "<on_crash>restart")
    define(connection, guest, wanted, base=digest_of(found.next_boot_xml))
    whole = lab.virsh("dumpxml", str(guest), "--inactive", "--security-info")
    assert "passwd='geheim'" in whole
    assert "<on_crash>restart" in whole
