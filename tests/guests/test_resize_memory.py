"""Memory through its form: a worker serves libvirt's test driver, and libvirt is asked what happened."""

# ruff: noqa: F811 (fixtures of the worker are imported by name)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import libvirt
import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client

from guests.access import Limits, Role
from guests.access import grant as give
from guests.audit.models import AuditRecord
from guests.inventory.models import Guest, Host
from guests.operations.models import Operation
from tests.guests.inventory_rows import grant, make_guest, make_host, person, signed_in
from tests.guests.worker.conftest import RunningWorker, admin, domain, row, start_worker, until, worker  # noqa: F401

MIB = 1024
pytestmark = pytest.mark.timeout(60)


def live_kib(worker: RunningWorker, name: str) -> int:
    return int(domain(worker, name).info()[2])


def at_boot(worker: RunningWorker, name: str) -> tuple[int, int]:
    """Current and maximum memory that libvirt keeps for the next boot."""
    found = domain(worker, name)
    xml = found.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    numbers = [xml.split(f"<{tag} unit='KiB'>")[1].split("<")[0] for tag in ("currentMemory", "memory")]
    return int(numbers[0]), int(numbers[1])


def shown(guest: Guest) -> dict[str, Any]:
    """The hidden fields of a form that is opened now."""
    return {
        "key": f"key-{Operation.objects.count()}",
        "before_current": guest.current_kib,
        "before_maximum": guest.next_boot_maximum_kib,
        "before_state": guest.state,
    }


@pytest.fixture
def client(admin: User) -> Client:
    return signed_in(admin)


Send = Callable[..., HttpResponse]


@pytest.fixture
def send(client: Client, worker: RunningWorker) -> Send:
    """Send the memory form of a guest as it is shown now."""

    def do(name: str, current: str, unit: str = "MiB", **more: Any) -> HttpResponse:
        guest = row(name)
        fields = {"current": current, "current_unit": unit, "keep": "on"} | shown(guest) | more
        sent = {key: value for key, value in fields.items() if value is not None}
        return client.post(f"/guests/{guest.pk}/memory/", sent)

    return do


def text_of(response: HttpResponse) -> str:
    return " ".join(response.content.decode().split())


def unchanged(worker: RunningWorker) -> bool:
    return live_kib(worker, "web-1") == 256 * MIB and at_boot(worker, "web-1") == (256 * MIB, 512 * MIB)


def test_grows_a_running_guest_now_and_for_the_next_boot(worker: RunningWorker, send: Send) -> None:
    response = send("web-1", "384")
    assert response.status_code == 302 and response["Location"].endswith("/resources/")
    assert live_kib(worker, "web-1") == 384 * MIB
    assert at_boot(worker, "web-1") == (384 * MIB, 512 * MIB)


def test_reaches_the_kib_that_was_typed(worker: RunningWorker, send: Send) -> None:
    send("web-1", "300001 KiB", "GiB")
    assert live_kib(worker, "web-1") == 300001


def test_can_leave_the_next_boot_as_it_is(worker: RunningWorker, send: Send) -> None:
    send("web-1", "384", keep=None)
    assert live_kib(worker, "web-1") == 384 * MIB and at_boot(worker, "web-1") == (256 * MIB, 512 * MIB)


def test_a_new_maximum_holds_from_the_next_boot(worker: RunningWorker, send: Send) -> None:
    assert send("web-1", "256", maximum="1", maximum_unit="GiB").status_code == 302
    assert domain(worker, "web-1").maxMemory() == 512 * MIB
    assert at_boot(worker, "web-1") == (256 * MIB, 1024 * MIB)
    assert live_kib(worker, "web-1") == 256 * MIB


def test_both_at_once_are_two_operations_maximum_first(worker: RunningWorker, send: Send) -> None:
    assert send("web-1", "320", maximum="1024", maximum_unit="MiB").status_code == 302
    kinds = list(Operation.objects.order_by("asked_at").values_list("kind", "state"))
    assert kinds == [("set_maximum_memory", "done"), ("set_current_memory", "done")]
    assert at_boot(worker, "web-1") == (320 * MIB, 1024 * MIB)


def test_a_guest_that_is_off_takes_both_for_its_boot(worker: RunningWorker, send: Send) -> None:
    assert send("off-1", "600", maximum="800", maximum_unit="MiB").status_code == 302
    assert at_boot(worker, "off-1") == (600 * MIB, 800 * MIB)


def test_more_than_the_live_maximum_waits_for_the_boot_that_brings_it(worker: RunningWorker, send: Send) -> None:
    assert send("web-1", "900", maximum="1024", maximum_unit="MiB").status_code == 302
    assert live_kib(worker, "web-1") == 256 * MIB and at_boot(worker, "web-1") == (900 * MIB, 1024 * MIB)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("0", "0 is not possible"),
        ("-5", "cannot be negative"),
        ("plenty", "Type a number with MiB or GiB"),
        ("", "required"),
        ("1,024", "without a separator"),
        ("513", "More than the maximum memory of web-1, 512 MiB."),
        ("99999 GiB", "has"),
    ],
)
def test_refuses_at_the_field_and_keeps_what_was_typed(
    worker: RunningWorker,
    send: Send,
    typed: str,
    sentence: str,
) -> None:
    response = send("web-1", typed)
    text = text_of(response)
    assert response.status_code == 422
    assert 'id="memory-current-error"' in text and sentence in text
    assert f'name="current" id="memory-current" value="{typed}"' in text
    assert Operation.objects.count() == 0 and unchanged(worker)


def test_refuses_a_maximum_over_the_hosts_memory(worker: RunningWorker, send: Send) -> None:
    response = send("web-1", "256", maximum="900", maximum_unit="GiB")
    text = text_of(response)
    assert response.status_code == 422 and 'id="memory-maximum-error"' in text and "in all." in text
    assert 'name="maximum" id="memory-maximum" value="900"' in text and unchanged(worker)


def test_refuses_a_maximum_below_the_current_memory(worker: RunningWorker, send: Send) -> None:
    response = send("web-1", "256", maximum="128", maximum_unit="MiB")
    assert "Less than the current memory of web-1, 256 MiB" in text_of(response) and unchanged(worker)


def test_says_that_nothing_would_change(worker: RunningWorker, send: Send) -> None:
    assert "Nothing would change" in text_of(send("web-1", "256"))


def test_refuses_to_take_what_the_guest_uses_and_does_it_when_forced(worker: RunningWorker, send: Send) -> None:
    used = until(lambda: row("web-1").used_kib)
    response = send("web-1", f"{used - 1} KiB")
    text = text_of(response)
    assert response.status_code == 422 and "web-1 uses" in text and 'name="force"' in text and unchanged(worker)
    assert send("web-1", f"{used - 1} KiB", force="on").status_code == 302
    assert live_kib(worker, "web-1") == used - 1
    assert Operation.objects.get().parameters["force"] is True


def test_refuses_to_give_more_than_the_host_has_free(worker: RunningWorker, send: Send) -> None:
    def without_free_memory(typed: str, **more: Any) -> HttpResponse:
        Host.objects.update(free_memory_kib=1024)
        return send("web-1", typed, **more)

    def refused() -> str:
        text = text_of(without_free_memory("400"))
        return text if "free, less than this adds" in text else ""

    assert 'name="force"' in until(refused, 5)


def test_refuses_when_the_guest_was_shut_off_since_the_form_was_opened(worker: RunningWorker, client: Client) -> None:
    guest = row("web-1")
    before = shown(guest)
    domain(worker, "web-1").destroy()
    # At once, before the inventory may know of it, and again when it does: the worker or the form says it.
    for known in (False, True):
        if known:
            until(lambda: row("web-1").state == "shut-off")
        sent = before | {"current": "384", "current_unit": "MiB", "keep": "on", "key": f"k-{known}"}
        response = client.post(f"/guests/{guest.pk}/memory/", sent)
        text = text_of(response)
        assert response.status_code == 422 and "web-1 was shut off since you opened the form" in text
        assert 'id="memory-current" value="384"' in text
    assert at_boot(worker, "web-1") == (256 * MIB, 512 * MIB)


def test_refuses_when_virsh_changed_the_guest_since_the_form_was_opened(worker: RunningWorker, client: Client) -> None:
    guest = row("web-1")
    before = shown(guest)
    domain(worker, "web-1").setMemoryFlags(200 * MIB, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    until(lambda: row("web-1").current_kib == 200 * MIB)
    sent = before | {"current": "384", "current_unit": "MiB", "keep": "on"}
    response = client.post(f"/guests/{guest.pk}/memory/", sent)
    text = text_of(response)
    assert response.status_code == 422 and "changed since you opened the form" in text and "200 MiB" in text
    assert live_kib(worker, "web-1") == 200 * MIB and Operation.objects.count() == 0
    # The form that comes back knows the new size: sent again, it is done.
    assert f'name="before_current" value="{200 * MIB}"' in text


def test_what_the_worker_refuses_stands_at_the_field_too(worker: RunningWorker, client: Client) -> None:
    guest = row("web-1")
    before = shown(guest) | {"before_current": guest.current_kib}
    domain(worker, "web-1").setMemoryFlags(128 * MIB, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    response = client.post(
        f"/guests/{guest.pk}/memory/", before | {"current": "384", "current_unit": "MiB", "keep": "on"}
    )
    operation = Operation.objects.get()
    assert operation.state == "failed" and response.status_code == 422
    text = text_of(response)
    assert operation.message[:20] in text and 'id="memory-current-error"' in text
    assert 'id="memory-current" value="384"' in text and live_kib(worker, "web-1") == 256 * MIB


def test_the_same_form_sent_twice_is_one_operation(worker: RunningWorker, send: Send) -> None:
    guest = row("web-1")
    fields = shown(guest)
    send("web-1", "384", **fields)
    send("web-1", "384", **(fields | {"before_current": row("web-1").current_kib, "keep": None}))
    assert Operation.objects.count() == 1


def test_htmx_gets_the_cards_and_no_page(worker: RunningWorker, client: Client) -> None:
    guest = row("web-1")
    sent = shown(guest) | {"current": "384", "current_unit": "MiB", "keep": "on"}
    response = client.post(f"/guests/{guest.pk}/memory/", sent, headers={"HX-Request": "true"})
    text = response.content.decode()
    assert response.status_code == 200 and "<html" not in text
    assert 'id="guest-memory-now" hx-swap-oob="true"' in text and "384 MiB" in text


def test_shows_the_effect_without_a_script_and_sends_nothing(worker: RunningWorker, send: Send) -> None:
    response = send("web-1", "384", preview="1")
    text = text_of(response)
    assert response.status_code == 200 and "current memory 256 MiB → 384 MiB" in text
    assert "384 MiB of 512 MiB; set so far: 256 MiB of 512 MiB" in text and "Resize to 384 MiB" in text
    assert Operation.objects.count() == 0 and unchanged(worker)


def test_a_pending_change_is_shown_and_reverted(worker: RunningWorker, client: Client, send: Send) -> None:
    send("web-1", "256", maximum="1024", maximum_unit="MiB")
    guest = until(lambda: Guest.objects.filter(name="web-1", next_boot_maximum_kib=1024 * MIB).first())
    text = text_of(client.get(f"/guests/{guest.pk}/"))
    assert "data-pending" in text and f"/guests/{guest.pk}/revert/memory/" in text
    assert client.post(f"/guests/{guest.pk}/revert/memory/", {"key": "r"}).status_code == 302
    assert at_boot(worker, "web-1") == (256 * MIB, 512 * MIB)


def test_every_change_is_recorded(worker: RunningWorker, send: Send) -> None:
    send("web-1", "384")
    actions = set(AuditRecord.objects.values_list("action", "outcome"))
    assert {("guest.set_current_memory", "ok"), ("guest.set_current_memory.ended", "ok")} <= actions


@pytest.mark.django_db
class TestDoors:
    """Who may not, and how not; nothing runs that could do it."""

    @pytest.fixture
    def guest(self) -> Guest:
        return make_guest(make_host(), "web-1", has_balloon=True)

    @pytest.mark.parametrize("path", ["memory", "vcpus", "revert/memory", "revert/vcpus"])
    def test_refuses_to_change_by_reading(self, guest: Guest, path: str) -> None:
        client = signed_in(person("ada", superuser=True))
        assert client.get(f"/guests/{guest.pk}/{path}/").status_code == 405

    @pytest.mark.parametrize("path", ["memory", "vcpus", "revert/memory", "revert/vcpus"])
    def test_refuses_a_watcher_and_hides_from_a_stranger(self, guest: Guest, path: str) -> None:
        ben = person("ben")
        grant(ben, Role.WATCHER)
        assert signed_in(ben).post(f"/guests/{guest.pk}/{path}/", {"current": "3"}).status_code == 403
        assert signed_in(person("eve")).post(f"/guests/{guest.pk}/{path}/", {"current": "3"}).status_code == 404
        assert Operation.objects.count() == 0

    @pytest.mark.parametrize("path", ["memory", "vcpus"])
    def test_refuses_a_form_without_a_token(self, guest: Guest, path: str) -> None:
        client = Client(HTTP_HOST="127.0.0.1", enforce_csrf_checks=True)
        client.force_login(person("ada", superuser=True), backend="allauth.account.auth_backends.AuthenticationBackend")
        assert client.post(f"/guests/{guest.pk}/{path}/", {"current": "3"}).status_code == 403

    def test_there_is_nothing_else_to_revert(self, guest: Guest) -> None:
        client = signed_in(person("ada", superuser=True))
        assert client.post(f"/guests/{guest.pk}/revert/name/").status_code == 404

    def test_a_guest_without_balloon_changes_at_the_next_boot_only(self, guest: Guest) -> None:
        Guest.objects.update(has_balloon=False)
        client = signed_in(person("ada", superuser=True))
        fields = {"current": "3", "current_unit": "GiB", "keep": "on", "preview": "1"}
        text = text_of(client.post(f"/guests/{guest.pk}/memory/", fields))
        assert "web-1 has no balloon, so its current memory changes at a boot only" in text
        assert "3.0 GiB of 4.0 GiB; set so far: 2.0 GiB of 4.0 GiB" in text

    def test_a_host_that_does_not_answer_is_said_at_the_field(self, guest: Guest) -> None:
        Host.objects.update(state="unreachable")
        client = signed_in(person("ada", superuser=True))
        response = client.post(f"/guests/{guest.pk}/memory/", {"current": "3", "current_unit": "GiB", "keep": "on"})
        assert response.status_code == 422 and "kvm-01 does not answer." in text_of(response)
        assert Operation.objects.count() == 0


def test_B11_the_form_refuses_what_the_role_does_not_give_at_its_field(worker: RunningWorker) -> None:
    olga = person("olga")
    give(Role.OPERATOR, olga, row("web-1"), by=None, limits=Limits(300 * MIB, 2))
    client, url = signed_in(olga), f"/guests/{row('web-1').pk}/"
    page = text_of(client.get(f"{url}resources/"))
    assert "at most 300 MiB." in page
    assert "at most 2 vCPUs." in page
    sent = shown(row("web-1")) | {"current": "400", "current_unit": "MiB", "maximum": "600", "maximum_unit": "MiB"}
    refused = client.post(f"{url}memory/", sent | {"keep": "on"})
    assert refused.status_code == 422
    assert text_of(refused).count("gh-error") == 2
    assert client.post(f"{url}vcpus/", {"current": "3", "maximum": "4", "keep": "on"}).status_code == 422
    assert not Operation.objects.exists()
    assert unchanged(worker)
