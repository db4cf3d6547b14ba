"""F4 to F7: the hash chain, on the database the tests run with: SQLite, and PostgreSQL in tests/postgresql."""

from __future__ import annotations

import threading
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from guests import audit
from guests.audit.anchoring import Head, anchor, anchored_heads, head
from guests.audit.models import AuditLink, AuditRecord
from guests.audit.verifying import verify

# With real transactions: PostgreSQL makes a link when its line is committed.
pytestmark = pytest.mark.django_db(transaction=True)
triggers: Any = import_module("guests.migrations.0006_audit_chain")


def write(count: int = 5) -> list[AuditRecord]:
    return [audit.record("guest.start", by_name=f"person {number}", number=number) for number in range(count)]


def tamper(*statements: str) -> None:
    """What somebody with the owner's role does: the triggers are set aside."""
    with connection.schema_editor() as editor:
        triggers.allow(None, editor)
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    with connection.schema_editor() as editor:
        triggers.refuse(None, editor)


def found(*anchors: Head) -> list[str]:
    return [str(finding) for finding in verify(head(), anchors)]


def test_every_line_has_a_link_and_an_untouched_record_verifies() -> None:
    write(3)
    with transaction.atomic():
        write(2)
    assert list(AuditLink.objects.values_list("position", flat=True)) == [1, 2, 3, 4, 5]
    assert found(head()) == []


def test_F4_what_is_rolled_back_leaves_no_gap() -> None:
    write(1)
    with pytest.raises(RuntimeError), transaction.atomic():
        write(2)
        raise RuntimeError
    write(1)
    assert head().position == 2
    assert found() == []


@pytest.mark.parametrize(
    ("detail"),
    [
        {"seconds": 2.0, "share": 0.1, "many": 1e16, "tiny": 1e-7, "big": 2**60},
        {"z": 1, "a": {"n": None, "t": True, "list": [1, "x", []]}},
        {"text": "é \u202e \x1b[2J \r\n \u2028 \U0001f600 \"'"},
        {"nul": "a\0b", "half": "\ud800"},
    ],
    ids=["numbers", "shapes", "text", "unstorable"],
)
def test_F7_whatever_is_said_comes_back_as_it_was_hashed(detail: dict[str, Any]) -> None:
    audit.record("guest.start", by_name="an\0na\ud800" * 60, address="x" * 80, **detail)
    assert found() == []
    assert AuditRecord.objects.get().user_name.startswith("an\ufffdna?")


@pytest.mark.parametrize(
    "change",
    [
        "user_name = 'mallory'",
        "detail = '{}'",
        "at = '2020-01-01 00:00:00+00:00'",
        "digest = repeat('0', 64)" if connection.vendor == "postgresql" else "digest = 'forged'",
    ],
)
def test_F4_an_altered_line_is_found(change: str) -> None:
    lines = write()
    tamper(f"UPDATE guests_auditrecord SET {change} WHERE id = {lines[0].pk}")
    assert any(f"line {lines[0].pk} (position 1) was altered" in finding for finding in found())


def test_F4_an_altered_line_whose_digest_is_made_anew_breaks_the_chain() -> None:
    from guests.audit.chain import digest_of

    line = write()[2]
    line.user_name = "mallory"
    tamper(f"UPDATE guests_auditrecord SET user_name = 'mallory', digest = '{digest_of(line)}' WHERE id = {line.pk}")
    assert any("broken at position 3" in finding for finding in found())


def test_F4_a_chain_that_is_made_anew_from_there_differs_from_the_anchored_head() -> None:
    from guests.audit.chain import digest_of, link_hash

    lines = write()
    anchored = head()
    lines[2].user_name = "mallory"
    before = AuditLink.objects.get(position=2).hash
    forged = [
        f"UPDATE guests_auditrecord SET user_name='mallory',digest='{digest_of(lines[2])}' WHERE id={lines[2].pk}"
    ]
    for position, line in enumerate(lines[2:], start=3):
        before = link_hash(before, digest_of(line))
        forged.append(f"UPDATE guests_auditlink SET hash = '{before}' WHERE position = {position}")
    tamper(*forged)
    assert found() == []
    (finding,) = found(anchored)
    assert "at position 5 the chain is not the one that was anchored" in finding


def test_F4_a_removed_line_is_found() -> None:
    lines = write()
    tamper(f"DELETE FROM guests_auditrecord WHERE id = {lines[1].pk}")
    assert found() == [f"line {lines[1].pk} (position 2) was removed"]


def test_F4_a_line_removed_with_its_link_is_found() -> None:
    lines = write()
    tamper(
        f"DELETE FROM guests_auditrecord WHERE id = {lines[1].pk}",
        "DELETE FROM guests_auditlink WHERE position = 2",
    )
    assert "position 2 is missing" in found()[0]


def test_F4_closing_the_gap_breaks_the_chain() -> None:
    lines = write()
    tamper(
        f"DELETE FROM guests_auditrecord WHERE id = {lines[1].pk}",
        "DELETE FROM guests_auditlink WHERE position = 2",
        "UPDATE guests_auditlink SET position = 2 WHERE position = 3",
        "UPDATE guests_auditlink SET position = 3 WHERE position = 4",
        "UPDATE guests_auditlink SET position = 4 WHERE position = 5",
    )
    assert "broken at position 2" in found()[0]


def test_F4_reordered_lines_are_found() -> None:
    lines = write()
    tamper(
        "UPDATE guests_auditlink SET record_id = -1 WHERE position = 2",
        f"UPDATE guests_auditlink SET record_id = {lines[1].pk} WHERE position = 4",
        f"UPDATE guests_auditlink SET record_id = {lines[3].pk} WHERE position = 2",
    )
    assert [finding for finding in found() if "broken at position 2" in finding or "broken at position 4" in finding]


def test_F4_a_line_put_in_beside_the_chain_is_found() -> None:
    lines = write(2)
    tamper(
        "INSERT INTO guests_auditrecord (id, at, action, outcome, user_name, guest_name, host_name, address, detail, "
        "digest) VALUES (9999, '2026-01-01 00:00:00+00:00', 'guest.start', 'ok', 'mallory', '', '', '', '{}', '')"
    )
    assert found() == ["line 9999 stands outside the chain: it was put in beside it"]
    assert lines


def test_F4_a_cut_end_is_found_by_the_anchored_head() -> None:
    lines = write()
    anchored = head()
    tamper(
        f"DELETE FROM guests_auditrecord WHERE id >= {lines[3].pk}",
        "DELETE FROM guests_auditlink WHERE position >= 4",
    )
    assert found() == []
    assert "the end was cut off: position 5 was anchored" in found(anchored)[0]


@pytest.mark.parametrize("statement", ["UPDATE guests_auditlink SET hash = ''", "DELETE FROM guests_auditlink"])
def test_F4_the_database_refuses_to_touch_a_link(statement: str) -> None:
    write(1)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_F4_the_command_says_so_and_ends_with_an_error(settings: Any, tmp_path: Path) -> None:
    settings.AUDIT_HEADS = tmp_path / "heads.log"
    lines = write()
    anchor(settings.AUDIT_HEADS)
    out = StringIO()
    call_command("audit", "verify", stdout=out)
    assert "5 lines, unbroken; 1 anchored heads agree." in out.getvalue()
    kept = StringIO()
    call_command("audit", "head", stdout=kept)
    tamper(f"UPDATE guests_auditrecord SET user_name = 'mallory' WHERE id = {lines[0].pk}")
    with pytest.raises(CommandError, match="1 found: the record was touched"):
        call_command("audit", "verify", "--head", kept.getvalue().strip(), stdout=out)
    assert "position 1) was altered" in out.getvalue()
    with pytest.raises(CommandError, match="no head"):
        call_command("audit", "verify", "--head", "7:abc", stdout=out)


def test_F4_without_an_anchored_head_the_command_warns(settings: Any, tmp_path: Path) -> None:
    settings.AUDIT_HEADS = tmp_path / "nothing"
    errors = StringIO()
    call_command("audit", "verify", stdout=StringIO(), stderr=errors)
    assert "cut off at its end looks whole" in errors.getvalue()


def test_the_head_is_anchored_when_it_moved_only(tmp_path: Path) -> None:
    path = tmp_path / "heads.log"
    last = anchor(path)
    assert not path.exists()
    for _ in range(2):
        write(1)
        last = anchor(path, last)
        last = anchor(path, last)
    heads = anchored_heads(path)
    assert [known.position for known in heads] == [1, 2]
    assert (path.stat().st_mode & 0o777, heads[-1].hash) == (0o600, head().hash)
    path.write_text(path.read_text() + "2026-11-22T10:00:00+00:00 3 torn")
    assert len(anchored_heads(path)) == 2


def test_F5_twenty_parallel_writers_make_one_unbroken_chain() -> None:
    """Each in transactions of its own, some with other locks before and after the line, some rolled back."""
    from guests.inventory.changes import Feed, next_revision

    errors: list[BaseException] = []
    start = threading.Barrier(20)

    def work(number: int) -> None:
        try:
            start.wait(20)
            for turn in range(5):
                with transaction.atomic():
                    if number % 2:
                        next_revision(Feed.RIGHTS)
                    audit.record("guest.start", by_name=f"writer {number}", turn=turn)
                    if not number % 2:
                        next_revision(Feed.RIGHTS)
                    if turn == 3:
                        transaction.set_rollback(True)
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert head().position == AuditRecord.objects.count() == 80
    assert found(head()) == []


def test_F6_what_cannot_be_recorded_does_not_happen(tmp_path: Path) -> None:
    """A database that takes no more lines of the record."""
    from guests.access import Role, grant
    from guests.access.models import Grant

    anna = User.objects.create_user("anna")
    with connection.schema_editor() as editor:
        triggers.allow(None, editor)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE guests_auditrecord RENAME TO gone")
    try:
        with pytest.raises(DatabaseError):
            grant(Role.WATCHER, anna, by=None)
        assert not Grant.objects.exists()
        assert User.objects.filter(username="anna").exists()  # reading goes on
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE gone RENAME TO guests_auditrecord")
        with connection.schema_editor() as editor:
            triggers.refuse(None, editor)


def test_one_statement_records_a_line(django_assert_num_queries: Any) -> None:
    with transaction.atomic(), django_assert_num_queries(1):
        audit.record("guest.start")


@pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite's own shell")
def test_a_line_without_django_is_refused_on_sqlite(tmp_path: Path) -> None:
    import sqlite3

    database = sqlite3.connect(connection.settings_dict["NAME"])
    with pytest.raises(sqlite3.OperationalError, match="SHA256"):
        database.execute(
            "INSERT INTO guests_auditrecord (at, action, outcome, user_name, guest_name, host_name, address, detail, "
            "digest) VALUES ('2026-01-01', 'guest.start', 'ok', 'mallory', '', '', '', '{}', '')"
        )
    database.close()
