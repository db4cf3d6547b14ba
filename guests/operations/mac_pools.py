"""MACs for new NICs: drawn from a pool, free on every host, promised to one asker.

Each driver has a range of 2^24 of its own: Xen's 00:16:3e, QEMU's 52:54:00. The operator may name ranges instead
(`GUESTHOUSE_MAC_POOLS`); the first of them that has room is drawn from, for guests of every driver.
"""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from guests.errors import OperationRefused
from guests.inventory.mac_addresses import mac_number, mac_text
from guests.inventory.models import Guest, MACUse
from guests.operations.models import MACReservation

KEPT = timedelta(hours=1)  # a promise whose NIC never came
DRAWS = 40  # of a random MAC, before a pool is looked through for its free ones


@dataclass(frozen=True, slots=True)
class MACPool:
    """A range of MACs, both ends included."""

    name: str
    first: int
    last: int

    @property
    def size(self) -> int:
        """How many there are."""
        return self.last - self.first + 1


XEN = MACPool("Xen", 0x00163E000000, 0x00163EFFFFFF)
QEMU = MACPool("QEMU/KVM", 0x525400000000, 0x525400FFFFFF)


@dataclass(frozen=True, slots=True)
class PoolUse:
    """How full a pool is. `odds`: 0 to 1, that as many drawn blindly would hold a MAC twice (the birthday bound)."""

    pool: MACPool
    used: int
    odds: float

    @property
    def first(self) -> str:
        """As text."""
        return mac_text(self.pool.first)

    @property
    def last(self) -> str:
        """As text."""
        return mac_text(self.pool.last)

    @property
    def odds_percent(self) -> str:
        """The odds in %, with the digits that mean something."""
        percent = 100 * self.odds
        return "< 0.001" if 0 < percent < 0.001 else f"{percent:.2g}"


def pools_for(driver: str) -> list[MACPool]:
    """Where MACs for guests of a host with this driver come from, in this order."""
    own = [MACPool(name, first, last) for name, first, last in settings.MAC_POOLS]
    return own or [XEN if driver.lower() == "xen" else QEMU]


def pool_uses() -> list[PoolUse]:
    """Every pool with what is used of it, on all hosts. Two queries for each."""
    own = [MACPool(name, first, last) for name, first, last in settings.MAC_POOLS]
    return [PoolUse(pool, used, _odds(used, pool.size)) for pool in [*own, QEMU, XEN] for used in [len(_taken(pool))]]


def reserve_mac(guest: Guest, mac: str = "") -> str:
    """Promise a MAC to a NIC of the guest: the one that was typed (in `normal_mac`'s form), or one from a pool.

    Refused at `mac` where a guest of any host has it, or where it was promised to somebody else in the last hour.
    """
    MACReservation.objects.filter(reserved_at__lt=timezone.now() - KEPT).delete()
    if mac:
        refuse_used(mac, guest)
        if not _promise(mac, guest) and not MACReservation.objects.filter(mac=mac, guest=guest).exists():
            raise OperationRefused(_("Somebody is about to use this MAC just now."), field="mac")
        return mac
    return draw_mac(guest.host.driver, guest)


def draw_mac(driver: str, guest: Guest | None = None) -> str:
    """Promise a free MAC of a pool to a NIC of the guest, or of one that is to be created on such a host."""
    for pool in pools_for(driver):
        for _attempt in range(DRAWS):
            drawn = mac_text(pool.first + secrets.randbelow(pool.size))
            if not MACUse.objects.filter(mac=drawn).exists() and _promise(drawn, guest):
                return drawn
        taken = _taken(pool)
        for number in range(pool.first, pool.last + 1):
            if number not in taken and _promise(mac_text(number), guest):
                return mac_text(number)
    raise OperationRefused(_("The pool has no free MAC left."), field="mac")


def refuse_used(mac: str, guest: Guest) -> None:
    """Refuse a MAC that another guest has, or this one already."""
    use = MACUse.objects.filter(mac=mac).exclude(guest=guest).select_related("guest__host").first()
    if use is not None:
        raise OperationRefused(
            _("Another guest has this MAC already: take another one, or leave the field empty."),
            field="mac",
            detail=f"{mac}: {use.guest.name} on {use.guest.host.name}",
        )
    if MACUse.objects.filter(mac=mac, guest=guest).exists():
        raise OperationRefused(_("This guest has this MAC already."), field="mac")


def _promise(mac: str, guest: Guest | None) -> bool:
    try:
        with transaction.atomic():
            MACReservation.objects.create(mac=mac, guest=guest)
    except IntegrityError:
        return False
    return True


def _taken(pool: MACPool) -> set[int]:
    """Numbers of the pool that a guest has, or that are promised."""
    ends = {"mac__gte": mac_text(pool.first), "mac__lte": mac_text(pool.last)}  # lower case: text sorts as numbers do
    used = MACUse.objects.filter(**ends).values_list("mac", flat=True).distinct()
    return {mac_number(mac) for mac in (*used, *MACReservation.objects.filter(**ends).values_list("mac", flat=True))}


def _odds(count: int, size: int) -> float:
    return 1 - math.exp(-count * (count - 1) / (2 * size))
