"""A new password or second factor ends the person's other sessions at once, and with them their consoles."""

from __future__ import annotations

from typing import Any

from allauth.core import context
from allauth.mfa.signals import authenticator_added, authenticator_removed, authenticator_reset
from allauth.usersessions.adapter import DefaultUserSessionsAdapter
from allauth.usersessions.models import UserSession
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models.signals import post_save, pre_save
from django.http import HttpRequest
from django.utils import timezone

from dashboard.accounts.recording import address_of
from guests import audit


def connect() -> None:
    """Listen to people being saved, by a page or by a command."""
    user = get_user_model()
    pre_save.connect(_note_a_new_password, sender=user, dispatch_uid="accounts-note-password")
    post_save.connect(_end_sessions_of_the_old_password, sender=user, dispatch_uid="accounts-end-sessions")
    for signal in (authenticator_added, authenticator_removed, authenticator_reset):
        signal.connect(_end_other_sessions, dispatch_uid=f"accounts-second-factor-{id(signal)}")


class SessionsAdapter(DefaultUserSessionsAdapter):  # type: ignore[misc]
    """Signing out elsewhere, from one's own page, is recorded."""

    def end_sessions(self, sessions: list[UserSession]) -> None:
        request = context.request
        with transaction.atomic():
            audit.record("account.sessions", by=request.user, address=address_of(request), ended=len(sessions))
            super().end_sessions(sessions)


def end_sessions(user: AbstractBaseUser, *, keep: str | None = None) -> int:
    """End a person's sessions, but for the one with the key `keep`; how many there were.

    A request that changes a password goes on with a new one. Every session is looked at: one that its first request has
    not entered into the list of the person's sessions yet must end, too.
    """
    ended = 0
    for session in Session.objects.filter(expire_date__gt=timezone.now()).iterator():
        if session.session_key != keep and session.get_decoded().get(SESSION_KEY) == str(user.pk):
            session.delete()
            ended += 1
    UserSession.objects.filter(user_id=user.pk).exclude(session_key=keep or "").delete()
    return ended


def _end_other_sessions(request: HttpRequest, user: AbstractBaseUser, **_kwargs: Any) -> None:
    """Whoever got in before the second factor changed must show the new one."""
    end_sessions(user, keep=request.session.session_key)


def _note_a_new_password(instance: Any, update_fields: frozenset[str] | None = None, **_kwargs: Any) -> None:
    instance._has_a_new_password = False
    if instance.pk is None or (update_fields is not None and "password" not in update_fields):
        return
    before = type(instance).objects.filter(pk=instance.pk).values_list("password", flat=True).first()
    instance._has_a_new_password = before is not None and before != instance.password


def _end_sessions_of_the_old_password(instance: Any, **_kwargs: Any) -> None:
    if instance._has_a_new_password:
        end_sessions(instance)
