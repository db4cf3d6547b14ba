"""What came of an operation, said on the page that comes next."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import gettext as _

from guests.forms.asking_form import AskingForm
from guests.inventory.models import Guest
from guests.operations.models import Operation, OperationState


def asked(request: HttpRequest, form: AskingForm, done: str) -> bool:
    """Whether a form that was sent led to an operation, whose outcome is then said; else the form says why not."""
    if not form.is_bound:
        return False
    operation = form.submit(address=request.META.get("REMOTE_ADDR", "")) if form.is_valid() else None
    if operation is None:
        form.renew()
        return False
    say_outcome(request, form.guest, operation, done)
    return True


def say_outcome(request: HttpRequest, guest: Guest, operation: Operation, done: str) -> None:
    """`done` where it is done, with a note where it waits for the next boot; else why not, or that it is under way."""
    if not operation.is_over:
        messages.info(request, _("%(guest)s: it was asked for, and is under way.") % {"guest": guest.name})
    elif operation.state != OperationState.DONE:
        messages.error(request, operation.message)
    elif operation.after.get("waits_for_boot"):
        messages.success(request, f"{done} {_('This is so from the next boot on: shut it down and start it.')}")
    else:
        messages.success(request, done)
