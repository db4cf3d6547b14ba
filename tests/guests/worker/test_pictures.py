"""Pictures of guests' screens: taken while somebody looks, and only then."""

from __future__ import annotations

import io
import struct
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from PIL import Image

from guests.inventory.models import Guest
from guests.inventory.pictures import KEPT, LookedAt, Picture, Problem, forget_pictures, mark_looked_at
from guests.inventory.scaling import NoImage, scaled
from tests.guests.worker.conftest import RunningWorker, domain, row, until
from tests.labs.host_xml import HostXml


def image_file(width: int, height: int, form: str = "PNG", colour: str = "navy") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(file, form)
    return file.getvalue()


@pytest.fixture(autouse=True)
def often(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.PICTURE_SECONDS = 0.1
    monkeypatch.setattr("guests.worker.picture_thread.SHARE", 0)


def test_a_picture_is_taken_while_somebody_looks_and_only_then(
    worker: RunningWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    time.sleep(0.5)
    assert not Picture.objects.exists()
    monkeypatch.setattr("guests.inventory.pictures.LOOKED_SECONDS", 1.0)
    before = row("web-1").revision
    mark_looked_at([row("web-1").pk, row("off-1").pk])
    picture = until(lambda: Picture.objects.select_related("guest").first(), 2)
    assert (picture.guest.name, picture.problem, picture.domain_id) == ("web-1", "", row("web-1").domain_id)
    with Image.open(io.BytesIO(picture.content)) as image:
        assert (image.format, image.size) == ("PNG", (picture.width, picture.height))
    assert (picture.width, picture.height) <= (800, 600)
    assert row("web-1").revision > before  # pages that show the guest are told
    until(lambda: Picture.objects.get().taken_at > picture.taken_at, 2)
    time.sleep(1.2)
    last = Picture.objects.get().taken_at
    time.sleep(0.5)
    assert Picture.objects.get().taken_at == last
    assert not Picture.objects.exclude(guest__name="web-1").exists()  # off-1 has no screen now


def test_a_screen_that_did_not_change_is_neither_scaled_nor_told_again(
    worker: RunningWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark_looked_at([row("web-1").pk])
    first = until(lambda: Picture.objects.first(), 2)
    told: list[object] = []
    monkeypatch.setattr("guests.inventory.pictures._hint", told.append)
    monkeypatch.setattr("guests.worker.picture_thread.scaled", told.append)
    until(lambda: Picture.objects.get().taken_at > first.taken_at, 2)
    assert not told


def test_a_guest_that_was_started_anew_gets_a_picture_of_its_new_life(worker: RunningWorker) -> None:
    web = domain(worker, "web-1")
    mark_looked_at([row("web-1").pk])
    until(lambda: Picture.objects.first(), 2)
    web.destroy()
    web.create()
    until(lambda: row("web-1").domain_id == web.ID())
    until(lambda: Picture.objects.get().domain_id == web.ID(), 3)


def test_a_driver_without_screenshots_is_asked_once(worker: RunningWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    worker.libvirt("alpha").lacks.add("screenshot")
    mark_looked_at([row("web-1").pk])
    assert until(lambda: Picture.objects.first(), 2).problem == Problem.UNSUPPORTED
    assert not Picture.objects.get().content


def test_what_is_no_image_leaves_the_last_picture_with_its_age(
    worker: RunningWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark_looked_at([row("web-1").pk])
    first = until(lambda: Picture.objects.first(), 2)
    monkeypatch.setattr("guests.worker.picture_thread.take_screenshot", lambda *_args: b"\x89PNG\r\n\x1a\nbroken")
    after = until(lambda: Picture.objects.filter(problem=Problem.FAILED).first(), 2)
    assert (after.content, after.digest) == (first.content, first.digest)
    time.sleep(0.3)
    assert Picture.objects.get().taken_at == after.taken_at


def test_a_call_that_does_not_come_back_is_left_behind_and_the_others_go_on(
    host_xml: HostXml, start_worker: Callable[..., RunningWorker], monkeypatch: pytest.MonkeyPatch
) -> None:
    from guests.worker import picture_thread

    stuck = host_xml.add_guest("stuck-1")
    host_xml.add_guest("web-1")
    real = picture_thread.take_screenshot
    monkeypatch.setattr("guests.worker.picture_thread.DEADLINE_SECONDS", 0.3)
    monkeypatch.setattr(
        "guests.worker.picture_thread.take_screenshot",
        lambda c, uuid: time.sleep(2) or b"" if uuid == stuck else real(c, uuid),
    )
    start_worker({"alpha": host_xml.uri})
    until(lambda: row_or_none("web-1") and row_or_none("stuck-1"))
    mark_looked_at([row("stuck-1").pk, row("web-1").pk])
    until(lambda: Picture.objects.filter(guest__name="stuck-1", problem=Problem.HANGS).exists(), 3)
    taken = until(lambda: Picture.objects.filter(guest__name="web-1", problem="").first(), 3).taken_at
    until(lambda: Picture.objects.get(guest__name="web-1").taken_at > taken, 2)


def row_or_none(name: str) -> object:
    return Guest.objects.filter(name=name).first()


def test_pictures_that_nobody_looked_at_for_an_hour_are_thrown_away(worker: RunningWorker) -> None:
    web = row("web-1")
    mark_looked_at([web.pk])
    until(lambda: Picture.objects.first(), 2)
    lease = worker.service("alpha").lease
    forget_pictures(lease)
    assert Picture.objects.exists()
    LookedAt.objects.update(at=timezone.now() - KEPT)
    Picture.objects.update(taken_at=timezone.now() - KEPT)
    Guest.objects.filter(pk=web.pk).update(saved=True)
    forget_pictures(lease)
    assert Picture.objects.exists()  # what was saved to disk keeps its last screen
    Guest.objects.filter(pk=web.pk).update(saved=False)
    forget_pictures(lease)
    assert not Picture.objects.exists()
    assert not LookedAt.objects.exists()


@pytest.mark.parametrize("form", ["PNG", "PPM"])
@pytest.mark.parametrize(
    ("screen", "picture"), [((720, 400), (720, 400)), ((1920, 1080), (800, 450)), ((600, 1200), (300, 600))]
)
def test_a_screen_is_scaled_to_fit_and_never_enlarged(
    form: str, screen: tuple[int, int], picture: tuple[int, int]
) -> None:
    found = scaled(image_file(*screen, form))
    assert (found.width, found.height) == picture
    assert (found.screen_width, found.screen_height) == screen
    with Image.open(io.BytesIO(found.content)) as image:
        assert (image.format, image.size) == ("PNG", picture)
        assert image.convert("RGB").getpixel((1, 1)) == (0, 0, 128)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a" + bytes(40),
        image_file(64, 64)[:60],
        b"P6 30000 30000 255\n",
        b"\x89PNG\r\n\x1a\n" + struct.pack("!I4sII5s", 13, b"IHDR", 1 << 30, 1 << 30, b"\x08\x02\0\0\0"),
    ],
    ids=["nothing", "another kind", "cut off", "a bomb", "a PNG bomb"],
)
def test_what_is_no_screen_is_refused(content: bytes) -> None:
    with pytest.raises(NoImage):
        scaled(content)
