"""A guest that was migrated is the same guest: its row moves to its new host, with everything that hangs on it.

The worker of each host writes what that host says, and asks here in the same transaction whether a guest left one host
and came to another. Whoever of the two hears last moves the row; transactions that write the inventory follow each
other (`next_revision`), so the last one sees both. What it can be known by:

    left   the guest is shut off there because it was migrated, or the host has it no more
    came   the only host where it is active now, or, if it is off, where it came last

The same UUID on two hosts otherwise is two guests: two rows, both marked (`mark_conflicts`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from django.db.models import Count
from django.dispatch import Signal

from guests.inventory.changes import Feed, next_revision
from guests.inventory.definitions import DefinitionVersion, LiveDefinition, move_definitions
from guests.inventory.models import Guest, MACUse
from guests.inventory.row_writing import PROJECTED

MIGRATED = "migrated"  # libvirt's reason, of a guest that stopped here and of one that runs here
# Two hosts tell one event: each is read on its own, and an event may be lost until the next reading.
SLACK = timedelta(seconds=15)
EVER = datetime.min.replace(tzinfo=UTC)
# What the row keeps wherever it is; everything else is what its host said.
KEPT = {"cpu_history", "history_minute"}
SAID_BY_HOST = tuple(name for name in PROJECTED if name not in KEPT)

# Sent in the transaction: sender Guest, guest (on its new host), left (the Host it left).
guest_moved = Signal()


def settle_moves(uuids: Iterable[UUID], revision: int) -> list[UUID]:
    """Move the rows of these guests (libvirt's UUIDs) that changed their host; answers whose rows are others now."""
    found = Guest.objects.filter(uuid__in=[uuid for uuid in uuids if uuid.int], host__enabled=True)
    double = found.order_by().values("uuid").annotate(rows=Count("pk")).filter(rows__gt=1)
    moved = []
    for uuid in list(double.values_list("uuid", flat=True)):
        rows = list(Guest.objects.select_for_update().filter(uuid=uuid, host__enabled=True))
        pair = _left_and_came(rows)
        if pair is not None:
            _move(*pair, revision)
        gone = [row for row in rows if row.left_behind and row.gone_at is not None and not _anything_hangs_on(row)]
        for row in gone:
            row.delete()
        if pair is not None or gone:
            moved.append(uuid)
    return moved


def is_active_elsewhere(uuid: UUID, host_id: UUID) -> bool:
    """Whether another host still runs this guest, by what its worker wrote last."""
    others = Guest.objects.filter(uuid=uuid, gone_at=None, host__enabled=True).exclude(host_id=host_id)
    return any(row.is_active for row in others.only("state"))


def _left_and_came(rows: list[Guest]) -> tuple[Guest, Guest] | None:
    present = [row for row in rows if row.gone_at is None]
    active = [row for row in present if row.is_active]
    if not present or len(active) > 1:
        return None
    came = active[0] if active else max(present, key=lambda row: row.came_at or EVER)
    left = [row for row in rows if row is not came and _went_to(came, row)]
    return (max(left, key=_left_at), came) if left else None


def _went_to(came: Guest, left: Guest) -> bool:
    """Whether the guest of one row is the one that came, on another host."""
    is_gone, stopped_by_migration = left.gone_at is not None, not left.is_active and left.reason == MIGRATED
    if left.left_behind or not (is_gone or stopped_by_migration):
        return False
    earliest = _left_at(left) - SLACK
    if is_gone and came.came_at is not None and came.came_at >= max(earliest, left.came_at or earliest):
        return True
    if not came.is_active:
        return False
    told_by = [left.reason == MIGRATED, came.reason == MIGRATED]
    # One host's word is enough about what has just happened; long after, as when a host was away, both must say so.
    return all(told_by) or (any(told_by) and came.state_since is not None and came.state_since >= earliest)


def _left_at(row: Guest) -> datetime:
    """When the host may have lost the guest at the earliest."""
    at = (row.seen_at or row.gone_at) if row.gone_at is not None else row.state_since
    assert at is not None
    return at


def _move(left: Guest, came: Guest, revision: int) -> None:
    """The two rows trade their hosts and what those say."""
    old_host, new_host = left.host, came.host
    for name in SAID_BY_HOST:
        mine, others = getattr(left, name), getattr(came, name)
        setattr(left, name, others)
        setattr(came, name, mine)
    guest, rest = left, came
    guest.left_behind, rest.left_behind = False, True
    guest.revision = rest.revision = revision
    uuid = guest.uuid
    Guest.objects.filter(pk=rest.pk).update(uuid=uuid4())  # (host, uuid) is unique at every moment
    guest.host, rest.host = new_host, old_host
    guest.save()
    rest.uuid = uuid
    rest.save()
    move_definitions(guest, rest)
    next_revision(Feed.RIGHTS)  # a grant on a host covers what is there
    guest_moved.send(Guest, guest=guest, left=old_host)


def _anything_hangs_on(row: Guest) -> bool:
    """Whether any other row names this one: a grant, an operation, a line of the audit record … but its MACs and
    definitions, which follow from it.
    """
    named_by = [r for r in Guest._meta.get_fields(include_hidden=True) if r.auto_created and not r.concrete]
    relations = [r for r in named_by if r.related_model not in {MACUse, LiveDefinition, DefinitionVersion}]
    return any(r.related_model._base_manager.filter(**{r.field.name: row.pk}).exists() for r in relations)  # type: ignore[union-attr]
