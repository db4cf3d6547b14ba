"""What a resize would do, computed before anything is sent: now, at the next boot, and the operations to ask for.

One rule for memory (KiB) and vCPUs (a count): both have a current value of a maximum, live and for the next boot.
"""

from __future__ import annotations

from dataclasses import dataclass

from guests.inventory.models import Guest
from guests.inventory.projection import BALLOON_SLACK_KIB


@dataclass(frozen=True, slots=True)
class Size:
    """A current value of a maximum: KiB, or vCPUs."""

    current: int
    maximum: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What a guest has now. `live` is None while it is shut off, `next_boot` for a transient guest."""

    live: Size | None
    next_boot: Size | None
    live_grows: bool  # the current value can be raised while the guest runs
    live_shrinks: bool
    slack: int = 0  # so near is the same: drivers round balloons to pages

    def is_near(self, a: Size, b: Size) -> bool:
        """Whether two sizes are the same as far as a driver can tell."""
        return a.maximum == b.maximum and abs(a.current - b.current) <= self.slack

    @property
    def shown(self) -> Size:
        """What a form starts from: live as far as it is, with the maximum that the next boot takes."""
        live, boot = self.live or self.next_boot, self.next_boot or self.live
        if live is None or boot is None:
            raise ValueError("a guest has a live size, one for the next boot, or both")
        return Size(live.current, boot.maximum)

    @property
    def is_pending(self) -> bool:
        """Whether the next boot brings another size than the guest has now."""
        return self.live is not None and self.next_boot is not None and not self.is_near(self.live, self.next_boot)


def memory_standing(guest: Guest) -> Standing:
    """The memory of a guest, in KiB."""
    return Standing(
        live=Size(guest.current_kib, guest.maximum_kib) if guest.is_active else None,
        next_boot=_next_boot(guest, guest.next_boot_current_kib, guest.next_boot_maximum_kib)
        or (None if guest.is_active else Size(guest.current_kib, guest.maximum_kib)),
        live_grows=guest.has_balloon,
        live_shrinks=guest.has_balloon,
        slack=BALLOON_SLACK_KIB,
    )


def vcpus_standing(guest: Guest) -> Standing:
    """The vCPUs of a guest. None is taken from a running guest: QEMU 7.2 blocks, and a later reset crashed it."""
    return Standing(
        live=Size(guest.vcpus_current, guest.vcpus_maximum) if guest.is_active else None,
        next_boot=_next_boot(guest, guest.next_boot_vcpus_current, guest.next_boot_vcpus_maximum)
        or (None if guest.is_active else Size(guest.vcpus_current, guest.vcpus_maximum)),
        live_grows=True,
        live_shrinks=False,
    )


def _next_boot(guest: Guest, current: int | None, maximum: int | None) -> Size | None:
    if not guest.persistent or current is None or maximum is None:
        return None
    return Size(current, maximum)


@dataclass(frozen=True, slots=True)
class ResizePlan:
    """What is to be asked for; None where nothing changes."""

    live_current: int | None
    boot_current: int | None
    boot_maximum: int | None

    @property
    def is_empty(self) -> bool:
        """Whether nothing would change."""
        return self.live_current is None and self.boot_current is None and self.boot_maximum is None


def plan_resize(standing: Standing, asked: Size, *, keep: bool) -> ResizePlan:
    """From what a guest has to what was asked; `keep` also sets the current value for the next boot."""
    live, boot = standing.live, standing.next_boot
    live_current = None
    if live and asked.current != live.current and asked.current <= live.maximum:
        movable = standing.live_grows if asked.current > live.current else standing.live_shrinks
        live_current = asked.current if movable else None
    boot_current = boot_maximum = None
    if boot:
        if (keep or live is None) and asked.current != boot.current:
            boot_current = asked.current
        boot_maximum = asked.maximum if asked.maximum != boot.maximum else None
    return ResizePlan(live_current, boot_current, boot_maximum)


def size_at_boot(standing: Standing, plan: ResizePlan) -> Size | None:
    """What the next boot brings once the plan is done; libvirt lowers the current value to a lower maximum."""
    if standing.next_boot is None:
        return None
    maximum = standing.next_boot.maximum if plan.boot_maximum is None else plan.boot_maximum
    current = standing.next_boot.current if plan.boot_current is None else plan.boot_current
    return Size(min(current, maximum), maximum)
