"""The console log through its URLs: over the real unix socket, from files that a recorder wrote."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import AsyncClient

from consoles.text.broker import TextBroker
from consoles.text.console_log import MARK, OUTPUT, LogWriter
from guests.audit.models import AuditRecord
from guests.inventory.models import Guest
from tests.consoles.conftest import Person

T = 1_700_000_000.0


@pytest.fixture(autouse=True)
def places(socket_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "CONSOLE_SOCKET", socket_path)
    monkeypatch.setattr(settings, "CONSOLE_LOG_DIR", tmp_path / "consoles")


@pytest.fixture
def log(guest: Guest) -> None:
    directory = settings.CONSOLE_LOG_DIR / str(guest.pk) / "serial0"
    writer = LogWriter(directory, 1024 * 1024)
    writer.append(T, OUTPUT, b"\x1b[2J\x1b[1;32mBooting\x1b[0m\r\n")
    writer.append(T + 1, OUTPUT, "kernel p\u00e2nico ".encode()[:9])
    writer.append(T + 2, OUTPUT, "kernel p\u00e2nico ".encode()[9:] + b"\x1b]0;title\x07now\r\n")
    writer.finish()
    writer.append(T + 3, MARK, b"rebooted")
    writer.append(T + 60, OUTPUT, b"Booting\r\nlogin: ")
    writer.close()


@pytest.fixture
def get(person: Callable[..., Person], guest: Guest) -> Callable[..., Any]:
    """GET as a watcher; the response with its whole body."""
    clients: dict[str, AsyncClient] = {}

    async def get(path: str, role: str | None = "watcher", **options: Any) -> Any:
        if str(role) not in clients:
            who = await asyncio.to_thread(lambda: person(f"p-{role}", role))
            client = AsyncClient()
            client.cookies[settings.SESSION_COOKIE_NAME] = await asyncio.to_thread(lambda: who.session_key)
            clients[str(role)] = client
        answer = await clients[str(role)].get(f"/guests/{guest.pk}/console/text/serial0/log{path}", **options)
        answer.whole = b"".join([piece async for piece in answer]) if answer.streaming else answer.content
        return answer

    return get


async def test_the_overview_tells_what_there_is(get: Any, broker: TextBroker, log: None) -> None:
    told = (await get("/overview/")).json()
    assert (told["first_at"], told["last_at"], told["from"]) == (T, T + 60, 0)
    assert told["bytes"] == told["to"] == sum(told["activity"])
    assert [(mark["kind"], mark["at"]) for mark in told["marks"]] == [("rebooted", T + 3)]
    assert len(told["activity"]) == 200
    assert told["activity"][-1] == len(b"Booting\r\nlogin: ")


async def test_a_log_that_is_not_there_is_empty(get: Any, broker: TextBroker) -> None:
    assert (await get("/overview/")).json()["bytes"] == 0
    assert (await get("/search/?q=x")).json() == {"hits": [], "before": 0}
    assert (await get(".txt")).whole == b""
    assert json.loads((await get(".cast")).whole)["version"] == 2


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        ("booting", ["Booting", "Booting"]),
        ("P\u00c2NICO NOW", ["kernel p\u00e2nico now"]),
        ("login", ["login: "]),
        ("title", []),
        ("[2J", []),
        ("", []),
    ],
)
async def test_search_finds_lines_newest_first_in_any_case(
    get: Any, broker: TextBroker, log: None, words: str, texts: list[str]
) -> None:
    hits = (await get(f"/search/?q={words}")).json()["hits"]
    assert [hit["text"] for hit in hits] == texts
    assert [hit["at"] for hit in hits] == sorted((hit["at"] for hit in hits), reverse=True)


async def test_a_hit_leads_to_its_lines(get: Any, broker: TextBroker, log: None) -> None:
    hits = (await get("/search/?q=booting")).json()["hits"]
    assert hits[1]["offset"] == 0
    told = (await get(f"/lines/?start={hits[0]['offset']}")).json()
    assert [line["text"] for line in told["lines"]] == ["Booting", "login: "]
    before = (await get(f"/search/?q=booting&before={hits[0]['offset']}")).json()["hits"]
    assert [hit["offset"] for hit in before] == [0]


async def test_search_answers_htmx_with_a_fragment(get: Any, broker: TextBroker, log: None) -> None:
    answer = await get("/search/?q=login", headers={"HX-Request": "true"})
    assert b"<bdi>login: </bdi>" in answer.whole
    assert b"<html" not in answer.whole


async def test_the_text_is_what_a_reader_sees_or_every_byte(get: Any, broker: TextBroker, log: None) -> None:
    answer = await get(".txt")
    assert answer.whole.decode() == "Booting\nkernel p\u00e2nico now\nBooting\nlogin: \n"
    assert answer["Content-Disposition"] == 'attachment; filename="web-1-serial0.txt"'
    raw = (await get(".txt?raw=1")).whole
    assert raw.startswith(b"\x1b[2J")
    assert b"\x1b]0;title\x07" in raw


async def test_the_cast_is_asciicast_v2_with_its_marks(get: Any, broker: TextBroker, log: None) -> None:
    head, *events = [json.loads(line) for line in (await get(".cast")).whole.splitlines()]
    assert (head["version"], head["timestamp"], head["title"]) == (2, int(T), "web-1 serial0")
    assert [(at, code) for at, code, _text in events] == [(0, "o"), (1, "o"), (2, "o"), (3, "m"), (60, "o")]
    assert "".join(text for _at, code, text in events if code == "o").count("p\u00e2nico") == 1
    later = [json.loads(line) for line in (await get(f"/play.cast?since={T + 3}&until={T + 10}")).whole.splitlines()]
    assert [event[1:] for event in later[1:]] == [["m", "rebooted"]]


async def test_every_export_is_recorded_with_who_and_what(get: Any, broker: TextBroker, log: None) -> None:
    await get(".txt")
    await get(f"/play.cast?since={T}")
    rows = await asyncio.to_thread(
        lambda: list(
            AuditRecord.objects.filter(action="console.export").order_by("pk").values_list("user_name", "detail")
        )
    )
    assert rows == [
        ("p-watcher", {"device": "serial0", "form": "text"}),
        ("p-watcher", {"device": "serial0", "form": "play", "since": T}),
    ]


@pytest.mark.parametrize("path", ["/overview/", "/search/?q=x", "/lines/", ".txt", ".cast", "/play.cast"])
async def test_nobody_else_reads_a_log(get: Any, broker: TextBroker, log: None, path: str) -> None:
    assert (await get(path, role=None)).status_code == 404
    assert not await asyncio.to_thread(AuditRecord.objects.filter(action="console.export").exists)


@pytest.mark.parametrize("path", ["/overview/", "/search/?q=x", "/lines/", ".txt", ".cast"])
async def test_without_a_console_server_it_is_said(get: Any, guest: Guest, path: str) -> None:
    answer = await get(path)
    assert answer.status_code == 503
    assert "console server" in answer.json()["sentence"]


@pytest.mark.parametrize("query", ["?start=-1", "?start=nan", "?start=1e999", "?start=9999999", "?limit=0&start=x"])
async def test_odd_numbers_are_no_harm(get: Any, broker: TextBroker, log: None, query: str) -> None:
    assert (await get(f"/lines/{query}")).status_code == 200


async def test_a_long_log_is_searched_in_bounded_answers(get: Any, broker: TextBroker, guest: Guest) -> None:
    writer = LogWriter(settings.CONSOLE_LOG_DIR / str(guest.pk) / "serial0", 1024 * 1024)
    for number in range(250):
        writer.append(T + number, OUTPUT, b"error %d\n" % number)
    writer.close()
    seen: list[str] = []
    before = 0
    for _ in range(3):
        told = (await get(f"/search/?q=error&before={before}")).json()
        seen += [hit["text"] for hit in told["hits"]]
        before = told["before"]
    assert seen == [f"error {number}" for number in reversed(range(250))]
    assert before == 0
