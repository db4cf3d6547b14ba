"""What guests' definitions say as text: the live one of now, and every version of what the next boot takes.

Written by the worker with the rows of the guests, from the XML that it reads for them anyway, and only when it says
something else than before. Kept apart from `Guest`: no list ever reads it. Compressed; without secrets, as read.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from django.db import models
from django.db.models import F, Max, Q, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from guests import resources
from guests.hypervisor.definition_text import digest_of
from guests.inventory.models import Guest

# The last versions of a guest are kept however old they are, and recent ones as long as they are not too many.
KEPT_ALWAYS, KEPT_AT_MOST = 200, 1000
KEPT_FOR = timedelta(days=90)


class LiveDefinition(models.Model):
    """What a running guest is made of."""

    guest = models.OneToOneField(Guest, on_delete=models.CASCADE, primary_key=True, related_name="live_definition")
    digest = models.CharField(max_length=64)
    content = models.BinaryField()  # last, so that the other columns are read without it

    def __str__(self) -> str:
        return f"live definition of {self.guest_id}"

    @property
    def xml(self) -> str:
        """The text."""
        return expanded(self.content)


class DefinitionVersion(models.Model):
    """What the next boot of a guest took from `seen_at` on; the newest one is what it takes now."""

    guest = models.ForeignKey(Guest, on_delete=models.CASCADE, related_name="definition_versions")
    seen_at = models.DateTimeField(default=timezone.now)
    digest = models.CharField(max_length=64)
    # What made it, of what was asked here. None: it stood when the guest was first seen, or came from elsewhere.
    operation = models.ForeignKey("guests.Operation", null=True, on_delete=models.SET_NULL, related_name="+")
    content = models.BinaryField()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["guest", "-id"])]

    def __str__(self) -> str:
        return f"definition {self.pk} of {self.guest_id}"

    @property
    def xml(self) -> str:
        """The text."""
        return expanded(self.content)


def packed(xml: str) -> bytes:
    """A text as it is stored."""
    return zlib.compress(xml.encode())


def expanded(content: bytes | memoryview) -> str:
    """The text that `packed` stored."""
    return zlib.decompress(content).decode()


def newest_version(guest: Guest) -> DefinitionVersion | None:
    """What the next boot takes, as it was read last; None for a transient guest, or one that was never read."""
    return guest.definition_versions.first() if guest.next_boot is not None else None


def live_xml(guest: Guest) -> str:
    """The text of what runs, as it was read last; "" while it is off."""
    found = LiveDefinition.objects.filter(pk=guest.pk).first() if guest.is_active else None
    return found.xml if found else ""


@dataclass
class DefinitionTexts:
    """What stands in the tables for the guests of one host, so that only what differs is written."""

    live: dict[UUID, str] = field(default_factory=dict)  # digests by Guest.pk
    next_boot: dict[UUID, str] = field(default_factory=dict)
    _seen: dict[UUID, tuple[int, int]] = field(default_factory=dict)  # hashes of the texts that were compared last

    @classmethod
    def of_host(cls, host_id: UUID) -> DefinitionTexts:
        """Two queries."""
        newest = DefinitionVersion.objects.order_by().values("guest").annotate(newest=Max("pk")).values("newest")
        versions = DefinitionVersion.objects.filter(pk__in=newest.filter(guest__host=host_id)).order_by()
        return cls(
            live=dict(LiveDefinition.objects.filter(guest__host=host_id).values_list("guest_id", "digest")),
            next_boot=dict(versions.values_list("guest_id", "digest")),
        )

    def is_known(self, row: Guest, guest: resources.Guest) -> bool:
        """Whether nothing is to be written for this guest; nothing is parsed where its XML is what it was."""
        if row._state.adding:
            return not (guest.live_xml or guest.next_boot_xml)
        texts = hash(guest.live_xml), hash(guest.next_boot_xml)
        if self._seen.get(row.pk) != texts:
            if _news(guest.live_xml, self.live.get(row.pk)) or _news(guest.next_boot_xml, self.next_boot.get(row.pk)):
                return False
            self._seen[row.pk] = texts
        return True

    def keep(self, read: Iterable[tuple[Guest, resources.Guest]]) -> None:
        """Write what differs, of rows that stand in their table; inside a transaction that the caller holds."""
        live, versions = [], []
        for row, guest in read:
            if digest := _news(guest.live_xml, self.live.get(row.pk)):
                live.append(LiveDefinition(guest=row, digest=digest, content=packed(guest.live_xml)))
                self.live[row.pk] = digest
            if digest := _news(guest.next_boot_xml, self.next_boot.get(row.pk)):
                versions.append(DefinitionVersion(guest=row, digest=digest, content=packed(guest.next_boot_xml)))
                self.next_boot[row.pk] = digest
            self._seen[row.pk] = hash(guest.live_xml), hash(guest.next_boot_xml)
        if live:
            LiveDefinition.objects.bulk_create(
                live, update_conflicts=True, unique_fields=["guest"], update_fields=["digest", "content"]
            )
        if versions:
            DefinitionVersion.objects.bulk_create(versions)
            forget_old_versions({version.guest_id for version in versions})


def _news(xml: str, known: str | None) -> str:
    """The digest of a text that says something else than what is known; "" for one that does not."""
    digest = digest_of(xml) if xml else ""
    return "" if digest == known else digest


def forget_old_versions(guests: Iterable[UUID]) -> None:
    """Delete what is too old or too many, of these guests. Two statements."""
    numbered = DefinitionVersion.objects.filter(guest__in=guests).annotate(
        number=Window(RowNumber(), partition_by=F("guest"), order_by=F("id").desc())
    )
    old = Q(number__gt=KEPT_ALWAYS, seen_at__lt=timezone.now() - KEPT_FOR) | Q(number__gt=KEPT_AT_MOST)
    forgotten = list(numbered.filter(old).order_by().values_list("pk", flat=True))
    if forgotten:
        DefinitionVersion.objects.filter(pk__in=forgotten).delete()


def move_definitions(left: Guest, came: Guest) -> None:
    """What was read of a guest on its new host belongs to the row that moves there; a version that says nothing new
    is none.
    """
    newest = left.definition_versions.values_list("digest", flat=True).first()
    for version in came.definition_versions.order_by("id").defer("content"):
        if version.digest == newest:
            version.delete()
        else:
            DefinitionVersion.objects.filter(pk=version.pk).update(guest=left)
            newest = version.digest
    LiveDefinition.objects.filter(guest=left).delete()
    LiveDefinition.objects.filter(guest=came).update(guest=left)
