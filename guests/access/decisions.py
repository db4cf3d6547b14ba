"""Grants turned into answers, set-based: one query for any list."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import BigAutoField, Exists, Q, QuerySet, UUIDField
from django.http import Http404
from django.utils.translation import gettext as _

from guests.access.models import ROLE_ORDER, Grant, Role, Scope
from guests.access.tokens import token_of
from guests.inventory.models import Guest, Host, Tag
from guests.prepared import Given, Prepared

User = AbstractBaseUser | AnonymousUser


class Action(StrEnum):
    """What may be done to or with a guest (or, the last six, with a host or the site)."""

    SEE = "see"
    WATCH = "watch"  # look at consoles
    TYPE = "type"  # control consoles
    POWER = "power"
    RESIZE = "resize"
    DEVICES = "devices"  # what a guest is made of: NICs, and the networks they lead to
    MIGRATE = "migrate"  # to another host, where the same is needed
    CREATE = "create"  # new guests, on a host as a whole
    TAKE_OVER = "take_over"  # take consoles from other clients of the host and from other people, send people away
    STORAGE = "storage"  # pools and volumes of a host
    STATUS = "status"  # make status pages
    GRANT = "grant"
    AUDIT = "audit"
    HOSTS = "hosts"
    PEOPLE = "people"


ACTIONS: dict[Action, Role] = {
    Action.SEE: Role.WATCHER,
    Action.WATCH: Role.WATCHER,
    Action.TYPE: Role.OPERATOR,
    Action.POWER: Role.OPERATOR,
    Action.RESIZE: Role.OPERATOR,
    Action.DEVICES: Role.ADMINISTRATOR,
    Action.MIGRATE: Role.ADMINISTRATOR,
    Action.CREATE: Role.ADMINISTRATOR,
    Action.TAKE_OVER: Role.ADMINISTRATOR,
    Action.STORAGE: Role.ADMINISTRATOR,
    Action.STATUS: Role.ADMINISTRATOR,
    Action.GRANT: Role.ADMINISTRATOR,
    Action.AUDIT: Role.ADMINISTRATOR,
    Action.HOSTS: Role.ADMINISTRATOR,
    Action.PEOPLE: Role.ADMINISTRATOR,
}


def _sufficient(action: Action | str) -> list[Role]:
    return ROLE_ORDER[ROLE_ORDER.index(ACTIONS[Action(action)]) :]


def grants_of(user: User) -> QuerySet[Grant]:
    """The grants a person holds, their own and their groups'; none for anonymous and inactive people."""
    if not user.is_authenticated or not user.is_active:
        return Grant.objects.none()
    return _held_by(user.pk)


def _held_by(user_id: int | Given) -> QuerySet[Grant]:
    groups = get_user_model().groups.through.objects.filter(user=user_id).values("group")
    return Grant.objects.filter(Q(user=user_id) | Q(group__in=groups))


def covering(guest: Guest) -> Q:
    """Of grants: those that are about this guest, whoever holds them."""
    return _covering(guest.host_id, guest.pk)


def _covering(host_id: UUID | Given, guest_id: UUID | Given) -> Q:
    return (
        Q(scope=Scope.EVERYTHING)
        | Q(scope=Scope.HOST, host=host_id)
        | Q(scope=Scope.TAG, tag__in=Guest.tags.through.objects.filter(guest=guest_id).values("tag"))
        | Q(scope=Scope.GUEST, guest=guest_id)
    )


def grants_on(user: User, guest: Guest) -> QuerySet[Grant]:
    """The grants that give a person something on one guest: the reasons behind `role_on`."""
    return grants_of(user).filter(covering(guest))


def _roles_of_one_on_one() -> QuerySet[Grant, str]:
    grants = _held_by(Given("user", BigAutoField()))
    covering = _covering(Given("host", UUIDField()), Given("guest", UUIDField()))
    return grants.filter(covering).order_by().values_list("role", flat=True)


_ROLES = Prepared(_roles_of_one_on_one)


def holds_everything(user: User) -> bool:
    """Whether they may all there is without any grant. With a token nobody does: it may be for less."""
    return bool(user.is_active and getattr(user, "is_superuser", False)) and token_of(user) is None


def visible_to(user: User, action: Action | str = Action.SEE) -> QuerySet[Guest]:
    """The guests on which the user may do the action; everything for a superuser, nothing for anonymous people.

    The answer is one query whatever is added to it. It trusts `user.is_active` and `user.is_superuser` as loaded: what
    outlives a request (a socket, a queued operation) loads the user again first.
    """
    if token := token_of(user):
        owners = visible_to(token.user, action)
        return token.guests_within(owners) if token.gives(ACTIONS[Action(action)]) else Guest.objects.none()
    if holds_everything(user):
        return Guest.objects.all()
    grants = grants_of(user).filter(role__in=_sufficient(action))
    tagged = Guest.tags.through.objects.filter(tag__in=grants.filter(scope=Scope.TAG).values("tag"))
    return Guest.objects.filter(
        Q(pk__in=grants.filter(scope=Scope.GUEST).values("guest"))
        | Q(host__in=grants.filter(scope=Scope.HOST).values("host"))
        | Q(pk__in=tagged.values("guest"))
        | Q(Exists(grants.filter(scope=Scope.EVERYTHING)))
    )


def hosts_visible_to(user: User) -> QuerySet[Host]:
    """The hosts that a user holds as a whole, or of which they see at least one guest."""
    if token := token_of(user):
        return token.hosts_within(hosts_visible_to(token.user)) if token.is_valid else Host.objects.none()
    if holds_everything(user):
        return Host.objects.all()
    grants = grants_of(user)
    return Host.objects.filter(
        Q(pk__in=grants.filter(scope=Scope.HOST).values("host"))
        | Q(pk__in=visible_to(user).values("host"))
        | Q(Exists(grants.filter(scope=Scope.EVERYTHING)))
    )


def hosts_held(user: User, action: Action | str) -> QuerySet[Host]:
    """The hosts on which, as a whole, the user may do the action."""
    if token := token_of(user):
        gives = token.is_valid and token.gives(ACTIONS[Action(action)])
        held = hosts_held(token.user, action) if gives else Host.objects.none()
        return held.filter(pk__in=token.hosts.values("pk")) if token.is_limited else held
    if holds_everything(user):
        return Host.objects.all()
    grants = grants_of(user).filter(role__in=_sufficient(action))
    return Host.objects.filter(
        Q(pk__in=grants.filter(scope=Scope.HOST).values("host")) | Q(Exists(grants.filter(scope=Scope.EVERYTHING)))
    )


def may_somewhere(user: User, action: Action | str) -> bool:
    """Whether there is anything at all on which the user may do the action."""
    if token := token_of(user):
        return token.gives(ACTIONS[Action(action)]) and may_somewhere(token.user, action)
    return holds_everything(user) or grants_of(user).filter(role__in=_sufficient(action)).exists()


def may(user: User, action: Action | str, guest: Guest | None = None) -> bool:
    """Whether the user may do it: on this guest, or, without one, on the whole site."""
    if token := token_of(user):
        return token.gives(ACTIONS[Action(action)]) and token.covers(guest) and may(token.user, action, guest)
    least = _sufficient(action)
    if holds_everything(user):
        return True
    if guest is not None:
        return role_on(user, guest) in least
    return grants_of(user).filter(scope=Scope.EVERYTHING, role__in=least).exists()


def gives(role: Role | None, action: Action | str) -> bool:
    """Whether somebody with that role on a guest may do it there."""
    return role in _sufficient(action)


def may_on(user: User, action: Action | str, what: Host | Tag) -> bool:
    """Whether the user may do it on a whole host, or on whatever bears a tag: guests that come later included."""
    if token := token_of(user):
        covered = token.covers(what if isinstance(what, Host) else None)
        return token.gives(ACTIONS[Action(action)]) and covered and may_on(token.user, action, what)
    if holds_everything(user):
        return True
    named = Q(scope=Scope.HOST, host=what) if isinstance(what, Host) else Q(scope=Scope.TAG, tag=what)
    grants = grants_of(user).filter(named | Q(scope=Scope.EVERYTHING))
    return grants.filter(role__in=_sufficient(action)).exists()


def role_on(user: User, guest: Guest) -> Role | None:
    """The highest role the user holds on a guest, None where they may not even see it."""
    if token := token_of(user):
        owns = role_on(token.user, guest) if token.covers(guest) else None
        held_up_to = ROLE_ORDER[: ROLE_ORDER.index(owns) + 1] if owns else []
        return next((role for role in reversed(held_up_to) if token.gives(role)), None)
    if holds_everything(user):
        return Role.ADMINISTRATOR
    if not user.is_authenticated or not user.is_active:
        return None
    held = set(_ROLES.rows(user=user.pk, host=guest.host_id, guest=guest.pk))
    return next((role for role in reversed(ROLE_ORDER) if role in held), None)


def guest_for(user: User, guest_id: UUID, action: Action | str = Action.SEE) -> Guest:
    """The guest with its host, for a view. Http404 where it may not be seen, PermissionDenied where only not this."""
    guest = visible_to(user).select_related("host").filter(pk=guest_id).first()
    if guest is None:
        raise Http404(_("No such guest."))
    if action != Action.SEE and not may(user, action, guest):
        raise PermissionDenied(_("You may look at this guest, but not do this."))
    return guest
