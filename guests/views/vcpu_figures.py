"""What a guest's vCPUs do now: read by the worker for as long as somebody looks."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from guests.access import Action, guest_for
from guests.inventory.cpus import VCPUFigures, look_at_vcpus
from guests.inventory.models import Guest

MOST_ROWS = 256


@dataclass(frozen=True, slots=True)
class VCPURow:
    """One vCPU in words; "" where nothing is known."""

    number: int
    state: str
    cpu: int | None
    run_percent: int | None
    wait_percent: int | None
    pinned: str


@require_POST
def now(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """Somebody looks at them: the table as it is, to be asked for again."""
    guest = guest_for(request.user, guest_id, Action.SEE)
    if guest.is_active:
        look_at_vcpus([guest.pk])
    return render(request, "guests/guest_vcpu_table.html", table_of(guest))


def table_of(guest: Guest) -> dict[str, object]:
    """The context of the table."""
    figures = VCPUFigures.objects.filter(pk=guest.pk).first()
    fresh = figures is not None and figures.is_fresh and guest.is_active
    return {
        "guest": guest,
        "rows": _rows(guest, figures if fresh else None),
        "fresh": fresh,
        "lacking": fresh and figures is not None and figures.lacking,
        "scheduling": figures.scheduling if fresh and figures is not None else {},
    }


def _rows(guest: Guest, figures: VCPUFigures | None) -> list[VCPURow]:
    tuning = (guest.definition or {}).get("tuning", {})
    pins = {pin["vcpu"]: pin["cpus"] for pin in tuning.get("pins", [])}
    known = {vcpu["number"]: vcpu for vcpu in (figures.vcpus if figures else [])}
    words = {"running": _("running"), "blocked": _("idle"), "offline": _("offline")}
    count = guest.vcpus_current if guest.is_active else guest.vcpus_maximum
    rows = []
    for number in range(min(max(count, 1 + max(known, default=-1)), MOST_ROWS)):
        told = known.get(number, {})
        rows.append(
            VCPURow(
                number,
                words.get(told.get("state", ""), ""),
                told.get("cpu"),
                told.get("run_percent"),
                told.get("wait_percent"),
                pins.get(number, "") or tuning.get("every", ""),
            )
        )
    return rows
