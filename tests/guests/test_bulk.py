"""Acts on several guests at once: all or nothing, one line for each."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from guests.access.models import Role
from guests.access.tagging import set_tags
from guests.audit.models import AuditRecord
from guests.inventory.definition_json import definition_to_json
from guests.inventory.models import Guest, Host
from guests.operations.models import Operation
from guests.resources import Disk
from guests.views import bulk
from tests.guests.inventory.values import definition
from tests.guests.inventory_rows import GIB, grant, make_guest, make_host, person, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_worker_to_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "WAIT_S", 0.0)


@pytest.fixture
def host() -> Host:
    return make_host()


@pytest.fixture
def admin() -> Client:
    return signed_in(person("ada", superuser=True))


def post(client: Client, kind: str, guests: list[Guest], **more: str) -> object:
    return client.post("/guests/bulk/", {"kind": kind, "guest": [str(g.pk) for g in guests], "key": "form-1", **more})


def test_asks_one_operation_for_each_guest_that_the_act_fits_and_says_why_not_for_others(
    host: Host, admin: Client
) -> None:
    running, off = make_guest(host, "running"), make_guest(host, "off", state="shut-off")
    response = admin.post(
        "/guests/bulk/",
        {"kind": "shut_down", "guest": [str(running.pk), str(off.pk)], "key": "k"},
        headers={"HX-Request": "true"},
    )
    text = response.content.decode()
    operation = Operation.objects.get()
    assert (operation.guest, operation.kind, operation.before) == (running, "shut_down", {"state": "running"})
    assert f"operation-{operation.pk}" in text and "nothing to do: it is shut off" in text


def test_a_form_that_is_sent_twice_asks_once_and_another_act_asks_again(host: Host, admin: Client) -> None:
    guest = make_guest(host, "web-1")
    post(admin, "reboot", [guest])
    post(admin, "reboot", [guest])
    assert Operation.objects.count() == 1
    post(admin, "pause", [guest])
    post(admin, "reboot", [guest], key="form-2")
    assert Operation.objects.count() == 3


def test_one_forbidden_member_and_nothing_is_done(host: Host) -> None:
    user = person("op")
    mine, seen, hidden = (make_guest(host, name) for name in ("mine", "seen", "hidden"))
    grant(user, Role.OPERATOR, guest=mine)
    grant(user, Role.WATCHER, guest=seen)
    client = signed_in(user)
    assert post(client, "shut_down", [mine, seen]).status_code == 403  # type: ignore[attr-defined]
    assert post(client, "shut_down", [mine, hidden]).status_code == 404  # type: ignore[attr-defined]
    assert not Operation.objects.exists()
    assert AuditRecord.objects.filter(outcome="denied", guest=seen).count() == 1
    assert post(client, "shut_down", [mine]).status_code == 302  # type: ignore[attr-defined]
    assert Operation.objects.get().guest == mine


def test_a_row_acts_on_its_own_guest_whatever_is_ticked(host: Host, admin: Client) -> None:
    ticked, own = make_guest(host, "ticked"), make_guest(host, "own")
    admin.post("/guests/bulk/", {"act": f"pause:{own.pk}", "guest": [str(ticked.pk)], "key": "k"})
    assert Operation.objects.get().guest == own


@pytest.mark.parametrize("kind", ["rename", "clone_guest", "set_vcpus", "", "nonsense"])
def test_refuses_kinds_that_are_not_for_many(host: Host, admin: Client, kind: str) -> None:
    assert post(admin, kind, [make_guest(host, "web-1")]).status_code == 400  # type: ignore[attr-defined]
    assert not Operation.objects.exists()


def test_refuses_what_is_no_id_and_a_get(admin: Client) -> None:
    assert admin.post("/guests/bulk/", {"kind": "start", "guest": "x"}).status_code == 400
    assert admin.get("/guests/bulk/").status_code == 405


def test_refuses_a_form_without_its_token(host: Host) -> None:
    client = Client(enforce_csrf_checks=True, HTTP_HOST="127.0.0.1")
    client.force_login(person("ada", superuser=True), backend="allauth.account.auth_backends.AuthenticationBackend")
    response = post(client, "start", [make_guest(host, "off", state="shut-off")])
    assert response.status_code == 403 and "out of date" in response.content.decode()  # type: ignore[attr-defined]
    assert not Operation.objects.exists()


def test_nothing_selected_says_so_and_goes_back_only_to_this_site(admin: Client) -> None:
    response = admin.post("/guests/bulk/", {"kind": "start", "next": "https://evil.example/"}, follow=True)
    assert response.redirect_chain == [("/guests/", 302)]
    assert "Select at least one guest" in response.content.decode()


def test_a_privileged_guest_is_left_alone(host: Host, admin: Client) -> None:
    post(admin, "shut_down", [make_guest(host, "Domain-0", privileged=True)])
    assert not Operation.objects.exists()


def test_force_off_asks_first_and_names_the_guests(host: Host, admin: Client) -> None:
    web, off = make_guest(host, "web-1"), make_guest(host, "off-1", state="shut-off")
    text = post(admin, "force_off", [web, off]).content.decode()  # type: ignore[attr-defined]
    assert "Force off: 1 guest" in text and "web-1" in text and "off-1" not in text
    assert not Operation.objects.exists()
    post(admin, "force_off", [web], sure="1")
    assert [(o.kind, o.guest) for o in Operation.objects.all()] == [("force_off", web)]


def text_of(response: object) -> str:
    return " ".join(response.content.decode().split())  # type: ignore[attr-defined]


def test_discarding_what_was_saved_asks_first_and_names_those_that_have_something(host: Host, admin: Client) -> None:
    saved, off = make_guest(host, "saved-1", state="shut-off", saved=True), make_guest(host, "off-1", state="shut-off")
    text = text_of(post(admin, "discard_saved", [saved, off]))
    assert "saved-1" in text and "off-1" not in text and "boots anew" in text
    post(admin, "discard_saved", [saved], sure="1")
    assert [(o.kind, o.guest) for o in Operation.objects.all()] == [("discard_saved", saved)]


def test_start_paused_and_starting_with_the_host_are_for_many(host: Host, admin: Client) -> None:
    off, running = make_guest(host, "off", state="shut-off"), make_guest(host, "running", autostart=True)
    transient = make_guest(host, "brief", persistent=False)
    post(admin, "start_paused", [off, running])
    assert [(o.kind, o.guest) for o in Operation.objects.all()] == [("start_paused", off)]
    response = admin.post(
        "/guests/bulk/",
        {"kind": "autostart_on", "guest": [str(g.pk) for g in (off, running, transient)], "key": "k"},
        headers={"HX-Request": "true"},
    )
    assert "nothing to do: it starts with its host" in text_of(response) and "transient" in text_of(response)
    asked = Operation.objects.get(kind="set_autostart")
    assert (asked.guest, asked.parameters, asked.before) == (off, {"autostart": True}, {"autostart": False})
    post(admin, "autostart_off", [running])
    assert Operation.objects.get(guest=running).parameters == {"autostart": False}


def test_tags_are_added_to_many_and_taken_away_and_each_has_its_line(host: Host, admin: Client) -> None:
    web, db = make_guest(host, "web"), make_guest(host, "db")
    set_tags(web, ["lab"], by=person("root", superuser=True))
    assert 'name="tags"' in text_of(post(admin, "tag", [web, db]))
    response = post(admin, "tag", [web, db], sure="1", tags="ünmöglich")
    assert response.status_code == 422 and "cannot be a tag" in text_of(response)  # type: ignore[attr-defined]
    response = admin.post(
        "/guests/bulk/",
        {"kind": "tag", "guest": [str(web.pk), str(db.pk)], "sure": "1", "tags": "lab blue"},
        headers={"HX-Request": "true"},
    )
    assert text_of(response).count("tags now: blue, lab") == 2
    assert AuditRecord.objects.filter(action="guest.tags", guest=db).count() == 1
    post(admin, "untag", [web, db], sure="1", tags="lab")
    assert [list(g.tags.values_list("name", flat=True)) for g in (web, db)] == [["blue"], ["blue"]]
    assert not Operation.objects.exists()


def test_an_operator_neither_sets_tags_nor_migrates_many_and_is_not_offered_it(host: Host) -> None:
    user, guest = person("op"), make_guest(host, "web")
    grant(user, Role.OPERATOR, host=host)
    client = signed_in(user)
    for kind in ("tag", "untag", "migrate"):
        assert post(client, kind, [guest], sure="1", tags="x", to="b").status_code == 403  # type: ignore[attr-defined]
    assert not guest.tags.exists() and not Operation.objects.exists()
    assert 'value="migrate"' not in text_of(client.get("/guests/"))
    assert 'value="autostart_on"' in text_of(client.get("/guests/"))


def facts(name: str, **more: object) -> Host:
    return make_host(name, uri=f"qemu+tcp://{name}/system", driver="QEMU", architecture="x86_64", **more)


def test_many_go_to_one_host_and_those_that_do_not_fit_say_why(admin: Client) -> None:
    here, there = facts("here"), facts("there", free_memory_kib=3 * GIB)
    facts("far", state="unreachable")
    disk = {"disks": [{"target": "vda", "source": "/a.img", "readonly": False}]}
    first, second = (make_guest(here, name, definition=disk) for name in ("first", "second"))  # 2 GiB each
    off, small = make_guest(here, "off", state="shut-off", definition=disk), make_guest(here, "small", current_kib=GIB)
    settled = make_guest(there, "settled", state="shut-off")
    guests = [first, second, off, small, settled]
    question = text_of(post(admin, "migrate", guests))
    assert "4 of 5 fit, 3.0 GiB free" in question and "It does not answer." in question
    response = post(admin, "migrate", guests, sure="1")
    assert response.status_code == 422 and "Choose where they go." in text_of(response)  # type: ignore[attr-defined]
    assert not Operation.objects.exists()
    response = admin.post(
        "/guests/bulk/",
        {"kind": "migrate", "guest": [str(g.pk) for g in guests], "sure": "1", "to": "there", "copy_storage": "on"},
        headers={"HX-Request": "true"},
    )
    text = text_of(response)
    assert "It has 1.0 GiB of memory free, and second has 2.0 GiB." in text
    assert "Its disks do not go along" in text and "nothing to do: it is on there" in text
    asked = {o.guest: o for o in Operation.objects.all()}
    assert set(asked) == {first, small}
    assert asked[first].parameters["copy_storage"] is True and asked[small].parameters["copy_storage"] is False
    assert asked[first].before == {"host": "here", "state": "running"}
    post(admin, "migrate", [off], sure="1", to="there", shared="on")
    assert Operation.objects.get(guest=off).parameters["to"] == "there"


QCOW2 = definition_to_json(definition(disks=(Disk("vda", "disk", "virtio", "file", "/guests/a.qcow2", "qcow2"),)))
RAW = definition_to_json(definition())


def test_a_reset_of_many_is_asked_once_more_and_of_those_that_run(host: Host, admin: Client) -> None:
    running, off = make_guest(host, "running"), make_guest(host, "off", state="shut-off")
    question = text_of(post(admin, "reset", [running, off]))
    assert "Like the reset button" in question and f'value="{off.pk}"' not in question
    assert not Operation.objects.exists()
    post(admin, "reset", [running, off], sure="1")
    assert [(o.guest, o.kind) for o in Operation.objects.all()] == [(running, "reset")]


def test_snapshots_of_many_have_one_name_and_those_that_can_have_none_say_why(admin: Client) -> None:
    host = make_host(driver="QEMU")
    web, db = make_guest(host, "web", definition=QCOW2), make_guest(host, "db", state="shut-off", definition=QCOW2)
    raw = make_guest(host, "raw", definition=RAW)
    guests = [web, db, raw]
    assert 'name="name"' in text_of(post(admin, "take_snapshot", guests))
    refused = post(admin, "take_snapshot", guests, sure="1", name="no/name")
    assert refused.status_code == 422 and "not digits alone" in text_of(refused)  # type: ignore[attr-defined]
    assert not Operation.objects.exists()
    response = admin.post(
        "/guests/bulk/",
        {"kind": "take_snapshot", "guest": [str(g.pk) for g in guests], "sure": "1", "name": "before-update"},
        headers={"HX-Request": "true"},
    )
    assert "Snapshots are kept inside qcow2 disks; of another format are" in text_of(response)
    asked = {o.guest: (o.kind, o.parameters["name"], o.before) for o in Operation.objects.all()}
    assert asked == {
        web: ("take_snapshot", "before-update", {"state": "running"}),
        db: ("take_snapshot", "before-update", {"state": "shut-off"}),
    }
    post(admin, "take_snapshot", [web], sure="1", key="another")
    assert Operation.objects.filter(guest=web).order_by("asked_at").last().parameters["name"].startswith("20")  # type: ignore[union-attr]


def test_many_are_deleted_by_their_names_without_their_disks_and_none_that_runs(host: Host, admin: Client) -> None:
    one, two = (make_guest(host, name, state="shut-off", definition=QCOW2) for name in ("one", "number two"))
    running = make_guest(host, "running")
    guests = [one, two, running]
    question = text_of(post(admin, "delete_guest", guests))
    assert "Their disks stay in their pools." in question and f'value="{running.pk}"' not in question
    for names in ("", "one", "one number two running"):
        refused = post(admin, "delete_guest", guests, sure="1", names=names)
        assert refused.status_code == 422 and "Type the names of all" in text_of(refused)  # type: ignore[attr-defined]
    assert not Operation.objects.exists()
    response = admin.post(
        "/guests/bulk/",
        {"kind": "delete_guest", "guest": [str(g.pk) for g in guests], "sure": "1", "names": "number two one"},
        headers={"HX-Request": "true"},
    )
    assert "It runs: shut it off first." in text_of(response)
    asked = {o.guest: (o.kind, o.parameters) for o in Operation.objects.all()}
    assert asked == {guest: ("delete_guest", {"disks": [], "force_off": False}) for guest in (one, two)}


def test_an_operator_resets_many_but_neither_deletes_nor_takes_snapshots(host: Host) -> None:
    user, guest = person("op"), make_guest(host, "web", definition=QCOW2)
    grant(user, Role.OPERATOR, host=host)
    client = signed_in(user)
    for kind in ("take_snapshot", "delete_guest"):
        assert post(client, kind, [guest], sure="1", names="web").status_code == 403  # type: ignore[attr-defined]
        assert f'value="{kind}"' not in text_of(client.get("/guests/"))
    assert not Operation.objects.exists()
    post(client, "reset", [guest], sure="1")
    assert Operation.objects.get().kind == "reset"


def test_nobody_brings_guests_to_a_host_that_they_do_not_administrate(host: Host) -> None:
    user, guest = person("ada"), make_guest(host, "web")
    other = facts("other")
    grant(user, Role.ADMINISTRATOR, host=host)
    grant(user, Role.OPERATOR, host=other)
    question = text_of(post(signed_in(user), "migrate", [guest]))
    assert 'value="other"' not in question
    assert post(signed_in(user), "migrate", [guest], sure="1", to="other").status_code == 422  # type: ignore[attr-defined]
    assert not Operation.objects.exists()


def test_the_question_before_a_migration_costs_the_same_for_many(admin: Client) -> None:
    here, _there = facts("here"), facts("there")
    guests = [make_guest(here, f"web-{number}") for number in range(12)]

    def queries(chosen: list[Guest]) -> int:
        with CaptureQueriesContext(connection) as captured:
            post(admin, "migrate", chosen)
        return len(captured)

    queries(guests[:1])
    assert queries(guests) == queries(guests[:2])
