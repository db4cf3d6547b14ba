"""Giving and taking grants: nobody gives what they do not hold, every change is recorded and announced."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, Group
from django.db import transaction
from django.utils.translation import gettext as _

from guests.access.decisions import Action, may, may_on
from guests.access.models import UNLIMITED, Grant, Limits, Role, Scope
from guests.audit import RecordedDenial, record
from guests.inventory.models import Guest, Host, Tag

Holder = AbstractBaseUser | Group
Object = Host | Tag | Guest | None  # None: everything
COMMAND_LINE = "command line"  # who acts where nobody is signed in: the operator of the machine


def grant(
    role: Role,
    to: Holder,
    on: Object = None,
    *,
    by: AbstractBaseUser | None,
    limits: Limits = UNLIMITED,
    address: str = "",
) -> Grant:
    """Give one role on everything, a host, a tag or a guest. A holder has one role on an object: this replaces it.

    `limits` bound what an operator may resize a guest to; ValueError for another role with limits.
    `by` None is the operator at the command line. Raises PermissionDenied (recorded) where the giver is no
    administrator of the object.
    """
    scope = _scope_of(on)
    if role != Role.OPERATOR and limits != UNLIMITED:
        raise ValueError("only operators have limits")
    _refuse_strangers(by, "access.grant", role, to, on, address)
    holder: dict[str, Any] = {"user": None, "group": to} if isinstance(to, Group) else {"user": to, "group": None}
    what: dict[str, Any] = {"host": None, "tag": None, "guest": None}
    if on is not None:
        what[scope.value] = on
    with transaction.atomic():
        before = Grant.objects.select_for_update().filter(scope=scope, **holder, **what).first()
        if before is not None and (before.role, before.limits) == (role, limits):
            return before
        found, _created = Grant.objects.update_or_create(
            scope=scope,
            **holder,
            **what,
            defaults={
                "role": role,
                "largest_memory_kib": limits.memory_kib,
                "largest_vcpus": limits.vcpus,
                "granted_by_id": by.pk if by else None,
            },
        )
        _record("access.grant", by, found, on, address, before=before.powers if before else None)
    return found


def revoke(found: Grant, *, by: AbstractBaseUser | None, address: str = "") -> None:
    """Take one grant away. Raises PermissionDenied (recorded) where the taker is no administrator of its object."""
    holder = found.user or found.group
    on = found.host or found.tag or found.guest
    if holder is None:
        raise ValueError("a grant has a holder")
    _refuse_strangers(by, "access.revoke", Role(found.role), holder, on, address)
    with transaction.atomic():
        _record("access.revoke", by, found, on, address, before=found.powers)
        found.delete()


def holds(by: AbstractBaseUser | AnonymousUser, on: Object) -> bool:
    """Whether somebody is administrator of an object, and so may give and take roles on it."""
    if on is None or isinstance(on, Guest):
        return may(by, Action.GRANT, on)
    return may_on(by, Action.GRANT, on)


def _refuse_strangers(
    by: AbstractBaseUser | None, action: str, role: Role, to: Holder, on: Object, address: str
) -> None:
    if by is None or holds(by, on):
        return
    record(
        action,
        by=by,
        guest=on if isinstance(on, Guest) else None,
        outcome="denied",
        address=address,
        holder=str(to),
        role=role.value,
        on=f"{_scope_of(on)} {on or ''}".strip(),
    )
    raise RecordedDenial(_("You can give and take only what you are administrator of."))


def _record(
    action: str, by: AbstractBaseUser | None, found: Grant, on: Object, address: str, *, before: str | None
) -> None:
    record(
        action,
        by=by,
        by_name="" if by else COMMAND_LINE,
        guest=on if isinstance(on, Guest) else None,
        host=on if isinstance(on, Host) else None,
        address=address,
        holder=found.holder,
        on=found.object_name,
        before=before,
        after=None if action == "access.revoke" else found.powers,
    )


def _scope_of(on: Object) -> Scope:
    if on is None:
        return Scope.EVERYTHING
    return {Host: Scope.HOST, Tag: Scope.TAG, Guest: Scope.GUEST}[type(on)]
