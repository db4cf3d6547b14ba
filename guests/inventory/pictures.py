"""Small pictures of guests' screens: taken by the host worker while somebody looks, read by pages.

A page says which guests it shows (`mark_looked_at`, at most every MARK_SECONDS); the worker finds them
(`guests_looked_at`), and stores what it took. What nobody looked at for KEPT is thrown away, but what a guest showed
that was saved to disk: that stays as long as the guest is saved.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import models
from django.db.models import Q
from django.utils import timezone

from guests.inventory.changes import Feed, next_revision
from guests.inventory.leases import Lease, fenced
from guests.inventory.looking import Looked, mark
from guests.inventory.models import Guest
from guests.resources import GuestState

MARK_SECONDS = 10.0
LOOKED_SECONDS = 25.0  # so long after a mark somebody is taken to look: two marks and a bit
KEPT = timedelta(hours=1)
_ACTIVE = [state.value for state in GuestState if state.is_active]


class Problem(models.TextChoices):
    """Why the last picture could not be taken; pages have the words (`guests.views.pictures_shown`)."""

    NONE = "", "none"
    UNSUPPORTED = "unsupported", "the driver has no screenshots"
    NO_SCREEN = "no-screen", "no video device"
    HANGS = "hangs", "the guest did not answer in time"
    FAILED = "failed", "the host refused, or what it sent is no image"


class LookedAt(models.Model):
    """When somebody last looked at a guest's screen."""

    guest = models.OneToOneField(Guest, on_delete=models.CASCADE, primary_key=True, related_name="looked_at")
    at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.guest_id} looked at {self.at}"


class Picture(models.Model):
    """The last picture of a guest's screen, and how the last attempt went."""

    guest = models.OneToOneField(Guest, on_delete=models.CASCADE, primary_key=True, related_name="picture")
    domain_id = models.IntegerField(null=True)  # the life of the guest that it shows
    taken_at = models.DateTimeField(null=True)  # when the screen was last seen like this
    problem = models.CharField(max_length=12, choices=Problem, default=Problem.NONE, blank=True)
    digest = models.CharField(
        max_length=32, default="", blank=True
    )  # of the screen as the host sent it; "": no picture
    width = models.PositiveIntegerField(default=0)  # of the picture
    height = models.PositiveIntegerField(default=0)
    screen_width = models.PositiveIntegerField(default=0)
    screen_height = models.PositiveIntegerField(default=0)
    content = models.BinaryField(default=b"")  # PNG; last, so that the other columns are read without it

    def __str__(self) -> str:
        return f"picture of {self.guest_id}"


@dataclass(frozen=True, slots=True)
class Scaled:
    """A picture ready to be stored: PNG, no larger than pages show it."""

    content: bytes
    width: int
    height: int
    screen_width: int
    screen_height: int


def mark_looked_at(guests: Iterable[UUID]) -> None:
    """Somebody looks at these guests. The caller checked that they may be watched; marks again after MARK_SECONDS."""
    mark(LookedAt, "at", guests, MARK_SECONDS)


def _since() -> Q:
    return Q(looked_at__at__gt=timezone.now() - timedelta(seconds=LOOKED_SECONDS))


def hosts_looked_at(hosts: Iterable[UUID]) -> set[UUID]:
    """Those of these hosts on which somebody looks at a guest."""
    found = Guest.objects.filter(_since(), host__in=hosts, gone_at=None, state__in=_ACTIVE).order_by()
    return set(found.values_list("host_id", flat=True).distinct())


def guests_looked_at(host_id: UUID) -> list[Looked]:
    """The guests of a host of which pictures are wanted, the one whose picture is oldest first."""
    found = Guest.objects.filter(_since(), host_id=host_id, gone_at=None, state__in=_ACTIVE)
    rows = found.order_by(models.F("picture__taken_at").asc(nulls_first=True), "id")
    return [Looked(*row) for row in rows.values_list("id", "uuid", "domain_id")]


def is_unchanged(lease: Lease, guest: Looked, digest: str) -> bool:
    """Whether the stored picture shows just this; it is of now, then."""
    with fenced(lease):
        same = Picture.objects.filter(pk=guest.id, domain_id=guest.domain_id, digest=digest)
        changed = same.exclude(problem=Problem.NONE).update(taken_at=timezone.now(), problem=Problem.NONE)
        if changed:
            _hint(guest)
        return bool(changed or same.update(taken_at=timezone.now()))


def store_picture(lease: Lease, guest: Looked, digest: str, scaled: Scaled) -> None:
    """A new picture; pages that show the guest hear of it."""
    with fenced(lease):
        Picture.objects.update_or_create(
            guest_id=guest.id,
            defaults={
                "domain_id": guest.domain_id,
                "taken_at": timezone.now(),
                "problem": Problem.NONE,
                "digest": digest,
                "width": scaled.width,
                "height": scaled.height,
                "screen_width": scaled.screen_width,
                "screen_height": scaled.screen_height,
                "content": scaled.content,
            },
        )
        _hint(guest)


def store_problem(lease: Lease, guest: Looked, problem: Problem) -> None:
    """No picture this time; the last one stays, with its age."""
    with fenced(lease):
        if Picture.objects.filter(pk=guest.id, problem=problem).exists():
            return
        Picture.objects.update_or_create(guest_id=guest.id, defaults={"problem": problem})
        _hint(guest)


def forget_pictures(lease: Lease) -> None:
    """Throw away what nobody looked at for an hour, of guests of this host that are not saved to disk."""
    since = timezone.now() - KEPT
    with fenced(lease):
        here = Picture.objects.filter(guest__host=lease.host_id, guest__saved=False)
        seldom = Q(guest__looked_at__at__lt=since) | Q(guest__looked_at=None, taken_at__lt=since)
        gone = list(here.filter(seldom).values_list("pk", flat=True))
        if gone:
            Picture.objects.filter(pk__in=gone).delete()
        LookedAt.objects.filter(guest__host=lease.host_id, at__lt=since).delete()


def _hint(guest: Looked) -> None:
    """Inside a transaction: the guest's row changed, so pages that show it fetch it again."""
    Guest.objects.filter(pk=guest.id).update(revision=next_revision(Feed.INVENTORY))
