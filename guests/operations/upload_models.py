"""Uploads that are under way: how much of a volume its host has got. Gone when the upload ended."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from guests.inventory.storage import Pool


class Upload(models.Model):
    """One volume that somebody fills from their browser. It is raw until all of it is there and was looked at."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    pool = models.ForeignKey(Pool, on_delete=models.CASCADE, related_name="uploads")
    name = models.TextField()
    format = models.CharField(max_length=10)  # what it becomes at the end
    size_bytes = models.BigIntegerField()
    received_bytes = models.BigIntegerField(default=0)  # what the host has written: a break goes on from here
    fingerprint = models.CharField(max_length=64)  # SHA-256 of the file's first MiB: so that no other file goes on
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    by_name = models.CharField(max_length=150)
    began_at = models.DateTimeField(auto_now_add=True)
    moved_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["began_at"]
        constraints = [models.UniqueConstraint(fields=["pool", "name"], name="one_upload_per_volume")]

    def __str__(self) -> str:
        return f"{self.name}: {self.received_bytes} of {self.size_bytes}"

    @property
    def percent(self) -> int:
        """0 to 100."""
        return 100 * self.received_bytes // self.size_bytes if self.size_bytes else 100
