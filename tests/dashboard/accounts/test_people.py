"""People and groups: pages for administrators of the whole site (B5, A8, F3)."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from dashboard.audit.words import action_in_words
from guests.access import Grant, Role, grant, may
from guests.audit.models import AuditRecord
from guests.inventory.changes import Feed, current_revision
from guests.operations.models import Operation
from tests.guests.inventory_rows import BACKEND, make_guest, make_host

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
PEOPLE, GROUPS = "/accounts/people/", "/accounts/groups/"


def signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person, backend=BACKEND)
    return client


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_superuser("root", password=PASSWORD)


@pytest.fixture
def chief(db: None) -> User:
    """Administrator of the whole site by a role, and no superuser."""
    chief = User.objects.create_user("chief", password=PASSWORD)
    grant(Role.ADMINISTRATOR, chief, by=None)
    return chief


@pytest.fixture
def bob(db: None) -> User:
    return User.objects.create_user("bob", password=PASSWORD)


def text_of(answer: HttpResponse) -> str:
    return " ".join(answer.content.decode().split())


def last_act() -> tuple[str, str]:
    line = AuditRecord.objects.order_by("-id")[0]
    return line.action, line.outcome


@pytest.mark.parametrize("role", [None, "watcher", "operator"])
def test_B5_who_is_no_administrator_of_the_site_manages_nobody(bob: User, role: str | None) -> None:
    if role:
        Grant.objects.create(user=bob, role=role, scope="everything")
    Grant.objects.create(user=bob, role="administrator", scope="host", host=make_host())
    client, group = signed_in(bob), Group.objects.create(name="ops")
    for path in (PEOPLE, f"{PEOPLE}new/", f"{PEOPLE}{bob.pk}/", GROUPS, f"{GROUPS}{group.pk}/"):
        assert client.get(path).status_code == 403, path
    for path, fields in {
        f"{PEOPLE}new/": {"username": "eve"},
        f"{PEOPLE}{bob.pk}/": {"username": "bob", "is_superuser": "on", "is_active": "on"},
        f"{PEOPLE}{bob.pk}/roles/": {"scope": "everything", "role": "administrator"},
        f"{GROUPS}{group.pk}/members/": {"username": "bob"},
    }.items():
        assert client.post(path, fields).status_code == 403, path
    bob.refresh_from_db()
    assert not bob.is_superuser
    assert not bob.groups.exists()
    assert not User.objects.filter(username="eve").exists()
    assert "/accounts/people/" not in client.get("/guests/").content.decode()


def test_makes_a_person_with_a_random_password_that_is_shown_once(chief: User) -> None:
    client, group = signed_in(chief), Group.objects.create(name="ops")
    sent = {"username": "eve", "first_name": "Eve", "is_active": "on", "groups": [str(group.pk)], "password": ""}
    page = text_of(client.post(f"{PEOPLE}new/", sent))
    password = page.split('gh-secret mono">')[1].split("<")[0]
    eve = User.objects.get(username="eve")
    assert len(password) >= 20
    assert eve.check_password(password)
    assert list(eve.groups.all()) == [group]
    assert not (eve.is_superuser or eve.is_staff)
    assert last_act() == ("people.make", "ok")
    assert password not in str(list(AuditRecord.objects.values()))
    assert password not in text_of(client.get(f"{PEOPLE}{eve.pk}/"))
    assert all(password not in str(session.get_decoded()) for session in Session.objects.all())


def test_A11_a_weak_password_for_somebody_else_is_refused(chief: User, bob: User) -> None:
    client = signed_in(chief)
    for weak in ("short", "password1234", "qwertyuiop12"):
        answer = client.post(f"{PEOPLE}new/", {"username": "eve", "is_active": "on", "password": weak})
        assert answer.status_code == 422
        assert client.post(f"{PEOPLE}{bob.pk}/password/", {"password": weak}).status_code == 422
    assert not User.objects.filter(username="eve").exists()
    bob.refresh_from_db()
    assert bob.check_password(PASSWORD)


def test_changes_name_and_groups_and_records_what_changed(chief: User, bob: User) -> None:
    group = Group.objects.create(name="ops")
    sent = {"username": "robert", "email": "r@example.org", "is_active": "on", "groups": [str(group.pk)]}
    assert signed_in(chief).post(f"{PEOPLE}{bob.pk}/", sent).status_code == 302
    bob.refresh_from_db()
    assert (bob.username, list(bob.groups.all())) == ("robert", [group])
    detail = AuditRecord.objects.get(action="people.change").detail
    assert detail["before"] == {"name": "bob", "email": "", "groups": []}
    assert detail["after"] == {"name": "robert", "email": "r@example.org", "groups": ["ops"]}


def test_a_name_that_is_taken_is_refused_and_what_was_typed_stays(chief: User, bob: User) -> None:
    answer = signed_in(chief).post(f"{PEOPLE}{bob.pk}/", {"username": "chief", "is_active": "on"})
    assert answer.status_code == 422
    assert 'value="chief"' in text_of(answer)
    bob.refresh_from_db()
    assert bob.username == "bob"


def test_A10_disabling_somebody_ends_their_sessions_at_once(chief: User, bob: User) -> None:
    theirs = signed_in(bob)
    before = current_revision(Feed.RIGHTS)
    assert signed_in(chief).post(f"{PEOPLE}{bob.pk}/", {"username": "bob"}).status_code == 302
    bob.refresh_from_db()
    assert not bob.is_active
    assert not UserSession.objects.filter(user=bob).exists()
    assert theirs.get("/guests/").status_code == 302
    assert current_revision(Feed.RIGHTS) > before


@pytest.mark.parametrize(
    ("path", "action"),
    [("password/", "people.password"), ("second-factors/", "people.second_factors"), ("sessions/", "people.sessions")],
)
def test_A8_what_an_administrator_does_to_a_sign_in_ends_every_session(
    chief: User, bob: User, path: str, action: str
) -> None:
    Authenticator.objects.create(user=bob, type="totp", data={"secret": "x"})
    theirs, client = [signed_in(bob), signed_in(bob)], signed_in(chief)
    before = current_revision(Feed.RIGHTS)
    assert client.post(f"{PEOPLE}{bob.pk}/{path}", {"password": "another horse battery"}).status_code == 302
    assert not UserSession.objects.filter(user=bob).exists()
    assert [one.get("/guests/").status_code for one in theirs] == [302, 302]
    assert current_revision(Feed.RIGHTS) > before
    assert last_act() == (action, "ok")
    assert Authenticator.objects.filter(user=bob).exists() == (path != "second-factors/")
    assert client.get("/guests/").status_code == 200


def test_deletes_somebody_and_the_record_keeps_the_name(chief: User, bob: User) -> None:
    guest = make_guest(make_host(), "web-1")
    grant(Role.OPERATOR, bob, guest, by=None)
    Operation.objects.create(
        kind="start", host=guest.host, guest=guest, asked_by=bob, asked_by_name="bob", idempotency_key="k"
    )
    theirs = signed_in(bob)
    assert signed_in(chief).post(f"{PEOPLE}{bob.pk}/delete/").status_code == 302
    assert not User.objects.filter(username="bob").exists()
    assert theirs.get("/guests/").status_code == 302
    assert Operation.objects.get().asked_by_name == "bob"
    detail = AuditRecord.objects.get(action="people.delete").detail
    assert detail["person"] == "bob"
    assert detail["roles"] == ["bob: operator on guest web-1"]
    again = User.objects.create_user("bob")
    assert not may(again, "see", guest)


@pytest.mark.parametrize("path", ["", "password/", "second-factors/", "sessions/", "delete/"])
def test_B5_a_superuser_is_changed_by_superusers_only(root: User, chief: User, path: str) -> None:
    theirs = signed_in(root)
    answer = signed_in(chief).post(f"{PEOPLE}{root.pk}/{path}", {"username": "root", "password": "x" * 20})
    assert answer.status_code == 403
    root.refresh_from_db()
    assert root.is_active
    assert root.check_password(PASSWORD)
    assert theirs.get("/guests/").status_code == 200
    assert last_act()[1] == "denied"


def test_B5_who_is_no_superuser_makes_none(root: User, chief: User, bob: User) -> None:
    sent = {"username": "bob", "is_active": "on", "is_superuser": "on"}
    client = signed_in(chief)
    client.post(f"{PEOPLE}{bob.pk}/", sent)
    client.post(f"{PEOPLE}new/", sent | {"username": "eve", "password": "another horse battery"})
    client.post(f"{PEOPLE}{chief.pk}/", sent | {"username": "chief"})
    assert list(User.objects.filter(is_superuser=True)) == [root]
    assert "is_superuser" not in text_of(client.get(f"{PEOPLE}{bob.pk}/"))
    assert signed_in(root).post(f"{PEOPLE}{bob.pk}/", sent).status_code == 302
    bob.refresh_from_db()
    assert bob.is_superuser


def test_nobody_locks_themselves_out(root: User) -> None:
    client = signed_in(root)
    for path, fields in {
        "": {"username": "root", "is_superuser": "on"},
        "delete/": {},
        "password/": {"password": "another horse battery"},
    }.items():
        assert client.post(f"{PEOPLE}{root.pk}/{path}", fields).status_code == 403, path
    less = client.post(f"{PEOPLE}{root.pk}/", {"username": "root", "is_active": "on"})
    assert less.status_code == 403
    root.refresh_from_db()
    assert root.is_active
    assert root.is_superuser
    renamed = {"username": "boss", "is_active": "on", "is_superuser": "on"}
    assert client.post(f"{PEOPLE}{root.pk}/", renamed).status_code == 302


def test_gives_and_takes_roles_from_the_person(chief: User, bob: User) -> None:
    guest, client = make_guest(make_host("atlas"), "web-1"), signed_in(chief)
    url = f"{PEOPLE}{bob.pk}/roles/"
    for fields in (
        {"scope": "host", "on": "atlas", "role": "watcher"},
        {"scope": "guest", "on": "web-1", "role": "operator", "largest_vcpus": "2"},
        {"scope": "everything", "role": "watcher"},
    ):
        assert client.post(url, fields).status_code == 302, fields
    page = text_of(client.get(f"{PEOPLE}{bob.pk}/"))
    assert "at most 2 vCPUs" in page
    for found in list(bob.grants.all()):
        assert client.post(f"{url}{found.pk}/take/").status_code == 302
    assert not may(bob, "see", guest)
    assert AuditRecord.objects.filter(action="access.revoke", user_name="chief").count() == 3


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"scope": "host", "on": "nowhere"}, "There is no host of this name."),
        ({"scope": "tag", "on": "front"}, "No guest has this tag yet"),
        ({"scope": "guest", "on": "web-1"}, "Several guests have this name"),
        ({"scope": "guest", "on": "nothing"}, "There is no guest of this name or id."),
        ({"scope": "guest", "on": ""}, "Name it."),
        ({"scope": "moon", "on": ""}, "moon is not one of the available choices"),
    ],
)
def test_what_cannot_be_given_is_refused_at_its_field(
    chief: User, bob: User, fields: dict[str, str], words: str
) -> None:
    for name in ("atlas", "borea"):
        make_guest(make_host(name), "web-1")
    answer = signed_in(chief).post(f"{PEOPLE}{bob.pk}/roles/", fields | {"role": "watcher"})
    assert answer.status_code == 422
    assert words in text_of(answer)
    assert not bob.grants.exists()


def test_groups_are_made_renamed_filled_emptied_and_deleted(chief: User, bob: User) -> None:
    guest, client = make_guest(make_host(), "web-1"), signed_in(chief)
    assert client.post(f"{GROUPS}new/", {"name": "ops"}).status_code == 302
    group = Group.objects.get()
    url = f"{GROUPS}{group.pk}/"
    assert client.post(f"{GROUPS}new/", {"name": "ops"}).status_code == 422
    assert client.post(f"{url}roles/", {"scope": "everything", "role": "operator"}).status_code == 302
    assert client.post(f"{url}members/", {"username": "nobody"}).status_code == 422
    assert client.post(f"{url}members/", {"username": "bob"}).status_code == 302
    assert may(bob, "power", guest)
    assert "operator" in text_of(client.get(f"{PEOPLE}{bob.pk}/")).lower()
    assert client.post(url, {"name": "night shift"}).status_code == 302
    assert client.post(f"{url}members/{bob.pk}/remove/").status_code == 302
    assert not may(bob, "see", guest)
    client.post(f"{url}members/", {"username": "bob"})
    found = Grant.objects.get(group=group)
    assert client.post(f"{url}roles/{found.pk}/take/").status_code == 302
    assert not may(bob, "see", guest)
    assert client.post(f"{url}delete/").status_code == 302
    assert not Group.objects.exists()
    acts = AuditRecord.objects.filter(action__startswith="groups.").order_by("id").values_list("action", flat=True)
    assert list(acts) == [
        "groups.make",
        "groups.add",
        "groups.rename",
        "groups.remove",
        "groups.add",
        "groups.delete",
    ]


def test_the_list_finds_people_and_its_queries_do_not_grow_with_them(chief: User, bob: User) -> None:
    client, counts = signed_in(chief), []
    client.get(PEOPLE)  # notes that the session was seen
    for number in (0, 30):
        group = Group.objects.create(name=f"g{number}")
        for n in range(number):
            User.objects.create_user(f"p{n}", first_name="Pat").groups.add(group)
        with CaptureQueriesContext(connection) as queries:
            page = text_of(client.get(PEOPLE))
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert "bob" in page
    found = text_of(client.get(f"{PEOPLE}?q=pat"))
    assert "p29" in found
    assert ">bob<" not in found
    assert "Nobody is called that" in text_of(client.get(f"{PEOPLE}?q=zzz"))


def test_a_hostile_name_is_inert(chief: User) -> None:
    fields: dict[str, Any] = {"username": "eve", "first_name": "<img src=x onerror=alert(1)>", "is_active": "on"}
    signed_in(chief).post(f"{PEOPLE}new/", fields | {"password": "another horse battery"})
    Group.objects.create(name="<script>alert(1)</script>")
    for path in (PEOPLE, GROUPS, f"{PEOPLE}{User.objects.get(username='eve').pk}/"):
        html = signed_in(chief).get(path).content.decode()
        assert "<img src=x" not in html
        assert "<script>alert" not in html


def test_an_account_for_somebody_from_another_place_has_no_password(chief: User, bob: User, settings: Any) -> None:
    client = signed_in(chief)
    assert "another place" not in text_of(client.get(f"{PEOPLE}new/"))
    client.post(f"{PEOPLE}{bob.pk}/password/", {"elsewhere": "on", "password": "another horse battery"})
    bob.refresh_from_db()
    assert bob.check_password("another horse battery")
    settings.OIDC_URL = "https://id.example"
    answer = client.post(f"{PEOPLE}new/", {"username": "eve", "is_active": "on", "elsewhere": "on"})
    assert answer.status_code == 302
    assert client.post(f"{PEOPLE}{bob.pk}/password/", {"elsewhere": "on"}).status_code == 302
    for name in ("eve", "bob"):
        assert not User.objects.get(username=name).has_usable_password()


def test_B2_ids_of_people_and_groups_tell_a_stranger_nothing(chief: User, bob: User) -> None:
    client, group = signed_in(bob), Group.objects.create(name="ops")
    held = grant(Role.WATCHER, bob, by=None)
    for path, other in {
        f"{PEOPLE}{chief.pk}/": f"{PEOPLE}99999/",
        f"{PEOPLE}{chief.pk}/password/": f"{PEOPLE}99999/password/",
        f"{PEOPLE}{bob.pk}/roles/{held.pk}/take/": f"{PEOPLE}99999/roles/99999/take/",
        f"{GROUPS}{group.pk}/": f"{GROUPS}99999/",
        f"{GROUPS}{group.pk}/delete/": f"{GROUPS}99999/delete/",
    }.items():
        assert client.post(path).status_code == client.post(other).status_code == 403, path
        assert client.get(path).status_code == client.get(other).status_code, path


def test_every_act_has_words_in_the_record(chief: User) -> None:
    for act in ("make", "change", "password", "second_factors", "sessions", "delete"):
        assert action_in_words(f"people.{act}") != f"people.{act}"
    for act in ("make", "rename", "add", "remove", "delete"):
        assert action_in_words(f"groups.{act}") != f"groups.{act}"
