"""A second serial port and a log on the host, added to a real guest through the product."""

from __future__ import annotations

import re
import urllib.parse
import urllib.request
from collections.abc import Iterator

import pytest

from tests.labs.lab import Lab
from tests.labs.product import Product
from tests.live.text_client import TextClient, WebSession

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def guest(lab: Lab) -> Iterator[str]:
    """backup-1, shut off; its definition is put back."""
    guest = lab.uuid("backup-1")
    xml = lab.virsh("dumpxml", guest, "--inactive", "--security-info")
    yield guest
    if lab.state("backup-1") != "shut off":
        lab.virsh("destroy", guest)
    lab.virsh("define", "/dev/stdin", stdin=xml)


@pytest.fixture
def admin(product: Product) -> WebSession:
    return WebSession(product.url, "admin", product.admin_password)


def post(session: WebSession, path: str, **fields: str) -> None:
    """A form of a page: with its token, and where it leads to."""
    page = session.get("/guests/")
    token = re.search(r'csrf[^>]*(?:value|content)="([^"]+)"', page, re.IGNORECASE)
    headers = {"Origin": session.url, "Referer": session.url, "X-CSRFToken": token[1] if token else ""}
    request = urllib.request.Request(session.url + path, urllib.parse.urlencode(fields).encode(), headers)
    with session._opener.open(request, timeout=20) as answer:
        assert answer.status == 200


def test_two_serial_consoles_of_one_guest_and_a_log_on_the_host(admin: WebSession, guest: str, lab: Lab) -> None:
    admin.wait_for_console(guest)
    post(admin, f"/guests/{guest}/console/add-serial/", key="once")
    post(admin, f"/guests/{guest}/console/add-serial/", key="once")
    xml = lab.virsh("dumpxml", guest, "--inactive")
    assert xml.count("<serial type='pty'>") == 2
    lab.virsh("start", guest)
    lab.wait_until_booted("backup-1")
    first, second = TextClient(admin, guest, "serial0"), TextClient(admin, guest, "serial1")
    try:
        first.wait_for_prompt()
        second.wait(lambda: second.state == "live", 20)
        first.type(b"stty -F /dev/ttyS1 raw; echo to-the-second-$((1+1)) > /dev/ttyS1; echo done-$((2+2))\r")
        first.wait_for_output(b"done-4\r\n")
        second.wait_for_output(b"to-the-second-2")
        assert b"to-the-second-2" not in first.output
    finally:
        first.close()
        second.close()
    post(admin, f"/guests/{guest}/console/text/serial0/host-log/", on="1")
    assert "/backup-1-serial0.log' append='on'/>" in lab.virsh("dumpxml", guest, "--inactive")
    assert ".log' append" not in lab.virsh("dumpxml", guest), "what runs is not touched"
    post(admin, f"/guests/{guest}/console/text/serial0/host-log/", on="0")
    assert "append=" not in lab.virsh("dumpxml", guest, "--inactive")
