"""Definitions that somebody wrote and looks at before they are asked for: rows of their own, for they may be long and
lists of operations never read them. An operation names its proposal.
"""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import models
from django.utils import timezone

from guests.inventory.definitions import DefinitionVersion, expanded, packed
from guests.inventory.models import Guest

KEPT = timedelta(days=7)
MOST_OF_ONE = 50  # of one person: each may be a MiB


class DefinitionProposal(models.Model):
    """What one person wants a guest's next boot to take, written from `base`."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    guest = models.ForeignKey(Guest, on_delete=models.CASCADE, related_name="+")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True, db_index=True)
    base = models.ForeignKey(DefinitionVersion, on_delete=models.CASCADE, related_name="+")
    brought_back = models.ForeignKey(DefinitionVersion, null=True, on_delete=models.SET_NULL, related_name="+")
    content = models.BinaryField()

    def __str__(self) -> str:
        return f"proposal {self.pk} for {self.guest_id}"

    @property
    def xml(self) -> str:
        """The text."""
        return expanded(self.content)


def propose(
    guest: Guest, xml: str, *, by: AbstractBaseUser, base: DefinitionVersion, brought_back: DefinitionVersion | None
) -> DefinitionProposal:
    """Keep what somebody wrote, a week at most, and their last ones only."""
    DefinitionProposal.objects.filter(made_at__lt=timezone.now() - KEPT).delete()
    theirs = DefinitionProposal.objects.filter(author_id=by.pk).order_by("-made_at")
    DefinitionProposal.objects.filter(pk__in=list(theirs.values_list("pk", flat=True)[MOST_OF_ONE - 1 :])).delete()
    return DefinitionProposal.objects.create(
        guest=guest, author_id=by.pk, base=base, brought_back=brought_back, content=packed(xml)
    )


def proposal_of(guest: Guest, by: AbstractBaseUser, pk: object) -> DefinitionProposal | None:
    """A person's own, about this guest."""
    try:
        key = uuid.UUID(str(pk))
    except ValueError:
        return None
    found = DefinitionProposal.objects.filter(pk=key, guest=guest, author_id=by.pk)
    return found.select_related("author", "base", "brought_back").first()
