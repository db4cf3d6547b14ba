"""Changing a guest's definition: write it, look at what changes, ask for it; and bringing an earlier one back.

What was written is kept as a proposal of its author between the steps; a refusal shows the editor with it again.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from guests.access import Action, guest_for
from guests.forms.asking_form import WAIT_SECONDS
from guests.forms.definition_form import DefinitionForm
from guests.hypervisor.definition_text import digest_of, with_name
from guests.inventory.definitions import DefinitionVersion, newest_version
from guests.inventory.models import Guest
from guests.operations import ask, new_key, wait_for_end
from guests.operations.definition_checks import why_not_editable
from guests.operations.models import Operation, OperationState
from guests.operations.proposals import DefinitionProposal, proposal_of
from guests.views.guest_cards import signed_in
from guests.views.text_diff import diff_of


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """The editor; `?proposal=` begins with what was written before."""
    guest, newest = _editable(request, guest_id)
    if request.method == "POST":
        return _proposed(request, guest, newest, request.POST)
    before = proposal_of(guest, signed_in(request), request.GET.get("proposal", ""))
    form = DefinitionForm(guest=guest, by=signed_in(request), newest=newest)
    if before is not None:
        form.initial = _typed(before)
    return _editor(request, form)


@require_POST
def bring_back(request: HttpRequest, guest_id: UUID, version_id: int) -> HttpResponse:
    """Propose an earlier version, for the guest as it is called now."""
    guest, newest = _editable(request, guest_id)
    version = get_object_or_404(guest.definition_versions.all(), pk=min(version_id, (1 << 63) - 1))
    typed = {"xml": with_name(version.xml, guest.name), "base": newest.pk, "version": version.pk}
    return _proposed(request, guest, newest, typed)


@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest, guest_id: UUID, proposal_id: UUID) -> HttpResponse:
    """What would change, and the question whether it should."""
    guest, newest = _editable(request, guest_id)
    proposal = proposal_of(guest, signed_in(request), proposal_id)
    if proposal is None:
        raise Http404(_("What was written is not kept any more: write it again."))
    if proposal.base.digest != newest.digest:
        return _editor(request, _form_again(request, guest, newest, proposal), status=409)
    if request.method == "POST":
        return _asked(request, guest, proposal)
    context = {
        "section": "guests",
        "guest": guest,
        "proposal": proposal,
        "changes": diff_of(proposal.base.xml, proposal.xml),
        "key": new_key(),
    }
    return render(request, "guests/definition_confirm.html", context)


def _editable(request: HttpRequest, guest_id: UUID) -> tuple[Guest, DefinitionVersion]:
    guest = guest_for(request.user, guest_id, Action.DEVICES)
    newest = newest_version(guest)
    if (why_not := why_not_editable(guest)) or newest is None:
        raise Http404(why_not or _("Its definition was not read yet."))
    return guest, newest


def _proposed(request: HttpRequest, guest: Guest, newest: DefinitionVersion, typed: Any) -> HttpResponse:
    form = DefinitionForm(typed, guest=guest, by=signed_in(request), newest=newest)
    if not form.is_valid():
        return _editor(request, form, status=422)
    if form.is_outdated:
        return _editor(request, form, status=409)
    return redirect("guests:confirm-definition", guest.pk, form.submit().pk)


def _asked(request: HttpRequest, guest: Guest, proposal: DefinitionProposal) -> HttpResponse:
    base = proposal.base.digest
    try:
        operation = ask(
            "define",
            guest,
            by=signed_in(request),
            key=request.POST.get("key", "")[:64] or new_key(),
            parameters={"proposal": str(proposal.pk), "digest": digest_of(proposal.xml), "base": base},
            before={"digest": base},
            address=request.META.get("REMOTE_ADDR", ""),
        )
    except PermissionDenied as refusal:
        return _refused(request, guest, proposal, str(refusal))
    wait_for_end(operation, WAIT_SECONDS)
    if operation.state in {OperationState.FAILED, OperationState.DENIED}:
        return _refused(request, guest, proposal, operation.message, detail=operation.detail)
    _tell(request, guest, operation)
    return redirect("guests:definition", guest.pk)


def _tell(request: HttpRequest, guest: Guest, operation: Operation) -> None:
    if operation.state != OperationState.DONE:
        messages.info(request, _("%(guest)s: it was asked for, and is under way.") % {"guest": guest.name})
        return
    done = _("The definition of %(guest)s was changed.") % {"guest": guest.name}
    if operation.after.get("waits_for_boot"):
        done = f"{done} {_('This is so from the next boot on: shut it down and start it.')}"
    messages.success(request, done)


def _refused(
    request: HttpRequest, guest: Guest, proposal: DefinitionProposal, text: str, *, detail: str = ""
) -> HttpResponse:
    """The editor with everything that was written, and at the field why it was refused."""
    newest = newest_version(guest) or proposal.base
    form = _form_again(request, guest, newest, proposal)
    if form.is_outdated:
        return _editor(request, form, status=409)
    form.add_error("xml", text)
    return _editor(request, form, status=422, detail=detail)


def _form_again(
    request: HttpRequest, guest: Guest, newest: DefinitionVersion, proposal: DefinitionProposal
) -> DefinitionForm:
    form = DefinitionForm(_typed(proposal), guest=guest, by=signed_in(request), newest=newest)
    form.is_valid()
    return form


def _typed(proposal: DefinitionProposal) -> dict[str, Any]:
    return {"xml": proposal.xml, "base": proposal.base_id, "version": proposal.brought_back_id}


def _editor(request: HttpRequest, form: DefinitionForm, *, status: int = 200, detail: str = "") -> HttpResponse:
    """Written from what stands no more, it shows both changes, and the next try counts from what stands now."""
    base, typed = form.base_version, str(form["xml"].value() or "").replace("\r\n", "\n")
    outdated = form.is_outdated
    context = {
        "section": "guests",
        "guest": form.guest,
        "form": form,
        "base": form.newest.pk,
        "theirs": diff_of(base.xml, form.newest.xml) if outdated else None,
        "mine": diff_of(base.xml, typed) if outdated else None,
        "first_line": next((problem.line for problem in form.problems if problem.line), 0),
        "detail": detail,
    }
    return render(request, "guests/definition_edit.html", context, status=status)
