"""The pools of a host, read by the worker."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from guests.hypervisor.connection import Connection
from guests.hypervisor.pools import get_pool
from guests.inventory.storage import Pool, Volume
from guests.resources import Pool as ReadPool
from guests.worker import storage_thread
from tests.guests.worker.conftest import RunningWorker, until

POOL = "<pool type='dir'><name>{0}</name><target><path>/{0}</path></target></pool>"
VOLUME = "<volume><name>{}</name><capacity unit='MiB'>1</capacity></volume>"


def make_pool(worker: RunningWorker, name: str) -> Any:
    pool = worker.libvirt("alpha").raw.storagePoolDefineXML(POOL.format(name), 0)
    pool.create(0)
    return pool


def test_a_pool_made_outside_appears_by_its_event_and_goes_with_it(worker: RunningWorker) -> None:
    pool = make_pool(worker, "images")
    until(lambda: Pool.objects.filter(name="images", active=True).exists(), 5)
    pool.createXML(VOLUME.format("a.img"), 0)
    pool.refresh(0)
    until(lambda: Volume.objects.filter(name="a.img", pool__name="images").exists(), 5)
    pool.destroy()
    until(lambda: Pool.objects.filter(name="images", active=False).exists(), 5)
    assert Volume.objects.filter(name="a.img").exists()
    pool.undefine()
    until(lambda: not Pool.objects.filter(name="images").exists(), 5)


def test_a_pool_that_hangs_holds_up_neither_others_nor_the_guests(
    worker: RunningWorker, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.STORAGE_SECONDS = 0.2
    monkeypatch.setattr(storage_thread, "DEADLINE_SECONDS", 0.3)
    hangs = make_pool(worker, "nfs")
    until(lambda: Pool.objects.filter(name="nfs").exists(), 5)
    go_on = threading.Event()

    def slow(connection: Connection, uuid: Any) -> ReadPool:
        if str(uuid) == hangs.UUIDString():
            go_on.wait(20)
        return get_pool(connection, uuid)

    monkeypatch.setattr(storage_thread, "get_pool", slow)
    until(lambda: Pool.objects.filter(name="nfs", problem="hangs").exists(), 5)
    make_pool(worker, "other")
    until(lambda: Pool.objects.filter(name="other").exists(), 5)
    assert worker.service("alpha").is_up
    go_on.set()
    until(lambda: Pool.objects.filter(name="nfs", problem="").exists(), 5)
