"""Tickets to graphical consoles, the record of every console that was opened, and what guests have set."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from guests.inventory.models import Guest, Host


class Mode(models.TextChoices):
    """What a person may do at a console; decided by the server, never by the browser."""

    WATCH = "watch", _("Watcher")
    CONTROL = "control", _("Controller")


class Kind(models.TextChoices):
    """Text or graphical."""

    TEXT = "text", _("Text console")
    VNC = "vnc", _("Graphical console")


class Sharing(models.TextChoices):
    """Whose keys go to a guest's text console."""

    ALL = "all", _("Everybody who may type")
    ONE = "one", _("One person at a time")


class ScreenRecordings(models.TextChoices):
    """Whether the graphical consoles of a guest are recorded, each connection for itself."""

    OFF = "off", _("Not recorded")
    ON = "on", _("Recorded; a console goes on when its recording cannot")
    MUST = "must", _("Recorded; a console ends when its recording cannot go on")


class RecordingEnd(models.TextChoices):
    """Why a recording of a screen is over."""

    LEFT = "left", _("to the end of the console")
    SIZE = "size", _("until its size was reached")
    DISK = "disk", _("until the disk was full")
    SLOW = "slow", _("until the disk was too slow")
    FAILED = "failed", _("until the disk refused")
    RESTART = "restart", _("until the console server was restarted")


class ConsoleSetting(models.Model):
    """How a guest's consoles are shared and recorded; a guest without a row has the defaults."""

    guest = models.OneToOneField(Guest, on_delete=models.CASCADE, primary_key=True, related_name="console_setting")
    keyboard = models.CharField(max_length=3, choices=Sharing, default=Sharing.ALL)
    record = models.BooleanField(default=False)  # always: then nobody else on the host can open the console
    screen = models.CharField(max_length=4, choices=ScreenRecordings, default=ScreenRecordings.OFF)

    def __str__(self) -> str:
        return f"consoles of {self.guest_id}: {self.keyboard}, {'recorded' if self.record else 'not recorded'}"


class Ticket(models.Model):
    """A single-use pass to a graphical console; only its SHA-256 is kept."""

    token_hash = models.CharField(max_length=64, primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    session_hash = models.CharField(max_length=64)  # SHA-256 of the session key it was given to
    guest = models.ForeignKey(Guest, on_delete=models.CASCADE, related_name="+")
    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="+")  # where the guest was then
    kind = models.CharField(max_length=4, choices=Kind)
    mode = models.CharField(max_length=7, choices=Mode)
    record = models.BooleanField(default=False)  # the person wants this connection recorded
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True)

    session_data: str | None  # what is stored of the session that came with it: `tickets.look_up`

    def __str__(self) -> str:
        return f"ticket of {self.user_id} to {self.guest_id}"


class ConsoleSession(models.Model):
    """One console of one person, open while `ended_at` is empty."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=4, choices=Kind)
    mode = models.CharField(max_length=7, choices=Mode)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="console_sessions")
    session_hash = models.CharField(max_length=64)
    guest = models.ForeignKey(Guest, on_delete=models.CASCADE, related_name="console_sessions")
    device = models.CharField(max_length=40, default="", blank=True)
    peer = models.CharField(max_length=60, default="", blank=True)
    started_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, db_index=True)
    reason = models.CharField(max_length=120, default="", blank=True)
    sent_away_by = models.CharField(max_length=150, default="", blank=True)  # an administrator's name
    sent_away_because = models.CharField(max_length=80, default="", blank=True)
    bytes_in = models.BigIntegerField(default=0)  # from the person
    bytes_out = models.BigIntegerField(default=0)  # to the person

    class Meta:
        ordering = ["-started_at"]

    def __str__(self) -> str:
        return f"{self.kind} console of {self.guest_id} for {self.user_id}"

    def farewell(self) -> str:
        """For somebody who is sent away, in the active language."""
        sentence = gettext("%(name)s closed this console.") % {"name": self.sent_away_by}
        return f"{sentence} {self.sent_away_because}".strip()


class ScreenRecording(models.Model):
    """One recording of one graphical console; its file lies with the console server (`vnc.recording_file`)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    guest = models.ForeignKey(Guest, on_delete=models.CASCADE, related_name="screen_recordings")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    user_name = models.CharField(max_length=150)
    mode = models.CharField(max_length=7, choices=Mode)
    started_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)  # empty while it grows
    end = models.CharField(max_length=7, choices=RecordingEnd, default="", blank=True)
    milliseconds = models.PositiveBigIntegerField(default=0)
    size = models.PositiveBigIntegerField(default=0)  # bytes

    class Meta:
        ordering = ["-started_at"]
        indexes = [models.Index(fields=["guest", "-started_at"])]

    def __str__(self) -> str:
        return f"recording of {self.guest_id} for {self.user_name}"

    @property
    def seconds(self) -> float:
        """How long it plays."""
        return self.milliseconds / 1000
