"""What came of an operation, said on the page that comes next."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import gettext as _

from guests.inventory.models import Guest
from guests.operations.models import Operation, OperationState


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
