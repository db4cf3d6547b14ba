"""The audit record's page and export: found, paged, seen by who may, written so that nothing is obeyed."""

from __future__ import annotations

import ast
import csv
import io
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.utils import timezone

from dashboard.audit import exporting, views
from dashboard.audit.words import ACTIONS, action_in_words, details_of
from dashboard.spreadsheets import inert
from dashboard.time_limit import TookTooLong, at_most
from guests import audit
from guests.access import Grant
from guests.audit.models import AuditRecord
from guests.inventory.models import Tag
from tests.dashboard.conftest import Site

ROOT = Path(__file__).parents[3]


def pieces(answer: Any) -> list[bytes]:
    async def read() -> list[bytes]:
        return [piece async for piece in answer.streaming_content]

    return async_to_sync(read)()


def body(answer: Any) -> str:
    return b"".join(pieces(answer)).decode() if answer.streaming else answer.content.decode()


def export(client: Client, form: str, **asked: str) -> str:
    answer = client.post("/audit/export/", {"form": form, **asked})
    assert answer.status_code == 200
    assert answer["Content-Disposition"].startswith('attachment; filename="audit-')
    return body(answer)


@pytest.fixture
def lines(site: Site) -> Site:
    root, operator = site.people["root"], site.people["operator"]
    audit.record("guest.start", by=operator, guest=site.web, address="192.0.2.7")
    audit.record("guest.shut_down", by=operator, guest=site.far, outcome="denied")
    audit.record("console.close", by=root, guest=site.web, bytes_in=7, bytes_out=1234, seconds=5.5)
    audit.record("access.grant", by=root, host=site.beta, before=None, after="watcher", holder="anna", on="host beta")
    audit.record("account.sign_in", by_name="mallory", outcome="failed", address="203.0.113.9")
    return site


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, 6),  # with the sign-in of the person who asks
        ({"who": "OPER"}, 2),
        ({"who": "192.0.2.7"}, 1),
        ({"what": "console"}, 1),
        ({"what": "guest.start"}, 1),
        ({"what": "gues"}, 0),
        ({"where": "web-"}, 2),
        ({"where": "beta"}, 2),
        ({"outcome": "denied"}, 1),
        ({"outcome": "nonsense", "since": "nonsense", "older": "x", "newer": "-1"}, 6),
        ({"since": "2999-01-01T00:00"}, 0),
        ({"until": "2999-01-01T00:00"}, 6),
        ({"since": "9999-99-99T00:00"}, 6),
        ({"who": "operator", "outcome": "denied"}, 1),
    ],
)
def test_lines_are_found_by_who_what_where_outcome_and_time(lines: Site, asked: dict[str, str], found: int) -> None:
    client = lines.client("root")
    answer = client.get("/audit/", asked)
    assert answer.status_code == 200
    html = body(answer)
    assert html.count("<tr>") == (found + 1 if found else 0)
    assert ("Nothing was recorded" in html) is (found == 0)
    exported = [json.loads(line)["action"] for line in export(client, "jsonl", **asked).splitlines()]
    assert len(exported) - exported.count("audit.export") == found


def test_a_guest_is_found_by_its_id(lines: Site) -> None:
    assert body(lines.client("root").get("/audit/", {"where": str(lines.far.pk)})).count("<tr>") == 2


def test_pages_go_to_older_lines_and_back(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "PAGE_SIZE", 3)
    for number in range(7):
        audit.record("guest.start", by_name=f"person-{number}")
    client, path, seen = site.client("root"), "/audit/?what=guest", []
    for _ in range(3):
        answer = client.get(path)
        seen.append([line.user_name for line, *_ in answer.context["lines"]])
        path = "/audit/" + answer.context["older_url"] if answer.context["older_url"] else path
        assert "what=guest" in path
    assert seen == [["person-6", "person-5", "person-4"], ["person-3", "person-2", "person-1"], ["person-0"]]
    back = client.get("/audit/" + answer.context["newer_url"])
    assert [line.user_name for line, *_ in back.context["lines"]] == seen[1]
    first = client.get("/audit/" + back.context["newer_url"])
    assert [line.user_name for line, *_ in first.context["lines"]] == seen[0]
    assert not first.context["newer_url"]


@pytest.mark.parametrize("who", ["watcher", "operator", "stranger"])
def test_who_administrates_nothing_has_no_audit_page(lines: Site, who: str) -> None:
    client = lines.client(who)
    assert client.get("/audit/").status_code == 403
    assert client.post("/audit/export/", {"form": "csv"}).status_code == 403
    assert 'href="/audit/"' not in body(client.get("/guests/"))


def test_an_administrator_of_a_host_sees_what_happened_there_only(lines: Site) -> None:
    client = lines.client("administrator")  # of alpha
    html = body(client.get("/audit/"))
    assert 'href="/audit/"' in body(client.get("/guests/"))
    assert ("web-1" in html, "far-1" in html, "mallory" in html, "host beta" in html) == (True, False, False, False)
    exported = export(client, "jsonl")
    assert {json.loads(line)["guest"] for line in exported.splitlines()} == {"web-1"}
    assert "mallory" not in exported


@pytest.mark.parametrize("scope", ["guest", "tag"])
def test_an_administrator_of_a_guest_sees_its_lines_only(lines: Site, scope: str) -> None:
    anna = User.objects.create_user("anna")
    if scope == "guest":
        Grant.objects.create(user=anna, role="administrator", scope="guest", guest=lines.far)
    else:
        tag = Tag.objects.create(name="far")
        lines.far.tags.add(tag)
        Grant.objects.create(user=anna, role="administrator", scope="tag", tag=tag)
    lines.people["anna"] = anna
    assert {json.loads(line)["guest"] for line in export(lines.client("anna"), "jsonl").splitlines()} == {"far-1"}


def test_the_queries_of_a_page_do_not_grow_with_its_lines(site: Site, django_assert_max_num_queries: Any) -> None:
    for number in range(40):
        audit.record("guest.start", by_name=f"person-{number}", guest=site.web)
    client = site.client("administrator")
    client.get("/audit/")
    with django_assert_max_num_queries(12):
        assert client.get("/audit/").status_code == 200


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "＝1", "=cmd|' /C x'!A0"]
)
def test_F8_a_spreadsheet_obeys_no_cell(lines: Site, cell: str) -> None:
    assert inert(cell) == f"'{cell}"
    audit.record("account.sign_in", by_name=cell, outcome="failed", guest=None)
    rows = list(csv.reader(io.StringIO(export(lines.client("root"), "csv"), newline="")))
    assert rows[0][:4] == ["id", "at", "action", "outcome"]
    shown = [row[4] for row in rows[1:] if cell.strip() and row[2] == "account.sign_in" and row[4].startswith("'")]
    assert shown == [f"'{cell}"]
    assert not [
        field for row in rows for field in row if field.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r"))
    ]


def test_what_is_harmless_stays_as_it_is() -> None:
    assert [inert(value) for value in ("web-1", "a=b", 7, None, "")] == ["web-1", "a=b", "7", "", ""]


def test_F3_an_export_is_recorded_with_what_was_asked(lines: Site) -> None:
    export(lines.client("root"), "csv", who="operator", outcome="denied")
    line = AuditRecord.objects.get(action="audit.export")
    assert line.user_name == "root"
    assert (line.outcome, line.detail) == ("ok", {"form": "csv", "search": {"who": "operator", "outcome": "denied"}})


def test_F3_whatever_can_be_taken_out_as_a_file_is_recorded() -> None:
    """Each has a test of its own beside its page; here none is forgotten."""
    giving = {
        str(path.relative_to(ROOT)): path.read_text()
        for room in ("guests", "consoles", "dashboard")
        for path in (ROOT / room).rglob("*.py")
        if "attachment; filename" in path.read_text()
    }
    assert set(giving) == {
        "consoles/views/console_log.py",
        "consoles/views/screen_recordings.py",
        "dashboard/audit/views.py",
        "guests/views/definition.py",
        "guests/views/uploads.py",
    }
    assert all(re.search(r"\brecord\(", source) for source in giving.values())


def test_an_export_needs_a_form_and_a_post(lines: Site) -> None:
    client = lines.client("root")
    assert client.get("/audit/export/").status_code == 405
    assert client.post("/audit/export/", {"form": "xlsx"}).status_code == 400
    assert not AuditRecord.objects.filter(action="audit.export").exists()


def test_F2_an_export_is_capped_and_read_in_pieces(lines: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "CHUNK", 2)
    monkeypatch.setattr(exporting, "MOST", 3)
    answer = lines.client("root").post("/audit/export/", {"form": "jsonl"})
    assert [piece.count(b"\n") for piece in pieces(answer) if piece] == [2, 1]


def test_F2_a_search_that_takes_too_long_is_given_up(lines: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(*_args: object) -> None:
        raise TookTooLong

    monkeypatch.setattr(views.AuditQuery, "page", endless)
    answer = lines.client("root").get("/audit/", {"who": "x"})
    assert answer.status_code == 503
    assert "Choose a shorter time" in body(answer)


@pytest.mark.django_db(transaction=True)
def test_F2_the_database_gives_up_after_the_time() -> None:
    forever = {
        "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
        "postgresql": "SELECT pg_sleep(20)",
    }
    with pytest.raises(TookTooLong), at_most(0.2), connection.cursor() as cursor:
        cursor.execute(forever[connection.vendor])
    with at_most(5), connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def test_every_action_that_the_source_records_has_words() -> None:
    found = set()
    for path in [path for room in ("guests", "consoles", "dashboard") for path in (ROOT / room).rglob("*.py")]:
        for call in ast.walk(ast.parse(path.read_text())):
            called = getattr(call.func, "attr", getattr(call.func, "id", "")) if isinstance(call, ast.Call) else ""
            if isinstance(call, ast.Call) and called.lstrip("_").startswith(("record", "refuse", "edit")):
                texts = [part for word in call.args[:3] for part in ast.walk(word) if isinstance(part, ast.Constant)]
                found |= {str(text.value) for text in texts if re.fullmatch(r"[a-z]+\.[a-z_]+", str(text.value))}
    assert len(found) > 20
    assert found <= set(ACTIONS), found - set(ACTIONS)


def test_lines_are_told_in_words(site: Site) -> None:
    assert action_in_words("guest.start") == "Start"
    assert action_in_words("guest.start.ended") == "Ended: Start"
    assert action_in_words("guest.start.cancel") == "Asked to end: Start"
    assert action_in_words("later.kind") == "later.kind"

    def told(**detail: Any) -> list[tuple[str, str, str]]:
        line = AuditRecord(action="x.y", detail=detail)
        return [(found.name, found.before, found.value) for found in details_of(line)]

    assert told(before={"kib": 1, "same": 2}, after={"kib": 3, "same": 2}) == [("kib", "1", "3")]
    assert told(before="watcher", after=None, on="x") == [("", "watcher", "–"), ("on", "", "x")]
    assert told(asked={"kib": 5}, before={}, empty="") == [("kib", "", "5")]
    assert told(long="x" * 500)[0][2].endswith("…")


def test_D7_a_hostile_name_is_inert_on_the_page(site: Site) -> None:
    name = '"><script>alert(1)</script>'
    audit.record("account.sign_in", by_name=name, outcome="failed", why={"a": [name]})
    html = body(site.client("root").get("/audit/", {"who": name}))
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_the_time_range_is_in_the_time_zone_of_the_site(site: Site, settings: Any) -> None:
    settings.TIME_ZONE = "America/Sao_Paulo"
    with timezone.override("America/Sao_Paulo"):
        line = audit.record("guest.start", by_name="anna")
        since = timezone.localtime(line.at - timedelta(seconds=5)).strftime("%Y-%m-%dT%H:%M:%S")
        until = timezone.localtime(line.at + timedelta(seconds=5)).strftime("%Y-%m-%dT%H:%M:%S")
    html = body(site.client("root").get("/audit/", {"since": since, "until": until, "who": "anna"}))
    assert f'value="{since}"' in html
    assert html.count("<tr>") == 2
