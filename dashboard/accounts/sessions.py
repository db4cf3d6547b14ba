"""A new password ends the person's other sessions at once, and with them their consoles (ASVS 7.4.3)."""

from __future__ import annotations

from typing import Any

from allauth.usersessions.models import UserSession
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db.models.signals import post_save, pre_save


def connect() -> None:
    """Listen to people being saved, by a page or by a command."""
    user = get_user_model()
    pre_save.connect(_note_a_new_password, sender=user, dispatch_uid="accounts-note-password")
    post_save.connect(_end_sessions_of_the_old_password, sender=user, dispatch_uid="accounts-end-sessions")


def end_sessions(user: AbstractBaseUser) -> int:
    """End all of a person's sessions; how many there were. A request that changes a password goes on with a new one."""
    sessions = list(UserSession.objects.filter(user_id=user.pk))
    for session in sessions:
        session.end()
    return len(sessions)


def _note_a_new_password(instance: Any, update_fields: frozenset[str] | None = None, **_kwargs: Any) -> None:
    instance._has_a_new_password = False
    if instance.pk is None or (update_fields is not None and "password" not in update_fields):
        return
    before = type(instance).objects.filter(pk=instance.pk).values_list("password", flat=True).first()
    instance._has_a_new_password = before is not None and before != instance.password


def _end_sessions_of_the_old_password(instance: Any, **_kwargs: Any) -> None:
    if instance._has_a_new_password:
        end_sessions(instance)
