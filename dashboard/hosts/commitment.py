"""How much of a host its guests hold: given now, promised up to their maximum, and what is left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from guests.inventory.models import Host
from guests.templatetags.measures import bar_svg
from guests.units import memory_text


@dataclass(frozen=True, slots=True)
class Commitment:
    """Sums over the guests that hold memory now; KiB. None is "not known"."""

    memory_kib: int | None
    free_kib: int | None
    used_kib: int | None  # None where no guest reports what it uses
    given_kib: int
    promised_kib: int
    vcpus: int
    cpus: int | None

    @classmethod
    def of(cls, host: Host, sums: Mapping[str, int | None]) -> Commitment:
        """From the host's facts and the sums of `views.host_lines`; a guest that reports nothing counts as all used."""
        given = sums.get("current") or 0
        usable = sums.get("usable")
        return cls(
            memory_kib=host.memory_kib,
            free_kib=host.free_memory_kib,
            used_kib=None if usable is None else max(0, given - usable),
            given_kib=given,
            promised_kib=sums.get("maximum") or 0,
            vcpus=sums.get("vcpus") or 0,
            cpus=host.cpus,
        )

    @property
    def percent_given(self) -> int | None:
        return round(100 * self.given_kib / self.memory_kib) if self.memory_kib else None

    @property
    def ratio(self) -> str:
        """How many vCPUs stand on one CPU: "2.2 : 1"; "?" where the CPUs are not known."""
        return f"{self.vcpus / self.cpus:.1f} : 1" if self.cpus else "?"

    @property
    def is_overpromised(self) -> bool:
        """Whether the guests together may ask for more than the host has."""
        return bool(self.memory_kib and self.promised_kib > self.memory_kib)

    def memory_bar(self) -> SafeString:
        """Used by guests, given, promised; of the host's memory."""
        return self._bar(big=False)

    def big_memory_bar(self) -> SafeString:
        """The same, larger."""
        return self._bar(big=True)

    def _bar(self, *, big: bool) -> SafeString:
        if not self.memory_kib:
            return SafeString("")
        percent = 100 / self.memory_kib
        label = _("given to guests %(given)s, promised %(promised)s of %(memory)s") % {
            "given": memory_text(self.given_kib),
            "promised": memory_text(self.promised_kib),
            "memory": memory_text(self.memory_kib),
        }
        return bar_svg(
            None if self.used_kib is None else round(min(100.0, self.used_kib * percent), 1),
            round(min(100.0, self.given_kib * percent), 1),
            round(min(100.0, self.promised_kib * percent), 1),
            escape(label),
            big=big,
        )

    def cpu_bar(self) -> SafeString:
        """How many vCPUs stand on the CPUs, 0 to 4 : 1, with a mark at each whole number."""
        if not self.cpus:
            return SafeString("")
        width = min(100.0, 25 * self.vcpus / self.cpus)
        ticks = "".join(f'<rect class="tick" x="{x}" width="0.35" height="8"/>' for x in (25, 50, 75))
        label = escape(_("%(vcpus)d vCPUs on %(cpus)d CPUs") % {"vcpus": self.vcpus, "cpus": self.cpus})
        return mark_safe(  # noqa: S308 numbers of ours and an escaped label
            '<svg class="gh-bar" viewBox="0 0 100 8" preserveAspectRatio="none" role="img"'
            f' aria-label="{label}"><rect class="used" x="0" width="{width:.4g}" height="8"/>{ticks}</svg>'
        )
