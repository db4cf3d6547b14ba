"""What every page needs: the nonce, and for the header what runs and what may be made."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from dashboard.hints import Moment
from guests.access import Action, holds_everything, hosts_held, may, may_somewhere
from guests.operations.models import OperationState
from guests.views.operation_list import seen_operations

OPEN = [OperationState.QUEUED, OperationState.RUNNING, OperationState.WAITING]


def page(request: HttpRequest) -> dict[str, Any]:
    """For templates/base.html. Functions are asked only by templates that show them: fragments cost no query."""

    def running_operations() -> int:
        if not request.user.is_authenticated:
            return 0
        return seen_operations(request.user).filter(state__in=OPEN).count()

    @cache
    def may_make_status_pages() -> bool:
        return request.user.is_authenticated and may(request.user, Action.STATUS)

    @cache
    def may_manage_people() -> bool:
        return request.user.is_authenticated and may(request.user, Action.PEOPLE)

    @cache
    def may_read_audit() -> bool:
        return may_somewhere(request.user, Action.AUDIT)

    def may_create_guests() -> bool:
        if holds_everything(request.user):
            return True
        # Who administrates nothing costs no query.
        return may_read_audit() and hosts_held(request.user, Action.CREATE).exists()

    def live_since() -> str:
        return str(Moment.now()) if request.user.is_authenticated else ""

    return {
        "live_since": live_since,
        "csp_nonce": getattr(request, "csp_nonce", ""),
        "running_operations": running_operations,
        "may_make_status_pages": may_make_status_pages,
        "single_sign_on": settings.OIDC_NAME,
        "may_manage_people": may_manage_people,
        "may_read_audit": may_read_audit,
        "may_create_guests": may_create_guests,
    }
