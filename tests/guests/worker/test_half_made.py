"""Operations whose end nobody saw, as the next worker finds them: what they had made goes, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from guests.audit.models import AuditRecord
from guests.errors import OperationRefused
from guests.hypervisor import new_volumes
from guests.inventory.models import Host
from guests.inventory.storage import Pool, Volume
from guests.operations import ask_host, new_key, undoing
from guests.operations.abandoned_uploads import cancel_abandoned
from guests.operations.half_made import HalfMade
from guests.operations.models import Operation
from guests.operations.upload_models import Upload
from tests.guests.worker.conftest import RunningWorker, domain, until
from tests.labs.host_xml import HostXml

pytestmark = pytest.mark.timeout(60)
DISK = '<disk type="file" device="disk"><source file="/images/{}"/><target dev="sda" bus="scsi"/></disk>'


@pytest.fixture
def host(transactional_db: None, host_xml: HostXml) -> Host:
    return Host.objects.create(name="alpha", uri=host_xml.uri)


def left_behind(host: Host, in_pool: UUID, *volumes: str, kind: str = "create_guest", **parameters: Any) -> Operation:
    """What a worker that was killed leaves: an operation that seems to run, and what it was about to make."""
    operation = Operation.objects.create(kind=kind, host=host, state="running", parameters=parameters)
    for volume in volumes:
        HalfMade.objects.create(operation=operation, pool=in_pool, name=volume)
    return operation


def ended(operation: Operation) -> Operation:
    until(lambda: Operation.objects.filter(pk=operation.pk, ended_at__isnull=False).exists(), 15)
    operation.refresh_from_db()
    assert not HalfMade.objects.filter(operation=operation).exists()
    return operation


def volumes(worker: RunningWorker) -> set[str]:
    return set(worker.libvirt("alpha").raw.storagePoolLookupByName("images").listVolumes())


def test_the_volumes_that_it_had_made_are_deleted_and_this_is_told(
    host: Host, host_xml: HostXml, start_worker: Callable[..., RunningWorker]
) -> None:
    pool = host_xml.add_pool("images", "new-1.qcow2", "new-1-seed.iso", "other.img")
    wanted = {"name": "new-1", "uuid": str(uuid4()), "start": True}
    operation = left_behind(host, pool, "new-1.qcow2", "new-1-seed.iso", "new-1-never.img", **wanted)
    worker = start_worker({"alpha": host_xml.uri})
    assert ended(operation).state == "failed"
    assert operation.message == (
        "Nobody saw the end of this, so it was undone. "
        "Deleted was what it had made: images/new-1-seed.iso, images/new-1.qcow2."
    )
    assert volumes(worker) == {"other.img"}
    until(lambda: set(Volume.objects.values_list("name", flat=True)) == {"other.img"})
    record = AuditRecord.objects.filter(action="host.create_guest.ended").latest("pk")
    assert record.detail["after"] == {"deleted": ["images/new-1-seed.iso", "images/new-1.qcow2"], "remains": []}


def test_a_copy_of_a_volume_that_may_not_be_whole_goes_and_one_that_was_not_begun_did_not_happen(
    host: Host, host_xml: HostXml, start_worker: Callable[..., RunningWorker]
) -> None:
    pool = host_xml.add_pool("images", "a.img", "half.img", "stood-there.img")
    asked = {"pool": str(pool), "volume": "a.img", "to_pool": str(pool)}
    begun = left_behind(host, pool, "half.img", kind="clone_volume", name="half.img", **asked)
    waited = left_behind(host, pool, kind="clone_volume", name="stood-there.img", **asked)
    worker = start_worker({"alpha": host_xml.uri})
    assert ended(begun).after["deleted"] == ["images/half.img"]
    assert (begun.state, ended(waited).state, waited.after) == ("failed", "failed", {})
    assert volumes(worker) == {"a.img", "stood-there.img"}


def test_what_a_guest_uses_by_now_or_another_volume_lies_over_remains(
    host: Host, host_xml: HostXml, start_worker: Callable[..., RunningWorker]
) -> None:
    pool = host_xml.add_pool("images", "new-1.qcow2")
    host_xml.add_guest("taker", running=False, devices=DISK.format("new-1.qcow2"))
    operation = left_behind(host, pool, "new-1.qcow2", name="new-1", uuid=str(uuid4()))
    worker = start_worker({"alpha": host_xml.uri})
    assert "remains on the host: images/new-1.qcow2" in ended(operation).message
    assert volumes(worker) == {"new-1.qcow2"}


@pytest.mark.parametrize("kind", ["create_guest", "clone_guest"])
@pytest.mark.parametrize(("runs", "state"), [(True, "done"), (False, "failed")])
def test_a_guest_that_the_host_knows_was_made_and_keeps_its_volumes(
    host: Host, host_xml: HostXml, start_worker: Callable[..., RunningWorker], kind: str, runs: bool, state: str
) -> None:
    pool = host_xml.add_pool("images", "new-1.qcow2")
    uuid = host_xml.add_guest("new-1", running=runs, devices=DISK.format("new-1.qcow2"))
    operation = left_behind(host, pool, "new-1.qcow2", kind=kind, name="new-1", uuid=str(uuid), start=True)
    HalfMade.objects.create(operation=operation, name=str(uuid))
    worker = start_worker({"alpha": host_xml.uri})
    assert ended(operation).state == state
    assert operation.after["uuid"] == str(uuid)
    assert operation.guest is not None and operation.after["guest"] == str(operation.guest.pk)
    assert runs or operation.message == "new-1 was made, but nobody saw it start: start it yourself."
    assert volumes(worker) == {"new-1.qcow2"}
    assert bool(domain(worker, "new-1").isActive()) is runs


def test_a_volume_that_the_host_still_fills_is_deleted_once_that_is_over(
    host: Host, host_xml: HostXml, start_worker: Callable[..., RunningWorker], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = host_xml.add_pool("images", "new-1.qcow2")
    operation = left_behind(host, pool, "new-1.qcow2", name="new-1", uuid=str(uuid4()))
    asked: list[str] = []

    def delete(connection: Any, place: new_volumes.Place) -> None:
        asked.append(place[1])
        if len(asked) == 1:
            raise OperationRefused("busy", code=55)  # libvirt: "volume is still being allocated"
        delete_volume(connection, place)

    delete_volume = new_volumes.delete_volume
    monkeypatch.setattr(undoing.new_volumes, "delete_volume", delete)
    worker = start_worker({"alpha": host_xml.uri})
    until(lambda: len(asked) == 1)
    worker.service("alpha").actions.wake()
    assert ended(operation).after["deleted"] == ["images/new-1.qcow2"]
    assert volumes(worker) == set()


def test_a_volume_that_stood_there_is_refused_and_never_counted_as_made(
    host: Host, host_xml: HostXml, start_worker: Callable[..., RunningWorker], admin: User
) -> None:
    pool = host_xml.add_pool("images", "new-1.qcow2")
    worker = start_worker({"alpha": host_xml.uri})
    until(lambda: Pool.objects.filter(name="images").exists())
    disk = {"pool": str(pool), "pool_kind": "dir", "bytes": 2**20, "linked": False}
    wanted = {"name": "new-1", "uuid": str(uuid4()), "kind": "hvm-test", "new_disk": disk, "start": False}
    operation = ended(ask_host("create_guest", host, by=admin, key=new_key(), parameters=wanted))
    assert (operation.state, operation.field) == ("failed", "name")
    assert operation.message == "The pool already has a volume of this name. Nothing of it was left on the host."
    assert volumes(worker) == {"new-1.qcow2"}


def uploading(host: Host, name: str, pool: UUID, hours: float) -> Upload:
    row, _new = Pool.objects.get_or_create(host=host, uuid=pool, defaults={"name": "images", "kind": "dir"})
    Volume.objects.create(pool=row, name=name, format="raw", path=f"/images/{name}")
    upload = Upload.objects.create(pool=row, name=name, format="raw", size_bytes=2**20, by_name="ada")
    Upload.objects.filter(pk=upload.pk).update(moved_at=timezone.now() - timedelta(hours=hours))
    return upload


def test_an_upload_that_had_begun_goes_on_and_one_that_had_not_is_undone(
    host: Host, host_xml: HostXml, start_worker: Callable[..., RunningWorker]
) -> None:
    pool = host_xml.add_pool("images", "begun.iso", "lost.iso")
    uploading(host, "begun.iso", pool, 1)
    begun = left_behind(host, pool, "begun.iso", kind="begin_upload", pool=str(pool), name="begun.iso")
    lost = left_behind(host, pool, "lost.iso", kind="begin_upload", pool=str(pool), name="lost.iso")
    worker = start_worker({"alpha": host_xml.uri})
    assert (ended(begun).state, ended(lost).state) == ("done", "failed")
    assert volumes(worker) == {"begun.iso"}


def test_uploads_that_nobody_goes_on_with_are_cancelled_and_recorded(
    host: Host, host_xml: HostXml, start_worker: Callable[..., RunningWorker], admin: User
) -> None:
    pool = host_xml.add_pool("images", "old.iso", "young.iso")
    old, young = uploading(host, "old.iso", pool, 24.1), uploading(host, "young.iso", pool, 23.9)
    worker = start_worker({"alpha": host_xml.uri})
    until(lambda: not Upload.objects.filter(pk=old.pk).exists())
    operation = ended(Operation.objects.get())
    assert (operation.kind, operation.state, operation.asked_by_name) == (
        "cancel_abandoned_upload",
        "done",
        "Guesthouse",
    )
    assert Upload.objects.filter(pk=young.pk).exists()
    assert volumes(worker) == {"young.iso"}
    lines = AuditRecord.objects.filter(action__startswith="host.cancel_abandoned_upload").order_by("pk")
    assert [line.user_name for line in lines] == ["Guesthouse"] * 2
    assert lines[0].detail["before"]["by"] == "ada"
    with pytest.raises(PermissionDenied):
        ask_host("cancel_abandoned_upload", host, by=admin, key=new_key())


def test_an_upload_that_moved_meanwhile_is_not_cancelled_and_not_asked_about_at_once(
    host: Host, host_xml: HostXml, start_worker: Callable[..., RunningWorker], settings: Any
) -> None:
    settings.UPLOAD_HOURS = 0.0
    pool = host_xml.add_pool("images", "old.iso")
    upload = uploading(host, "old.iso", pool, 1000)
    worker = start_worker({"alpha": host_xml.uri})
    lease = worker.service("alpha").lease
    assert cancel_abandoned(lease) == 0  # 0: never
    settings.UPLOAD_HOURS = 24.0
    worker.stop()
    assert cancel_abandoned(lease) == 1
    Upload.objects.filter(pk=upload.pk).update(moved_at=timezone.now())
    start_worker({"alpha": host_xml.uri})
    assert ended(Operation.objects.get()).message == "Somebody goes on with this upload."
    Upload.objects.filter(pk=upload.pk).update(moved_at=timezone.now() - timedelta(hours=30))
    assert cancel_abandoned(lease) == 0  # asked within the last hour
