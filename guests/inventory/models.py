"""The projection of the hosts and their guests: written by the host worker, read by every page."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any, Protocol

from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from guests.resources import GuestState


class Revision(models.Model):
    """The number of the last change of one feed; see `changes.py`."""

    feed = models.CharField(max_length=20, primary_key=True)
    value = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.feed} {self.value}"


class HostState(models.TextChoices):
    """What the worker knows about its connection to a host."""

    CONNECTING = "connecting", _("Connecting")
    UP = "up", _("Answers")
    DEGRADED = "degraded", _("Answers in part")
    UNREACHABLE = "unreachable", _("Does not answer")
    AUTH_FAILED = "auth-failed", _("Sign-in refused")
    DISABLED = "disabled", _("Switched off")


class Host(models.Model):
    """One libvirt host, named by the operator (`GUESTHOUSE_HOSTS`)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=63, unique=True)
    uri = models.CharField(max_length=500)
    enabled = models.BooleanField(default=True)  # False once it is no longer named: rows are kept, nothing is read
    state = models.CharField(max_length=12, choices=HostState, default=HostState.CONNECTING)
    state_since = models.DateTimeField(null=True)
    message = models.CharField(max_length=500, default="", blank=True)  # a sentence for people
    detail = models.CharField(max_length=2000, default="", blank=True)  # libvirt's own words, for administrators
    seen_at = models.DateTimeField(null=True)  # the last tick that read the host
    next_try_at = models.DateTimeField(null=True)  # while it does not answer
    tick_ms = models.PositiveIntegerField(null=True)  # how long the last tick took
    tick_s = models.FloatField(default=10.0)  # how often it is read
    event_at = models.DateTimeField(null=True)  # the last libvirt event
    # Facts; empty until the host was read once.
    hostname = models.CharField(max_length=255, default="", blank=True)
    driver = models.CharField(max_length=20, default="", blank=True)
    hypervisor_version = models.CharField(max_length=40, default="", blank=True)
    libvirt_version = models.CharField(max_length=40, default="", blank=True)
    architecture = models.CharField(max_length=20, default="", blank=True)
    cpu_model = models.CharField(max_length=120, default="", blank=True)
    cpus = models.PositiveIntegerField(null=True)
    memory_kib = models.PositiveBigIntegerField(null=True)
    free_memory_kib = models.PositiveBigIntegerField(null=True)
    revision = models.BigIntegerField(default=0, db_index=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("hosts:detail", args=[self.name])

    def is_stale(self, now: datetime) -> bool:
        """Whether what we hold of it is old: it does not answer, or nobody read it for three ticks and a bit."""
        if self.state not in {HostState.UP, HostState.DEGRADED} or self.seen_at is None:
            return True
        return now - self.seen_at > timedelta(seconds=3 * self.tick_s + 10)


class HostLease(models.Model):
    """Which worker serves a host. A write for a host carries the epoch and lands only while it is the lease's."""

    host = models.OneToOneField(Host, on_delete=models.CASCADE, primary_key=True, related_name="lease")
    owner = models.CharField(max_length=100)
    epoch = models.BigIntegerField(default=0)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.owner} holds {self.host_id} ({self.epoch})"


class Tag(models.Model):
    """A word of ours on guests, that a grant or a filter can name."""

    name = models.SlugField(max_length=40, unique=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Guest(models.Model):
    """One guest of one host, as the worker last read it. Not deleted when it goes away: `gone_at` says when that was.

    A guest that was migrated keeps its row, which moves to its new host (`moving.py`).

    Rates are bytes per second; None is "not known". `definition` and `next_boot` hold `resources.Definition` as plain
    JSON (`projection.definition_from_json` brings it back).
    """

    id = models.UUIDField(primary_key=True, editable=False)
    host = models.ForeignKey(Host, on_delete=models.PROTECT, related_name="guests")
    uuid = models.UUIDField()
    name = models.TextField()
    domain_id = models.IntegerField(null=True)
    state = models.CharField(
        max_length=12, choices=[(s.value, s.value) for s in GuestState], default=GuestState.UNKNOWN
    )
    reason = models.CharField(max_length=60, default="", blank=True)
    state_since = models.DateTimeField(null=True)
    privileged = models.BooleanField(default=False)
    virtualisation = models.CharField(max_length=10, default="", blank=True)
    persistent = models.BooleanField(default=True)
    autostart = models.BooleanField(default=False)
    saved = models.BooleanField(default=False)  # its memory is on the host's disk: the next start restores it
    snapshots: models.JSONField[Any, Any] = models.JSONField(default=list)  # resources.Snapshot, oldest first
    gone_at = models.DateTimeField(null=True, db_index=True)
    came_at = models.DateTimeField(null=True)  # since when its host has it, as far as was noticed
    left_behind = models.BooleanField(default=False)  # a definition that a guest left on its host when it was migrated
    conflict = models.BooleanField(default=False)  # the same UUID stands on another host, too
    # When its host last had it, once it is gone; None before: what is shown is as old as host.seen_at.
    seen_at = models.DateTimeField(null=True)
    # Memory and vCPUs: live while active, else what the next boot takes; next_boot_* are None for a transient guest.
    current_kib = models.PositiveBigIntegerField(default=0)
    maximum_kib = models.PositiveBigIntegerField(default=0)
    next_boot_current_kib = models.PositiveBigIntegerField(null=True)
    next_boot_maximum_kib = models.PositiveBigIntegerField(null=True)
    balloon_kib = models.PositiveBigIntegerField(null=True)  # what the guest holds now; the target is current_kib
    usable_kib = models.PositiveBigIntegerField(null=True)
    has_balloon = models.BooleanField(default=False)
    vcpus_current = models.PositiveIntegerField(default=0)
    vcpus_maximum = models.PositiveIntegerField(default=0)
    next_boot_vcpus_current = models.PositiveIntegerField(null=True)
    next_boot_vcpus_maximum = models.PositiveIntegerField(null=True)
    definition: models.JSONField[Any, Any] = models.JSONField(default=dict)
    next_boot: models.JSONField[Any, Any] = models.JSONField(null=True)
    disk_usage: models.JSONField[Any, Any] = models.JSONField(default=list)  # DiskUsage as JSON, with rates
    nic_usage: models.JSONField[Any, Any] = models.JSONField(default=list)
    macs = models.TextField(default="", blank=True)  # space-separated, lower case: for search
    cpu_percent = models.FloatField(null=True)  # of all its current vCPUs: 0 to 100
    disk_read_rate = models.FloatField(null=True)
    disk_written_rate = models.FloatField(null=True)
    received_rate = models.FloatField(null=True)
    sent_rate = models.FloatField(null=True)
    # The last hour, oldest first, one number a minute ("" where not known), comma-separated: CPU % for the sparkline.
    # The last number is of the minute `history_minute` (since 1970) and moves with every tick.
    cpu_history = models.TextField(default="", blank=True)
    history_minute = models.PositiveIntegerField(null=True)
    tags = models.ManyToManyField(Tag, blank=True, related_name="guests")
    revision = models.BigIntegerField(default=0, db_index=True)

    class Meta:
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(fields=["host", "uuid"], name="one_row_per_host_and_uuid")]
        indexes = [models.Index(fields=["uuid"]), models.Index(fields=["state"]), models.Index(fields=["name"])]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("guests:detail", args=[self.id])

    @property
    def is_active(self) -> bool:
        """Whether it has a domain id now."""
        return GuestState(self.state).is_active

    @property
    def used_kib(self) -> int | None:
        """What the guest uses, KiB; see `memory_in_use`."""
        return memory_in_use(self)


class MACUse(models.Model):
    """A guest that has a MAC, now or from its next boot on; see `mac_uses.py`."""

    guest = models.ForeignKey(Guest, on_delete=models.CASCADE, related_name="mac_uses")
    mac = models.CharField(max_length=17, db_index=True)  # lower case, colons
    since = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["guest", "mac"], name="one_row_per_guest_and_mac")]

    def __str__(self) -> str:
        return f"{self.mac} of {self.guest_id}"


class Holding(Protocol):
    """What is needed to say what a guest uses: the model, or a row of some of its columns."""

    @property
    def current_kib(self) -> int: ...

    @property
    def balloon_kib(self) -> int | None: ...

    @property
    def usable_kib(self) -> int | None: ...

    @property
    def is_active(self) -> bool: ...


def memory_in_use(guest: Holding) -> int | None:
    """What the guest holds less what could be taken away, KiB; None without balloon statistics or while shut off."""
    if guest.usable_kib is None or not guest.is_active:
        return None
    return max(0, (guest.balloon_kib or guest.current_kib) - guest.usable_kib)
