"""What an operation makes, written down before it is there: when nobody saw its end, that is taken away (`undoing`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import models
from django.utils.translation import gettext as _

from guests.errors import HypervisorError, HypervisorUnreachable, OperationRefused, StorageNotFound
from guests.hypervisor.connection import Connection
from guests.hypervisor.new_volumes import Place, get_volume
from guests.operations.kinds import Progress
from guests.operations.models import Operation


class HalfMade(models.Model):
    """One part of what an operation makes; gone when the operation ended."""

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="half_made")
    pool = models.UUIDField(null=True)  # of a volume; None for a guest
    name = models.TextField()  # of the volume; the UUID of the guest

    def __str__(self) -> str:
        return f"{self.pool or 'guest'}/{self.name}"


@contextmanager
def making(progress: Progress, connection: Connection, place: Place) -> Iterator[None]:
    """Around the call that makes a volume. Refused where there is one: it is not ours, and must never be taken away."""
    if _is_there(connection, place):
        raise OperationRefused(_("The pool already has a volume of this name."), field="name", detail=place[1])
    progress.will_make_volume(*place)
    try:
        yield
    except HypervisorUnreachable:
        raise  # it may be there
    except HypervisorError:
        progress.made_no_volume(*place)
        raise


def _is_there(connection: Connection, place: Place) -> bool:
    try:
        get_volume(connection, place)
    except StorageNotFound:
        return False
    return True
