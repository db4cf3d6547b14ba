"""The append-only record of who did what, and the chain that shows whether it was touched."""

from __future__ import annotations

from typing import Any, NoReturn

from django.conf import settings
from django.db import models
from django.utils import timezone

from guests.audit.chain import digest_of
from guests.prepared import PreparedInsert


class AuditRecord(models.Model):
    """One line of the record. Names are copied, so a line still speaks when its user or guest is gone."""

    at = models.DateTimeField(default=timezone.now, db_index=True)
    action = models.CharField(max_length=60)  # dotted: "guest.resize_memory", "console.open", "account.sign_in"
    outcome = models.CharField(max_length=10)  # ok, failed, denied
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    user_name = models.CharField(max_length=150, default="", blank=True)
    guest = models.ForeignKey(
        "guests.Guest", null=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    guest_name = models.TextField(default="", blank=True)
    host_name = models.CharField(max_length=63, default="", blank=True)
    address = models.CharField(max_length=45, default="", blank=True)
    detail: models.JSONField[Any, Any] = models.JSONField(default=dict)
    digest = models.CharField(max_length=64, default="", editable=False)  # SHA-256 of the line: see chain.py

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["action", "-id"], name="audit_by_action"),
            models.Index(fields=["user_name", "-id"], name="audit_by_person"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.user_name} {self.action} {self.guest_name} {self.outcome}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Add a line; a line that stands is never written again."""
        if not self._state.adding:
            raise TypeError("audit records are append-only")
        self.digest = digest_of(self)
        _ADDED.save(self)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Never."""
        raise TypeError("audit records are append-only")


_ADDED = PreparedInsert(AuditRecord)


class AuditLink(models.Model):
    """A line's place in the chain. Written by the database itself, never by us."""

    position = models.BigIntegerField(primary_key=True)  # 1, 2, 3 … in the order of the commits
    # No constraint: a line that was removed must be found missing, not take its link along.
    record = models.OneToOneField(AuditRecord, on_delete=models.DO_NOTHING, db_constraint=False, related_name="link")
    hash = models.CharField(max_length=64)

    class Meta:
        ordering = ["position"]

    def __str__(self) -> str:
        return f"{self.position} {self.hash}"
