"""What is asked of pools and volumes: made, started, stopped, grown, copied, deleted."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from guests.access import Action, hosts_held
from guests.access.storage import pool_for, volume_for
from guests.forms.asking_form import WAIT_SECONDS
from guests.forms.host_asking_form import HostAskingForm
from guests.forms.storage_forms import CopyForm, DeleteForm, GrowForm, OfVolume, PoolForm, VolumeForm
from guests.inventory.storage import Pool, Volume
from guests.inventory.volume_uses import overlays_of
from guests.operations import ask_host, new_key, wait_for_end
from guests.operations.models import Operation, OperationState
from guests.views.guest_cards import signed_in
from guests.views.storage import lines_with_uses

ACTS = {
    "start": "start_pool",
    "stop": "stop_pool",
    "refresh": "refresh_pool",
    "autostart": "set_pool_autostart",
    "forget": "forget_pool",
}
FORMS: dict[str, type[OfVolume]] = {"grow": GrowForm, "copy": CopyForm, "delete": DeleteForm}
MOST_CHAIN = 16


@require_http_methods(["GET", "HEAD", "POST"])
def make_pool(request: HttpRequest, name: str) -> HttpResponse:
    """A new pool of a host."""
    host = get_object_or_404(hosts_held(request.user, Action.STORAGE), name=name)
    form = PoolForm(request.POST if request.method == "POST" else None, host=host, by=signed_in(request))
    if form.is_bound and form.is_valid() and (operation := form.submit(address=_address(request))):
        _say(request, operation)
        made = Pool.objects.filter(host=host, name=form.cleaned_data["name"]).first()
        return redirect(made) if made and operation.state == OperationState.DONE else redirect("guests:storage")
    return _form(request, form, _("Make a pool on %(host)s") % {"host": host.name})


@require_POST
def act_on_pool(request: HttpRequest, pool_id: int, act: str) -> HttpResponse:
    """Start, stop, look into it again, start with the host or not, forget."""
    pool = pool_for(request.user, pool_id)
    if act not in ACTS:
        raise Http404(_("No such act."))
    parameters: dict[str, object] = {"pool": str(pool.uuid), "pool_name": pool.name}
    if act == "autostart":
        parameters |= {"on": request.POST.get("on") == "1"}
    operation = ask_host(
        ACTS[act],
        pool.host,
        by=signed_in(request),
        key=request.POST.get("key", "")[:56] or new_key(),
        parameters=parameters,
        address=_address(request),
    )
    _say(request, wait_for_end(operation, WAIT_SECONDS))
    return redirect(pool) if Pool.objects.filter(pk=pool.pk).exists() else redirect("guests:storage")


@require_http_methods(["GET", "HEAD", "POST"])
def make_volume(request: HttpRequest, pool_id: int) -> HttpResponse:
    """A new empty volume in a pool."""
    pool = pool_for(request.user, pool_id)
    form = VolumeForm(request.POST if request.method == "POST" else None, pool=pool, by=signed_in(request))
    if form.is_bound and form.is_valid() and (operation := form.submit(address=_address(request))):
        _say(request, operation)
        return redirect(pool)
    return _form(request, form, _("Make a volume in %(pool)s") % {"pool": pool.name}, pool)


@require_safe
def volume(request: HttpRequest, volume_id: int) -> HttpResponse:
    """One volume: what it is, who uses it, and what can be done with it."""
    return _volume_page(request, volume_for(request.user, volume_id))


@require_POST
def change_volume(request: HttpRequest, volume_id: int, act: str) -> HttpResponse:
    """Grow, copy or delete it."""
    found = volume_for(request.user, volume_id)
    if act not in FORMS:
        raise Http404(_("No such act."))
    form = FORMS[act](request.POST, volume=found, by=signed_in(request))
    if form.is_valid() and (operation := form.submit(address=_address(request))):
        _say(request, operation)
        return redirect("guests:volume", found.pk) if act == "grow" else redirect(found.pool)
    form.renew()
    return _volume_page(request, found, form)


def _volume_page(request: HttpRequest, found: Volume, bound: OfVolume | None = None) -> HttpResponse:
    forms = {
        name: bound if isinstance(bound, form) else form(volume=found, by=signed_in(request))
        for name, form in FORMS.items()
    }
    context = {
        "section": "hosts",
        "volume": found,
        "pool": found.pool,
        "line": lines_with_uses(request, found.pool.host, [found])[0],
        "chain": backing_chain(found),
        "overlays": overlays_of(found),
        "forms": forms,
        "is_readable": found.kind in {"file", "block"},
    }
    return render(request, "guests/volume.html", context, status=422 if bound is not None else 200)


def backing_chain(found: Volume) -> list[str]:
    """The paths that a volume is over, the nearest first."""
    chain, path = list[str](), found.backing_path
    while path and path not in chain and len(chain) < MOST_CHAIN:
        chain.append(path)
        under = Volume.objects.filter(pool__host=found.pool.host_id, path=path).first()
        path = under.backing_path if under else ""
    return chain


def _form(request: HttpRequest, form: HostAskingForm, heading: str, pool: Pool | None = None) -> HttpResponse:
    form.renew()
    context = {"section": "hosts", "form": form, "heading": heading, "pool": pool}
    return render(request, "guests/storage_form.html", context, status=422 if form.errors else 200)


def _say(request: HttpRequest, operation: Operation) -> None:
    if not operation.is_over:
        messages.info(request, _("It was asked for, and is under way."))
    elif operation.state != OperationState.DONE:
        messages.error(request, operation.message)
    else:
        messages.success(request, _("Done."))


def _address(request: HttpRequest) -> str:
    return str(request.META.get("REMOTE_ADDR", ""))
