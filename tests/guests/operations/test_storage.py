"""What is done to pools and volumes, on libvirt's test driver."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User

from guests.inventory.models import Guest, Host
from guests.inventory.storage import Pool, Volume
from guests.operations import ask_host, new_key, wait_for_end
from guests.operations.models import Operation
from guests.operations.storage_task import NAME
from tests.guests.worker.conftest import RunningWorker, until

MIB = 1024**2
Asked = Callable[..., Operation]


@pytest.fixture
def do(worker: RunningWorker, admin: User) -> Asked:
    """Ask the host alpha for something, and wait for the end."""

    def ask(kind: str, /, *, before: dict[str, Any] | None = None, **parameters: Any) -> Operation:
        host = Host.objects.get(name="alpha")
        operation = ask_host(kind, host, by=admin, key=new_key(), parameters=parameters, before=before)
        return wait_for_end(operation, 10)

    return ask


@pytest.fixture
def pool(worker: RunningWorker, do: Asked, settings: Any) -> str:
    """The pool `images`, by its UUID."""
    settings.STORAGE_ROOTS = ["/srv/pools"]
    made = do("make_pool", name="images", kind="dir", root="/srv/pools", autostart=True)
    assert made.state == "done", made.message
    return str(made.after["uuid"])


def raw_pool(worker: RunningWorker, pool: str) -> Any:
    return worker.libvirt("alpha").raw.storagePoolLookupByUUIDString(pool)


def make(do: Asked, pool: str, name: str, **more: Any) -> Operation:
    wanted = {"format": "qcow2", "capacity_bytes": 64 * MIB, "whole": False} | more
    return do("make_volume", pool=pool, pool_name="images", name=name, **wanted)


def test_a_pool_is_made_below_a_directory_of_the_operator_s_and_stands_at_once(
    worker: RunningWorker, pool: str
) -> None:
    row = Pool.objects.get(uuid=UUID(pool))
    assert (row.name, row.path, row.active, row.autostart) == ("images", "/srv/pools/images", True, True)
    assert raw_pool(worker, pool).isActive()


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"root": "/etc"}, "root"),
        ({"root": "/srv/pools/../../etc"}, "root"),
        ({"name": "../x"}, "name"),
        ({"name": ""}, "name"),
        ({"kind": "scsi"}, "kind"),
        ({"kind": "netfs", "server": "-oProxyCommand", "export": "/x"}, "server"),
        ({"kind": "netfs", "server": "nas", "export": "/x/../etc"}, "export"),
        ({"kind": "netfs", "server": "nas", "export": "relative"}, "export"),
        ({"kind": "logical", "group": "../../etc"}, "group"),
    ],
)
def test_a_pool_anywhere_else_or_of_hostile_words_is_refused(
    worker: RunningWorker, do: Asked, settings: Any, parameters: dict[str, str], field: str
) -> None:
    settings.STORAGE_ROOTS = ["/srv/pools"]
    known = {pool.name() for pool in worker.libvirt("alpha").raw.listAllStoragePools(0)}
    refused = do("make_pool", **({"name": "images", "kind": "dir", "root": "/srv/pools"} | parameters))
    assert (refused.state, refused.field) == ("failed", field)
    assert {pool.name() for pool in worker.libvirt("alpha").raw.listAllStoragePools(0)} == known


def test_a_pool_is_stopped_started_and_forgotten_and_keeps_its_volumes_rows_meanwhile(
    worker: RunningWorker, do: Asked, pool: str
) -> None:
    assert make(do, pool, "a.qcow2").state == "done"
    assert do("stop_pool", pool=pool).state == "done"
    assert not raw_pool(worker, pool).isActive()
    assert [volume.name for volume in Volume.objects.filter(pool__uuid=pool)] == ["a.qcow2"]
    assert do("start_pool", pool=pool).state == "done"
    assert do("refresh_pool", pool=pool).state == "done"
    assert do("set_pool_autostart", pool=pool, on=False).state == "done"
    assert not Pool.objects.get(uuid=UUID(pool)).autostart
    assert do("forget_pool", pool=pool).state == "done"
    assert not Pool.objects.filter(uuid=UUID(pool)).exists()


def test_a_volume_is_made_as_what_was_said_and_deleted(worker: RunningWorker, do: Asked, pool: str) -> None:
    made = make(do, pool, "a.qcow2")
    assert (made.state, made.after["capacity_bytes"]) == ("done", 64 * MIB)
    volume = Volume.objects.get(name="a.qcow2")
    assert (volume.format, volume.path, volume.pool.name) == ("qcow2", "/srv/pools/images/a.qcow2", "images")
    assert do("delete_volume", pool=pool, volume="a.qcow2").state == "done"
    assert not Volume.objects.filter(name="a.qcow2").exists()
    assert raw_pool(worker, pool).listVolumes() == []


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": "../a"}, "name"),
        ({"name": "a b"}, "name"),
        ({"name": "-rf"}, "name"),
        ({"name": "x" * 64}, "name"),
        ({"format": "vmdk"}, "format"),
        ({"capacity_bytes": 0}, "capacity"),
        ({"capacity_bytes": "many"}, "capacity"),
        ({"capacity_bytes": 65 * 1024**4}, "capacity"),
        ({"capacity_bytes": 60 * 1024**4, "whole": True}, "capacity"),
    ],
)
def test_a_volume_of_another_name_format_or_size_is_refused(
    worker: RunningWorker, do: Asked, pool: str, wrong: dict[str, Any], field: str
) -> None:
    refused = make(do, pool, **({"name": "a.qcow2"} | wrong))
    assert (refused.state, refused.field) == ("failed", field)
    assert raw_pool(worker, pool).listVolumes() == []


def test_a_second_volume_of_a_name_is_refused_by_the_host(do: Asked, pool: str) -> None:
    make(do, pool, "a.qcow2")
    assert make(do, pool, "a.qcow2").message == "The pool already has a volume of this name."


def test_a_volume_is_copied_with_its_format(do: Asked, pool: str) -> None:
    make(do, pool, "a", format="raw")
    copied = do("clone_volume", pool=pool, volume="a", to_pool=pool, name="b", pool_name="images")
    assert copied.state == "done", copied.message
    assert Volume.objects.get(name="b").format == "raw"
    assert Volume.objects.get(name="b").capacity_bytes == 64 * MIB


def test_a_volume_that_looks_like_another_format_is_neither_copied_nor_grown(do: Asked, pool: str) -> None:
    make(do, pool, "a")
    Volume.objects.update(format="raw")  # it was made raw, and its guest wrote a qcow2 header into it
    copied = do("clone_volume", pool=pool, volume="a", to_pool=pool, name="b")
    grown = do("grow_volume", pool=pool, volume="a", capacity_bytes=128 * MIB)
    assert "looks like another format" in copied.message
    assert "looks like another format" in grown.message
    assert Volume.objects.count() == 1


def test_a_volume_in_use_is_not_deleted_and_the_refusal_names_the_guests(
    worker: RunningWorker, do: Asked, pool: str
) -> None:
    make(do, pool, "a", format="raw")
    connection = worker.libvirt("alpha").raw
    for name in ("web-1", "off-1"):
        domain = connection.lookupByName(name)
        xml = domain.XMLDesc(2).replace("/guests/disk-", "/srv/pools/images/a#")
        connection.defineXML(xml[: xml.index("#")] + xml[xml.index(".img", xml.index("#")) + 4 :])
    until(lambda: "/srv/pools/images/a" in str(Guest.objects.get(name="off-1").next_boot))
    refused = do("delete_volume", pool=pool, volume="a")
    assert (refused.state, refused.message) == ("failed", "off-1, web-1 uses it: take it out there first.")
    assert "web-1" in do("forget_pool", pool=pool).message
    assert raw_pool(worker, pool).listVolumes() == ["a"]


def test_what_another_volume_is_over_is_not_deleted(worker: RunningWorker, do: Asked, pool: str) -> None:
    make(do, pool, "under")
    other = str(do("make_pool", name="other", kind="dir", root="/srv/pools").after["uuid"])
    for where, name in ((pool, "over"), (other, "far")):
        raw_pool(worker, where).createXML(
            f"<volume><name>{name}</name><capacity>1</capacity><target><format type='qcow2'/></target>"
            "<backingStore><path>/srv/pools/images/under</path><format type='qcow2'/></backingStore></volume>",
            0,
        )
    do("refresh_pool", pool=other)
    assert "is what other/far, over is over" in do("delete_volume", pool=pool, volume="under").message.replace(
        "It ", ""
    )


def test_a_volume_of_a_shared_pool_is_not_deleted_while_guests_of_other_hosts_use_it(do: Asked, pool: str) -> None:
    nas = do("make_pool", name="nas", kind="netfs", root="/srv/pools", server="nas", export="/export").after["uuid"]
    make(do, nas, "shared")
    beta = Host.objects.create(name="beta", uri="test:///default", enabled=False)
    twin = Pool.objects.create(host=beta, uuid=UUID(int=8), name="nas", kind="netfs", source="nas:/export")
    Volume.objects.create(
        pool=twin, name="shared", path="/mnt/shared", format="qcow2", seen_format="qcow2", kind="file"
    )
    disk = {"source": "/mnt/shared", "target": "vda", "device": "disk", "readonly": False, "shareable": False}
    Guest.objects.create(
        id=UUID(int=9), uuid=UUID(int=9), host=beta, name="far", state="running", definition={"disks": [disk]}
    )
    assert "other hosts use it, in 1 places" in do("delete_volume", pool=nas, volume="shared").message


def test_a_pool_that_hangs_and_volumes_that_are_gone_are_said_to_be(do: Asked, pool: str) -> None:
    assert "does not have this volume" in do("delete_volume", pool=pool, volume="none").message
    Pool.objects.update(problem="hangs")
    assert "does not answer" in make(do, pool, "a").message
    assert "any more" in do("start_pool", pool=str(UUID(int=3))).message


def test_names_that_we_make() -> None:
    assert all(NAME.fullmatch(name) for name in ("a", "debian-12.iso", "A_1"))
    assert not any(NAME.fullmatch(name) for name in ("", ".hidden", "a/b", "a\n", "ä", "-a", "a" * 64))
