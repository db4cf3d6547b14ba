"""The pages of pools and volumes: what they show, to whom, and what they ask for."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from guests.access.models import Role
from guests.inventory.models import Host
from guests.inventory.storage import Pool, Volume, media_of
from guests.operations.models import Operation
from tests.guests.inventory_rows import grant, make_guest, make_host, person, signed_in

pytestmark = pytest.mark.django_db
GIB = 1024**3


@pytest.fixture
def host() -> Host:
    return make_host()


@pytest.fixture
def client() -> Client:
    return signed_in(person("ada", superuser=True))


def make_pool(host: Host, name: str = "images", **more: Any) -> Pool:
    sizes = {"capacity_bytes": 100 * GIB, "allocation_bytes": 40 * GIB, "available_bytes": 60 * GIB}
    values = {"kind": "dir", "active": True, "path": f"/{name}", "read_at": timezone.now(), **sizes} | more
    return Pool.objects.create(host=host, uuid=uuid.uuid4(), name=name, **values)


def make_volume(pool: Pool, name: str, **more: Any) -> Volume:
    values = {"format": "qcow2", "seen_format": "qcow2", "kind": "file", "capacity_bytes": 8 * GIB} | more
    return Volume.objects.create(pool=pool, name=name, path=f"{pool.path}/{name}", **values)


def disk(source: str, **more: Any) -> dict[str, Any]:
    return {"source": source, "target": "vda", "device": "disk", "readonly": False, "shareable": False} | more


def text_of(answer: HttpResponse, status: int = 200) -> str:
    assert answer.status_code == status, answer.content.decode()[:500]
    return answer.content.decode()


def test_the_list_tells_state_and_fill_of_every_pool(host: Host, client: Client) -> None:
    make_pool(host)
    make_pool(host, "nas", kind="netfs", source="nas:/export", problem="hangs")
    make_pool(host, "off", active=False, capacity_bytes=0)
    html = text_of(client.get("/storage/"))
    for shown in ("images", "40.0 GiB of 100.0 GiB, 60.0 GiB free", "nas:/export", "Does not answer", "Not active"):
        assert shown in html, shown


def test_storage_is_for_administrators_of_whole_hosts(host: Host) -> None:
    pool = make_pool(host)
    volume = make_volume(pool, "a.qcow2")
    guest = make_guest(host, "web-1")
    paths = (f"/storage/{pool.pk}/", f"/storage/volumes/{volume.pk}/", f"/storage/hosts/{host.name}/new/")
    for name, role, scope in (
        ("olga", Role.OPERATOR, {"host": host}),
        ("gil", Role.ADMINISTRATOR, {"guest": guest}),
        ("eva", Role.ADMINISTRATOR, {"host": make_host("kvm-02")}),
    ):
        someone = person(name)
        grant(someone, role, **scope)
        client = signed_in(someone)
        assert [client.get(path).status_code for path in paths] == [404] * 3, name
        assert client.post(f"/storage/{pool.pk}/stop/").status_code == 404
        assert client.post(f"/storage/volumes/{volume.pk}/delete/", {"confirm": "a.qcow2"}).status_code == 404
        assert "images" not in text_of(client.get("/storage/"))
    assert not Operation.objects.exists()
    anna = person("anna")
    grant(anna, Role.ADMINISTRATOR, host=host)
    assert [signed_in(anna).get(path).status_code for path in paths] == [200] * 3


def test_a_pool_names_who_uses_its_volumes_and_the_queries_do_not_grow(host: Host, client: Client) -> None:
    pool = make_pool(host)
    for number in range(3):
        make_volume(pool, f"v{number}.qcow2")
    make_guest(host, "web-1", definition={"disks": [disk("/images/v0.qcow2")]}, next_boot={"disks": []})
    make_guest(host, "off-1", state="shut-off", next_boot={"disks": [disk("/images/v0.qcow2", target="vdb")]})
    client.get(f"/storage/{pool.pk}/")
    with CaptureQueriesContext(connection) as few:
        html = text_of(client.get(f"/storage/{pool.pk}/"))
    for shown in ("web-1", "until next boot", "off-1", "vdb", "at next boot", "v2.qcow2"):
        assert shown in html, shown
    for number in range(3, 40):
        make_volume(pool, f"v{number}.qcow2", backing_path="/images/v0.qcow2")
        make_guest(host, f"more-{number}", definition={"disks": [disk(f"/images/v{number}.qcow2")]})
    with CaptureQueriesContext(connection) as many:
        client.get(f"/storage/{pool.pk}/")
    assert len(many) == len(few)
    assert "v1.qcow2" not in text_of(client.get(f"/storage/{pool.pk}/?q=v2"))


def test_names_of_guests_that_others_have_are_not_told_only_counted(host: Host) -> None:
    from guests.views.storage import UsedBy

    volume = make_volume(make_pool(host), "a")
    from guests.inventory.volume_uses import uses_on

    guest = make_guest(host, "web-1", definition={"disks": [disk("/images/a")]})
    make_guest(host, "secret", definition={"disks": [disk("/images/a")]})
    used = UsedBy.of(volume, uses_on(host), {guest.pk})
    assert ([use.guest_name for use in used.seen], used.others) == (["web-1"], 1)


def test_a_volume_s_page_tells_its_chain_and_what_is_over_it(host: Host, client: Client) -> None:
    pool = make_pool(host)
    base = make_volume(pool, "base.qcow2", backing_path="/elsewhere/first.img")
    over = make_volume(pool, "over.qcow2", backing_path="/images/base.qcow2")
    assert "/images/base.qcow2 → /elsewhere/first.img" in text_of(client.get(f"/storage/volumes/{over.pk}/"))
    assert f"/storage/volumes/{over.pk}/" in text_of(client.get(f"/storage/volumes/{base.pk}/"))


def test_a_volume_whose_backing_file_is_itself_has_an_end(host: Host, client: Client) -> None:
    volume = make_volume(make_pool(host), "loop", backing_path="/images/loop")
    text_of(client.get(f"/storage/volumes/{volume.pk}/"))


def test_a_volume_that_looks_like_another_format_says_so(host: Host, client: Client) -> None:
    volume = make_volume(make_pool(host), "disk", format="raw")
    assert "looks like qcow2" in text_of(client.get(f"/storage/volumes/{volume.pk}/"))


def test_media_are_images_by_content_or_name_and_those_of_a_host_are_offered(host: Host, client: Client) -> None:
    pool, off = make_pool(host), make_pool(host, "off", active=False)
    make_volume(pool, "debian.iso", format="raw", seen_format="raw")
    make_volume(pool, "tools", format="raw", seen_format="iso")
    make_volume(pool, "disk.qcow2")
    make_volume(off, "gone.iso", format="raw", seen_format="iso")
    make_guest(host, "web-1", definition={"disks": [disk("/images/debian.iso", target="sda", device="cdrom")]})
    html = text_of(client.get("/storage/media/"))
    assert [name in html for name in ("debian.iso", "tools", "disk.qcow2", "web-1")] == [True, True, False, True]
    assert [volume.name for volume in media_of(host)] == ["debian.iso", "tools"]


@pytest.mark.parametrize(
    ("path", "fields", "kind", "wanted"),
    [
        ("{pool}/refresh/", {}, "refresh_pool", {}),
        ("{pool}/autostart/", {"on": "1"}, "set_pool_autostart", {"on": True}),
        (
            "{pool}/volumes/new/",
            {"name": "new.qcow2", "capacity": "1.5 GiB", "format": "qcow2"},
            "make_volume",
            {"name": "new.qcow2", "capacity_bytes": 3 * GIB // 2, "format": "qcow2", "whole": False},
        ),
        (
            "volumes/{volume}/grow/",
            {"capacity": "10"},
            "grow_volume",
            {"volume": "a.qcow2", "capacity_bytes": 10 * GIB},
        ),
        ("volumes/{volume}/copy/", {"name": "b.qcow2", "to_pool": "{uuid}"}, "clone_volume", {"name": "b.qcow2"}),
        ("volumes/{volume}/delete/", {"confirm": "a.qcow2"}, "delete_volume", {"volume": "a.qcow2"}),
        (
            "hosts/kvm-01/new/",
            {"name": "nas", "what": "netfs", "root": "/srv", "server": "nas", "export": "/x", "autostart": "on"},
            "make_pool",
            {"kind": "netfs", "root": "/srv", "server": "nas", "export": "/x", "autostart": True},
        ),
    ],
)
def test_what_a_form_asks_for(
    host: Host,
    client: Client,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    fields: dict[str, str],
    kind: str,
    wanted: dict[str, Any],
) -> None:
    settings.STORAGE_ROOTS = ["/srv"]
    for waits in ("guests.forms.asking_form.OperationForm.wait_seconds", "guests.views.storage_acts.WAIT_SECONDS"):
        monkeypatch.setattr(waits, 0.0)
    pool = make_pool(host)
    volume = make_volume(pool, "a.qcow2")
    names = {"pool": pool.pk, "volume": volume.pk, "uuid": pool.uuid}
    answer = client.post(f"/storage/{path.format(**names)}", {k: v.format(**names) for k, v in fields.items()})
    assert answer.status_code == 302, text_of(answer, answer.status_code)
    operation = Operation.objects.get()
    assert (operation.kind, operation.host, operation.guest) == (kind, host, None)
    assert operation.parameters.items() >= wanted.items()
    assert "path" not in operation.parameters


@pytest.mark.parametrize(
    ("path", "fields", "error"),
    [
        ("{pool}/volumes/new/", {"name": "../a", "capacity": "1", "format": "raw"}, "A name has letters"),
        ("{pool}/volumes/new/", {"name": "a", "capacity": "much", "format": "raw"}, "Type a size with a unit"),
        ("{pool}/volumes/new/", {"name": "a", "capacity": "1", "format": "vmdk"}, "not one of the available"),
        ("volumes/{volume}/delete/", {"confirm": "b"}, "This is not its name."),
        ("hosts/kvm-01/new/", {"name": "x", "what": "dir", "root": "/etc"}, "not one of the available"),
    ],
)
def test_what_a_form_refuses(host: Host, client: Client, path: str, fields: dict[str, str], error: str) -> None:
    pool = make_pool(host)
    names = {"pool": pool.pk, "volume": make_volume(pool, "a.qcow2").pk}
    assert error in text_of(client.post(f"/storage/{path.format(**names)}", fields), 422)
    assert not Operation.objects.exists()


def test_a_host_that_does_not_answer_is_asked_for_nothing(client: Client) -> None:
    pool = make_pool(make_host(state="unreachable"))
    fields = {"name": "a", "capacity": "1", "format": "raw"}
    assert "does not answer" in text_of(client.post(f"/storage/{pool.pk}/volumes/new/", fields), 422)


def test_hostile_names_are_inert(host: Host, client: Client) -> None:
    name = "<img src=x onerror=alert(1)>\u202e\"'"
    pool = make_pool(host, name)
    volume = make_volume(pool, name, backing_path=name)
    for path in ("/storage/", f"/storage/{pool.pk}/", f"/storage/volumes/{volume.pk}/"):
        assert "<img" not in text_of(client.get(path)), path
