"""F7: whatever somebody is called or sends arrives as one line of JSON, inert in a terminal and in journalctl."""

from __future__ import annotations

import io
import json
import logging
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from dashboard.logs import formatter
from guests.errors import OperationRefused
from tests.dashboard.conftest import Site

ROOT = Path(__file__).parents[2]
HOSTILE = 'a\r\n{"event": "forged"}\x1b]0;title\x07\x1b[2J\x9b31m\u202e\u2028\u2029\x85\x00\x7f\ud800"'


def check_lines(text: str) -> list[dict[str, Any]]:
    """Each is one object of ours, and every character of it is harmless."""
    lines = text.removesuffix("\n").split("\n")
    assert all(line.isascii() and line.isprintable() for line in lines), text
    found = [json.loads(line) for line in lines]
    assert all(isinstance(line, dict) and line["event"] != "forged" for line in found)
    return found


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What stderr gets."""
    stream, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(stream), root.level
    handler.setFormatter(formatter())
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


@given(st.text() | st.just(HOSTILE))
def test_F7_any_text_is_one_line_and_is_said_whole(text: str) -> None:
    try:
        raise OperationRefused(text, detail=text)
    except OperationRefused:
        record = logging.LogRecord(text, logging.ERROR, "x.py", 1, "of %s", (text,), sys.exc_info())
    record.__dict__ |= {"guest": text, "headers": {text: [text]}}
    (line,) = check_lines(formatter().format(record))
    assert (line["event"], line["guest"], line["logger"]) == (f"of {text}", text, text)
    assert line["headers"] == {text: [text]}


@pytest.mark.urls("tests.dashboard.failing_urls")
def test_F7_names_paths_and_headers_of_requests_make_no_line_of_their_own(site: Site, log: io.StringIO) -> None:
    sent = HOSTILE.replace("\ud800", "").replace("\x00", "")
    User.objects.filter(username="watcher").update(username=sent)
    User.objects.get(username=sent)
    site.web.name = sent
    site.web.save()
    client = site.client("root", raise_request_exception=False)
    headers: Any = {
        "HTTP_USER_AGENT": sent,
        "HTTP_REFERER": sent,
        "HTTP_X_FORWARDED_FOR": sent,
        "HTTP_ACCEPT_LANGUAGE": sent,
    }
    client.get(f"/{sent}/", **headers)
    client.get(f"/guests/{site.web.pk}/", **headers)
    client.get("/broken/", {"q": sent}, **headers)
    client.get("/refused/", **headers)
    client.post(f"/guests/{site.web.pk}/power/pause/", {"key": "k-f7"}, **headers)
    client.get("/", HTTP_HOST=sent)
    Client(enforce_csrf_checks=True).post("/accounts/login/", {"login": sent, "password": sent}, **headers)
    Client().post("/accounts/login/", {"login": sent, "password": "wrong"}, **headers)
    found = check_lines(log.getvalue())
    said = " ".join(line["event"] for line in found)
    assert "Invalid HTTP_HOST header" in said
    assert "Not Found" in said
    assert "Traceback" in str(found)


UNCAUGHT = """
import logging, sys, threading, django
django.setup()
name = eval(sys.argv[1])
thread = threading.Thread(target=lambda: int(name), name=name)
thread.start(); thread.join()
logging.getLogger("x").warning("of %s", name, extra={"guest": name})
raise RuntimeError(name)
"""


@pytest.fixture
def uncaught(tmp_path: Path) -> dict[str, Any]:
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "dashboard.settings", "GUESTHOUSE_DATA_DIR": str(tmp_path)}
    return {"args": [sys.executable, "-c", UNCAUGHT, ascii(HOSTILE)], "env": environment, "cwd": ROOT}


def test_F7_an_error_that_nobody_caught_is_one_line_too(uncaught: dict[str, Any]) -> None:
    done = subprocess.run(**uncaught, capture_output=True, timeout=60)
    found = check_lines(done.stderr.decode())
    assert [line["event"].partition(" a\r")[0] for line in found] == [
        "a thread ended with an error",
        "of",
        "the process ends with an error",
    ]
    assert all("exception" in found[number] for number in (0, 2))


def test_F7_on_a_terminal_it_is_read_in_lines_and_steers_nothing(uncaught: dict[str, Any]) -> None:
    ours, theirs = pty.openpty()
    with open(ours, "rb", buffering=0) as screen:  # noqa: PTH123 a descriptor
        process = subprocess.Popen(**uncaught, stdout=theirs, stderr=theirs)
        os.close(theirs)
        shown = b""
        try:
            while part := screen.read(65536):
                shown += part
        except OSError:  # the other side is closed
            pass
        process.wait(timeout=60)
    text = shown.replace(b"\r\n", b"\n").decode()
    assert "RuntimeError: a" in text and "\n  File " in text
    assert all(letter == "\n" or letter.isprintable() for letter in text)
