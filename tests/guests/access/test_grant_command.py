"""`manage.py grant`."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command

from guests.access import Grant, may
from tests.guests.access.conftest import Site, make_guest

pytestmark = pytest.mark.django_db


def run(*words: str) -> str:
    out = StringIO()
    call_command("grant", *words, stdout=out)
    return out.getvalue().strip()


def test_gives_a_role_on_each_scope(site: Site, user: Callable[..., User]) -> None:
    anna = user("anna")
    assert run("anna", "watcher", "--everything") == "anna: watcher on everything"
    assert run("anna", "operator", "--host", "alpha") == "anna: operator on host alpha"
    assert run("anna", "operator", "--tag", "front") == "anna: operator on tag front"
    assert run("anna", "administrator", "--guest", "web") == "anna: administrator on guest web"
    assert may(anna, "grant", site.web)
    assert not may(anna, "grant", site.db)
    assert run("--list").splitlines() == run("anna", "--list").splitlines()
    assert len(run("--list").splitlines()) == 4


def test_gives_a_role_to_a_group_and_makes_it(site: Site, user: Callable[..., User]) -> None:
    assert run("--group", "night shift", "operator", "--everything") == "group night shift: operator on everything"
    anna = user("anna")
    anna.groups.add(Group.objects.get())
    assert may(anna, "resize", site.web)
    assert run("--group", "night shift", "--list") == "group night shift: operator on everything"


def test_takes_a_role_away(site: Site, user: Callable[..., User]) -> None:
    anna = user("anna")
    run("anna", "operator", "--host", "alpha")
    assert run("anna", "--host", "alpha", "--revoke") == "taken away: anna: operator on host alpha"
    assert not may(anna, "see", site.web)
    assert run("--list") == "No grants."


def test_finds_a_guest_by_either_uuid(site: Site, user: Callable[..., User]) -> None:
    user("anna")
    assert "guest web" in run("anna", "watcher", "--guest", str(site.web.pk))
    assert "guest db" in run("anna", "watcher", "--guest", str(site.db.uuid))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nobody", "watcher", "--everything"], "no user 'nobody'"),
        (["anna", "king", "--everything"], "'king' is no role"),
        (["anna", "watcher"], "Say what it is on"),
        (["anna", "--everything"], "Name a role"),
        (["--everything"], "Name a user"),
        (["anna", "watcher", "more", "--everything"], "What is 'more'"),
        (["anna", "watcher", "--host", "gamma"], "no host 'gamma'"),
        (["anna", "watcher", "--guest", "gamma"], "no guest 'gamma'"),
        (["anna", "watcher", "--guest", "twin"], "2 guests are called 'twin'"),
        (["anna", "--everything", "--revoke"], "no such grant"),
        (["--group", "none", "--revoke", "--everything"], "no group 'none'"),
    ],
)
def test_refuses_with_a_sentence(site: Site, user: Callable[..., User], words: list[str], sentence: str) -> None:
    user("anna")
    make_guest(site.alpha, "twin")
    make_guest(site.beta, "twin")
    with pytest.raises(CommandError, match=sentence):
        run(*words)
    assert not Grant.objects.exists()


def test_F7_a_hostile_name_does_not_steer_the_terminal(site: Site, user: Callable[..., User]) -> None:
    user("anna")
    site.web.name = "a\x1b[2J\u202eb"
    site.web.save()
    assert run("anna", "watcher", "--guest", str(site.web.pk)) == "anna: watcher on guest a\\x1b[2J\\x202eb"
