"""What an administrator does to a person's account. Each act checks, does and records in one transaction.

Nobody changes who is above them: a superuser's account is changed by superusers only. Nobody locks themselves out:
one's own account is neither disabled, nor deleted, nor made less here. So one superuser is always left.
"""

from __future__ import annotations

import secrets
import string
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils.translation import gettext as _

from dashboard.accounts.sessions import end_sessions
from guests.access import Action, may
from guests.audit import RecordedDenial, record

ALPHABET = string.ascii_letters + string.digits
LENGTH = 24  # characters of 62: 142 bits


def random_password() -> str:
    """One that nobody guesses; to be shown once."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def make_person(person: User, password: str | None, *, by: User, groups: list[Group], address: str = "") -> User:
    """Save a new person; None for one who signs in through another place."""
    _refuse_others(by, person, "people.make", address)
    with transaction.atomic():
        person.set_password(password)
        person.save()
        person.groups.set(groups)
        _record("people.make", by, person, address, **_values(person))
    return person


def change_person(person: User, *, by: User, groups: list[Group], address: str = "") -> None:
    """Save what a form put into the person, and the groups. Disabling ends the sessions."""
    before = User.objects.get(pk=person.pk)
    _refuse_others(by, before, "people.change", address)
    _refuse_others(by, person, "people.change", address)
    is_less = not person.is_active or (before.is_superuser and not person.is_superuser)
    if person.pk == by.pk and is_less:
        raise PermissionDenied(_("You cannot disable your own account or make it less."))
    with transaction.atomic():
        old = _values(before)
        person.save()
        person.groups.set(groups)
        if not person.is_active:
            end_sessions(person)
        new = _values(person)
        changed = [name for name in new if old[name] != new[name]]
        if changed:
            before_after = {
                "before": {name: old[name] for name in changed},
                "after": {name: new[name] for name in changed},
            }
            _record("people.change", by, person, address, **before_after)


def set_password(person: User, password: str | None, *, by: User, address: str = "") -> None:
    """Set another's password, or None for none; it ends all their sessions."""
    _refuse_others(by, person, "people.password", address)
    if person.pk == by.pk:
        raise PermissionDenied(_("Your own password is changed on the page of your account."))
    with transaction.atomic():
        person.set_password(password)
        person.save(update_fields=["password"])  # which ends the sessions: dashboard/accounts/sessions.py
        _record("people.password", by, person, address)


def reset_second_factors(person: User, *, by: User, address: str = "") -> int:
    """Take away TOTP, passkeys and recovery codes, and end the sessions; how many factors there were."""
    _refuse_others(by, person, "people.second_factors", address)
    with transaction.atomic():
        factors = Authenticator.objects.filter(user=person)
        kinds = sorted(factors.values_list("type", flat=True))
        factors.delete()
        end_sessions(person)
        _record("people.second_factors", by, person, address, taken=kinds)
    return len(kinds)


def end_sessions_of(person: User, *, by: User, address: str = "") -> int:
    """Sign somebody out everywhere; how many sessions that were."""
    _refuse_others(by, person, "people.sessions", address)
    with transaction.atomic():
        ended = end_sessions(person)
        _record("people.sessions", by, person, address, ended=ended)
    return ended


def delete_person(person: User, *, by: User, address: str = "") -> None:
    """Delete the account with its roles, tokens and sessions; the record and operations keep the name."""
    _refuse_others(by, person, "people.delete", address)
    if person.pk == by.pk:
        raise PermissionDenied(_("You cannot delete your own account."))
    with transaction.atomic():
        end_sessions(person)
        held = [str(found) for found in person.grants.select_related("group", "host", "tag", "guest")]
        _record("people.delete", by, person, address, roles=held)
        person.delete()


def sessions_of(person: User) -> list[UserSession]:
    """Where somebody is signed in, the last seen first."""
    return list(UserSession.objects.filter(user=person).order_by("-last_seen_at"))


def _refuse_others(by: User, person: User, action: str, address: str) -> None:
    if may(by, Action.PEOPLE) and (by.is_superuser or not person.is_superuser):
        return
    record(action, by=by, outcome="denied", address=address, person=person.get_username())
    raise RecordedDenial(_("Only superusers change the accounts of superusers."))


def _record(action: str, by: User, person: User, address: str, **detail: Any) -> None:
    record(action, by=by, address=address, person=person.get_username(), person_id=person.pk, **detail)


def _values(person: User) -> dict[str, Any]:
    return {
        "name": person.username,
        "full_name": person.get_full_name(),
        "email": person.email,
        "active": person.is_active,
        "superuser": person.is_superuser,
        "groups": sorted(person.groups.values_list("name", flat=True)),
    }
