"""The record only grows (F4, F6): the model refuses, and so does the database behind the model's back."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import DatabaseError, connection, transaction

from guests import audit
from guests.audit.models import AuditRecord
from guests.inventory.models import Guest, Host

pytestmark = pytest.mark.django_db


@pytest.fixture
def line(db: None) -> AuditRecord:
    return audit.record("guest.start", by_name="anna", address="192.0.2.7", parameter=3)


def test_a_line_tells_who_what_where_and_from_where(db: None) -> None:
    anna = User.objects.create_user("anna")
    host = Host.objects.create(name="alpha", uri="test:///default")
    uuid = "5f3c1b0e-0000-4000-8000-000000005999"
    guest = Guest.objects.create(id=uuid, uuid=uuid, host=host, name="web-1")
    line = audit.record("guest.start", by=anna, guest=guest, outcome="denied", address="::1", kib=5)
    line.refresh_from_db()
    assert (line.user, line.user_name, line.guest_name, line.host_name) == (anna, "anna", "web-1", "alpha")
    assert (line.action, line.outcome, line.address, line.detail) == ("guest.start", "denied", "::1", {"kib": 5})
    assert audit.record("x.y", by=AnonymousUser()).user_name == ""


def test_a_line_outlives_its_user(db: None) -> None:
    anna = User.objects.create_user("anna")
    audit.record("guest.start", by=anna)
    anna.delete()
    assert AuditRecord.objects.get(action="guest.start").user_name == "anna"


def test_F4_the_model_refuses_to_change_or_delete_a_line(line: AuditRecord) -> None:
    with pytest.raises(TypeError, match="append-only"):
        line.save()
    with pytest.raises(TypeError, match="append-only"):
        line.delete()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE guests_auditrecord SET user_name = 'mallory'",
        "DELETE FROM guests_auditrecord",
        "DELETE FROM guests_auditrecord WHERE id > 0",
        "UPDATE guests_auditrecord SET id = id + 1",
    ],
)
def test_F4_the_database_refuses_to_change_or_delete_a_line(line: AuditRecord, statement: str) -> None:
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert AuditRecord.objects.get().user_name == "anna"


def test_F4_querysets_are_refused_by_the_database_too(line: AuditRecord) -> None:
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        AuditRecord.objects.update(user_name="mallory")
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        AuditRecord.objects.all().delete()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        AuditRecord.objects.bulk_update([AuditRecord(pk=line.pk, user_name="mallory")], ["user_name"])
    assert AuditRecord.objects.get().user_name == "anna"


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no TRUNCATE")
def test_F4_truncate_is_refused(line: AuditRecord) -> None:
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("TRUNCATE guests_auditrecord")


def test_what_is_rolled_back_leaves_no_line(db: None) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        audit.record("guest.start")
        raise RuntimeError
    assert not AuditRecord.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_tests_that_commit_are_cleaned_up_and_the_triggers_stand_again(line: AuditRecord) -> None:
    with connection.cursor() as cursor, pytest.raises(DatabaseError, match="append-only"):
        cursor.execute("DELETE FROM guests_auditrecord")
