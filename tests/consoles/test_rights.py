"""Whom a session signs in: what it says is remembered, whether that holds is asked each time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from consoles.rights import signed_in
from tests.consoles.conftest import Person

MakePerson = Callable[..., Person]


def test_what_a_session_says_is_decoded_once(person: MakePerson, monkeypatch: pytest.MonkeyPatch) -> None:
    ana, decoded = person(), list[str]()
    real = Session.get_decoded

    def counted(session: Session) -> Any:
        decoded.append(session.session_data)
        return real(session)

    monkeypatch.setattr(Session, "get_decoded", counted)
    assert [signed_in(ana.session_key) for _ in range(3)] == [ana.user] * 3
    assert len(decoded) == 1


def test_a_session_that_says_something_else_is_heard(person: MakePerson) -> None:
    ana = person()
    assert signed_in(ana.session_key) == ana.user
    session = Session.objects.get(session_key=ana.session_key)
    Session.objects.filter(pk=session.pk).update(session_data=f"x{session.session_data}")  # its signature is wrong now
    assert signed_in(ana.session_key) is None
    ana.client.logout()
    assert signed_in(session.session_key) is None


def test_what_was_remembered_signs_in_nobody_whose_password_or_time_is_over(person: MakePerson) -> None:
    ana, rui = person(), person("rui")
    assert (signed_in(ana.session_key), signed_in(rui.session_key)) == (ana.user, rui.user)
    ana.user.set_password("another correct horse")
    ana.user.save()
    Session.objects.filter(session_key=rui.session_key).update(expire_date=timezone.now())
    assert (signed_in(ana.session_key), signed_in(rui.session_key)) == (None, None)
