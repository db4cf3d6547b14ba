"""A real guest is cloned, fully and linked; the clones boot beside it, and go with the disks that were chosen."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.labs.lab import Lab
from tests.labs.product import Product
from tests.live.hypervisor_guest import until
from tests.live.text_client import TextClient, WebSession

pytestmark = pytest.mark.timeout(240)

AT = 2**20  # the demo guests write to the beginning of their disks all the time
READ = b"dd if=/dev/vda bs=1M skip=1 count=1 2>/dev/null | head -c 9"
CLONES = ("copy-1", "link-1", "live-1")


@pytest.fixture
def images(lab: Lab) -> Iterator[Path]:
    """The directory of the lab's disks, which is a pool meanwhile."""
    layout = lab.host.layout()
    lab.virsh("pool-create-as", "lab-images", "dir", "--target", str(layout.seen))
    yield layout.real
    for name in CLONES:
        if f" {name} " in lab.virsh("list", "--all"):
            if lab.virsh("domstate", name).strip() != "shut off":
                lab.virsh("destroy", name)
            lab.virsh("undefine", name)
    lab.virsh("pool-destroy", "lab-images")


@pytest.fixture
def session(product: Product) -> WebSession:
    return WebSession(product.url, "admin", product.admin_password)


def wait_for_page(session: WebSession, path: str, fits: Callable[[str], object], seconds: float = 60) -> str:
    deadline = time.monotonic() + seconds
    while not fits(page := session.get(path)):
        assert time.monotonic() < deadline, f"{path} never fitted:\n{page[-3000:]}"
        time.sleep(0.2)
    return page


def said_inside(session: WebSession, guest: str, command: bytes, answer: bytes) -> None:
    """A command on the guest's console, and its answer."""
    session.wait_for_console(guest)
    console = TextClient(session, guest)
    try:
        console.wait_for_prompt()
        console.type(command + b"\r")
        console.wait_for_output(answer + b"\r\n", 30)
    finally:
        console.close()


def test_clones_boot_beside_their_source_and_go_with_their_disks(
    product: Product, lab: Lab, images: Path, session: WebSession
) -> None:
    source = lab.uuid("backup-1")
    with (images / "backup-1.img").open("r+b") as disk:
        disk.seek(AT)
        disk.write(b"remembers")
    page = wait_for_page(session, f"/guests/{source}/clone/", lambda page: "lab-images/backup-1.img" in page)
    assert "are linked" in page

    session.post(f"/guests/{source}/clone/", name="copy-1", how="full", start="on")
    until(lambda: "copy-1" in lab.virsh("list", "--name"), 60, "the clone runs")
    xml = lab.virsh("dumpxml", "copy-1")
    copy, mac = (found[1] for found in (re.search(p, xml) for p in ("<uuid>(.*?)<", "mac address='(.*?)'")) if found)
    assert copy != source and mac != lab.demo_guest("backup-1").mac
    assert (images / "copy-1-vda.img").stat().st_size == (images / "backup-1.img").stat().st_size
    session.post(f"/guests/{source}/power/start/")
    until(lambda: lab.state("backup-1") == "running", 20, "its source runs beside it")
    inside = READ + b"; echo -$(cat /sys/class/net/*/address | grep -c " + mac.encode() + b")"
    said_inside(session, copy, inside, b"remembers-1")

    wait_for_page(session, f"/guests/{source}/", lambda page: "/power/force_off/" in page)
    said_inside(
        session, source, b"echo whileruns | dd of=/dev/vda bs=1M seek=1 conv=fsync; echo wrote-$((3+4))", b"wrote-7"
    )
    assert "As its disks are at one moment" in session.get(f"/guests/{source}/clone/")
    session.post(f"/guests/{source}/clone/", name="live-1", how="full")
    until(lambda: "live-1" in lab.virsh("list", "--all"), 60, "the clone of a guest that runs is there")
    assert lab.state("backup-1") == "running"
    assert (images / "live-1-vda.img").read_bytes()[AT : AT + 9] == b"whileruns"
    session.post(f"/guests/{source}/power/force_off/")
    wait_for_page(session, f"/guests/{source}/", lambda page: "/power/start/" in page)
    session.post(f"/guests/{source}/clone/", name="link-1", how="linked", start="on")
    until(lambda: "link-1" in lab.virsh("list", "--name"), 30, "the linked clone runs")
    link = lab.virsh("domuuid", "link-1").strip()
    said_inside(session, link, READ + b"; echo -$((20+3))", b"whileruns-23")
    session.post(f"/guests/{source}/power/start/")
    assert "Linked clones lie over vda" in session.get(f"/guests/{source}/history/")
    assert lab.state("backup-1") == "shut off"
    page = wait_for_page(session, f"/guests/{source}/delete/", lambda page: "only its differences" in page)
    assert re.search(r'value="vda"\s*disabled', page)

    live = lab.virsh("domuuid", "live-1").strip()
    for guest, name in ((copy, "copy-1"), (link, "link-1"), (live, "live-1")):
        wait_for_page(session, f"/guests/{guest}/delete/", lambda page, name=name: f"lab-images/{name}-vda" in page)
        session.post(f"/guests/{guest}/delete/", name=name, force_off="on", disks="vda")
        wait_for_page(session, f"/guests/{guest}/", lambda page: "does not have this guest any more" in page)
    assert not [file for name in CLONES for file in images.glob(f"{name}*")]
    assert (images / "backup-1.img").read_bytes()[AT : AT + 9] == b"whileruns"
    assert not set(CLONES) & set(lab.virsh("list", "--all", "--name").split())
    wait_for_page(session, f"/guests/{source}/delete/", lambda page: "only its differences" not in page)
    session.post(f"/guests/{source}/power/start/")
    until(lambda: lab.state("backup-1") == "running", 20, "nothing holds it back any more")
