"""A definition is written, looked at and asked for: a worker serves libvirt's test driver, and libvirt is asked."""

# ruff: noqa: F811 (fixtures of the worker are imported by name)
from __future__ import annotations

from datetime import timedelta
from typing import Any

import libvirt
import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.utils import timezone

from guests.access.models import Role
from guests.audit.models import AuditRecord
from guests.inventory.changes import Feed, announce
from guests.inventory.definitions import DefinitionVersion, newest_version
from guests.inventory.models import Guest
from guests.inventory.storage import Volume
from guests.operations import ask, new_key, proposals, wait_for_end
from guests.operations.models import Operation
from guests.operations.proposals import DefinitionProposal, propose
from tests.guests.inventory_rows import grant, make_guest, make_host, person, signed_in
from tests.guests.worker.conftest import RunningWorker, admin, domain, row, start_worker, until, worker  # noqa: F401

pytestmark = pytest.mark.timeout(60)
INACTIVE = libvirt.VIR_DOMAIN_XML_INACTIVE
DISK = "<disk type='file' device='disk'><driver type='raw'/><source file='{}'/><target dev='vdb' bus='virtio'/></disk>"
VOLUME = "<volume><name>{}</name><capacity>1048576</capacity><target><format type='raw'/></target></volume>"
NIC = "<interface type='network'><mac address='{}'/><source network='default'/></interface>"


@pytest.fixture
def client(admin: User) -> Client:
    return signed_in(admin)


def base_of(guest: Guest) -> Any:
    found = newest_version(guest)
    assert found is not None
    return found


def write(client: Client, guest: Guest, xml: str, *, base: int | None = None, status: int = 302) -> Any:
    """Send the editor; its answer, which leads to the question unless something is refused."""
    form = {"xml": xml.replace("\n", "\r\n"), "base": base or base_of(guest).pk}
    answer = client.post(f"/guests/{guest.pk}/definition/edit/", form)
    assert answer.status_code == status, answer.content.decode()[:20_000]
    return answer


def define(client: Client, guest: Guest, xml: str, *, status: int = 200) -> str:
    """Write it, look at what changes, ask for it: the page that comes of it."""
    question = write(client, guest, xml).headers["Location"]
    assert client.get(question).status_code == 200
    answer = client.post(question, {"key": new_key()}, follow=True)
    assert answer.status_code == status, answer.content.decode()[:20_000]
    return text_of(answer)


def text_of(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def with_device(xml: str, device: str) -> str:
    return xml.replace("</devices>", f"{device}</devices>")


def test_it_is_written_looked_at_asked_for_and_brought_back(worker: RunningWorker, client: Client) -> None:
    web = row("web-1")
    first = base_of(web)
    wanted = first.xml.replace("<vcpu", "<title>The &lt;b&gt; shop</title>\n  <vcpu").replace("524288", "1048576")
    question = write(client, web, wanted).headers["Location"]
    text = text_of(client.get(question))
    assert "<ins>1048576</ins>" in text
    assert "+ &lt;title&gt;The &amp;lt;b&amp;gt; shop" in text
    assert "until the guest is shut down and started" in text
    answer = client.post(question, {"key": "k"}, follow=True)
    assert "The definition of web-1 was changed. This is so from the next boot on" in text_of(answer)
    assert "<memory unit='KiB'>1048576" in domain(worker, "web-1").XMLDesc(INACTIVE)
    assert "<memory unit='KiB'>524288" in domain(worker, "web-1").XMLDesc(0)
    operation = Operation.objects.get()
    newest = base_of(row("web-1"))
    assert newest.operation == operation
    assert (operation.before, operation.after) == (
        {"digest": first.digest},
        {"digest": newest.digest, "waits_for_boot": True},
    )
    assert len(str(operation.parameters)) < 400
    ended = AuditRecord.objects.get(action="guest.define.ended")
    assert (ended.outcome, ended.detail["before"]["digest"]) == ("ok", first.digest)

    page = f"/guests/{web.pk}/definition/{first.pk}/"
    assert "Bring it back" in text_of(client.get(page))
    question = client.post(f"{page}bring-back/").headers["Location"]
    assert "Bring back the definition of web-1" in text_of(client.get(question))
    client.post(question, {"key": "k2"}, follow=True)
    assert "<memory unit='KiB'>524288" in domain(worker, "web-1").XMLDesc(INACTIVE)
    assert [version.digest for version in web.definition_versions.all()] == [first.digest, newest.digest, first.digest]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("</domain>", "</domains>", "Column"),
        ("<domain", "<!DOCTYPE d [<!ENTITY e 'x'>]><domain", "has a document type"),
        ("<devices>", "<devices>" + "<a>" * 70 + "</a>" * 70, "nested deeper than 64"),
        ("web-1</name>", "web-2</name>", "The name is changed under Settings"),
        ("</devices>", "<hostdev/></devices>", "&lt;hostdev&gt; cannot be added or changed here"),
        ("</devices>", NIC.replace("<mac address='{}'/>", "") + "</devices>", "Give this NIC a MAC"),
        ("</devices>", NIC.format("01:00:5e:00:00:01") + "</devices>", "an address of a group"),
        ("</devices>", NIC.format("52:54:00:00:00:02") + "</devices>", "Another guest has this MAC already"),
        ("</devices>", DISK.format("/etc/shadow") + "</devices>", "No volume of a pool of this host."),
        ("", "", "there is nothing to change"),
    ],
)  # fmt: skip
def test_what_is_refused_is_told_with_its_line_and_what_was_typed_stays(
    worker: RunningWorker, client: Client, old: str, new: str, sentence: str
) -> None:
    web = row("web-1")
    until(lambda: Guest.objects.filter(macs="52:54:00:00:00:02").exists())
    wanted = base_of(web).xml.replace(old, new, 1) if old else base_of(web).xml.replace("\n", "\n\n")
    text = write(client, web, wanted, status=422).content.decode()
    assert sentence in text
    has_line = old not in {"", "<domain"}
    assert ("Line " in text.split("definition-xml_error")[1].split("</ul>")[0]) is has_line
    assert "524288" in text.split("<textarea")[1]
    assert not Operation.objects.exists()
    assert not DefinitionProposal.objects.exists()


def test_libvirt_s_schema_has_the_last_word(worker: RunningWorker, client: Client) -> None:
    web = row("web-1")
    text = define(client, web, base_of(web).xml.replace("<devices>", "<devices><sound nonsense='1'/>"), status=422)
    assert "The definition does not follow libvirt&#x27;s schema." in text
    assert "Unable to validate doc" in text
    assert "nonsense=" in text.split("<textarea")[1]
    assert "nonsense" not in domain(worker, "web-1").XMLDesc(INACTIVE)


def test_a_change_in_between_is_shown_and_nothing_is_written_over(worker: RunningWorker, client: Client) -> None:
    off = row("off-1")
    base, mine = base_of(off), base_of(off).xml.replace("524288", "1048576")
    question = write(client, off, mine).headers["Location"]
    domain(worker, "off-1").setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, "Theirs", None, None, 2)
    until(lambda: base_of(off).pk != base.pk)
    for answer in (
        write(client, off, mine, base=base.pk, status=409),
        client.get(question),
        client.post(question, {"key": "k"}),
    ):
        assert answer.status_code == 409
        text = text_of(answer)
        assert "The definition was changed since you opened it." in text
        assert "+ &lt;title&gt;Theirs" in text
        assert "<ins>1048576</ins>" in text
        assert "1048576" in text.split("<textarea")[1]
        assert f'name="base" value="{base_of(off).pk}"' in text
    assert not Operation.objects.exists()
    merged = base_of(off).xml.replace("524288", "1048576")
    define(client, off, merged)
    assert "Theirs" in domain(worker, "off-1").XMLDesc(0)


def test_the_worker_looks_at_what_the_host_says(worker: RunningWorker, client: Client, admin: User) -> None:
    """What the rows do not know yet: the host was changed a moment ago."""
    off, base = row("off-1"), base_of(row("off-1"))
    proposal = write(client, off, base.xml.replace("524288", "1048576")).headers["Location"].split("/")[-2]
    parameters = {"proposal": proposal, "digest": "", "base": base.digest}
    DefinitionVersion.objects.filter(pk=base.pk).update(digest="0" * 64)
    operation = ask("define", off, by=admin, key=new_key(), parameters=parameters)
    wait_for_end(operation, 10)
    assert (operation.state, operation.field) == ("failed", "xml")
    assert operation.message == "The definition was changed since it was opened."


def test_a_password_of_a_screen_is_neither_shown_nor_lost(worker: RunningWorker, client: Client) -> None:
    off, there = row("off-1"), domain(worker, "off-1")
    secure = INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
    before = there.XMLDesc(secure).replace("<graphics type='vnc'", "<graphics type='vnc' passwd='geheim'")
    worker.libvirt("alpha").raw.defineXML(before)
    define(client, off, base_of(off).xml.replace("524288", "1048576"))
    assert "passwd='geheim'" in there.XMLDesc(secure)
    assert "1048576" in there.XMLDesc(secure)
    assert all("geheim" not in version.xml for version in off.definition_versions.all())
    text = text_of(client.get(f"/guests/{off.pk}/definition/"))
    assert "geheim" not in text


def test_a_new_mac_is_the_guest_s_and_nobody_else_s(worker: RunningWorker, client: Client) -> None:
    web = row("web-1")
    define(client, web, with_device(base_of(web).xml, NIC.format("52:54:00:AA:BB:CC")))
    until(lambda: "52:54:00:aa:bb:cc" in row("web-1").macs)
    off = row("off-1")
    text = write(client, off, with_device(base_of(off).xml, NIC.format("52:54:00:aa:bb:cc")), status=422)
    assert "Another guest has this MAC already" in text.content.decode()


def test_disks_are_volumes_of_the_host_s_pools_that_no_other_guest_has(worker: RunningWorker, client: Client) -> None:
    web = row("web-1")
    raw = worker.libvirt("alpha").raw
    pool = raw.storagePoolDefineXML("<pool type='dir'><name>guests</name><target><path>/guests</path></target></pool>")
    pool.create()
    for name in ("free.img", "disk-2.img"):
        pool.createXML(VOLUME.format(name))
    pool.refresh()
    until(lambda: Volume.objects.count() == 2)
    xml = base_of(web).xml
    taken = write(client, web, with_device(xml, DISK.format("/guests/disk-2.img")), status=422)
    assert "Another guest uses this volume" in taken.content.decode()
    other = with_device(xml, DISK.format("/guests/free.img").replace("type='raw'", "type='qcow2'"))
    assert (
        "Say its format: &lt;driver type=&#x27;raw&#x27;/&gt;."
        in write(client, web, other, status=422).content.decode()
    )
    one = person("ana")
    grant(one, Role.ADMINISTRATOR, guest=web)
    answer = write(signed_in(one), web, with_device(xml, DISK.format("/guests/free.img")), status=422)
    assert "Only who administrates the whole host may add this here." in answer.content.decode()
    define(client, web, with_device(xml, DISK.format("/guests/free.img")))
    assert "/guests/free.img" in domain(worker, "web-1").XMLDesc(INACTIVE)


def test_what_was_written_is_kept_for_a_while_and_not_without_end(
    worker: RunningWorker, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proposals, "MOST_OF_ONE", 3)
    web, base = row("web-1"), base_of(row("web-1"))
    made = [propose(web, f"<a>{number}</a>", by=admin, base=base, brought_back=None) for number in range(5)]
    assert set(DefinitionProposal.objects.all()) == set(made[2:])
    DefinitionProposal.objects.update(made_at=timezone.now() - timedelta(days=8))
    last = propose(web, "<a/>", by=admin, base=base, brought_back=None)
    assert DefinitionProposal.objects.get() == last


def test_who_may_not_writes_nothing(worker: RunningWorker, client: Client) -> None:
    web, version = row("web-1"), base_of(row("web-1"))
    mine = write(client, web, version.xml.replace("524288", "1048576")).headers["Location"]
    operator, other, stranger = person("rui"), person("ana"), person("zoe")
    grant(operator, Role.OPERATOR, guest=web)
    grant(other, Role.ADMINISTRATOR, guest=web)
    paths = [f"/guests/{web.pk}/definition/edit/", f"/guests/{web.pk}/definition/{version.pk}/bring-back/", mine]
    for user, status in ((operator, 403), (stranger, 404)):
        for path in paths:
            assert signed_in(user).post(path, {"xml": "<domain/>", "base": "1"}).status_code == status
    assert signed_in(other).get(mine).status_code == 404  # what another wrote
    assert signed_in(other).post(mine, {"key": "k"}).status_code == 404
    asked = {"proposal": mine.split("/")[-2], "digest": "", "base": version.digest}
    with pytest.raises(PermissionDenied, match="not kept any more"):
        ask("define", web, by=other, key=new_key(), parameters=asked)
    assert client.get(paths[1]).status_code == 405
    assert not Operation.objects.exists()


def test_E5_what_is_refused_passes_neither_the_queue_nor_the_worker(worker: RunningWorker, admin: User) -> None:
    web, base = row("web-1"), base_of(row("web-1"))
    evil = base.xml.replace("</devices>", "<filesystem><source dir='/'/><target dir='x'/></filesystem></devices>")
    proposal = propose(web, evil, by=admin, base=base, brought_back=None)
    asked = {"proposal": str(proposal.pk), "digest": "", "base": base.digest}
    with pytest.raises(PermissionDenied, match="<filesystem>"):
        ask("define", web, by=admin, key=new_key(), parameters=asked)
    slipped_in = Operation.objects.create(
        kind="define", host=web.host, guest=web, asked_by=admin, idempotency_key="k", parameters=asked
    )
    announce(Feed.OPERATIONS)
    wait_for_end(slipped_in, 10)
    assert slipped_in.state == "denied"
    assert "<filesystem>" in slipped_in.message
    assert "filesystem" not in domain(worker, "web-1").XMLDesc(INACTIVE)


def test_who_lost_the_role_meanwhile_finds_nothing(worker: RunningWorker) -> None:
    web, ana = row("web-1"), person("ana")
    held = grant(ana, Role.ADMINISTRATOR, guest=web)
    question = write(signed_in(ana), web, base_of(web).xml.replace("524288", "1048576")).headers["Location"]
    held.delete()
    assert signed_in(ana).post(question, {"key": "k"}).status_code == 404


@pytest.mark.parametrize("changes", [{"privileged": True}, {"next_boot": None}, {"gone_at": "2026-01-01T00:00Z"}])
def test_what_has_no_next_boot_is_not_edited(client: Client, changes: dict[str, Any]) -> None:
    guest = make_guest(make_host(), "web-9", **({"next_boot": {"nics": []}} | changes))
    guest.definition_versions.create(digest="x", content=b"")
    assert client.get(f"/guests/{guest.pk}/definition/edit/").status_code == 404
