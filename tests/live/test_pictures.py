"""Pictures of real QEMU guests: of the right size, and only while somebody looks."""

from __future__ import annotations

import io
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID
from xml.etree import ElementTree

import pytest
from PIL import Image

from guests.hypervisor.connection import Connection, open_connection
from guests.hypervisor.screenshots import NoScreen, take_screenshot
from guests.inventory.pictures import Picture, Problem, mark_looked_at
from tests.guests.worker.conftest import RunningWorker, row, start_worker, until  # noqa: F401
from tests.labs.lab import Lab
from tests.live.hypervisor_guest import own_guest
from tests.live.test_hypervisor import qemu_pid


@pytest.fixture
def connection(lab: Lab) -> Iterator[Connection]:
    opened = open_connection(lab.uri)
    yield opened
    opened.close()


def test_a_screen_is_an_image_that_virsh_takes_alike(lab: Lab, connection: Connection) -> None:
    lab.wait_until_booted("web-1")
    with Image.open(io.BytesIO(take_screenshot(connection, UUID(lab.uuid("web-1"))))) as screen:
        assert screen.format in {"PNG", "PPM"}
        assert screen.width >= 640
        assert len(screen.convert("RGB").getcolors(1 << 20) or ()) > 1, "one colour only: no text on the screen"


def test_a_guest_without_a_video_device_says_so(lab: Lab, connection: Connection) -> None:
    with own_guest(connection, "blind-1") as uuid:
        root = ElementTree.fromstring(lab.virsh("dumpxml", str(uuid), "--inactive"))
        devices = root.find("devices")
        assert devices is not None
        for device in [*devices.findall("graphics"), *devices.findall("video")]:
            devices.remove(device)
        ElementTree.SubElement(ElementTree.SubElement(devices, "video"), "model", type="none")
        lab.virsh("define", "/dev/stdin", stdin=ElementTree.tostring(root, encoding="unicode"))
        lab.virsh("start", str(uuid))
        with pytest.raises(NoScreen, match="blind-1 has no screen"):
            take_screenshot(connection, uuid)


def test_a_picture_arrives_while_somebody_looks_and_a_guest_that_hangs_delays_nobody(
    lab: Lab,
    connection: Connection,
    start_worker: Callable[..., RunningWorker],  # noqa: F811
    settings: Any,
) -> None:
    settings.PICTURE_SECONDS = 0.5
    lab.wait_until_booted("web-1")
    with own_guest(connection, "hung-1") as uuid:  # a UUID that no other lab has: its QEMU is stopped below
        lab.virsh("start", str(uuid))
        running = start_worker({"lab": lab.uri})
        until(lambda: running.service("lab").is_up)
        time.sleep(1.0)
        assert not Picture.objects.exists()
        web, hung = row("web-1"), row("hung-1")
        mark_looked_at([web.pk])
        picture = until(lambda: Picture.objects.filter(pk=web.pk, problem="").first(), 5)
        with Image.open(io.BytesIO(picture.content)) as image:
            assert (image.format, image.size) == ("PNG", (picture.width, picture.height))
        assert picture.screen_width >= 640
        assert picture.width == min(800, picture.screen_width)
        assert not Picture.objects.filter(pk=hung.pk).exists()
        pid = qemu_pid(uuid)
        os.kill(pid, signal.SIGSTOP)
        try:
            mark_looked_at([hung.pk])
            until(lambda: Picture.objects.filter(pk=hung.pk, problem=Problem.HANGS).exists(), 10)
            taken = Picture.objects.get(pk=web.pk).taken_at
            until(lambda: Picture.objects.get(pk=web.pk).taken_at > taken, 5)
            assert running.service("lab").is_up
        finally:
            os.kill(pid, signal.SIGCONT)
