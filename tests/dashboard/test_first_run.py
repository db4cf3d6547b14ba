"""The first run: one administrator, a password that is strong, and never a second time."""

from __future__ import annotations

from io import StringIO

import pytest
from django.contrib.auth import authenticate, get_user_model
from django.core.management import CommandError, call_command

from dashboard import first_run
from dashboard.first_run import make_administrator
from guests.audit.models import AuditRecord

pytestmark = pytest.mark.django_db


def test_makes_an_administrator_with_a_random_password_of_twenty_characters_or_more() -> None:
    password = make_administrator("")
    assert password is not None
    assert len(password) >= 20
    administrator = get_user_model().objects.get()
    assert administrator.username == "admin"
    assert administrator.is_superuser
    assert administrator.check_password(password)


def test_writes_the_first_administrator_into_the_record_without_the_password() -> None:
    password = make_administrator("")
    line = AuditRecord.objects.get(action="people.first_administrator")
    assert line.user_name == "admin"
    assert str(password) not in str(line.detail)


def test_takes_the_password_that_was_given_and_does_not_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    given = "a long enough passphrase"
    monkeypatch.setenv("GUESTHOUSE_ADMIN_PASSWORD", given)
    assert given not in first_run_output(monkeypatch)
    assert authenticate(username="admin", password=given) is not None


@pytest.mark.parametrize("weak", ["short", "password1234", "administrator", "            a"])
def test_refuses_a_weak_password_with_a_sentence_and_makes_nobody(monkeypatch: pytest.MonkeyPatch, weak: str) -> None:
    monkeypatch.setenv("GUESTHOUSE_ADMIN_PASSWORD", weak)
    with pytest.raises(CommandError, match=r"GUESTHOUSE_ADMIN_PASSWORD is refused: .+\."):
        first_run_output(monkeypatch)
    assert not get_user_model().objects.exists()


def test_second_run_makes_nobody_and_changes_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    password = make_administrator("")
    monkeypatch.setenv("GUESTHOUSE_ADMIN_PASSWORD", "another long passphrase")
    assert first_run_output(monkeypatch) == ""
    assert get_user_model().objects.get().check_password(password)


def test_prints_name_and_password_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GUESTHOUSE_ADMIN_PASSWORD", raising=False)
    shown = first_run_output(monkeypatch)
    password = shown.split("Sign in as admin with ")[1].split()[0]
    assert authenticate(username="admin", password=password) is not None
    assert first_run_output(monkeypatch) == ""


def first_run_output(monkeypatch: pytest.MonkeyPatch) -> str:
    # The unit tests' static files are used as they lie; the running product's tests collect them.
    monkeypatch.setattr("dashboard.management.commands.firstrun.see_to_static_files", lambda: False)
    out = StringIO()
    call_command("firstrun", stdout=out)
    return out.getvalue()


def test_static_files_are_collected_again_only_when_they_changed(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory, settings: object
) -> None:
    settings.STATIC_ROOT = tmp_path_factory.mktemp("collected")  # type: ignore[attr-defined]
    assert first_run.see_to_static_files()
    assert not first_run.see_to_static_files()
    monkeypatch.setattr(first_run, "_fingerprint", lambda: "something else")
    assert first_run.see_to_static_files()
