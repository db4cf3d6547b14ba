"""Prepared queries answer as the querysets do that they were written from."""

from __future__ import annotations

import threading
import uuid

import pytest
from django.db import connection
from django.db.models import BigAutoField, CharField, DateTimeField, UUIDField
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from guests.inventory.models import Guest, Host, MACUse
from guests.prepared import Given, Prepared, PreparedInsert, PreparedUpdate

BY_ID = Prepared(lambda: Guest.objects.select_related("host").filter(pk=Given("id", UUIDField())))
NAMES = Prepared(
    lambda: Guest.objects.filter(host__name=Given("host", CharField())).order_by("name").values_list("name", flat=True)
)


@pytest.fixture
def guests(db: None) -> list[Guest]:
    host = Host.objects.create(name="alpha", uri="test:///default")
    ids = [uuid.uuid4() for _ in range(3)]
    return [
        Guest.objects.create(id=each, uuid=each, host=host, name=f"web-{n}", definition={"n": n})
        for n, each in enumerate(ids)
    ]


def test_whole_rows_come_with_what_is_joined(
    guests: list[Guest], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for guest in guests:
        with django_assert_num_queries(1):
            (found,) = BY_ID.rows(id=guest.pk)
            assert (found, found.host, found.definition, found.uuid) == (
                guest,
                guest.host,
                guest.definition,
                guest.uuid,
            )
    assert BY_ID.first(id=uuid.uuid4()) is None


def test_values_differ_from_run_to_run(guests: list[Guest]) -> None:
    assert NAMES.rows(host="alpha") == ["web-0", "web-1", "web-2"]
    assert NAMES.rows(host="' OR 1=1 --") == []
    assert NAMES.rows(host="alpha") == ["web-0", "web-1", "web-2"]


def test_a_value_that_was_forgotten_is_an_error(guests: list[Guest]) -> None:
    with pytest.raises(KeyError):
        NAMES.rows()


def test_an_update_says_how_many_rows_it_changed(guests: list[Guest]) -> None:
    leave = PreparedUpdate(
        lambda: Guest.objects.filter(pk=Given("id", UUIDField()), gone_at=None), gone_at=Given("now", DateTimeField())
    )
    now = timezone.now()
    assert [leave.run(id=guests[0].pk, now=now) for _ in range(2)] == [1, 0]
    assert list(Guest.objects.filter(gone_at=now)) == guests[:1]


@pytest.mark.django_db(transaction=True)
def test_threads_share_what_was_written_once() -> None:
    host = Host.objects.create(name="alpha", uri="test:///default")
    ids = [uuid.uuid4() for _ in range(8)]
    for each in ids:
        Guest.objects.create(id=each, uuid=each, host=host, name=str(each))
    by_host = Prepared(lambda: Guest.objects.filter(pk=Given("id", UUIDField()), host=Given("host", UUIDField())))
    found: list[str] = []

    def look(each: uuid.UUID) -> None:
        try:
            for _ in range(20):
                found.extend(guest.name for guest in by_host.rows(id=each, host=host.pk))
        finally:
            connection.close()

    threads = [threading.Thread(target=look, args=(each,)) for each in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted([str(each) for each in ids] * 20)


def test_a_number_is_given_as_its_field_wants_it(guests: list[Guest]) -> None:
    hosts = Prepared(lambda: Guest.objects.filter(domain_id=Given("n", BigAutoField())))
    Guest.objects.filter(pk=guests[1].pk).update(domain_id=7)
    assert hosts.rows(n="7") == guests[1:2]


def test_what_is_joined_may_be_missing_and_columns_may_be_left_out(
    guests: list[Guest], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    by_id = Prepared(
        lambda: (
            MACUse.objects.select_related("guest__console_setting")
            .only("mac", "guest__name", "guest__console_setting__keyboard")
            .filter(guest=Given("id", UUIDField()))
        )
    )
    MACUse.objects.create(guest=guests[0], mac="52:54:00:00:00:01")
    with django_assert_num_queries(1):
        (found,) = by_id.rows(id=guests[0].pk)
        assert (found.mac, found.guest.name) == ("52:54:00:00:00:01", "web-0")
        assert getattr(found.guest, "console_setting", None) is None
    assert found.guest.get_deferred_fields()


def test_values_of_several_columns_are_refused(guests: list[Guest]) -> None:
    with pytest.raises(TypeError):
        Prepared(lambda: Guest.objects.values_list("name", "uuid")).rows()


def test_a_new_row_is_stored_as_the_model_would_store_it(
    guests: list[Guest], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    macs, hosts = PreparedInsert(MACUse), PreparedInsert(Host)
    for n, guest in enumerate(guests):
        use, host = MACUse(guest=guest, mac=f"52:54:00:00:00:0{n}"), Host(name=f"beta-{n}", uri="test:///default")
        with django_assert_num_queries(2):
            macs.save(use)
            hosts.save(host)
        assert MACUse.objects.get(pk=use.pk).since == use.since
        assert MACUse.objects.get(guest=guest) == use
        assert (Host.objects.get(name=f"beta-{n}"), use._state.adding, host._state.adding) == (host, False, False)
