"""Operations on a host itself, without a guest: a kind of this test's own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext_lazy

from dashboard.audit.words import action_in_words
from guests.access import Action
from guests.access.models import Grant
from guests.audit.models import AuditRecord
from guests.errors import HypervisorUnreachable, OperationRefused
from guests.inventory.models import Host
from guests.operations import ask_host, cancel, new_key, wait_for_end
from guests.operations.host_kinds import HOST_KINDS, HostOperationKind, HostTask, register_host
from guests.operations.models import Operation
from tests.guests.inventory_rows import signed_in
from tests.guests.worker.conftest import RunningWorker, until


class Sorting:
    """A kind that tells how it went."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.go_on.set()
        self.began: list[str] = []
        self.read_again = 0
        self.reached: bool | None = None

    def run(self, task: HostTask) -> dict[str, Any]:
        self.began.append(str(task.parameters.get("what")))
        assert task.connection.raw.getHostname()
        with task.own_connection() as connection:
            assert connection.is_alive()
        assert self.go_on.wait(10)
        if task.parameters.get("refuse"):
            raise OperationRefused("There is nothing to sort.", field="what")
        task.progress.sending()
        if task.parameters.get("break"):
            raise HypervisorUnreachable("gone")
        return {"sorted": task.parameters.get("what")}

    def again(self, _task: HostTask) -> None:
        self.read_again += 1


@pytest.fixture
def sorting() -> Iterator[Sorting]:
    found = Sorting()
    register_host(
        HostOperationKind(
            "sort",
            gettext_lazy("Devices"),
            Action.STORAGE,
            found.run,
            reached=lambda _task: found.reached,
            read_again=found.again,
            refusal=lambda _by, _host, parameters: "Not this." if parameters.get("what") == "this" else "",
            about=lambda parameters: f"sort {parameters.get('what')}",
        )
    )
    yield found
    del HOST_KINDS["sort"]


def alpha() -> Host:
    return Host.objects.get(name="alpha")


def asked(by: User, **parameters: Any) -> Operation:
    return wait_for_end(ask_host("sort", alpha(), by=by, key=new_key(), parameters=parameters), 10)


def test_it_runs_is_recorded_and_told_in_words(worker: RunningWorker, sorting: Sorting, admin: User) -> None:
    ended = asked(admin, what="socks")
    assert (ended.state, ended.after, ended.guest) == ("done", {"sorted": "socks"}, None)
    assert sorting.read_again == 1
    lines = list(AuditRecord.objects.order_by("pk").values_list("action", "host_name", "outcome"))
    assert lines == [("host.sort", "alpha", "ok"), ("host.sort.ended", "alpha", "ok")]
    assert action_in_words("host.sort.ended") == "Ended: Devices"


def test_a_refusal_names_its_field_and_the_rows_are_read_again(
    worker: RunningWorker, sorting: Sorting, admin: User
) -> None:
    ended = asked(admin, what="socks", refuse=True)
    assert (ended.state, ended.message, ended.field) == ("failed", "There is nothing to sort.", "what")
    assert sorting.read_again == 1


@pytest.mark.parametrize(("reached", "state"), [(True, "done"), (False, "failed"), (None, "unknown")])
def test_after_a_broken_connection_the_host_is_asked_what_came_of_it(
    worker: RunningWorker, sorting: Sorting, admin: User, reached: bool | None, state: str
) -> None:
    sorting.reached = reached
    operation = ask_host("sort", alpha(), by=admin, key=new_key(), parameters={"break": True})
    until(lambda: Operation.objects.filter(pk=operation.pk, ended_at__isnull=False).exists(), 15)
    operation.refresh_from_db()
    assert operation.state == state


def test_two_about_the_same_run_one_after_the_other_and_others_beside_them(
    worker: RunningWorker, sorting: Sorting, admin: User
) -> None:
    sorting.go_on.clear()
    asked_for = [
        ask_host("sort", alpha(), by=admin, key=new_key(), parameters={"what": what})
        for what in ("socks", "socks", "shirts")
    ]
    until(lambda: len(sorting.began) == 2)
    assert sorted(sorting.began) == ["shirts", "socks"]
    sorting.go_on.set()
    assert [wait_for_end(operation, 10).state for operation in asked_for] == ["done"] * 3
    assert sorted(sorting.began) == ["shirts", "socks", "socks"]


def test_only_an_administrator_of_the_host_may_ask_and_only_within_what_the_kind_allows(
    worker: RunningWorker, sorting: Sorting, admin: User
) -> None:
    olga = User.objects.create_user("olga")
    grant = Grant.objects.create(user=olga, role="operator", scope="host", host=alpha())
    with pytest.raises(PermissionDenied):
        asked(olga, what="socks")
    grant.role = "administrator"
    grant.save()
    with pytest.raises(PermissionDenied, match="Not this"):
        asked(olga, what="this")
    assert list(AuditRecord.objects.values_list("action", "outcome")) == [("host.sort", "denied")] * 2
    assert asked(olga, what="socks").state == "done"


def test_a_right_lost_before_it_began_denies_it(worker: RunningWorker, sorting: Sorting) -> None:
    olga = User.objects.create_user("olga")
    grant = Grant.objects.create(user=olga, role="administrator", scope="host", host=alpha())
    sorting.go_on.clear()
    first = ask_host("sort", alpha(), by=olga, key=new_key(), parameters={"what": "socks"})
    until(lambda: sorting.began)
    second = ask_host("sort", alpha(), by=olga, key=new_key(), parameters={"what": "socks"})
    grant.delete()
    sorting.go_on.set()
    assert [wait_for_end(operation, 10).state for operation in (first, second)] == ["done", "denied"]
    assert sorting.began == ["socks"]


def test_it_is_shown_to_whoever_sees_the_host_as_a_whole_and_not_to_somebody_with_a_guest_on_it(
    worker: RunningWorker, sorting: Sorting, admin: User
) -> None:
    operation = asked(admin, what="socks")
    clients = {}
    for name, scope in (("wanda", {"scope": "host", "host": alpha()}), ("gil", {"scope": "guest"})):
        person = User.objects.create_user(name)
        guest = {"guest": alpha().guests.first()} if name == "gil" else {}
        Grant.objects.create(user=person, role="watcher", **scope, **guest)
        clients[name] = signed_in(person)
    assert clients["wanda"].get(f"/operations/{operation.pk}/").status_code == 200
    assert "Devices" in clients["wanda"].get("/operations/").content.decode()
    assert clients["gil"].get(f"/operations/{operation.pk}/").status_code == 404
    assert str(operation.pk) not in clients["gil"].get("/operations/").content.decode()


def test_one_that_is_queued_can_be_ended_by_whoever_may_ask_it(
    worker: RunningWorker, sorting: Sorting, admin: User
) -> None:
    sorting.go_on.clear()
    first = ask_host("sort", alpha(), by=admin, key=new_key(), parameters={"what": "socks"})
    until(lambda: sorting.began)
    second = ask_host("sort", alpha(), by=admin, key=new_key(), parameters={"what": "socks"})
    client = signed_in(admin)
    assert f"cancel-{second.pk}" in client.get("/operations/").content.decode()
    with pytest.raises(PermissionDenied):
        cancel(second, by=User.objects.create_user("nobody"))
    assert cancel(second, by=admin)
    sorting.go_on.set()
    assert wait_for_end(second, 10).message == "Cancelled before it began: nothing was changed."
    assert wait_for_end(first, 10).state == "done"
