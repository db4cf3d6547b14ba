"""The buttons for guests without a text console: what is asked of the worker, and by whom."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from consoles.views import console_devices
from guests.inventory.models import Guest
from guests.operations.models import Operation
from tests.consoles.conftest import Person


@pytest.fixture(autouse=True)
def nobody_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_devices, "WAIT_SECONDS", 0.0)


def test_the_page_of_a_guest_without_a_console_offers_one(guest: Guest, person: Callable[..., Person]) -> None:
    guest.host.uri = "qemu:///system"
    guest.host.save()
    Guest.objects.filter(pk=guest.pk).update(definition={"text_consoles": []})
    ana, wanda = person("ana", "operator"), person("wanda", "watcher")
    url = f"/guests/{guest.pk}/console/add-serial/"
    assert url in ana.client.get(f"/guests/{guest.pk}/console/text/").content.decode()
    assert url not in wanda.client.get(f"/guests/{guest.pk}/console/text/").content.decode()
    for _ in range(2):  # the same form twice is one operation
        assert ana.client.post(url, {"key": "k"}).status_code == 302
    assert wanda.client.post(url, {"key": "k"}).status_code == 403
    (operation,) = Operation.objects.all()
    assert (operation.kind, operation.parameters, operation.asked_by) == (
        "add_serial_console",
        {"text_consoles": 1},
        ana.user,
    )


@pytest.mark.parametrize(("on", "wanted"), [("1", True), ("0", False), ("", False)])
def test_a_log_on_the_host_is_asked_for(guest: Guest, person: Callable[..., Person], on: str, wanted: bool) -> None:
    ana = person("ana", "operator")
    answer = ana.client.post(f"/guests/{guest.pk}/console/text/serial0/host-log/", {"on": on})
    assert answer.status_code == 302
    (operation,) = Operation.objects.all()
    assert (operation.kind, operation.parameters) == ("set_host_log", {"device": "serial0", "on": wanted})


@pytest.mark.parametrize("path", ["add-serial/", "text/serial0/host-log/"])
def test_nobody_else_changes_the_definition(guest: Guest, person: Callable[..., Person], path: str) -> None:
    for name, role, status in (("wanda", "watcher", 403), ("eve", None, 404)):
        assert person(name, role).client.post(f"/guests/{guest.pk}/console/{path}").status_code == status
    assert not Operation.objects.exists()
