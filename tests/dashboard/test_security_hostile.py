"""D7: names that libvirt accepts and no page may obey."""

from __future__ import annotations

from html import escape
from html.parser import HTMLParser
from typing import Any

import pytest

from guests.inventory.models import Guest
from tests.dashboard.conftest import HOSTILE_NAME, Site
from tests.dashboard.routes import ROUTES

NAMES = [
    HOSTILE_NAME,
    '"><script>alert(1)</script>',
    "</title><script>alert(1)</script>",
    "{% debug %}{{ settings.SECRET_KEY }}",
    "'-alert(1)-'",
    "javascript:alert(1)",
    "\u202egnp.exe",
    "a" * 5000,
    "..",
    "-rf",
    "tab\there\x9b",
]
MARKS = [r"<img src=x", r"<script>alert", r"</title><script"]
PAGES = ["/find/?q=%3Cimg", "/guests/?view=cards"]


class _Attributes(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.update(name for name, _ in attrs)


def _attributes(html: str) -> set[str]:
    """The names of all attributes: nothing typed closes a value and opens a handler."""
    parser = _Attributes()
    parser.feed(html)
    return parser.names


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:20])
def test_D7_a_hostile_name_is_inert_on_every_page(site: Site, name: str) -> None:
    Guest.objects.filter(pk=site.hostile.pk).update(name=name)
    site.operation.guest = site.hostile
    site.operation.message = name[:500]
    site.operation.save()
    client = site.client("root", raise_request_exception=False)
    seen = 0
    paths = PAGES + [route.path(guest_id=site.hostile.pk) for route in ROUTES if not route.is_api]
    for path in paths:
        for headers in ({}, {"HX-Request": "true"}):
            answer: Any = client.get(path, follow=True, headers=headers)
            assert answer.status_code != 500, path
            if not answer.headers.get("Content-Type", "").startswith("text/html"):
                continue
            html = answer.content.decode()
            seen += escape(name) in html
            for mark in MARKS:
                assert mark not in html, path
            assert not [name for name in _attributes(html) if name.startswith("on")], path
    assert seen, "the name is shown nowhere: this test shows nothing"


@pytest.mark.parametrize("typed", ["<img src=x onerror=alert(1)>", '"><script>alert(1)</script>'])
def test_D7_what_was_typed_into_an_address_is_inert(site: Site, typed: str) -> None:
    client = site.client("root")
    for path in ("/find/", "/guests/", "/operations/", "/hosts/"):
        for key in ("q", "host", "state", "sort", "page", "kind"):
            html = client.get(path, {key: typed}, follow=True).content.decode()
            assert not any(mark in html for mark in MARKS), (path, key)
    for path in (f"/{typed}/", f"/hosts/{typed}/"):
        assert not any(mark in client.get(path).content.decode() for mark in MARKS)


def test_D7_an_error_page_does_not_obey_the_path(site: Site) -> None:
    html = site.client("anonymous").get("/<script>alert(1)</script>").content.decode()
    assert "<script>alert" not in html
