"""What was asked of a guest or host, by whom, and what came of it: the queue and the history."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import models
from django.utils.translation import gettext_lazy as _

from guests.access.tokens import APIToken, bearer
from guests.inventory.models import Guest, Host


class OperationState(models.TextChoices):
    """queued → running → waiting (for the guest) → one of the ends."""

    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    WAITING = "waiting", _("Waiting")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")
    DENIED = "denied", _("Denied")
    UNKNOWN = "unknown", _("Unknown")

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self in {self.DONE, self.FAILED, self.DENIED, self.UNKNOWN}


class Operation(models.Model):
    """One change that somebody asked for. Written by the asker once, then only by the host's worker."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=40)  # a key of KINDS: start, shut_down …, or, without a guest, of HOST_KINDS
    host = models.ForeignKey(Host, on_delete=models.PROTECT, related_name="operations")
    guest = models.ForeignKey(Guest, null=True, on_delete=models.PROTECT, related_name="operations")
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="operations"
    )
    asked_by_name = models.CharField(max_length=150)
    asked_with = models.ForeignKey(APIToken, null=True, on_delete=models.SET_NULL, related_name="+")
    asked_at = models.DateTimeField(auto_now_add=True, db_index=True)
    language = models.CharField(max_length=10, default="", blank=True)  # the asker's: the worker answers in it
    idempotency_key = models.CharField(max_length=64)
    parameters: models.JSONField[Any, Any] = models.JSONField(default=dict)  # what was wanted
    before: models.JSONField[Any, Any] = models.JSONField(
        default=dict
    )  # what the form showed; checked again by the worker
    after: models.JSONField[Any, Any] = models.JSONField(default=dict)  # what was read back
    state = models.CharField(max_length=8, choices=OperationState, default=OperationState.QUEUED)
    message = models.CharField(max_length=500, default="", blank=True)  # a sentence for people
    detail = models.CharField(max_length=2000, default="", blank=True)  # libvirt's own words, for administrators
    field = models.CharField(max_length=40, default="", blank=True)  # the form field that a refusal belongs to
    # How far the guest came, of how much: KiB moved by the balloon, seconds waited for a shut-down,
    # bytes sent to another host or to disk.
    progress_done = models.BigIntegerField(null=True)
    progress_total = models.BigIntegerField(null=True)
    progress_rate = models.BigIntegerField(null=True)  # of what is counted, per second
    cancel_asked = models.BooleanField(default=False)
    epoch = models.BigIntegerField(default=0)  # of the lease of the worker that runs it
    started_at = models.DateTimeField(null=True)
    moved_at = models.DateTimeField(null=True)  # when progress was last seen
    ended_at = models.DateTimeField(null=True)  # None while unknown: the host will be asked what came of it
    revision = models.BigIntegerField(default=0, db_index=True)

    class Meta:
        ordering = ["-asked_at"]
        constraints = [models.UniqueConstraint(fields=["asked_by", "idempotency_key"], name="one_operation_per_key")]
        indexes = [
            models.Index(fields=["host", "state"]),
            models.Index(fields=["guest", "-asked_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.guest or self.host} ({self.state})"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return OperationState(self.state).is_over

    @property
    def room(self) -> str:
        """What the audit record calls it a thing of: a guest's or a host's."""
        return "guest" if self.guest_id else "host"

    @property
    def asker(self) -> AbstractBaseUser | None:
        """Who asked, as they came: with a token they may no more than it gives when the operation begins."""
        return bearer(self.asked_with) if self.asked_with else self.asked_by


class MACReservation(models.Model):
    """A MAC that was promised to a NIC which its guest does not have yet; see `mac_pools.py`."""

    mac = models.CharField(max_length=17, unique=True)  # so that of two who draw the same at once one draws again
    guest = models.ForeignKey(Guest, null=True, on_delete=models.CASCADE, related_name="mac_reservations")
    reserved_at = models.DateTimeField(auto_now_add=True, db_index=True)

    def __str__(self) -> str:
        return self.mac


class VolumeClaim(models.Model):
    """A volume that is being given to a guest just now; see `given_volumes.py`."""

    key = models.CharField(max_length=64, unique=True)  # so that of two who want it at once one is refused
    guest = models.ForeignKey(Guest, on_delete=models.CASCADE, related_name="+")

    def __str__(self) -> str:
        return f"{self.key[:12]} for {self.guest_id}"
