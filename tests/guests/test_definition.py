"""The tab "Definition": a worker serves libvirt's test driver, and libvirt is asked what happened."""

# ruff: noqa: F811 (fixtures of the worker are imported by name)
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import libvirt
import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from guests.access.models import Role
from guests.audit.models import AuditRecord
from guests.inventory.models import Guest
from guests.operations.models import Operation
from tests.guests.inventory_rows import grant, person, signed_in
from tests.guests.worker.conftest import (  # noqa: F401
    RunningWorker,
    admin,
    asked,
    domain,
    row,
    start_worker,
    until,
    worker,
)

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def client(admin: User) -> Client:
    return signed_in(admin)


def page(client: Client, guest: Guest, path: str = "", status: int = 200) -> str:
    answer = client.get(f"/guests/{guest.pk}/definition/{path}")
    assert answer.status_code == status
    return " ".join(answer.content.decode().split())


def test_the_tab_shows_what_libvirt_has_and_how_it_differs(
    worker: RunningWorker, client: Client, asked: Callable[..., Operation]
) -> None:
    web = row("web-1")
    text = page(client, web)
    assert "What runs is what the next boot takes." in text
    assert "disk-1.img" in text
    assert "the first that was seen" in text
    asked("set_maximum_memory", "web-1", kib=1024 * 1024)
    text = page(client, web)
    assert "<del>524288</del>" in text
    assert "<ins>1048576</ins>" in text
    assert "Set maximum memory</a>, admin" in text
    for which, flags in (("live", 0), ("next-boot", libvirt.VIR_DOMAIN_XML_INACTIVE)):
        answer = client.get(f"/guests/{web.pk}/definition/{which}.xml")
        assert answer.content.decode() == domain(worker, "web-1").XMLDesc(flags)
        assert answer["Content-Disposition"] == f'attachment; filename="{web.pk}-{which}.xml"'
        taken = AuditRecord.objects.get(action="guest.take_definition", detail__which=str(which))
        assert (taken.user_name, taken.guest_name, taken.address) == ("admin", "web-1", "127.0.0.1")


def test_a_change_made_with_virsh_is_a_version_that_says_so(worker: RunningWorker, client: Client) -> None:
    off = row("off-1")
    there = domain(worker, "off-1")
    there.setMetadata(libvirt.VIR_DOMAIN_METADATA_DESCRIPTION, "<b>theirs</b>", None, None, 2)
    until(lambda: off.definition_versions.count() == 2)
    text = page(client, off)
    assert "made outside Guesthouse" in text
    newest = off.definition_versions.first()
    assert newest is not None
    text = page(client, off, f"{newest.pk}/")
    assert "What it changed" in text
    assert "+ &lt;description&gt;&amp;lt;b&amp;gt;theirs" in text
    first = off.definition_versions.last()
    assert first is not None
    assert "From the next boot of now to this one" in page(client, off, f"{first.pk}/")
    assert page(client, off, "live.xml", 404)
    assert page(client, off, "nonsense.xml", 404)
    assert page(client, row("web-1"), f"{first.pk}/", 404)  # another guest's
    assert page(client, row("web-1"), f"{first.pk}.xml", 404)
    assert page(client, off, f"{10**30}/", 404)


def test_administrators_of_the_guest_see_it_and_nobody_else(worker: RunningWorker) -> None:
    web, version = row("web-1"), row("web-1").definition_versions.get()
    paths = ["", "live.xml", "next-boot.xml", f"{version.pk}/", f"{version.pk}.xml"]
    watcher, operator, administrator, stranger = (person(name) for name in ("eva", "rui", "ana", "zoe"))
    grant(watcher, Role.WATCHER, guest=web)
    grant(operator, Role.OPERATOR, guest=web)
    grant(administrator, Role.ADMINISTRATOR, guest=web)
    for user, status in ((watcher, 403), (operator, 403), (administrator, 200), (stranger, 404)):
        for path in paths:
            assert signed_in(user).get(f"/guests/{web.pk}/definition/{path}").status_code == status, path
    for name in ("definition", "definition-past"):
        for user, shown in ((administrator, True), (operator, False)):
            html = signed_in(user).get(f"/guests/{web.pk}/fragments/{name}/").content.decode()
            assert (f"/definition/{version.pk}/" in html) is shown
    assert "/definition/" not in signed_in(operator).get(f"/guests/{web.pk}/").content.decode()
    assert f"/guests/{web.pk}/definition/" in signed_in(administrator).get(f"/guests/{web.pk}/").content.decode()


def test_lists_never_read_the_text(worker: RunningWorker, client: Client) -> None:
    web = row("web-1")
    for address in ("/guests/", f"/guests/{web.pk}/"):
        with CaptureQueriesContext(connection) as queries:
            client.get(address)
        assert not any("definitionversion" in found["sql"] or "livedefinition" in found["sql"] for found in queries)
    with CaptureQueriesContext(connection) as queries:
        client.get(f"/guests/{web.pk}/fragments/definition/")
    told: list[Any] = [found["sql"] for found in queries if "definitionversion" in found["sql"]]
    assert told
    assert not any("content" in sql for sql in told)
