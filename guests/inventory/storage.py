"""Storage pools and volumes of the hosts as rows: written by the worker, read by every page; and who uses a volume."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from guests import resources
from guests.inventory.changes import Feed, next_revision
from guests.inventory.leases import Lease, fenced
from guests.inventory.models import Host


class PoolProblem(models.TextChoices):
    """Why a pool could not be read."""

    NONE = "", ""
    HANGS = "hangs", _("Does not answer")
    FAILED = "failed", _("Cannot be read")


class Pool(models.Model):
    """One storage pool of one host; gone with its pool."""

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="pools")
    uuid = models.UUIDField()
    name = models.TextField()
    kind = models.CharField(max_length=20)  # dir, fs, netfs, logical, disk, iscsi, rbd …
    active = models.BooleanField(default=False)
    persistent = models.BooleanField(default=True)
    autostart = models.BooleanField(default=False)
    path = models.TextField(blank=True)
    source = models.TextField(blank=True)
    capacity_bytes = models.BigIntegerField(default=0)
    allocation_bytes = models.BigIntegerField(default=0)
    available_bytes = models.BigIntegerField(default=0)
    problem = models.CharField(max_length=6, choices=PoolProblem, default=PoolProblem.NONE, blank=True)
    detail = models.CharField(max_length=2000, default="", blank=True)  # libvirt's own words, for administrators
    read_at = models.DateTimeField(null=True)  # when what stands here was last true
    revision = models.BigIntegerField(default=0)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["host", "uuid"], name="one_row_per_host_and_pool")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("guests:pool", args=[self.pk])

    @property
    def used_bytes(self) -> int:
        """What is taken of it, by whatever is in it."""
        return max(0, self.capacity_bytes - self.available_bytes)

    @property
    def used_percent(self) -> int | None:
        """How full it is, 0 to 100; None where that is not known."""
        if not self.capacity_bytes:
            return None
        return min(100, round(100 * self.used_bytes / self.capacity_bytes))


class Volume(models.Model):
    """One volume of one pool. While its pool is inactive it stands as it was last read.

    `format` is what a guest's disk is given, never what libvirt sees in it: a guest can write into a raw disk what
    makes it look like a qcow2 image over a file of the host. It is what the volume was made as, or what it was when it
    was first seen, and stays. `seen_format` follows what libvirt sees.
    """

    pool = models.ForeignKey(Pool, on_delete=models.CASCADE, related_name="volumes")
    name = models.TextField()
    key = models.TextField(blank=True)
    path = models.TextField(db_index=True)
    format = models.CharField(max_length=20)
    seen_format = models.CharField(max_length=20)
    kind = models.CharField(max_length=10)  # file, block, dir, network, netdir
    capacity_bytes = models.BigIntegerField(default=0)
    allocation_bytes = models.BigIntegerField(default=0)
    backing_path = models.TextField(blank=True)
    revision = models.BigIntegerField(default=0)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["pool", "name"], name="one_row_per_pool_and_volume")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("guests:volume", args=[self.pk])

    @property
    def is_media(self) -> bool:
        """Whether it is a CD or DVD image, by its format or its name: it goes into a drive."""
        return self.seen_format == "iso" or self.name.lower().endswith(".iso")

    @property
    def looks_otherwise(self) -> bool:
        """Whether what is in it looks like another format than the one that it is used as."""
        return looks_otherwise(self.format, self.seen_format)


def looks_otherwise(format: str, seen: str) -> bool:
    """Whether libvirt sees another format in a volume than it has; a CD image is raw."""
    return seen != format and (format, seen) != ("raw", "iso")


POOL_COLUMNS = (
    "name",
    "kind",
    "active",
    "persistent",
    "autostart",
    "path",
    "source",
    "capacity_bytes",
    "allocation_bytes",
    "available_bytes",
)
VOLUME_COLUMNS = (
    "name",
    "key",
    "path",
    "seen_format",
    "kind",
    "capacity_bytes",
    "allocation_bytes",
    "backing_path",
)


def keep_pool(lease: Lease, pool: resources.Pool, since: int) -> bool:
    """Make the rows of a pool and its volumes say what was read; only what differs is written. Raises LeaseLost.

    `since` is `current_revision(Feed.INVENTORY)` of the moment before libvirt was asked. False, and nothing written,
    where somebody wrote what is newer: read again.
    """
    columns = {name: getattr(pool, name) for name in POOL_COLUMNS} | {"problem": PoolProblem.NONE, "detail": ""}
    row = Pool.objects.filter(host=lease.host_id, uuid=pool.uuid).first()
    if row is not None and row.revision > since:
        return False
    volumes = {} if row is None else {volume.name: volume for volume in row.volumes.all()}
    read = None if pool.volumes is None else {volume.name: _columns(volume) for volume in pool.volumes}
    made, moved, gone = _differences(volumes, read)
    changed = row is None or any(getattr(row, name) != value for name, value in columns.items())
    with fenced(lease):
        now = {"read_at": timezone.now()}
        if row is not None and not (changed or made or moved or gone):
            Pool.objects.filter(pk=row.pk).update(**now)
            return True
        revision = next_revision(Feed.INVENTORY)
        if row is None:
            row, is_new = Pool.objects.get_or_create(host_id=lease.host_id, uuid=pool.uuid, defaults=columns)
            if not is_new:
                return False
        if not Pool.objects.filter(pk=row.pk, revision=row.revision).update(**columns, **now, revision=revision):
            return False
        Volume.objects.filter(pool=row, name__in=gone).delete()
        Volume.objects.bulk_create([Volume(pool=row, format=_given(new), revision=revision, **new) for new in made])
        for volume, new in moved:
            Volume.objects.filter(pk=volume.pk).update(revision=revision, **new)
        Host.objects.filter(pk=lease.host_id).update(revision=revision)
    return True


def _differences(
    rows: dict[str, Volume], read: dict[str, dict[str, Any]] | None
) -> tuple[list[dict[str, Any]], list[tuple[Volume, dict[str, Any]]], list[str]]:
    """New volumes, changed ones with their columns, and the names of those that are gone."""
    if read is None:
        return [], [], []
    made = [columns for name, columns in read.items() if name not in rows]
    moved = [
        (rows[name], columns)
        for name, columns in read.items()
        if name in rows and any(getattr(rows[name], column) != value for column, value in columns.items())
    ]
    return made, moved, [name for name in rows if name not in read]


def _columns(volume: resources.Volume) -> dict[str, Any]:
    return {name: volume.format if name == "seen_format" else getattr(volume, name) for name in VOLUME_COLUMNS}


def _given(columns: dict[str, Any]) -> str:
    """The format of a volume that is seen for the first time: a CD image is handed to a guest as it lies."""
    return "raw" if columns["seen_format"] == "iso" else str(columns["seen_format"])


def keep_format(lease: Lease, pool: UUID, name: str, format: str) -> None:
    """Remember as what a volume was made. A reading of the pool that began before is outdated by this."""
    with fenced(lease):
        row = Pool.objects.filter(host=lease.host_id, uuid=pool).first()
        if row is None:
            return
        revision = next_revision(Feed.INVENTORY)
        Pool.objects.filter(pk=row.pk).update(revision=revision)
        Volume.objects.update_or_create(
            pool=row,
            name=name,
            defaults={"format": format, "revision": revision},
            create_defaults={"format": format, "seen_format": format, "revision": revision},
        )


def mark_pool(lease: Lease, pool: UUID, problem: PoolProblem, detail: str = "") -> None:
    """Say that a pool could not be read; what was read before stays, with its age."""
    told = {"problem": problem, "detail": detail[:2000]}
    rows = Pool.objects.filter(host=lease.host_id, uuid=pool)
    if not rows.exclude(**told).exists():
        return
    with fenced(lease):
        revision = next_revision(Feed.INVENTORY)
        rows.update(**told, revision=revision)
        Host.objects.filter(pk=lease.host_id).update(revision=revision)


def known_pools(lease: Lease) -> list[UUID]:
    """The pools of a host by their rows."""
    return list(Pool.objects.filter(host=lease.host_id).order_by("name").values_list("uuid", flat=True))


def drop_pools_except(lease: Lease, uuids: Collection[UUID]) -> None:
    """The host has these pools and no others."""
    gone = Pool.objects.filter(host=lease.host_id).exclude(uuid__in=uuids)
    if not gone.exists():
        return
    with fenced(lease):
        gone.delete()
        Host.objects.filter(pk=lease.host_id).update(revision=next_revision(Feed.INVENTORY))


def lose_pool(lease: Lease, uuid: UUID) -> None:
    """The host does not have this pool any more."""
    drop_pools_except(lease, [known for known in known_pools(lease) if known != uuid])


def volumes_by_path(host: Host, paths: Iterable[str]) -> dict[str, Volume]:
    """The volumes that store the disks with these source paths, with their pools. One query."""
    found = Volume.objects.filter(pool__host=host, path__in=[path for path in paths if path]).select_related("pool")
    return {volume.path: volume for volume in found}


def media_of(host: Host) -> list[Volume]:
    """What can be put into a drive of this host's guests: CD and DVD images of pools that are there. One query."""
    images = models.Q(seen_format="iso") | models.Q(name__iendswith=".iso")
    found = Volume.objects.filter(images, pool__host=host, pool__active=True, pool__problem=PoolProblem.NONE)
    return list(found.select_related("pool").order_by("name"))


def is_old(pool: Pool, now: datetime, seconds: float) -> bool:
    """Whether what stands here was read too long ago to be relied on."""
    return pool.read_at is None or (now - pool.read_at).total_seconds() > seconds
