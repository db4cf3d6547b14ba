"""Rates from two samples of one guest: CPU %, disks and NICs; and the CPU of the last hour for sparklines.

A counter that went backwards was reset (the guest restarted, a device was plugged again): its rate is not known until
the next sample. None is "not known", never 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from guests.resources import DiskUsage, GuestStats, NICUsage

HISTORY_MINUTES = 60


@dataclass(frozen=True, slots=True)
class Rates:
    """What happened between two samples; bytes per second, CPU in % of all current vCPUs (0 to 100)."""

    cpu_percent: float | None = None
    disk_read: float | None = None
    disk_written: float | None = None
    received: float | None = None
    sent: float | None = None
    disks: tuple[dict[str, Any], ...] = ()  # DiskUsage as JSON with read_rate and written_rate
    nics: tuple[dict[str, Any], ...] = ()  # NICUsage as JSON with received_rate and sent_rate


def rates_between(earlier: GuestStats | None, now: GuestStats, vcpus: int | None = None) -> Rates:
    """The rates of a guest; `vcpus` is how many it runs with where the sample does not tell."""
    if earlier is None or earlier.domain_id != now.domain_id or now.domain_id is None:
        earlier = None
    seconds = now.taken_at - earlier.taken_at if earlier else 0.0
    disks = _disks(earlier, now, seconds)
    nics = _nics(earlier, now, seconds)
    return Rates(
        cpu_percent=_cpu_percent(earlier, now, seconds, now.vcpus_current or vcpus),
        disk_read=_sum(disk["read_rate"] for disk in disks),
        disk_written=_sum(disk["written_rate"] for disk in disks),
        received=_sum(nic["received_rate"] for nic in nics),
        sent=_sum(nic["sent_rate"] for nic in nics),
        disks=disks,
        nics=nics,
    )


def _cpu_percent(earlier: GuestStats | None, now: GuestStats, seconds: float, vcpus: int | None) -> float | None:
    if earlier is None or not vcpus:
        return None
    rate = _rate(earlier.cpu_time_ns, now.cpu_time_ns, seconds)
    return None if rate is None else round(min(100.0, rate / 1e9 / vcpus * 100), 1)


def _disks(earlier: GuestStats | None, now: GuestStats, seconds: float) -> tuple[dict[str, Any], ...]:
    before = {disk.target: disk for disk in earlier.disks} if earlier else {}
    none = DiskUsage("", None, None, None, None)
    return tuple(
        {  # by hand: dataclasses.asdict copies deeply, which is half the cost of a tick
            "target": disk.target,
            "read_bytes": disk.read_bytes,
            "written_bytes": disk.written_bytes,
            "capacity_bytes": disk.capacity_bytes,
            "allocation_bytes": disk.allocation_bytes,
            "read_rate": _whole(_rate(before.get(disk.target, none).read_bytes, disk.read_bytes, seconds)),
            "written_rate": _whole(_rate(before.get(disk.target, none).written_bytes, disk.written_bytes, seconds)),
        }
        for disk in now.disks
    )


def _nics(earlier: GuestStats | None, now: GuestStats, seconds: float) -> tuple[dict[str, Any], ...]:
    before = {nic.target: nic for nic in earlier.nics} if earlier else {}
    none = NICUsage("", None, None)
    return tuple(
        {
            "target": nic.target,
            "received_bytes": nic.received_bytes,
            "sent_bytes": nic.sent_bytes,
            "received_rate": _whole(_rate(before.get(nic.target, none).received_bytes, nic.received_bytes, seconds)),
            "sent_rate": _whole(_rate(before.get(nic.target, none).sent_bytes, nic.sent_bytes, seconds)),
        }
        for nic in now.nics
    )


def _rate(earlier: int | None, now: int | None, seconds: float) -> float | None:
    if earlier is None or now is None or seconds <= 0 or now < earlier:
        return None
    return (now - earlier) / seconds


def _whole(rate: float | None) -> float | None:
    return None if rate is None else float(round(rate))


def _sum(rates: Iterable[float | None]) -> float | None:
    """The sum of those that are known; None where none is."""
    known = [rate for rate in rates if rate is not None]
    return sum(known) if known else None


class CPUHistory:
    """The last hour of one guest, one number a minute, the last one moving: the mean of the minute so far."""

    def __init__(self, text: str = "", minute: int | None = None) -> None:
        """Go on from what a row holds: its numbers, and the minute (since 1970) of the last one."""
        self._numbers = text.split(",") if text else []
        self._minute = minute if text else None
        self._sum = 0.0
        self._count = 0
        if self._numbers and self._numbers[-1]:
            self._sum, self._count = float(self._numbers[-1]), 1

    @property
    def minute(self) -> int | None:
        """The minute that the last number belongs to, in minutes since 1970."""
        return self._minute

    def add(self, percent: float | None, minute: int) -> str:
        """The history with one more sample, as `Guest.cpu_history` holds it: "" while nothing at all is known."""
        if self._minute is None or minute - self._minute >= HISTORY_MINUTES or minute < self._minute:
            self._numbers, self._minute = [""], minute
            self._sum, self._count = 0.0, 0
        elif minute > self._minute:
            self._numbers = [*self._numbers, *[""] * (minute - self._minute)][-HISTORY_MINUTES:]
            self._minute = minute
            self._sum, self._count = 0.0, 0
        if percent is not None:
            self._sum += percent
            self._count += 1
            self._numbers[-1] = f"{self._sum / self._count:.0f}"
        return ",".join(self._numbers) if any(self._numbers) else ""
