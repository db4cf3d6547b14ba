"""The host worker: leases hosts, serves each, gives them back at the end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError
from django.db.models import Q

from guests.audit.anchoring import Head, anchor
from guests.inventory.addresses import hosts_wanted
from guests.inventory.changes import ChangeFeed, Feed
from guests.inventory.cpus import hosts_with_figures_wanted
from guests.inventory.host_rows import sync_hosts
from guests.inventory.leases import Lease, LeaseLost, owners, release_leases, renew_leases, take_leases
from guests.inventory.models import Host
from guests.inventory.pictures import hosts_looked_at
from guests.operations.models import Operation, OperationState
from guests.worker.database import database_work
from guests.worker.host_service import HostService
from guests.worker.owner import is_dead, own_name
from guests.worker.volume_server import VolumeServer

logger = logging.getLogger(__name__)

TAKE_SECONDS = 5.0  # how often hosts that nobody serves are looked for
ANCHOR_SECONDS = 10.0  # how often the audit record's head is written down outside the database
STOP_SECONDS = 1.5


class Worker:
    """Serves hosts in threads until `stop`. `run` stays in the caller's thread."""

    def __init__(self, hosts: Mapping[str, str] | None = None, *, name: str = "") -> None:
        self.name = name or own_name()
        self.services: dict[UUID, HostService] = {}
        self._hosts = settings.HOSTS if hosts is None else hosts
        self._feed = ChangeFeed()
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._looked = threading.Event()  # somebody looks at guests' screens, vCPUs or addresses
        self._lock = threading.Lock()
        self._lost: list[Lease] = []
        self._anchored: Head | None = None
        self._volumes = VolumeServer(self.name, self.services)

    def run(self) -> None:
        """Serve until stopped; everything is over within 3 s of that, whatever hangs."""
        sync_hosts(self._hosts)
        self._feed.subscribe(self._changed)
        self._feed.start()
        self._volumes.start()
        try:
            self._loop()
        finally:
            self._end()

    def stop(self) -> None:
        """End `run`; may be called from a signal handler."""
        self._stop.set()
        self._wake.set()

    def _changed(self, feeds: dict[Feed, int]) -> None:
        if Feed.PICTURES in feeds:
            self._looked.set()
        if Feed.OPERATIONS in feeds or Feed.PICTURES in feeds:
            self._wake.set()
        if Feed.INVENTORY in feeds:
            for service in list(self.services.values()):
                service.look_at_arrivals()

    def _loop(self) -> None:
        take_at = renew_at = anchor_at = 0.0
        while not self._stop.is_set():
            now = time.monotonic()
            try:
                with database_work():
                    if now >= renew_at:
                        self._renew()
                        renew_at = now + settings.LEASE_SECONDS / 3
                    if now >= take_at:
                        self._take()
                        take_at = now + TAKE_SECONDS
                    if now >= anchor_at:
                        self._anchor()
                        anchor_at = now + ANCHOR_SECONDS
                    self._drop_lost()
                    self._wake_those_with_work()
                    self._wake_those_looked_at()
                    for service in list(self.services.values()):
                        service.leave_stuck_poll_behind()
            except LeaseLost:
                renew_at = 0.0
            except DatabaseError:
                logger.exception("the database does not answer; trying again")
                self._stop.wait(1)
            self._wake.wait(1.0)
            self._wake.clear()

    def _take(self) -> None:
        dead = frozenset(owner for owner in owners() if owner != self.name and is_dead(owner))
        for lease in take_leases(self.name, dead_owners=dead):
            host = Host.objects.get(pk=lease.host_id)
            logger.info("serving host %s (epoch %d)", host.name, lease.epoch)
            service = self.services[host.pk] = HostService(lease, host.name, host.uri, self._on_lost)
            service.start()

    def _anchor(self) -> None:
        try:
            self._anchored = anchor(settings.AUDIT_HEADS, self._anchored)
        except OSError as error:
            logger.error("the audit record's head cannot be written to %s: %s", settings.AUDIT_HEADS, error.strerror)

    def _renew(self) -> None:
        kept = renew_leases([service.lease for service in self.services.values()])
        for host_id, service in list(self.services.items()):
            if host_id not in kept:
                service.lose_lease()

    def _on_lost(self, lease: Lease) -> None:
        with self._lock:
            self._lost.append(lease)
        self._wake.set()

    def _drop_lost(self) -> None:
        with self._lock:
            lost, self._lost = self._lost, []
        for lease in lost:
            service = self.services.get(lease.host_id)
            if service is not None and service.lease == lease:
                del self.services[lease.host_id]

    def _wake_those_with_work(self) -> None:
        """One query for all hosts, instead of one per host whenever anything moved."""
        waiting = (
            Operation.objects.filter(host__in=list(self.services))
            .filter(Q(state=OperationState.QUEUED))
            .values_list("host_id", flat=True)
            .distinct()
        )
        for host_id in waiting:
            self.services[host_id].actions.wake()

    def _wake_those_looked_at(self) -> None:
        """Three queries for all hosts, when somebody began to look or looks on."""
        if self._looked.is_set():
            self._looked.clear()
            for host_id in hosts_looked_at(list(self.services)):
                self.services[host_id].pictures.wake()
            for host_id in hosts_with_figures_wanted(list(self.services)):
                self.services[host_id].cpus.wake()
            for host_id in hosts_wanted(list(self.services)):
                self.services[host_id].addresses.wake()

    def _end(self) -> None:
        """Stop every thread, give the leases back; threads that hang are left to die with the process."""
        deadline = time.monotonic() + STOP_SECONDS
        services = list(self.services.values())
        for service in services:
            service.stop()
        for service in services:
            if not service.join(max(0.0, deadline - time.monotonic())):
                logger.warning("host %s hangs; leaving its threads behind", service.name)
        self._feed.stop()
        self._volumes.stop()
        try:
            with database_work():
                release_leases([service.lease for service in services])
        except DatabaseError:
            logger.exception("the leases could not be given back; they expire")
