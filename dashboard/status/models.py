"""Status pages: chosen guests, shown read-only to people without an account."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.urls import reverse

from guests.inventory.models import Guest


class StatusPage(models.Model):
    """One page. Nobody sees it signed out until `published` is set."""

    slug = models.SlugField(max_length=64, unique=True)
    title = models.CharField(max_length=120)
    published = models.BooleanField(default=False)
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)
    guests: models.ManyToManyField[Guest, StatusPageGuest] = models.ManyToManyField(Guest, through="StatusPageGuest")

    class Meta:
        ordering = ["title"]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("status:page", args=[self.slug])


class StatusPageGuest(models.Model):
    """One guest on one page, under the label its maker chose: the guest's own name need not be shown."""

    page = models.ForeignKey(StatusPage, on_delete=models.CASCADE, related_name="rows")
    guest = models.ForeignKey(Guest, on_delete=models.CASCADE, related_name="+")
    label = models.CharField(max_length=120)
    position = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["position", "label"]
        constraints = [models.UniqueConstraint(fields=["page", "guest"], name="guest_once_on_a_page")]

    def __str__(self) -> str:
        return self.label
