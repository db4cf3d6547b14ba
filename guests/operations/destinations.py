"""To which hosts a guest can be migrated, and why not to the others: by the inventory, without asking a host."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Q
from django.utils.translation import gettext as _

from guests.access import Action, hosts_held, hosts_visible_to
from guests.inventory.models import Guest, Host, HostState
from guests.resources import GuestState
from guests.units import memory_text

MOVABLE = {GuestState.RUNNING, GuestState.IDLE, GuestState.PAUSED, GuestState.SHUT_OFF}


@dataclass(frozen=True, slots=True)
class Destination:
    """One host; `why_not` is "" where the guest fits."""

    host: Host
    why_not: str


def why_it_stays(guest: Guest) -> str:
    """Why the guest can go nowhere at all; "" where it can."""
    names = {"guest": guest.name}
    if guest.privileged:
        return _("%(guest)s is its host: it cannot be moved.") % names
    if guest.host.uri.startswith("test:"):
        return _("The driver of this host cannot migrate guests.")
    if guest.snapshots:
        return _("%(guest)s has snapshots: libvirt migrates none that has. Delete them first.") % names
    if guest.gone_at is not None or guest.state not in MOVABLE:
        return _("%(guest)s can be migrated while it runs, is paused or is shut off.") % names
    return ""


def destinations(guest: Guest, user: AbstractBaseUser | AnonymousUser) -> list[Destination]:
    """Every other host that the person sees; three queries."""
    hosts = list(hosts_visible_to(user).filter(enabled=True).exclude(pk=guest.host_id).order_by("name"))
    held = set(hosts_held(user, Action.MIGRATE).values_list("pk", flat=True))
    found = destinations_of_hosts(guest, hosts)
    return [d if d.host.pk in held else Destination(d.host, _("You may not bring guests here.")) for d in found]


def destinations_of_hosts(guest: Guest, hosts: list[Host]) -> list[Destination]:
    """These hosts, whoever asks; one query."""
    there = guests_alike([guest], hosts)
    return [Destination(host, why_not(guest, host, there[host.pk])) for host in hosts]


def guests_alike(guests: Iterable[Guest], hosts: Iterable[Host]) -> dict[UUID, list[Guest]]:
    """What each of the hosts has under a name or UUID of these guests; one query."""
    asked, there = list(guests), {host.pk: list[Guest]() for host in hosts}
    same = Q(uuid__in=[guest.uuid for guest in asked]) | Q(name__in=[guest.name for guest in asked])
    for other in Guest.objects.filter(same, host__in=there, gone_at=None).only("host_id", "name", "uuid", "state"):
        there[other.host_id].append(other)
    return there


def why_not(guest: Guest, host: Host, alike: list[Guest]) -> str:
    """Why a guest cannot go to a host; "" where it can. `alike`: what that host has of `guests_alike`."""
    here = guest.host
    if not host.enabled or host.state not in {HostState.UP, HostState.DEGRADED}:
        return _("It does not answer.")
    if host.driver != here.driver:
        return _("It runs %(there)s guests, %(guest)s is one of %(here)s.") % {
            "there": host.driver,
            "here": here.driver,
            "guest": guest.name,
        }
    if host.architecture != here.architecture:
        return _("Its processors are of another kind: %(there)s.") % {"there": host.architecture}
    if any(other.name == guest.name and other.uuid != guest.uuid for other in alike):
        return _("It has another guest of the name %(guest)s.") % {"guest": guest.name}
    if any(other.uuid == guest.uuid and other.is_active for other in alike):
        return _("A guest of the same UUID runs there.")
    free, needed = host.free_memory_kib, guest.current_kib
    if guest.is_active and free is not None and free < needed:
        return _("It has %(free)s of memory free, and %(guest)s has %(needed)s.") % {
            "free": memory_text(free),
            "needed": memory_text(needed),
            "guest": guest.name,
        }
    return ""
