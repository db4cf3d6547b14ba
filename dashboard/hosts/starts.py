"""Which guests start with a host, in which order: as its page shows it, and the form that changes it."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import F, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from guests.access import Action, hosts_visible_to, visible_to
from guests.forms.start_order_form import StartOrderForm
from guests.inventory.models import Guest, Host
from guests.operations.host_starts import HostBoot
from guests.operations.models import OperationState
from guests.views.guest_cards import signed_in


@dataclass(frozen=True, slots=True)
class Starts:
    """What a person sees of it. `boot` is None where the host does not tell when it booted."""

    guests: list[Guest]
    boot: HostBoot | None
    may_change: bool


def starts_of(host: Host, user: AbstractBaseUser | AnonymousUser) -> Starts:
    """Three queries."""
    seen = visible_to(user).filter(host=host, gone_at=None)
    found = seen.filter(Q(autostart=True) | Q(start_place__isnull=False)).select_related("start_place")
    return Starts(
        list(found.order_by(F("start_place__place").asc(nulls_first=True), "name")),
        HostBoot.objects.filter(host=host).first(),
        visible_to(user, Action.POWER).filter(host=host, gone_at=None).exists(),
    )


@require_http_methods(["GET", "HEAD", "POST"])
def starts(request: HttpRequest, name: str) -> HttpResponse:
    """A number and a wait for each guest that this person may start."""
    host = hosts_visible_to(request.user).filter(name=name).first()
    if host is None:
        raise Http404(_("No such host."))
    form = StartOrderForm(request.POST if request.method == "POST" else None, host=host, by=signed_in(request))
    if not form.guests:
        raise PermissionDenied(_("There is no guest on this host that you may start."))
    if form.is_bound and form.is_valid():
        operations = form.submit(address=request.META.get("REMOTE_ADDR", ""))
        for operation in operations:
            assert operation.guest is not None
            words = {"guest": operation.guest.name, "what": operation.message or operation.get_state_display()}
            tell = messages.success if operation.state == OperationState.DONE else messages.warning
            tell(request, _("%(guest)s: %(what)s") % words)
        if not operations:
            messages.info(request, _("Nothing was changed."))
        return redirect(host)
    context = {"section": "hosts", "host": host, "form": form}
    return render(request, "dashboard/host_starts.html", context, status=422 if form.errors else 200)
