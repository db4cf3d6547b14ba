"""Grants turned into answers, set-based: one query for any list."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, Q, QuerySet
from django.http import Http404
from django.utils.translation import gettext as _

from guests.access.models import Grant, Role, Scope
from guests.inventory.models import Guest, Host

User = AbstractBaseUser | AnonymousUser


class Action(StrEnum):
    """What may be done to or with a guest (or, the last four, with the site)."""

    SEE = "see"
    WATCH = "watch"  # look at consoles
    TYPE = "type"  # control consoles
    POWER = "power"
    RESIZE = "resize"
    TAKE_OVER = "take_over"  # take a text console from another client of the host
    STATUS = "status"  # make status pages
    GRANT = "grant"
    AUDIT = "audit"
    HOSTS = "hosts"


ACTIONS: dict[Action, Role] = {
    Action.SEE: Role.WATCHER,
    Action.WATCH: Role.WATCHER,
    Action.TYPE: Role.OPERATOR,
    Action.POWER: Role.OPERATOR,
    Action.RESIZE: Role.OPERATOR,
    Action.TAKE_OVER: Role.ADMINISTRATOR,
    Action.STATUS: Role.ADMINISTRATOR,
    Action.GRANT: Role.ADMINISTRATOR,
    Action.AUDIT: Role.ADMINISTRATOR,
    Action.HOSTS: Role.ADMINISTRATOR,
}
_ORDER = [Role.WATCHER, Role.OPERATOR, Role.ADMINISTRATOR]


def _sufficient(action: Action | str) -> list[Role]:
    return _ORDER[_ORDER.index(ACTIONS[Action(action)]) :]


def _grants(user: User) -> QuerySet[Grant]:
    if not user.is_authenticated or not user.is_active:
        return Grant.objects.none()
    return Grant.objects.filter(Q(user_id=user.pk) | Q(group__user=user.pk))


def _holds_everything(user: User) -> bool:
    return bool(user.is_active and getattr(user, "is_superuser", False))


def visible_to(user: User, action: Action | str = Action.SEE) -> QuerySet[Guest]:
    """The guests on which the user may do the action; everything for a superuser, nothing for anonymous people."""
    if _holds_everything(user):
        return Guest.objects.all()
    grants = _grants(user).filter(role__in=_sufficient(action))
    return Guest.objects.filter(
        Q(pk__in=grants.filter(scope=Scope.GUEST).values("guest"))
        | Q(host__in=grants.filter(scope=Scope.HOST).values("host"))
        | Q(
            pk__in=Guest.tags.through.objects.filter(tag__in=grants.filter(scope=Scope.TAG).values("tag")).values(
                "guest"
            )
        )
        | Q(Exists(grants.filter(scope=Scope.EVERYTHING)))
    )


def hosts_visible_to(user: User) -> QuerySet[Host]:
    """The hosts that a user holds as a whole, or of which they see at least one guest."""
    if _holds_everything(user):
        return Host.objects.all()
    grants = _grants(user)
    if grants.filter(scope=Scope.EVERYTHING).exists():
        return Host.objects.all()
    return Host.objects.filter(
        Q(pk__in=grants.filter(scope=Scope.HOST).values("host")) | Q(pk__in=visible_to(user).values("host"))
    )


def may(user: User, action: Action | str, guest: Guest | None = None) -> bool:
    """Whether the user may do it: on this guest, or, without one, on the whole site."""
    if guest is not None:
        return visible_to(user, action).filter(pk=guest.pk).exists()
    if _holds_everything(user):
        return True
    return _grants(user).filter(scope=Scope.EVERYTHING, role__in=_sufficient(action)).exists()


def role_on(user: User, guest: Guest) -> Role | None:
    """The highest role the user holds on a guest, None where they may not even see it."""
    return next((role for role in reversed(_ORDER) if _has_role(user, guest, role)), None)


def _has_role(user: User, guest: Guest, role: Role) -> bool:
    action = next(action for action, least in ACTIONS.items() if least == role)
    return may(user, action, guest)


def guest_for(user: User, guest_id: UUID, action: Action | str = Action.SEE) -> Guest:
    """The guest with its host, for a view. Http404 where the user may not see it, PermissionDenied where only not this."""
    guest = visible_to(user).select_related("host").filter(pk=guest_id).first()
    if guest is None:
        raise Http404(_("No such guest."))
    if action != Action.SEE and not may(user, action, guest):
        raise PermissionDenied(_("You may look at this guest, but not do this."))
    return guest
