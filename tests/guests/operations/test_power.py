from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from guests.audit.models import AuditRecord
from guests.inventory.models import Guest
from guests.operations.models import Operation
from tests.guests.worker.conftest import RunningWorker, domain, row, until
from tests.labs.host_xml import HostXml

Asked = Callable[..., Operation]


@pytest.mark.parametrize(
    ("kind", "guest", "state"),
    [
        ("start", "off-1", "running"),
        ("shut_down", "web-1", "shut-off"),
        ("force_off", "web-1", "shut-off"),
        ("pause", "web-1", "paused"),
    ],
)
def test_a_power_act_happens_and_the_row_shows_it_when_it_is_done(
    worker: RunningWorker, asked: Asked, kind: str, guest: str, state: str
) -> None:
    operation = asked(kind, guest)
    assert (operation.state, operation.message) == ("done", "")
    assert operation.after == {"state": state}
    assert row(guest).state == state
    assert domain(worker, guest).isActive() == (state != "shut-off")
    assert operation.started_at is not None
    assert operation.ended_at is not None


def test_a_paused_guest_resumes(worker: RunningWorker, asked: Asked) -> None:
    domain(worker, "web-1").suspend()
    assert asked("resume", "web-1").state == "done"
    assert row("web-1").state == "running"


@pytest.mark.parametrize(
    ("kind", "guest"),
    [("start", "web-1"), ("force_off", "off-1"), ("shut_down", "off-1"), ("resume", "web-1"), ("reset", "off-1")],
)
def test_an_act_that_does_not_fit_is_refused_with_a_sentence(
    worker: RunningWorker, asked: Asked, kind: str, guest: str
) -> None:
    operation = asked(kind, guest)
    assert operation.state == "failed"
    assert guest in operation.message
    assert operation.ended_at is not None


def test_asking_and_the_end_are_both_recorded(worker: RunningWorker, asked: Asked) -> None:
    operation = asked("pause", "web-1", before={"state": "running"})
    asking, end = AuditRecord.objects.filter(detail__operation=str(operation.pk)).order_by("pk")
    assert (asking.action, asking.user_name, asking.guest_name) == ("guest.pause", "admin", "web-1")
    assert (end.action, end.outcome, end.host_name) == ("guest.pause.ended", "ok", "alpha")
    assert end.detail["before"] == {"state": "running"}
    assert end.detail["after"] == {"state": "paused"}
    refused = asked("pause", "web-1")
    assert AuditRecord.objects.get(detail__operation=str(refused.pk), action__endswith=".ended").outcome == "failed"


@pytest.fixture
def domain_0(host_xml: HostXml, start_worker: Callable[..., RunningWorker]) -> RunningWorker:
    """The test driver refuses a zero UUID; a guest told to be the privileged one stands in for Xen's Domain-0."""
    host_xml.add_guest("Domain-0", uuid=UUID(int=7))
    running = start_worker({"alpha": host_xml.uri})
    until(lambda: Guest.objects.filter(name="Domain-0").exists())
    return running


def test_the_power_of_domain_0_is_the_hosts(
    domain_0: RunningWorker, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dataclasses

    from guests.hypervisor import reading
    from guests.operations import running

    def privileged(*arguments: Any, **options: Any) -> Any:
        return dataclasses.replace(reading.get_guest(*arguments, **options), privileged=True)

    monkeypatch.setattr(running, "get_guest", privileged)
    for kind in ("shut_down", "force_off", "reboot", "reset", "pause", "start", "resume"):
        operation = asked(kind, "Domain-0")
        assert operation.state == "failed"
        assert "runs the host itself" in operation.message
    assert domain(domain_0, "Domain-0").isActive()
    assert asked("set_vcpus", "Domain-0", count=2, live=True).state == "done"
