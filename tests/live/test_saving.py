"""A real guest is saved to disk and goes on where it was; another one is started paused."""

from __future__ import annotations

import re
import time

import pytest

from tests.labs.lab import Lab
from tests.labs.product import Product
from tests.live.text_client import TextClient, WebSession

pytestmark = pytest.mark.timeout(180)
PNG = b"\x89PNG\r\n\x1a\n"


def wait_for_page(session: WebSession, guest: str, words: str, seconds: float = 30) -> str:
    deadline = time.monotonic() + seconds
    while words not in (page := session.get(f"/guests/{guest}/")):
        assert time.monotonic() < deadline, f"{words!r} was not on the page"
        time.sleep(0.2)
    return page


def test_a_saved_guest_goes_on_where_it_was_and_another_starts_paused(product: Product, lab: Lab) -> None:
    session = WebSession(product.url, "admin", product.admin_password)
    lab.wait_until_booted("web-1")
    web, backup = lab.uuid("web-1"), lab.uuid("backup-1")
    session.wait_for_console(web)
    console = TextClient(session, web)
    try:
        console.wait_for_prompt()
        console.type(b"remembered=yes-$((40+2))\r")
        wait_for_page(session, web, "/power/save/")
        session.post(f"/guests/{web}/power/save/")
        page = wait_for_page(session, web, "saved to disk")
        assert "Restore" in page and "Discard the saved memory of web-1?" in page
        picture = re.search(r'src="(/guests/[0-9a-f-]+/picture/[^"]*)"', page)
        assert picture and session.get_bytes(picture[1]).startswith(PNG)  # nobody had looked at its screen
        assert lab.state("web-1") == "shut off"
        session.post(f"/guests/{web}/power/start/")
        wait_for_page(session, web, "/power/save/")
        console.wait(lambda: console.state == "live", 30)
        console.type(b"echo $remembered\r")
        console.wait_for_output(b"yes-42\r\n", 30)
    finally:
        console.close()
    session.post(f"/guests/{backup}/power/start_paused/")
    wait_for_page(session, backup, "/power/resume/")
    assert lab.state("backup-1") == "paused"
    session.post(f"/guests/{backup}/power/force_off/")
    wait_for_page(session, backup, "/power/start_paused/")
    for name in ("spare", "backup-1"):
        session.post(f"/guests/{backup}/settings/name/", name=name)
        wait_for_page(session, backup, f"<title>{name}")
        assert lab.virsh("domname", backup).strip() == name
