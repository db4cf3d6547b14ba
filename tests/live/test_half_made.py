"""The host worker is killed in the middle of clones and a creation: the next one leaves nothing of them."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID
from xml.etree import ElementTree

import pytest

from guests.errors import OperationRefused
from guests.hypervisor import new_volumes, running_copy
from guests.hypervisor.cloning import ClonedDisk
from guests.hypervisor.connection import open_connection
from tests.labs.lab import Lab
from tests.labs.product import Product
from tests.live.hypervisor_guest import until
from tests.live.storage_client import StorageClient
from tests.live.test_creating import KEY
from tests.live.text_client import WebSession

pytestmark = pytest.mark.timeout(240)
MIB = 1024 * 1024
LARGE = 384  # MiB: its copy takes long enough to be seen
POOL = "half"
A_DAY_AGO = """
from datetime import timedelta
from django.utils import timezone
from guests.operations.upload_models import Upload
Upload.objects.filter(name="old.iso").update(moved_at=timezone.now() - timedelta(hours=24.1))
"""
CANCELLED = """
from guests.audit.models import AuditRecord
for one in AuditRecord.objects.filter(action="host.cancel_abandoned_upload.ended", user_name="Guesthouse"):
    print(one.detail["state"])
"""


@pytest.fixture
def directory(lab: Lab) -> Iterator[Path]:
    """A pool with a large disk, which backup-1 has as its only one, and under another name for an image."""
    directory, backup = lab.pool(POOL), lab.uuid("backup-1")
    definition = lab.virsh("dumpxml", backup, "--inactive", "--security-info")
    block = os.urandom(MIB)
    with (directory / "large.img").open("wb") as file:
        for _ in range(LARGE):
            file.write(block)
    (directory / "image.img").hardlink_to(directory / "large.img")
    lab.virsh("pool-refresh", POOL)
    root = ElementTree.fromstring(definition)
    disk = root.find("devices/disk[@device='disk']/source")
    assert disk is not None
    disk.set("file", f"{lab.host.layout().seen.parent}/{POOL}/large.img")
    lab.virsh("define", "/dev/stdin", stdin=ElementTree.tostring(root, encoding="unicode"))
    yield directory
    if lab.state("backup-1") != "shut off":
        lab.virsh("destroy", backup)
    lab.virsh("define", "/dev/stdin", stdin=definition)
    lab.pool(POOL)


@pytest.fixture
def session(product: Product) -> WebSession:
    return WebSession(product.url, "admin", product.admin_password)


@contextmanager
def stopped_while_it_fills(lab: Lab, number: signal.Signals, file: Path, ask: Callable[[], object]) -> Iterator[None]:
    """What is asked makes a file: as soon as that is there libvirtd gets a signal, and meanwhile it is not there."""
    libvirtd = lab.libvirtd
    assert libvirtd is not None
    asking = threading.Thread(target=ask)
    asking.start()
    deadline = time.monotonic() + 20
    while not file.exists():
        assert time.monotonic() < deadline, f"{file} was not begun"
        time.sleep(0.001)
    libvirtd.send(number)
    yield
    lab.start_libvirtd()
    asking.join(30)


def kill_the_worker_while_the_host_fills(lab: Lab, product: Product, file: Path, ask: Callable[[], object]) -> None:
    """libvirtd stands still as soon as the file is there, so that the worker surely dies before it makes the guest."""
    worker = product.pids["hostworker"]
    with stopped_while_it_fills(lab, signal.SIGSTOP, file, ask):
        os.kill(worker, signal.SIGKILL)
    until(lambda: product.pids.get("hostworker", worker) != worker, 30, "a new worker")


def volume(session: WebSession, field: str, name: str, source: str = "cloud") -> str:
    """What a field of the form calls a volume."""
    page = session.post("/guests/new/fields/", host="lab", source=source)
    select = page.split(f'name="{field}"', 1)[1].split("</select>", 1)[0]
    found = re.search(rf'value="(\d+)"[^>]*>{re.escape(name)}[ ,]', select)
    assert found, select
    return found[1]


def said(session: WebSession, words: str, seconds: float = 40) -> None:
    def shown() -> bool:
        return words in " ".join(session.get("/operations/").split())

    until(shown, seconds, f"{words!r} in the list of operations")


def abandon_an_upload(product: Product, session: WebSession) -> None:
    """One that got no piece for longer than a day."""
    client = StorageClient(session)
    status, told = client.begin(client.pool(POOL), "old.iso", b"never sent")
    assert status == 200, told
    product.manage("shell", "-v0", "-c", A_DAY_AGO)


def end_a_copy_that_is_under_way(lab: Lab, guest: UUID, file: Path) -> None:
    """The host goes on with it when its worker is gone, and ends it only where it fills what is asked about."""
    connection, pool = open_connection(lab.uri), UUID(lab.virsh("pool-uuid", POOL).strip())
    made = new_volumes.make_disk(connection, (pool, file.name), capacity_bytes=LARGE * MIB, format="raw")
    try:
        for _attempt in range(5):
            running_copy.begin_copy(connection, guest, {"vda": ClonedDisk("file", made.path, "raw")})
            assert running_copy.end_copy_into(connection, guest, ["/another/file"])
            was_under_way = not running_copy.end_copy_into(connection, guest, [made.path])
            until(lambda: running_copy.copy_under_way(connection, guest) is None, 20, "the end of the copy")
            if was_under_way:
                break
        else:
            pytest.fail("every copy was whole before it could be ended")
        with pytest.raises(OperationRefused, match="could not be copied to their end"):
            running_copy.refuse_failed_copy(connection, guest)
        new_volumes.delete_volume(connection, (pool, file.name))
    finally:
        connection.close()


def test_what_a_killed_worker_had_begun_is_taken_away_again(
    lab: Lab, product: Product, directory: Path, session: WebSession
) -> None:
    source = lab.uuid("backup-1")
    until(lambda: f"{POOL}/large.img" in session.get(f"/guests/{source}/clone/"), 40, "the disk in its pool")
    abandon_an_upload(product, session)
    assert (directory / "old.iso").exists()
    untouched = (directory / "large.img").stat().st_mtime_ns

    kill_the_worker_while_the_host_fills(
        lab,
        product,
        directory / "half-1-vda.img",
        lambda: session.post(f"/guests/{source}/clone/", name="half-1", how="full"),
    )
    said(session, f"Deleted was what it had made: {POOL}/half-1-vda.img.")
    until(lambda: "done" in product.manage("shell", "-v0", "-c", CANCELLED), 20, "the upload was cancelled")
    assert not (directory / "old.iso").exists()

    pool = volume(session, "pool", POOL)
    form = {"name": "half-2", "source": "cloud", "image": volume(session, "image", "image.img"), "user": "anna"}
    form |= {"ssh_keys": KEY, "memory": "128 MiB", "maximum": "128 MiB", "vcpus": "1", "maximum_vcpus": "1"}
    form |= {"kind": "hvm-qemu", "pool": pool, "size": f"{LARGE} MiB", "start": "on", "host": "lab", "accept": "on"}
    kill_the_worker_while_the_host_fills(
        lab, product, directory / "half-2.qcow2", lambda: session.post("/guests/new/", network="", **form)
    )
    said(session, f"Deleted was what it had made: {POOL}/half-2.qcow2.")

    assert (directory / "large.img").stat().st_mtime_ns == untouched

    session.post(f"/guests/{source}/power/start/")
    until(lambda: "As its disks are at one moment" in session.get(f"/guests/{source}/clone/"), 20, "it runs")
    kill_the_worker_while_the_host_fills(
        lab,
        product,
        directory / "half-3-vda.img",
        lambda: session.post(f"/guests/{source}/clone/", name="half-3", how="full"),
    )
    said(session, f"Deleted was what it had made: {POOL}/half-3-vda.img.")
    assert lab.state("backup-1") == "running"
    until(lambda: "None" in lab.virsh("domjobinfo", source), 20, "no copy is under way")

    end_a_copy_that_is_under_way(lab, UUID(source), directory / "half-4.img")
    assert {file.name for file in directory.iterdir()} == {"large.img", "image.img"}
    assert not {"half-1", "half-2", "half-3"} & set(lab.virsh("list", "--all", "--name").split())


def test_what_a_killed_libvirtd_leaves_is_taken_away_once_it_is_back(
    lab: Lab, product: Product, directory: Path, session: WebSession
) -> None:
    source = lab.uuid("backup-1")
    until(lambda: f"{POOL}/large.img" in session.get(f"/guests/{source}/clone/"), 40, "the disk in its pool")
    file, libvirtd = directory / "half-5-vda.img", lab.libvirtd
    assert libvirtd is not None
    form = {"name": "half-5", "how": "full"}
    with stopped_while_it_fills(lab, signal.SIGKILL, file, lambda: session.post(f"/guests/{source}/clone/", **form)):
        assert libvirtd.wait(20)
        assert file.exists()  # nobody is left who would fill it, or delete it
    said(session, f"Deleted was what it had made: {POOL}/half-5-vda.img.")
    assert not file.exists()
    assert "half-5" not in lab.virsh("list", "--all", "--name").split()
