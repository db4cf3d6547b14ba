from __future__ import annotations

import itertools
import threading
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.utils import translation

from guests.access import ACTIONS
from guests.access.models import Grant
from guests.audit.models import AuditRecord
from guests.inventory.models import Guest, Host, HostState
from guests.operations import ask, cancel, new_key, wait_for_end
from guests.operations.kinds import KINDS
from guests.operations.models import Operation
from tests.guests.worker.conftest import RunningWorker, domain, row, until
from tests.labs.host_xml import HostXml


def test_two_who_send_the_same_form_at_once_get_one_operation(worker: RunningWorker, admin: User) -> None:
    key, found = new_key(), []
    barrier = threading.Barrier(4)

    def send() -> None:
        barrier.wait()
        found.append(ask("set_vcpus", row("web-1"), by=admin, key=key, parameters={"count": 2, "live": True}).pk)
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(found) == 4
    assert len(set(found)) == 1
    assert Operation.objects.count() == 1
    assert AuditRecord.objects.filter(action="guest.set_vcpus").count() == 1
    assert wait_for_end(Operation.objects.get(), 10).state == "done"


def test_whoever_may_not_is_refused_when_asking_and_that_is_recorded(worker: RunningWorker) -> None:
    watcher = User.objects.create_user("wanda")
    Grant.objects.create(user=watcher, role="watcher", scope="guest", guest=row("web-1"))
    with pytest.raises(PermissionDenied):
        ask("pause", row("web-1"), by=watcher, key=new_key())
    assert not Operation.objects.exists()
    assert AuditRecord.objects.get().outcome == "denied"


@pytest.mark.parametrize("how", ["grant", "inactive", "deleted"])
def test_B7_a_right_lost_between_asking_and_running_denies_and_leaves_libvirt_alone(
    start_worker: Callable[..., RunningWorker], host_xml: HostXml, how: str
) -> None:
    host_xml.add_guest("web-1")
    first = start_worker({"alpha": host_xml.uri})
    until(lambda: Guest.objects.filter(name="web-1").exists())
    first.stop()
    ana = User.objects.create_user("ana")
    grant = Grant.objects.create(user=ana, role="operator", scope="guest", guest=row("web-1"))
    operation = ask("force_off", row("web-1"), by=ana, key=new_key())
    if how == "grant":
        grant.delete()
    elif how == "inactive":
        ana.is_active = False
        ana.save()
    else:
        ana.delete()
    second = start_worker({"alpha": host_xml.uri})
    ended = wait_for_end(Operation.objects.get(pk=operation.pk), 10)
    assert ended.state == "denied"
    assert ended.message
    assert domain(second, "web-1").isActive()
    end = AuditRecord.objects.get(action="guest.force_off.ended")
    assert (end.outcome, end.user_name) == ("denied", "ana")


def test_a_cancel_before_it_began_changes_nothing(
    start_worker: Callable[..., RunningWorker], host_xml: HostXml, admin: User
) -> None:
    host_xml.add_guest("web-1")
    first = start_worker({"alpha": host_xml.uri})
    until(lambda: Guest.objects.filter(name="web-1").exists())
    first.stop()
    operation = ask("force_off", row("web-1"), by=admin, key=new_key())
    assert cancel(operation, by=admin)
    second = start_worker({"alpha": host_xml.uri})
    ended = wait_for_end(operation, 10)
    assert ended.state == "failed"
    assert "Cancelled" in ended.message
    assert domain(second, "web-1").isActive()
    assert not cancel(ended, by=admin)


def test_what_a_dead_worker_left_running_becomes_unknown_and_is_settled_by_asking_the_host(
    start_worker: Callable[..., RunningWorker], host_xml: HostXml, admin: User
) -> None:
    host_xml.add_guest("web-1")
    first = start_worker({"alpha": host_xml.uri})
    until(lambda: Guest.objects.filter(name="web-1").exists())
    first.stop()
    epoch = Host.objects.get().lease.epoch
    done, not_done, who_knows = (
        ask(kind, row("web-1"), by=admin, key=new_key(), parameters=parameters)
        for kind, parameters in (
            ("set_vcpus", {"count": 1, "live": True}),
            ("pause", {}),
            ("reset", {}),
        )
    )
    Operation.objects.update(state="running", epoch=epoch)
    second = start_worker({"alpha": host_xml.uri})
    second.libvirt("alpha")
    until(lambda: not Operation.objects.filter(ended_at__isnull=True).exists())
    states = {o.pk: o.state for o in Operation.objects.all()}
    assert states == {done.pk: "done", not_done.pk: "failed", who_knows.pk: "unknown"}
    assert domain(second, "web-1").info()[0] == 1  # running: nothing was repeated
    lines = AuditRecord.objects.filter(detail__operation=str(not_done.pk)).order_by("pk")
    words = lines.values_list("outcome", flat=True)
    assert list(words) == ["ok", "failed", "failed"]  # asked, left behind, found out


def test_operations_of_a_host_that_does_not_answer_fail_with_a_sentence(
    start_worker: Callable[..., RunningWorker], admin: User
) -> None:
    start_worker({"alpha": "qemu+unix:///system?socket=/tmp/no-such-socket"})
    host = until(lambda: Host.objects.filter(state=HostState.UNREACHABLE).first())
    uuid = host.pk
    guest = Guest.objects.create(id=uuid, uuid=uuid, host=host, name="web-1", state="running")
    operation = wait_for_end(ask("pause", guest, by=admin, key=new_key()), 10)
    assert operation.state == "failed"
    assert "nothing was changed" in operation.message


def test_a_guest_that_went_away_fails_and_its_row_says_so(
    worker: RunningWorker, asked: Callable[..., Operation]
) -> None:
    off = row("off-1")
    domain(worker, "off-1").undefine()
    operation = asked("start", "off-1")
    assert operation.state == "failed"
    assert "no longer on this host" in operation.message
    off.refresh_from_db()
    assert off.gone_at is not None


def test_operations_of_one_guest_run_in_the_order_they_were_asked(worker: RunningWorker, admin: User) -> None:
    kinds = ["pause", "resume"] * 5
    operations = [ask(kind, row("web-1"), by=admin, key=new_key()) for kind in kinds]
    ended = [wait_for_end(operation, 15) for operation in operations]
    assert [operation.state for operation in ended] == ["done"] * 10
    times = [(operation.started_at, operation.ended_at) for operation in ended]
    assert all(earlier[1] <= later[0] for earlier, later in itertools.pairwise(times))  # type: ignore[operator]


def test_the_worker_answers_in_the_language_of_whoever_asked(worker: RunningWorker, admin: User) -> None:
    with translation.override("pt-br"):
        operation = ask("pause", row("web-1"), by=admin, key=new_key())
    assert operation.language == "pt-br"


def test_a_kind_of_a_newer_version_is_left_in_the_queue(worker: RunningWorker, admin: User) -> None:
    web = row("web-1")
    strange = Operation.objects.create(kind="teleport", host=web.host, guest=web, asked_by=admin, idempotency_key="x")
    after = ask("pause", web, by=admin, key=new_key())
    assert wait_for_end(after, 10).state == "done"
    strange.refresh_from_db()
    assert strange.state == "queued"


def test_every_kind_has_a_label_and_an_action() -> None:
    assert set(KINDS) >= {
        "start",
        "shut_down",
        "force_off",
        "migrate",
        "save",
        "discard_saved",
        "start_paused",
        "reboot",
        "reset",
        "pause",
        "resume",
        "set_current_memory",
        "set_maximum_memory",
        "set_vcpus",
        "set_maximum_vcpus",
        "add_serial_console",
        "set_host_log",
    }
    for name, kind in KINDS.items():
        assert kind.name == name
        assert str(kind.label)
        assert kind.action in ACTIONS
