"""The append-only record of who did what."""

from __future__ import annotations

from typing import Any, NoReturn

from django.conf import settings
from django.db import models


class AuditRecord(models.Model):
    """One line of the record. Names are copied, so a line still speaks when its user or guest is gone."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
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

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.user_name} {self.action} {self.guest_name} {self.outcome}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Add a line; a line that stands is never written again."""
        if not self._state.adding:
            raise TypeError("audit records are append-only")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Never."""
        raise TypeError("audit records are append-only")
