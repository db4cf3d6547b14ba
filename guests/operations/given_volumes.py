"""A volume of a pool on its way to a guest: found on the host, looked up in every guest, promised to one asker.

The row says in which format a guest may read it, the host where it is: a path comes from libvirt alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from guests import resources
from guests.errors import OperationRefused, StorageNotFound
from guests.hypervisor.reading import list_guests
from guests.hypervisor.volumes import get_volume
from guests.inventory.disk_uses import (
    DiskUse,
    GuestDisks,
    VolumePaths,
    disks_of_rows,
    same_elsewhere,
    uses_by_path,
    volume_paths,
)
from guests.inventory.models import Guest
from guests.inventory.storage import Volume
from guests.inventory.volume_uses import SHARED
from guests.operations.disk_sharing import Objection, Wanted, objection
from guests.operations.kinds import Task
from guests.operations.models import Operation, OperationState, VolumeClaim
from guests.operations.upload_models import Upload

READABLE = {"raw": "raw", "iso": "raw", "qcow2": "qcow2"}  # how a volume's format is read, where it can be
KINDS = {"file", "block"}


@dataclass(frozen=True, slots=True)
class GivenVolume:
    """A volume as a guest's disk takes it."""

    row: Volume
    kind: str  # file or block
    path: str
    format: str
    capacity_bytes: int
    backing_path: str

    @property
    def is_shared_storage(self) -> bool:
        """Whether other hosts may write to it, too."""
        return self.kind == "block" or self.row.pool.kind in SHARED


def row_of(guest: Guest, parameters: dict[str, Any]) -> Volume | None:
    """The volume that parameters name by `pool` (libvirt's UUID) and `volume` (its name); None where there is none."""
    try:
        pool = UUID(str(parameters.get("pool")))
    except ValueError:
        return None
    found = Volume.objects.filter(pool__host=guest.host_id, pool__uuid=pool, name=str(parameters.get("volume")))
    return found.select_related("pool__host").first()


def find_volume(task: Task) -> GivenVolume:
    """The volume that is asked for, as its host has it now. Refused at `volume`."""
    row = row_of(task.row, task.parameters)
    if row is None:
        raise OperationRefused(_("Choose a volume of a pool of this host."), field="volume")
    try:
        volume = get_volume(task.connection, row.pool.uuid, row.name)
    except StorageNotFound as error:
        raise OperationRefused(str(error), field="volume", detail=error.detail) from error
    if volume.kind not in KINDS:
        raise OperationRefused(_("A volume of this kind cannot be attached here."), field="volume")
    if row.format not in READABLE:
        text = _("A volume of the format %(format)s cannot be attached: convert it to qcow2 or raw.")
        raise OperationRefused(text % {"format": row.format}, field="volume")
    return GivenVolume(
        row=row,
        kind=volume.kind,
        path=volume.path,
        format=READABLE[row.format],
        capacity_bytes=volume.capacity_bytes,
        backing_path=volume.backing_path if READABLE[row.format] != "raw" else "",
    )


@contextmanager
def given(task: Task, volume: GivenVolume, *, writes: bool, shareable: bool) -> Iterator[None]:
    """Meanwhile nobody else is given the volume. Refused at `volume` where others use it, or are being given it."""
    with promised(volume.row, task.row):
        _refuse_used(task, volume, writes=writes, shareable=shareable)
        yield


@contextmanager
def promised(volume: Volume, guest: Guest) -> Iterator[None]:
    """Meanwhile no other guest is given the volume. Refused at `volume` where one is just now."""
    key = claim_key(volume)
    if not _claim(key, guest):
        raise OperationRefused(_("Another operation gives this volume to a guest just now."), field="volume")
    try:
        yield
    finally:
        VolumeClaim.objects.filter(key=key, guest=guest).delete()


def claim_key(volume: Volume) -> str:
    """The same for the same storage, whichever host looks at it."""
    pool = volume.pool
    shared = pool.kind in SHARED and pool.source
    where = f"{pool.kind} {pool.source} {volume.name}" if shared else f"{pool.host_id} {volume.path}"
    return hashlib.sha256(where.encode()).hexdigest()


def _claim(key: str, guest: Guest) -> bool:
    """Promise it to this guest. A promise whose guest has no operation under way is left over: its worker died."""
    others = Operation.objects.filter(state=OperationState.RUNNING, guest__isnull=False).exclude(guest=guest)
    VolumeClaim.objects.filter(key=key).exclude(guest__in=others.values("guest")).delete()
    try:
        with transaction.atomic():
            VolumeClaim.objects.create(key=key, guest=guest)
    except IntegrityError:
        return False
    return True


def _refuse_used(task: Task, volume: GivenVolume, *, writes: bool, shareable: bool) -> None:
    """By what libvirt tells now of the guests of the host, and by the rows of other hosts that see the same storage."""
    paths = volume_paths(task.row.host)
    guests = [_disks_of(guest) for guest in list_guests(task.connection)]
    below = [volume.backing_path, *paths.chain_below(volume.backing_path)] if volume.backing_path else []
    found = why_not(task.row, volume.row, volume.path, below, guests, paths, writes=writes, shareable=shareable)
    if _is_taken_otherwise(volume.row):
        found = Objection(_("Another operation deletes this volume, or creates a guest on it, just now."))
    if found is not None:
        raise OperationRefused(found.sentence, field="volume", detail=", ".join(found.guests))


def _is_taken_otherwise(row: Volume) -> bool:
    """Whether it is being deleted, or a guest is being created on it. Whoever does that looks for promises in turn,
    after saying so: of the two one is always refused.
    """
    pool, running = str(row.pool.uuid), Operation.objects.filter(host=row.pool.host_id, state=OperationState.RUNNING)
    deletes = Q(kind="delete_volume", parameters__pool=pool, parameters__volume=row.name)
    return running.filter(deletes | Q(kind="create_guest", parameters__disk=[pool, row.name])).exists()


def is_promised(volume: Volume) -> bool:
    """Whether a guest is being given it just now."""
    running = Operation.objects.filter(state=OperationState.RUNNING, guest__isnull=False)
    return VolumeClaim.objects.filter(key=claim_key(volume), guest__in=running.values("guest")).exists()


def why_not(
    guest: Guest,
    row: Volume,
    path: str,
    below: list[str],
    guests: list[GuestDisks],
    paths: VolumePaths,
    *,
    writes: bool,
    shareable: bool,
) -> Objection | None:
    """The rule, on what these guests of the host use, and on what other hosts' rows say of the same storage."""
    if Upload.objects.filter(pool=row.pool, name=row.name).exists():
        return Objection(_("This volume is still being uploaded."))
    wanted = Wanted(guest.uuid, path, READABLE.get(row.format, row.format), below, writes, shareable)
    unknown = [lower for lower in below if lower not in paths.known]
    if unknown:
        return Objection(_("This volume lies over a file that is in no pool of its host: it is not given to a guest."))
    uses: dict[str, list[DiskUse]] = uses_by_path(guests, paths)
    others = [use for use in same_elsewhere(row) if use.guest_id != guest.uuid]  # it may have been migrated from there
    uses.setdefault(path, []).extend(others)
    return objection(wanted, uses)


def refused_by_rows(guest: Guest, row: Volume, *, writes: bool, shareable: bool) -> Objection | None:
    """The same by the rows alone: for forms, and when something is asked. Four queries."""
    paths = volume_paths(guest.host)
    below = paths.chain_below(row.path)
    return why_not(guest, row, row.path, below, disks_of_rows(guest.host), paths, writes=writes, shareable=shareable)


def _disks_of(guest: resources.Guest) -> GuestDisks:
    definitions = [definition for definition in (guest.live, guest.next_boot) if definition]
    return GuestDisks(guest.uuid, guest.name, tuple(disk for definition in definitions for disk in definition.disks))
