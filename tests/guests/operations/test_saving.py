"""Saving a guest to disk, restoring it, discarding that; tests/live/test_saving.py does it to a real one."""

from __future__ import annotations

from collections.abc import Callable

from guests.inventory.pictures import Picture
from guests.operations.models import Operation
from tests.guests.worker.conftest import RunningWorker, domain, row

Asked = Callable[..., Operation]


def test_a_guest_is_saved_and_its_next_start_restores_it(worker: RunningWorker, asked: Asked) -> None:
    operation = asked("save", "web-1")
    assert (operation.state, operation.message) == ("done", "")
    assert operation.after == {"state": "shut-off", "saved": True}
    assert (row("web-1").state, row("web-1").saved) == ("shut-off", True)
    assert domain(worker, "web-1").hasManagedSaveImage(0)
    assert Picture.objects.get(guest=row("web-1")).width  # nobody looked at it
    assert asked("start", "web-1").state == "done"
    assert (row("web-1").state, row("web-1").saved) == ("running", False)


def test_what_was_saved_is_discarded(worker: RunningWorker, asked: Asked) -> None:
    asked("save", "web-1")
    assert asked("discard_saved", "web-1").after == {"state": "shut-off", "saved": False}
    assert not domain(worker, "web-1").hasManagedSaveImage(0)
    again = asked("discard_saved", "web-1")
    assert (again.state, again.message) == ("failed", "Nothing is saved of web-1.")


def test_a_guest_that_is_off_has_nothing_to_save(worker: RunningWorker, asked: Asked) -> None:
    operation = asked("save", "off-1")
    assert (operation.state, operation.message) == ("failed", "off-1 does not run: there is nothing to save.")
