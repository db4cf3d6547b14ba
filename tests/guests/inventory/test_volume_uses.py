"""Who uses a volume."""

from __future__ import annotations

import uuid
from typing import Any

from guests.inventory.models import Guest, Host
from guests.inventory.storage import Pool, Volume
from guests.inventory.volume_uses import overlays_of, uses_of, uses_on


def disk(source: str, target: str = "vda", device: str = "disk", **more: Any) -> dict[str, Any]:
    return {"source": source, "target": target, "device": device, "readonly": False, "shareable": False} | more


def make_guest(host: Host, name: str, now: list[Any], later: list[Any] | None, state: str = "running") -> None:
    Guest.objects.create(
        id=uuid.uuid4(),
        uuid=uuid.uuid4(),
        host=host,
        name=name,
        state=state,
        definition={"disks": now},
        next_boot=None if later is None else {"disks": later},
    )


def make_volume(pool: Pool, name: str, **more: Any) -> Volume:
    return Volume.objects.create(
        pool=pool, name=name, path=f"{pool.path}/{name}", format="qcow2", seen_format="qcow2", kind="file", **more
    )


def test_a_disk_counts_now_at_the_next_boot_or_both(host: Host) -> None:
    make_guest(host, "web", [disk("/p/a"), disk("/p/b", "vdb")], [disk("/p/a"), disk("/p/c", "vdc")])
    make_guest(host, "off", [disk("/p/a")], [disk("/p/a", readonly=True)], state="shut-off")
    make_guest(host, "transient", [disk("/p/d"), disk("", "sda", "cdrom")], None)
    found = {
        path: [(use.guest_name, use.target, use.now, use.next_boot, use.shareable) for use in uses]
        for path, uses in uses_on(host).items()
    }
    assert found == {
        "/p/a": [("off", "vda", False, True, True), ("web", "vda", True, True, False)],
        "/p/b": [("web", "vdb", True, False, False)],
        "/p/c": [("web", "vdc", False, True, False)],
        "/p/d": [("transient", "vda", True, True, False)],
    }


def test_a_volume_is_found_by_its_path_and_by_its_name_in_its_pool(host: Host) -> None:
    pool = Pool.objects.create(host=host, uuid=uuid.uuid4(), name="images", kind="dir", path="/p")
    make_guest(host, "web", [disk("/p/a")], [disk("images/a", "vdb")])
    assert [use.target for use in uses_of(make_volume(pool, "a"), uses_on(host))] == ["vda", "vdb"]
    assert uses_of(make_volume(pool, "b"), uses_on(host)) == []


def test_overlays_are_those_whose_backing_file_it_is(host: Host) -> None:
    pool = Pool.objects.create(host=host, uuid=uuid.uuid4(), name="images", kind="dir", path="/p")
    under = make_volume(pool, "under")
    make_volume(pool, "over", backing_path="/p/under")
    assert [volume.name for volume in overlays_of(under)] == ["over"]
