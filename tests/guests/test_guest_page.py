"""The guest's page: each tab, what each person sees, and that it never costs more for more."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from guests.access.models import Role
from guests.inventory.definition_json import definition_to_json
from guests.inventory.models import Guest, HostState
from guests.operations.models import Operation
from guests.resources import NIC, Definition, Disk, Graphics, Memory, TextConsole, VCPUs, Virtualisation
from tests.guests.inventory_rows import GIB, grant, make_guest, make_host, person, signed_in

pytestmark = pytest.mark.django_db
TABS = ["", "console/", "resources/", "devices/", "history/"]
BYTES = 1024**3


def definition(guest: Guest, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "uuid": guest.uuid,
        "name": guest.name,
        "title": "",
        "description": "",
        "virtualisation": Virtualisation.FULL,
        "os_type": "hvm",
        "domain_type": "kvm",
        "machine": "pc-q35-7.2",
        "firmware": "UEFI",
        "memory": Memory(guest.current_kib, guest.maximum_kib),
        "vcpus": VCPUs(guest.vcpus_current, guest.vcpus_maximum),
        "balloon": guest.has_balloon,
        "stats_period_s": 2,
        "disks": (
            Disk("vda", "disk", "virtio", "file", "/images/a.qcow2", "qcow2"),
            Disk("vdb", "disk", "virtio", "block", "/dev/vg0/data", "raw"),
            Disk("sda", "cdrom", "sata", "", "", "", readonly=True),
        ),
        "nics": (NIC("52:54:00:00:00:01", "network", "front", "virtio", "vnet0"),),
        "text_consoles": (TextConsole("serial0", "serial0", "isa-serial", True),),
        "graphics": (Graphics("vnc", "address", "127.0.0.1", 5901),),
    }
    return definition_to_json(Definition(**(values | changes)))


@pytest.fixture
def guest() -> Guest:
    host = make_host(uri="qemu:///system", driver="QEMU")
    guest = make_guest(host, "web-1", has_balloon=True, virtualisation="full")
    guest.definition = guest.next_boot = definition(guest)
    guest.disk_usage = [
        {
            "target": "vda",
            "capacity_bytes": 20 * BYTES,
            "allocation_bytes": 5 * BYTES,
            "read_rate": 2048.0,
            "written_rate": None,
        }
    ]
    guest.save()
    return guest


@pytest.fixture
def admin() -> Client:
    return signed_in(person("ada", superuser=True))


@pytest.fixture
def watcher() -> Client:
    ben = person("ben")
    grant(ben, Role.WATCHER)
    return signed_in(ben)


def text_of(client: Client, guest: Guest, tab: str = "", status: int = 200) -> str:
    response = client.get(f"/guests/{guest.pk}/{tab}")
    assert response.status_code == status
    return " ".join(response.content.decode().split())


@pytest.mark.parametrize("tab", TABS)
def test_every_tab_has_its_own_url_title_heading_and_place(guest: Guest, admin: Client, tab: str) -> None:
    text = text_of(admin, guest, tab)
    assert "web-1 · Guesthouse</title>" in text
    assert '<h1 class="gh-guest-name">web-1</h1>' in text
    assert f'href="/guests/{guest.pk}/{tab}" aria-current="page"' in text


@pytest.mark.parametrize("tab", TABS)
def test_a_stranger_gets_the_same_404_as_for_a_guest_that_does_not_exist(guest: Guest, tab: str) -> None:
    text_of(signed_in(person("eve")), guest, tab, status=404)


@pytest.mark.parametrize("tab", TABS)
def test_nobody_is_sent_to_the_door(guest: Guest, tab: str) -> None:
    response = Client(HTTP_HOST="127.0.0.1").get(f"/guests/{guest.pk}/{tab}")
    assert response.status_code == 302 and "/accounts/login/" in response["Location"]


@pytest.mark.parametrize("tab", TABS)
def test_pages_are_only_read(guest: Guest, admin: Client, tab: str) -> None:
    assert admin.post(f"/guests/{guest.pk}/{tab}").status_code == 405


def test_shows_the_three_identities_host_and_kind(guest: Guest, admin: Client) -> None:
    text = text_of(admin, guest)
    for shown in ('data-copy="web-1"', f'data-copy="{guest.domain_id}"', f'data-copy="{guest.uuid}"'):
        assert shown in text
    assert "QEMU/KVM, fully virtualised" in text and 'href="/hosts/kvm-01/"' in text


def test_tells_privileged_paravirtualised_and_conflicting_guests(guest: Guest, admin: Client) -> None:
    Guest.objects.filter(pk=guest.pk).update(privileged=True, virtualisation="para", conflict=True)
    text = text_of(admin, guest)
    assert "privileged" in text and ">PV</span>" in text and "same UUID on another host" in text


def test_offers_an_operator_what_fits_the_state(guest: Guest, admin: Client) -> None:
    running = text_of(admin, guest)
    for kind in ("shut_down", "pause", "reboot", "force_off"):
        assert f"/power/{kind}/" in running
    assert "/power/start/" not in running and "/power/resume/" not in running
    Guest.objects.filter(pk=guest.pk).update(state="paused")
    paused = text_of(admin, guest)
    assert "/power/resume/" in paused and "/power/shut_down/" not in paused
    Guest.objects.filter(pk=guest.pk).update(state="shut-off", domain_id=None)
    off = text_of(admin, guest)
    assert (
        "/power/start/" in off
        and "/power/resume/" not in off
        and 'commandfor="force-off"' not in off.split("<dialog")[0]
    )


@pytest.mark.parametrize("tab", TABS)
def test_a_watcher_sees_no_form_that_changes_the_guest(guest: Guest, watcher: Client, tab: str) -> None:
    text = text_of(watcher, guest, tab)
    assert "/power/" not in text and "/memory/" not in text and "/vcpus/" not in text and "/revert/" not in text
    assert '<dialog id="force-off"' not in text


def test_a_host_that_does_not_answer_is_said_and_nothing_can_be_asked(guest: Guest, admin: Client) -> None:
    seen = timezone.now() - timedelta(minutes=4)
    type(guest.host).objects.update(state=HostState.UNREACHABLE, seen_at=seen, message="Connection refused.")
    text = text_of(admin, guest)
    assert "kvm-01 does not answer." in text and "4 min ago" in text and "Connection refused." in text
    assert 'id="act-start-stop"' not in text and "Running when last seen" in text


def test_a_guest_that_went_away_says_so(guest: Guest, admin: Client) -> None:
    Guest.objects.filter(pk=guest.pk).update(gone_at=timezone.now(), state="unknown", domain_id=None)
    text = text_of(admin, guest)
    assert "does not have this guest any more" in text and 'data-resize="memory"' not in text


def test_shows_memory_used_of_current_of_maximum_and_what_is_free(guest: Guest, admin: Client) -> None:
    text = text_of(admin, guest)
    assert "1.0 <small>GiB, 50 %</small>" in text and "2.0 <small>GiB</small>" in text
    assert "4.0 <small>GiB</small>" in text and "6.0 GiB <small>of 16.0 GiB</small>" in text


def test_an_unknown_use_is_shown_as_unknown_and_never_as_0(guest: Guest, admin: Client) -> None:
    Guest.objects.filter(pk=guest.pk).update(usable_kib=None)
    text = text_of(admin, guest)
    assert "The guest does not report what it uses" in text and "use not told" in text
    assert "0.0 <small>GiB, 0 %" not in text


def test_lists_disks_with_kind_store_and_size(guest: Guest, admin: Client) -> None:
    for tab in ("", "devices/"):
        text = text_of(admin, guest, tab)
        assert "Hard disk, virtio" in text and "CD-ROM, sata" in text
        assert "block device" in text and "/dev/vg0/data" in text and "/images/a.qcow2" in text
        assert "5.0 GiB of 20.0 GiB" in text and "empty" in text


def test_lists_nics_consoles_graphics_and_balloon(guest: Guest, admin: Client) -> None:
    text = text_of(admin, guest, "devices/")
    for shown in ("52:54:00:00:00:01", "front", "vnet0", "serial0", "127.0.0.1:5901", "every 2 s"):
        assert shown in text


def test_the_console_tab_links_what_can_be_opened(guest: Guest, admin: Client, watcher: Client) -> None:
    text = text_of(admin, guest, "console/")
    assert f"/guests/{guest.pk}/console/text/serial0/" in text and f"/guests/{guest.pk}/console/vnc/" in text
    assert ">Watch<" in text_of(watcher, guest, "console/") and ">Watch<" not in text


def test_the_console_tab_says_why_not(guest: Guest, admin: Client) -> None:
    Guest.objects.filter(pk=guest.pk).update(state="shut-off", domain_id=None)
    text = text_of(admin, guest, "console/")
    assert "web-1 is not running: start it first." in text and 'id="open-serial0"' not in text
    Guest.objects.filter(pk=guest.pk).update(
        state="running",
        definition=definition(
            guest,
            text_consoles=(TextConsole("serial0", "serial0", "isa-serial", False),),
            graphics=(Graphics("spice", "address"),),
        ),
    )
    text = text_of(admin, guest, "console/")
    assert "on a pty only" in text and "Only VNC can be shown in the browser." in text
    Guest.objects.filter(pk=guest.pk).update(definition=definition(guest, text_consoles=(), graphics=()))
    text = text_of(admin, guest, "console/")
    assert "no serial or console device" in text and "no graphics device" in text


def test_the_test_driver_says_that_it_has_no_consoles(guest: Guest, admin: Client) -> None:
    type(guest.host).objects.update(uri="test:///default")
    assert "test driver: it has no consoles" in text_of(admin, guest, "console/")


def make_operation(guest: Guest, **values: Any) -> Operation:
    defaults: dict[str, Any] = {
        "kind": "pause",
        "asked_by_name": "ada",
        "idempotency_key": str(Operation.objects.count()),
    }
    return Operation.objects.create(guest=guest, host=guest.host, **(defaults | values))


def test_history_says_who_what_from_to_and_how_it_ended(guest: Guest, admin: Client) -> None:
    make_operation(
        guest,
        kind="set_current_memory",
        parameters={"kib": 3 * GIB, "live": True, "next_boot": False},
        before={"current_kib": 2 * GIB},
        state="failed",
        message="Not reached.",
    )
    text = text_of(admin, guest, "history/")
    assert "2.0 GiB → 3.0 GiB" in text and "ada" in text and "Failed" in text and "Not reached." in text
    assert "until next boot" in text


def test_libvirts_own_words_are_for_administrators_only(guest: Guest, admin: Client, watcher: Client) -> None:
    make_operation(guest, state="failed", message="Refused.", detail="internal error: monitor said no")
    operator = person("cleo")
    grant(operator, Role.OPERATOR)
    assert "monitor said no" in text_of(admin, guest, "history/")
    for client in (watcher, signed_in(operator)):
        text = text_of(client, guest, "history/")
        assert "monitor said no" not in text and "Refused." in text


def test_history_comes_in_pages(guest: Guest, admin: Client) -> None:
    for _number in range(51):
        make_operation(guest)
    first = text_of(admin, guest, "history/")
    assert "Page 1 of 2" in first and 'rel="next"' in first
    assert "Page 2 of 2" in text_of(admin, guest, "history/?page=2")
    assert "Page 2 of 2" in text_of(admin, guest, "history/?page=999")


def test_a_name_that_libvirt_accepts_is_inert_everywhere(guest: Guest, admin: Client) -> None:
    name = "<img src=x onerror=alert(1)>\u202e\"'"
    Guest.objects.filter(pk=guest.pk).update(name=name)
    for tab in TABS:
        text = text_of(admin, guest, tab)
        assert "<img src=x" not in text and "&lt;img src=x" in text


@pytest.mark.parametrize(
    "name", ["overview", "console", "resources", "devices", "history", "header", "memory-now", "disks"]
)
def test_fragments_bring_parts_that_find_their_own_place(guest: Guest, admin: Client, name: str) -> None:
    response = admin.get(f"/guests/{guest.pk}/fragments/{name}/", headers={"HX-Request": "true"})
    text = response.content.decode()
    assert response.status_code == 200 and 'hx-swap-oob="true"' in text and "<html" not in text


def test_an_unknown_fragment_is_a_404(guest: Guest, admin: Client) -> None:
    assert admin.get(f"/guests/{guest.pk}/fragments/secrets/").status_code == 404


def test_fragments_are_not_for_strangers(guest: Guest) -> None:
    assert signed_in(person("eve")).get(f"/guests/{guest.pk}/fragments/overview/").status_code == 404


@pytest.mark.parametrize("tab", TABS)
def test_the_number_of_queries_does_not_grow(guest: Guest, tab: str) -> None:
    ben = person("ben")
    grant(ben, Role.OPERATOR)
    client = signed_in(ben)
    make_operation(guest)
    client.get(f"/guests/{guest.pk}/{tab}")

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            client.get(f"/guests/{guest.pk}/{tab}")
        return len(captured)

    few = queries()
    for number in range(30):
        make_operation(guest, kind="shut_down")
        make_guest(guest.host, f"other-{number}")
    guest.definition["disks"] = guest.definition["disks"] * 10
    guest.save()
    assert queries() == few
    assert few <= 17


def test_a_live_answer_brings_exactly_the_parts_that_its_tab_shows(guest: Guest, admin: Client) -> None:
    for tab in ("overview", "console", "resources", "devices", "history"):
        page = text_of(admin, guest, "" if tab == "overview" else f"{tab}/")
        answer = text_of(admin, guest, f"fragments/{tab}/")
        parts = set(re.findall(r'id="(guest-[\w-]+)" hx-swap-oob', answer))
        assert parts and all(f'id="{part}"' in page for part in parts), tab
