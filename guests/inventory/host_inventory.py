"""The inventory of one host: its rows kept in memory beside the table, so that only what differs is written.

Used by the threads of one worker that holds the host's lease. Every method is one transaction at most, carries the
epoch (LeaseLost when the lease went) and leaves memory and table equal: after a failed write the rows are loaded again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import wraps
from itertools import islice
from typing import Any, TypeVar, cast
from uuid import UUID

from django.utils import timezone

from guests import resources
from guests.inventory.changes import Feed, next_revision
from guests.inventory.definitions import DefinitionTexts
from guests.inventory.leases import Lease, fenced
from guests.inventory.mac_uses import keep_macs
from guests.inventory.models import Guest, Host
from guests.inventory.moving import MIGRATED, is_active_elsewhere, settle_moves
from guests.inventory.projection import (
    columns_of_event,
    columns_of_guest,
    columns_of_sample,
    columns_of_state,
    definition_from_json,
    gone_columns,
    own_ids,
)
from guests.inventory.row_writing import RowsMoved, mark_conflicts, update_rows
from guests.inventory.samples import CPUHistory, rates_between
from guests.resources import Definition, EventKind, GuestEvent, GuestState, GuestStats

_Method = TypeVar("_Method", bound=Callable[..., Any])

# A guest that was migrated here has no row of its own for so long: until the other host's worker says that it left.
ARRIVAL_SECONDS = 10.0
ON_ITS_WAY = {"starting up", "migrating"}  # why a guest is paused that libvirt receives from another host


@dataclass
class _Changes:
    """What one transaction writes."""

    new: list[Guest] = field(default_factory=list)
    rows: list[tuple[Guest, set[str]]] = field(default_factory=list)
    texts: list[tuple[Guest, resources.Guest]] = field(default_factory=list)  # whose XML says something new
    samples: dict[UUID, GuestStats] = field(default_factory=dict)
    came_or_went: set[UUID] = field(default_factory=set)  # whose UUID may now stand, or no longer stand, on two hosts
    state_changed: set[UUID] = field(default_factory=set)  # which may have left for another host, or come from one


def _on_its_own_rows(method: _Method) -> _Method:
    """One method of the inventory: under its lock, and once more when a row had moved to or from another host."""

    @wraps(method)
    def run(self: HostInventory, *args: Any, **kwargs: Any) -> Any:
        with self._lock:  # reentrant
            try:
                return method(self, *args, **kwargs)
            except RowsMoved:
                return method(self, *args, **kwargs)

    return cast("_Method", run)


class HostInventory:
    """The rows of one host. Times called `read_at` are time.monotonic() of the moment before libvirt was asked."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self._lock = threading.RLock()
        self._macs_are_kept = False  # the first write sees to what an earlier worker left
        self._rows: dict[UUID, Guest] | None = None
        self._host_seen_at: datetime | None = None  # when the host was last read; None for one that never was
        self._definitions: dict[UUID, Definition] = {}
        self._texts = DefinitionTexts()
        self._texts_read_at: dict[UUID, float] = {}  # two threads read XML: an older text never follows a newer one
        self._samples: dict[UUID, GuestStats] = {}
        self._histories: dict[UUID, CPUHistory] = {}
        self._told_at: dict[UUID, float] = {}  # when an event last told a state: older readings do not override it
        self._arriving: dict[UUID, float] = {}  # guests that are migrated to this host, and when that was last seen

    @_on_its_own_rows
    def resync(self, guests: list[resources.Guest], read_at: float, **host_columns: Any) -> None:
        """Everything the host has: guests that are not among them are gone."""
        changes = _Changes()
        for guest in guests:
            self._read(guest, read_at, changes)
        self._take_away(self.present() - {guest.uuid for guest in guests}, read_at, changes)
        self._write(changes, host_columns)

    @_on_its_own_rows
    def refresh(self, guest: resources.Guest, read_at: float) -> None:
        """One guest as it was just read."""
        changes = _Changes()
        self._read(guest, read_at, changes)
        self._write(changes, {})

    @_on_its_own_rows
    def lose(self, uuid: UUID, read_at: float) -> None:
        """The host does not know this guest (any more)."""
        self._arriving.pop(uuid, None)
        changes = _Changes()
        self._take_away({uuid} & self.present(), read_at, changes)
        self._write(changes, {})

    @_on_its_own_rows
    def tick(self, samples: list[GuestStats], read_at: float, **host_columns: Any) -> set[UUID]:
        """One sample of every guest. Answers whose XML must be read: new, renamed, stopped or started unnoticed."""
        changes, unread = _Changes(), set()
        minute = int(time.time() // 60)
        rows = self._loaded()
        for sample in samples:
            row = rows.get(sample.uuid)
            if row is None or row.gone_at is not None:
                unread.add(sample.uuid)
                continue
            if self._sample(row, sample, read_at, minute, changes):
                unread.add(sample.uuid)
        self._take_away(self.present() - {sample.uuid for sample in samples}, read_at, changes)
        self._write(changes, host_columns)
        return unread

    @_on_its_own_rows
    def tell(self, event: GuestEvent) -> bool:
        """Apply what an event says at once; answers whether the guest must be read to know the rest."""
        row = self._loaded().get(event.uuid)
        needs_reading = event.kind is not EventKind.BALLOON
        if event.kind is EventKind.LIFECYCLE:
            self._told_at[event.uuid] = time.monotonic()
        if row is None or row.gone_at is not None:
            return needs_reading
        changes = _Changes()
        now = timezone.now()
        self._change(row, columns_of_event(row, event, now), changes)
        self._write(changes, {"event_at": now} if event.kind is not EventKind.BALLOON else {})
        return needs_reading

    def arriving(self) -> tuple[UUID, ...]:
        """Guests that are being migrated to this host: to be read again when another host has something new."""
        return tuple(self._arriving)  # without the lock: whoever asks may not wait for the database

    def row(self, uuid: UUID) -> Guest | None:
        """The row of a guest as it stands in the table; read it, do not change it."""
        with self._lock:
            return self._loaded().get(uuid)

    def present(self) -> set[UUID]:
        """The guests that the host has."""
        with self._lock:
            return {uuid for uuid, row in self._loaded().items() if row.gone_at is None}

    def live_definitions(self) -> dict[UUID, Definition]:
        """What running guests are made of, by UUID: for drivers that must be asked per disk and NIC."""
        with self._lock:
            rows = self._loaded()
            return {uuid: d for uuid, d in self._definitions.items() if GuestState(rows[uuid].state).is_active}

    def forget_samples(self) -> None:
        """After a pause, or on a new connection: the next sample has nothing to be compared with."""
        with self._lock:
            self._samples.clear()

    def _loaded(self) -> dict[UUID, Guest]:
        if self._rows is None:
            self._rows = {row.uuid: row for row in Guest.objects.filter(host_id=self.lease.host_id)}
            self._host_seen_at = Host.objects.values_list("seen_at", flat=True).get(pk=self.lease.host_id)
            self._histories = {uuid: CPUHistory(r.cpu_history, r.history_minute) for uuid, r in self._rows.items()}
            self._texts = DefinitionTexts.of_host(self.lease.host_id)
            self._definitions = {
                uuid: definition_from_json(row.definition) for uuid, row in self._rows.items() if row.definition
            }
        return self._rows

    def _read(self, guest: resources.Guest, read_at: float, changes: _Changes) -> None:
        rows, now = self._loaded(), timezone.now()
        row = rows.get(guest.uuid)
        if (row is None or row.gone_at is not None) and self._arrives(guest):
            return
        is_new = row is None
        if row is None:
            row = rows[guest.uuid] = Guest(host_id=self.lease.host_id, uuid=guest.uuid, state_since=now)
            self._histories[guest.uuid] = CPUHistory()
            changes.new.append(row)
        columns = columns_of_guest(guest)
        if self._is_current(guest.uuid, read_at):
            columns |= columns_of_state(row, guest.state, guest.reason, guest.domain_id, now)
        if is_new or row.gone_at is not None:
            columns |= {"gone_at": None, "seen_at": None, "left_behind": False, "state_since": now}
            columns["came_at"] = now if self._host_seen_at else None
            changes.came_or_went.add(guest.uuid)
        self._definitions[guest.uuid] = guest.definition
        self._change(row, columns, changes, is_new=is_new)
        if read_at >= self._texts_read_at.get(guest.uuid, 0.0):
            self._texts_read_at[guest.uuid] = read_at
            if not self._texts.is_known(row, guest):
                changes.texts.append((row, guest))
                if not is_new:
                    changes.rows.append((row, {"revision"}))  # its page shows it at once

    def _arrives(self, guest: resources.Guest) -> bool:
        """Whether a guest that this host did not have is still on its way here: its row comes with it, once the other
        host let it go.
        """
        if guest.state is GuestState.PAUSED and guest.reason in ON_ITS_WAY:
            self._arriving[guest.uuid] = time.monotonic()
            return True
        if guest.uuid not in self._arriving and guest.reason != MIGRATED:
            return False
        since = self._arriving.setdefault(guest.uuid, time.monotonic())
        if time.monotonic() - since < ARRIVAL_SECONDS and is_active_elsewhere(guest.uuid, self.lease.host_id):
            return True
        del self._arriving[guest.uuid]
        return False

    def _sample(self, row: Guest, sample: GuestStats, read_at: float, minute: int, changes: _Changes) -> bool:
        rates = rates_between(self._samples.get(sample.uuid), sample, row.vcpus_current)
        changes.samples[sample.uuid] = sample
        was_active, name, vcpus = row.is_active, row.name, row.vcpus_current
        columns = columns_of_sample(row, sample, rates)
        if self._is_current(sample.uuid, read_at):
            columns |= columns_of_state(row, sample.state, sample.reason, sample.domain_id, timezone.now())
        elif sample.state.is_active != was_active:
            columns = {}  # the sample is of a life that is over, or of before it began
        history = self._histories[sample.uuid]
        columns["cpu_history"] = history.add(columns.get("cpu_percent"), minute)
        columns["history_minute"] = history.minute if columns["cpu_history"] else None
        self._change(row, columns, changes)
        return row.is_active != was_active or sample.name != name or row.vcpus_current != vcpus

    def _take_away(self, uuids: Iterable[UUID], read_at: float, changes: _Changes) -> None:
        """They are gone; the host had them when it was last read, at least."""
        now, missing = timezone.now(), [uuid for uuid in uuids if self._is_current(uuid, read_at)]
        if not missing:
            return
        seen_at = self._host_seen_at or now
        for uuid in missing:
            self._samples.pop(uuid, None)
            row = self._loaded()[uuid]
            self._change(row, gone_columns(row, now, seen_at), changes)
            changes.came_or_went.add(uuid)

    def _is_current(self, uuid: UUID, read_at: float) -> bool:
        """Whether a reading that began then is newer than what an event told."""
        return read_at >= self._told_at.get(uuid, 0.0)

    def _change(self, row: Guest, columns: dict[str, Any], changes: _Changes, *, is_new: bool = False) -> None:
        differing = {name for name, value in columns.items() if getattr(row, name) != value}
        for name in differing:
            setattr(row, name, columns[name])
        if differing and not is_new:
            changes.rows.append((row, differing))
        if differing & {"state", "reason"}:
            changes.state_changed.add(row.uuid)

    def _write(self, changes: _Changes, host_columns: dict[str, Any]) -> None:
        if not (changes.new or changes.rows or changes.texts or host_columns):
            self._samples |= changes.samples
            return
        moved: list[UUID] = []
        try:
            with fenced(self.lease):
                revision = next_revision(Feed.INVENTORY)
                for row in changes.new:
                    row.revision = revision
                for row, _columns in changes.rows:
                    row.revision = revision
                self._insert(changes.new)
                update_rows(changes.rows)
                self._texts.keep(changes.texts)
                self._keep_macs(changes, revision)
                moved = settle_moves(changes.came_or_went | changes.state_changed, revision)
                mark_conflicts({*changes.came_or_went, *moved}, revision)
                keep_macs(Guest.objects.filter(uuid__in=moved), revision)
                if host_columns:
                    Host.objects.filter(pk=self.lease.host_id).update(revision=revision, **host_columns)
        except BaseException:
            self._rows = None  # what is in memory is not in the table
            self._macs_are_kept = False
            raise
        self._samples |= changes.samples
        self._host_seen_at = host_columns.get("seen_at", self._host_seen_at)
        if moved:
            self._rows = None
            self._arriving = {uuid: at for uuid, at in self._arriving.items() if uuid not in moved}

    def _keep_macs(self, changes: _Changes, revision: int) -> None:
        if self._macs_are_kept:
            keep_macs([*changes.new, *(r for r, columns in changes.rows if columns & {"macs", "gone_at"})], revision)
        else:
            keep_macs(self._loaded().values(), revision)
            self._macs_are_kept = True

    def _insert(self, rows: list[Guest]) -> None:
        if not rows:
            return
        wanted = [id for row in rows for id in islice(own_ids(self.lease.host_id, row.uuid), 2)]
        taken = set(Guest.objects.filter(pk__in=wanted).values_list("pk", flat=True))
        for row in rows:
            row.pk = next(id for id in own_ids(self.lease.host_id, row.uuid) if id not in taken)
        Guest.objects.bulk_create(rows)
