"""B11: what an operator may give a guest at most is asked when it is sent, and again by the worker before libvirt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied

from guests.access import Limits, Role, grant
from guests.audit.models import AuditRecord
from guests.inventory.models import Guest
from guests.operations import ask, new_key, wait_for_end
from guests.operations.models import Operation
from tests.guests.worker.conftest import RunningWorker, domain, row, until
from tests.labs.host_xml import HostXml

MIB = 1024
SIZES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("set_current_memory", {"kib": 300 * MIB, "live": True}, {"kib": 300 * MIB + 1, "live": True}),
    ("set_maximum_memory", {"kib": 300 * MIB}, {"kib": 301 * MIB}),
    ("set_vcpus", {"count": 2, "live": True}, {"count": 3, "live": True}),
    ("set_maximum_vcpus", {"count": 2}, {"count": 3}),
]


def operator(memory_kib: int | None = 300 * MIB, vcpus: int | None = 2) -> User:
    person, _new = User.objects.get_or_create(username="olga")
    grant(Role.OPERATOR, person, row("web-1"), by=None, limits=Limits(memory_kib, vcpus))
    return person


@pytest.mark.parametrize(("kind", "within", "over"), SIZES, ids=[size[0] for size in SIZES])
def test_B11_an_operator_is_refused_more_than_the_role_gives(
    worker: RunningWorker, kind: str, within: dict[str, Any], over: dict[str, Any]
) -> None:
    olga = operator()
    with pytest.raises(PermissionDenied, match="at most"):
        ask(kind, row("web-1"), by=olga, key=new_key(), parameters=over)
    assert AuditRecord.objects.get(action=f"guest.{kind}").outcome == "denied"
    assert not Operation.objects.exists()
    asked = ask(kind, row("web-1"), by=olga, key=new_key(), parameters=within)
    assert wait_for_end(asked, 15).state == "done"


def test_B11_a_limit_set_between_asking_and_running_denies_and_leaves_libvirt_alone(
    start_worker: Callable[..., RunningWorker], host_xml: HostXml
) -> None:
    host_xml.add_guest("web-1")
    first = start_worker({"alpha": host_xml.uri})
    until(lambda: Guest.objects.filter(name="web-1").exists())
    first.stop()
    asked = [
        ask(kind, row("web-1"), by=operator(None, None), key=new_key(), parameters=over) for kind, _, over in SIZES
    ]
    operator()
    second = start_worker({"alpha": host_xml.uri})
    for operation in asked:
        ended = wait_for_end(operation, 10)
        assert ended.state == "denied"
        assert "at most" in ended.message
    assert domain(second, "web-1").info()[1:4] == [512 * MIB, 256 * MIB, 1]
