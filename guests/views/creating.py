"""Creating a guest: the form, its fields again when something else is chosen, and the way to the new console."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from guests.access import Action, guest_for, hosts_held, may_on
from guests.forms.create_choices import Source
from guests.forms.create_form import CreateForm
from guests.forms.create_like import again, like
from guests.operations.creating import steps_of
from guests.operations.models import Operation, OperationState
from guests.views.console_choices import console_choices
from guests.views.guest_cards import signed_in
from guests.views.operation_words import describe


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """The form, filled from a guest (`?like=`), an earlier creation (`?again=`), or for a host (`?host=`)."""
    if request.method != "POST":
        return _form(request, CreateForm(by=_creator(request), typed=_beginning(request)))
    form = CreateForm(request.POST, by=_creator(request))
    if form.is_valid():
        operation = form.submit(address=request.META.get("REMOTE_ADDR", ""))
        if operation is not None:
            return redirect("guests:created", operation.pk)
    return _form(request, form, status=422)


@require_POST
def fields(request: HttpRequest) -> HttpResponse:
    """The form with the fields that what is chosen now asks for, and what was typed; nothing is checked."""
    typed = {name: request.POST[name] for name in request.POST}
    unticked = dict.fromkeys(("start", "autostart", "linked", "emulated"), False)
    return _form(request, CreateForm(by=_creator(request), typed=unticked | typed), part=True)


@require_safe
def created(request: HttpRequest, operation_id: UUID) -> HttpResponse:
    """How far the creation came; once it is done, the guest's console."""
    operation = Operation.objects.select_related("host", "guest__host").filter(pk=operation_id).first()
    if operation is None or operation.kind != "create_guest":
        raise Http404(_("No such operation."))
    if not may_on(request.user, Action.CREATE, operation.host):
        raise Http404(_("No such operation."))
    if operation.state == OperationState.DONE and operation.guest is not None:
        return _go(request, _console_of(request, operation))
    line = describe(operation)
    context = {"section": "guests", "operation": operation, "line": line, "steps": _steps(operation)}
    part = bool(request.headers.get("HX-Request"))
    return render(request, "guests/creating.html#course" if part else "guests/creating.html", context)


def _creator(request: HttpRequest) -> Any:
    user = signed_in(request)
    if not hosts_held(user, Action.CREATE).exists():
        raise PermissionDenied(_("Only administrators of a whole host create guests on it."))
    return user


def _beginning(request: HttpRequest) -> dict[str, Any] | None:
    try:
        if "like" in request.GET:
            return like(guest_for(request.user, UUID(request.GET["like"])))
        if "again" in request.GET:
            failed = Operation.objects.select_related("host").get(pk=UUID(request.GET["again"]), kind="create_guest")
            return again(failed) if may_on(request.user, Action.CREATE, failed.host) else None
    except (ValueError, Operation.DoesNotExist):
        raise Http404(_("There is nothing like this.")) from None
    return {"host": request.GET["host"]} if "host" in request.GET else None


def _form(request: HttpRequest, form: CreateForm, *, status: int = 200, part: bool = False) -> HttpResponse:
    context = {"section": "guests", "form": form}
    part = part and bool(request.headers.get("HX-Request"))
    return render(request, "guests/guest_new.html#form" if part else "guests/guest_new.html", context, status=status)


def _console_of(request: HttpRequest, operation: Operation) -> str:
    """Where to go: an installer is seen on its screen, all else says more on its text console."""
    assert operation.guest is not None
    choices = [choice for choice in console_choices(operation.guest) if not choice.why_not]
    wants_text = operation.parameters.get("source") != Source.ISO
    choices.sort(key=lambda choice: choice.is_text is not wants_text)
    if choices and operation.parameters.get("start"):
        return choices[0].url
    messages.success(request, _("%(guest)s was created.") % {"guest": operation.guest.name})
    return operation.guest.get_absolute_url()


def _go(request: HttpRequest, url: str) -> HttpResponse:
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Redirect": url})
    return redirect(url)


def _steps(operation: Operation) -> list[tuple[str, str]]:
    """Each step in words, and how it is: done, running, queued."""
    wanted = operation.parameters
    words = []
    if wanted.get("new_disk"):
        words.append(_("Copy the image to its disk") if wanted.get("image") else _("Make its disk"))
    if wanted.get("cloud"):
        words.append(_("Write the seed for cloud-init"))
    words.append(_("Make it known to the host"))
    if wanted.get("start"):
        words.append(_("Start it"))
    copies = operation.progress_total not in {None, steps_of(wanted)}  # the copy counts bytes, all else steps
    done = 0 if copies else operation.progress_done or 0
    if operation.is_over and operation.guest_id:
        done = len(words) - 1  # it was made: only its start failed
    states = ["done"] * done + ["queued" if operation.state == OperationState.QUEUED else "running"]
    if operation.is_over:
        states[-1] = "unknown" if operation.state == OperationState.UNKNOWN else "failed"
    return [(word, states[n] if n < len(states) else "queued") for n, word in enumerate(words)]
