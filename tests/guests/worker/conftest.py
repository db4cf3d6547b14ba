"""A worker in a thread of the test, against hosts of libvirt's test driver."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection

from guests.hypervisor.connection import Connection
from guests.inventory.models import Guest, Host
from guests.operations import ask, new_key, wait_for_end
from guests.operations.models import Operation
from guests.worker.host_service import HostService
from guests.worker.worker import Worker
from tests.labs.host_xml import HostXml


def until(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    """The first true answer; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError(f"not within {seconds} s")


class RunningWorker:
    """One worker, and what tests ask of it."""

    def __init__(self, hosts: dict[str, str], name: str = "") -> None:
        self.worker = Worker(hosts, name=name)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.worker.run()
        finally:
            connection.close()

    def service(self, name: str) -> HostService:
        host = until(lambda: Host.objects.filter(name=name).first())
        service: HostService = until(lambda: self.worker.services.get(host.pk))
        return service

    def libvirt(self, name: str) -> Connection:
        """The worker's own connection: another open of a test:// URI would have guests of its own."""
        service = self.service(name)
        until(lambda: service.is_up)
        return service.connection()

    def stop(self) -> float:
        """End it; answers how long that took."""
        began = time.monotonic()
        self.worker.stop()
        self._thread.join(10)
        assert not self._thread.is_alive()
        return time.monotonic() - began


@pytest.fixture
def start_worker(transactional_db: None, settings: Any) -> Iterator[Callable[..., RunningWorker]]:
    settings.TICK_SECONDS = 0.2
    started: list[RunningWorker] = []

    def start(hosts: dict[str, str], name: str = "") -> RunningWorker:
        running = RunningWorker(hosts, name)
        started.append(running)
        return running

    yield start
    for running in started:
        running.stop()


@pytest.fixture
def worker(host_xml: HostXml, start_worker: Callable[..., RunningWorker]) -> RunningWorker:
    """Serves the host `alpha` with web-1 (running, 256 of 512 MiB, 1 of 4 vCPUs) and off-1 (shut off)."""
    host_xml.add_guest("web-1")
    host_xml.add_guest("off-1", running=False)
    running = start_worker({"alpha": host_xml.uri})
    until(lambda: Guest.objects.filter(name="web-1", usable_kib__isnull=False).exists())
    return running


def row(name: str) -> Guest:
    return Guest.objects.select_related("host").get(name=name)


@pytest.fixture
def admin(transactional_db: None) -> User:
    return User.objects.create_superuser("admin", password="correct horse battery")


@pytest.fixture
def asked(admin: User) -> Callable[..., Operation]:
    """Ask, and wait for the end: `asked("pause", "web-1")`, `asked("set_vcpus", "web-1", count=2, live=True)`."""

    def do(
        kind: str, guest: str, *, by: User | None = None, before: dict[str, Any] | None = None, **parameters: Any
    ) -> Operation:
        operation = ask(kind, row(guest), by=by or admin, key=new_key(), parameters=parameters, before=before)
        return wait_for_end(operation, seconds=15)

    return do


def domain(worker: RunningWorker, guest: str, host: str = "alpha") -> Any:
    """libvirt's own object, to ask libvirt what happened."""
    uuid: UUID = row(guest).uuid
    return worker.libvirt(host).raw.lookupByUUIDString(str(uuid))
