"""The inventory of one host: its rows kept in memory beside the table, so that only what differs is written.

Used by the threads of one worker that holds the host's lease. Every method is one transaction at most, carries the
epoch (LeaseLost when the lease went) and leaves memory and table equal: after a failed write the rows are loaded again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.utils import timezone

from guests import resources
from guests.inventory.changes import Feed, next_revision
from guests.inventory.leases import Lease, fenced
from guests.inventory.models import Guest, Host
from guests.inventory.projection import (
    columns_of_event,
    columns_of_guest,
    columns_of_sample,
    columns_of_state,
    definition_from_json,
    gone_columns,
    own_id,
)
from guests.inventory.row_writing import mark_conflicts, update_rows
from guests.inventory.samples import CPUHistory, rates_between
from guests.resources import Definition, EventKind, GuestEvent, GuestState, GuestStats


@dataclass
class _Changes:
    """What one transaction writes."""

    new: list[Guest] = field(default_factory=list)
    rows: list[tuple[Guest, set[str]]] = field(default_factory=list)
    came_or_went: set[UUID] = field(default_factory=set)  # whose UUID may now stand, or no longer stand, on two hosts


class HostInventory:
    """The rows of one host. Times called `read_at` are time.monotonic() of the moment before libvirt was asked."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self._lock = threading.RLock()
        self._rows: dict[UUID, Guest] | None = None
        self._definitions: dict[UUID, Definition] = {}
        self._samples: dict[UUID, GuestStats] = {}
        self._histories: dict[UUID, CPUHistory] = {}
        self._told_at: dict[UUID, float] = {}  # when an event last told a state: older readings do not override it

    def resync(self, guests: list[resources.Guest], read_at: float, **host_columns: Any) -> None:
        """Everything the host has: guests that are not among them are gone."""
        with self._lock:
            changes = _Changes()
            for guest in guests:
                self._read(guest, read_at, changes)
            self._take_away(self.present() - {guest.uuid for guest in guests}, read_at, changes)
            self._write(changes, host_columns)

    def refresh(self, guest: resources.Guest, read_at: float) -> None:
        """One guest as it was just read."""
        with self._lock:
            changes = _Changes()
            self._read(guest, read_at, changes)
            self._write(changes, {})

    def lose(self, uuid: UUID, read_at: float) -> None:
        """The host does not know this guest (any more)."""
        with self._lock:
            changes = _Changes()
            self._take_away({uuid} & self.present(), read_at, changes)
            self._write(changes, {})

    def tick(self, samples: list[GuestStats], read_at: float, **host_columns: Any) -> set[UUID]:
        """One sample of every guest. Answers whose XML must be read: new, renamed, stopped or started unnoticed."""
        with self._lock:
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

    def tell(self, event: GuestEvent) -> bool:
        """Apply what an event says at once; answers whether the guest must be read to know the rest."""
        with self._lock:
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
            self._histories = {uuid: CPUHistory(r.cpu_history, r.history_minute) for uuid, r in self._rows.items()}
            self._definitions = {
                uuid: definition_from_json(row.definition) for uuid, row in self._rows.items() if row.definition
            }
        return self._rows

    def _read(self, guest: resources.Guest, read_at: float, changes: _Changes) -> None:
        rows, now = self._loaded(), timezone.now()
        row = rows.get(guest.uuid)
        is_new = row is None
        if row is None:
            row = rows[guest.uuid] = Guest(host_id=self.lease.host_id, uuid=guest.uuid, state_since=now)
            self._histories[guest.uuid] = CPUHistory()
            changes.new.append(row)
        columns = columns_of_guest(guest)
        if self._is_current(guest.uuid, read_at):
            columns |= columns_of_state(row, guest.state, guest.reason, guest.domain_id, now)
        if is_new or row.gone_at is not None:
            columns |= {"gone_at": None, "seen_at": None, "state_since": now}
            changes.came_or_went.add(guest.uuid)
        self._definitions[guest.uuid] = guest.definition
        self._change(row, columns, changes, is_new=is_new)

    def _sample(self, row: Guest, sample: GuestStats, read_at: float, minute: int, changes: _Changes) -> bool:
        rates = rates_between(self._samples.get(sample.uuid), sample, row.vcpus_current)
        self._samples[sample.uuid] = sample
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
        now = timezone.now()
        for uuid in uuids:
            if self._is_current(uuid, read_at):
                self._samples.pop(uuid, None)
                self._change(self._loaded()[uuid], gone_columns(now, now), changes)
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

    def _write(self, changes: _Changes, host_columns: dict[str, Any]) -> None:
        if not (changes.new or changes.rows or host_columns):
            return
        try:
            with fenced(self.lease):
                revision = next_revision(Feed.INVENTORY)
                for row in changes.new:
                    row.revision = revision
                for row, _columns in changes.rows:
                    row.revision = revision
                self._insert(changes.new)
                update_rows(changes.rows)
                mark_conflicts(changes.came_or_went, revision)
                if host_columns:
                    Host.objects.filter(pk=self.lease.host_id).update(revision=revision, **host_columns)
        except BaseException:
            self._rows = None  # what is in memory is not in the table
            raise

    def _insert(self, rows: list[Guest]) -> None:
        if not rows:
            return
        taken = set(Guest.objects.filter(pk__in=[row.uuid for row in rows]).values_list("pk", flat=True))
        for row in rows:
            row.pk = own_id(self.lease.host_id, row.uuid, is_taken=row.uuid in taken)
        Guest.objects.bulk_create(rows)
