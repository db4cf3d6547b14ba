"""The one place that decides who may do what: sets for lists (`visible_to`), one guest for views (`guest_for`)."""

from guests.access.decisions import (
    ACTIONS,
    Action,
    gives,
    grants_on,
    guest_for,
    holds_everything,
    hosts_held,
    hosts_visible_to,
    may,
    may_on,
    may_somewhere,
    role_on,
    visible_to,
)
from guests.access.granting import grant, revoke
from guests.access.limits import limits_on
from guests.access.models import UNLIMITED, Grant, Limits, Role, Scope

__all__ = [
    "ACTIONS",
    "UNLIMITED",
    "Action",
    "Grant",
    "Limits",
    "Role",
    "Scope",
    "gives",
    "grant",
    "grants_on",
    "guest_for",
    "holds_everything",
    "hosts_held",
    "hosts_visible_to",
    "limits_on",
    "may",
    "may_on",
    "may_somewhere",
    "revoke",
    "role_on",
    "visible_to",
]
