"""D3: what breaks the content security policy is reported by browsers, and arrives as one harmless line of the log."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from dashboard import policy_reports, rates
from dashboard.logs import formatter
from guests.audit.models import AuditRecord
from tests.dashboard.conftest import Site

OLD, NEW = "application/csp-report", "application/reports+json"
REPORT = {
    "document-uri": "https://guests.example/guests/1/?next=secret#here",
    "referrer": "https://guests.example/?token=secret",
    "violated-directive": "script-src-elem",
    "effective-directive": "script-src-elem",
    "original-policy": "default-src 'none'",
    "blocked-uri": "https://user:secret@evil.example:8443/x.js?secret=1",
    "source-file": "https://guests.example/static/page.js?v=1",
    "line-number": 7,
    "script-sample": "secret()",
}
NEWER = {
    "type": "csp-violation",
    "url": "https://guests.example/?secret",
    "user_agent": "secret",
    "body": {
        "documentURL": "https://guests.example/guests/1/?next=secret#here",
        "effectiveDirective": "script-src-elem",
        "blockedURL": "https://evil.example:8443/x.js?secret=1",
        "sourceFile": "https://guests.example/static/page.js?v=1",
        "lineNumber": 7,
        "sample": "secret()",
    },
}
TOLD = {
    "policy_directive": "script-src-elem",
    "policy_blocked": "https://evil.example:8443/x.js",
    "policy_page": "https://guests.example/guests/1/",
    "policy_source": "https://guests.example/static/page.js",
    "policy_line": "7",
}


@pytest.fixture(autouse=True)
def nobody_reported_before() -> None:
    policy_reports._reports.forget()


def send(client: Client, content: object, content_type: str = OLD, **more: Any) -> Any:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return client.post("/policy-report/", body, content_type=content_type, **more)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """As they stand in the log."""
    found = [record for record in caplog.records if record.name == "dashboard.policy_reports"]
    return [formatter().format(record) for record in found]


def told(line: str) -> dict[str, Any]:
    return {name: value for name, value in json.loads(line).items() if name.startswith("policy_")}


@pytest.mark.parametrize(
    ("content", "content_type"), [({"csp-report": REPORT}, OLD), ([NEWER, {"type": "deprecation", "body": {}}], NEW)]
)
@pytest.mark.parametrize("who", ["anonymous", "watcher"])
def test_D3_a_report_is_one_line_of_the_log_and_nothing_else(
    site: Site, caplog: pytest.LogCaptureFixture, content: object, content_type: str, who: str
) -> None:
    client = site.client(who, enforce_csrf_checks=True)
    before = AuditRecord.objects.count()
    with CaptureQueriesContext(connection) as queries:
        answer = send(client, content, content_type, headers={"Origin": "null", "Sec-Fetch-Dest": "report"})
    assert (answer.status_code, answer.content, answer.cookies) == (204, b"", {})
    written = [query["sql"] for query in queries if not query["sql"].startswith(("SELECT", "SAVEPOINT", "RELEASE"))]
    assert [sql for sql in written if "usersessions_usersession" not in sql] == []  # when somebody was last seen
    assert who != "anonymous" or list(queries) == []
    assert AuditRecord.objects.count() == before
    (line,) = lines(caplog)
    assert told(line) == TOLD
    assert "secret" not in line


def test_D3_what_a_report_says_cannot_forge_a_line(db: None, caplog: pytest.LogCaptureFixture) -> None:
    hostile = 'x\r\n{"event":"forged"}\x1b[2J\u202e\u2028\x9b\x7f'
    report = dict.fromkeys(REPORT, hostile) | {"line-number": True, "source-file": ["x"], "other": {"a": "b"}}
    assert send(Client(), {"csp-report": report}).status_code == 204
    assert (
        send(Client(), {"csp-report": dict.fromkeys(("blocked-uri", "effective-directive"), "y" * 5000)}).status_code
        == 204
    )
    first, second = lines(caplog)
    assert first.isprintable() and first.isascii()
    assert json.loads(first)["event"] == "a page broke its content security policy"
    assert all(value.isprintable() for value in told(first).values())
    assert "policy_source" not in told(first)
    assert {len(value) for value in told(second).values()} == {200}


def test_D3_many_reports_in_one_body_are_cut_off(db: None, caplog: pytest.LogCaptureFixture) -> None:
    assert send(Client(), [{"type": "csp-violation", "body": {}}] * 50, NEW).status_code == 204
    assert len(lines(caplog)) == policy_reports.MOST_REPORTS


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"x" * (policy_reports.MOST_BYTES + 1), OLD, 413),
        (b"x" * (2 << 20), NEW, 413),
        (b"{}", "application/json", 415),
        (b"csp-report=1", "application/x-www-form-urlencoded", 415),
        (b" ", OLD, 400),
        (b"{", OLD, 400),
        (b"\xff", OLD, 400),
        (b"[" * 10_000, OLD, 400),
        ([], OLD, 400),
        ({}, OLD, 400),
        ({"csp-report": "text"}, OLD, 400),
        ({"csp-report": None}, OLD, 400),
        ({"type": "csp-violation"}, NEW, 400),
        ([{"type": "csp-violation"}], NEW, 400),
        ([{"type": "csp-violation", "body": 7}], NEW, 400),
        ([7], NEW, 400),
    ],
)
def test_D3_what_is_no_report_is_refused(
    db: None, caplog: pytest.LogCaptureFixture, content: object, content_type: str, status: int
) -> None:
    assert send(Client(raise_request_exception=False), content, content_type).status_code == status
    assert lines(caplog) == []


def test_D3_a_report_is_sent_and_never_fetched(db: None) -> None:
    assert [getattr(Client(), method)("/policy-report/").status_code for method in ("get", "put", "delete")] == [
        405
    ] * 3


def test_D3_a_flood_of_reports_is_turned_away_and_costs_nobody_an_action(
    site: Site, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.POLICY_REPORTS_PER_MINUTE, settings.ACTIONS_PER_MINUTE = 2, 1
    for bucket in (rates.actions_of_a_person, rates.requests_of_an_address):
        bucket.forget()
    client = site.client("watcher", REMOTE_ADDR="192.0.2.7")
    answers = [send(client, {"csp-report": REPORT}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [204, 204, 429]
    assert 0 < int(answers[2]["Retry-After"]) <= 60
    assert len(lines(caplog)) == 2
    assert send(Client(REMOTE_ADDR="192.0.2.8"), {"csp-report": REPORT}).status_code == 204
    assert client.post("/i18n/language/", {"language": "en"}).status_code == 302
    rates.actions_of_a_person.forget()
