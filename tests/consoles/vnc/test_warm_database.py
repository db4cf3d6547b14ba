from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connection, connections, transaction

from consoles.vnc import warm_database
from consoles.vnc.warm_database import WarmDatabase
from guests.inventory.models import Host

pytestmark = pytest.mark.django_db(transaction=True)


def in_a_thread(work: Callable[[], None]) -> None:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


def test_what_one_thread_gave_back_the_next_one_gets() -> None:
    database, seen = WarmDatabase(), []

    def ask() -> None:
        with database.lent():
            Host.objects.count()
            seen.append(connection.connection)
        assert connections["default"].connection is None

    in_a_thread(ask)
    in_a_thread(ask)
    assert seen[0] is seen[1]
    database.close()


def test_two_at_once_get_two() -> None:
    database = WarmDatabase()

    def ask() -> None:
        with database.lent():
            mine = connections["default"]

            def other() -> None:
                with database.lent():
                    assert connections["default"] is not mine

            in_a_thread(other)

    in_a_thread(ask)
    database.close()


def test_no_more_are_kept_than_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm_database, "KEPT", 0)
    database = WarmDatabase()

    def ask() -> None:
        with database.lent():
            Host.objects.count()
            mine = connections["default"]
        assert mine.connection is None

    in_a_thread(ask)


def test_one_that_comes_back_after_the_end_is_closed() -> None:
    database = WarmDatabase()

    def ask() -> None:
        with database.lent():
            Host.objects.count()
            mine = connections["default"]
            database.close()
        assert mine.connection is None

    in_a_thread(ask)


def test_what_a_failure_left_undone_is_undone_before_the_next() -> None:
    database = WarmDatabase()

    def fail() -> None:
        with database.lent():
            transaction.set_autocommit(False)
            Host.objects.create(name="half", uri="test:///half")
            raise RuntimeError("half way")

    def ask() -> None:
        with database.lent():
            assert connection.get_autocommit()
            assert not Host.objects.filter(name="half").exists()

    with pytest.raises(RuntimeError):
        in_a_thread(fail)
    in_a_thread(ask)
    database.close()
