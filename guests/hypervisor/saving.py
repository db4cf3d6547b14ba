"""A guest's memory on its host's disk (managed save): saved, restored by its next start, or thrown away."""

from __future__ import annotations

from uuid import UUID

from django.utils.translation import gettext as _

from guests.errors import OperationRefused
from guests.hypervisor.connection import Connection
from guests.hypervisor.failures import translated_errors
from guests.hypervisor.reading import find_domain


def save(c: Connection, uuid: UUID) -> None:
    """Write the memory of a guest to disk and stop it (virDomainManagedSave). Blocks `c` as long as that takes."""
    domain = find_domain(c, uuid)
    with translated_errors(domain.name()):
        if domain.ID() < 0:
            raise OperationRefused(_("%s does not run: there is nothing to save.") % domain.name())
        domain.managedSave(0)


def discard_saved(c: Connection, uuid: UUID) -> None:
    """Throw the saved memory away: the guest boots at its next start."""
    domain = find_domain(c, uuid)
    with translated_errors(domain.name()):
        if not domain.hasManagedSaveImage(0):
            raise OperationRefused(_("Nothing is saved of %s.") % domain.name())
        domain.managedSaveRemove(0)
