"""Operations: what was asked, how far it came and what came of it; and ending one."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.http import Http404, HttpRequest
from django.utils.translation import gettext as _
from ninja import P, Query, QueryEx, Router
from pydantic import BaseModel, Field

from dashboard.accounts.recording import address_of
from dashboard.api.errors import ErrorAnswer, Refused
from guests.operations import cancel, wait_for_end
from guests.operations.host_kinds import kind_of
from guests.operations.models import Operation, OperationState
from guests.views.operation_list import PAGE_SIZE, OperationQuery, seen_operations
from guests.views.operation_words import progress_percent

MOST_WAIT_SECONDS = 2.0
router = Router(tags=["Operations"])
StateFilter = Literal["open", "queued", "running", "waiting", "done", "failed", "denied", "unknown"]
Wait = QueryEx[
    float, P(ge=0, le=MOST_WAIT_SECONDS, description="Seconds to wait for the end, so that a quick one is over.")
]


class OperationShape(BaseModel):
    """One change that was asked for. It goes on by itself: look again until is_over."""

    id: UUID
    kind: str = Field(description="start, shut_down, set_current_memory, set_maximum_vcpus …")
    host: str
    guest: UUID | None = Field(description="Null where it was asked of the host itself.")
    guest_name: str
    state: OperationState
    is_over: bool
    message: str = Field(description="For people: why it failed, or what to know.")
    field: str = Field(description="What was asked that the message is about.")
    asked_by: str
    asked_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    wanted: dict[str, Any] = Field(description="Memory in KiB.")
    after: dict[str, Any] = Field(description="What was read back from the host.")
    percent: int | None = Field(description="How far it came, while it moves.")
    cancel_asked: bool
    cancellable: bool = Field(description="Whether it can still be ended.")

    @classmethod
    def of(cls, operation: Operation) -> Self:
        kind = kind_of(operation)
        stoppable = bool(kind and kind.cancellable) or operation.state == OperationState.QUEUED
        return cls(
            id=operation.pk,
            kind=operation.kind,
            host=operation.host.name,
            guest=operation.guest_id,
            guest_name=operation.guest.name if operation.guest else "",
            state=OperationState(operation.state),
            is_over=operation.is_over,
            message=operation.message,
            field=operation.field,
            asked_by=operation.asked_by_name,
            asked_at=operation.asked_at,
            started_at=operation.started_at,
            ended_at=operation.ended_at,
            wanted=operation.parameters,
            after=operation.after,
            percent=progress_percent(operation),
            cancel_asked=operation.cancel_asked,
            cancellable=stoppable and not operation.is_over and not operation.cancel_asked,
        )


class OperationFilters(BaseModel):
    """The chips of the list of operations."""

    state: StateFilter | None = Field(None, description="Open: all that are under way.")
    kind: str = Field("", max_length=40)
    guest: UUID | None = None
    mine: bool = Field(False, description="Only those that the token's owner asked for.")
    page: int = Field(1, ge=1, le=999999, description="Of 50 operations.")


class OperationPage(BaseModel):
    """One page of operations, newest first."""

    items: list[OperationShape]
    page: int
    is_last: bool


@router.get("/operations", response={200: OperationPage, frozenset({401, 422, 429}): ErrorAnswer}, summary="List")
def list_operations(request: HttpRequest, filters: Query[OperationFilters]) -> OperationPage:
    """Those on guests that the token shows, and on hosts that it shows as a whole, 50 on a page, newest first."""
    query = OperationQuery(
        state=filters.state or "", kind=filters.kind.replace("\0", ""), mine=filters.mine, page=filters.page
    )
    seen = query.narrowed(request.user)
    found = query.found(seen.filter(guest=filters.guest) if filters.guest else seen)
    return OperationPage(
        items=[OperationShape.of(operation) for operation in found[:PAGE_SIZE]],
        page=query.page,
        is_last=len(found) <= PAGE_SIZE,
    )


@router.get(
    "/operations/{uuid:operation_id}",
    response={200: OperationShape, frozenset({401, 404, 422, 429}): ErrorAnswer},
    summary="Show one",
)
def show_operation(request: HttpRequest, operation_id: UUID, wait: Wait = 0.0) -> OperationShape:
    """How far one came; with wait, as soon as it is over."""
    return OperationShape.of(wait_for_end(_operation(request, operation_id), wait))


@router.post(
    "/operations/{uuid:operation_id}/cancel",
    response={200: OperationShape, frozenset({401, 403, 404, 409, 422, 429}): ErrorAnswer},
    summary="Cancel one",
)
def cancel_operation(request: HttpRequest, operation_id: UUID) -> OperationShape:
    """Ask for its end: while it is queued, or of a kind that can be ended while it waits for its guest."""
    operation = _operation(request, operation_id)
    assert isinstance(request.user, AbstractBaseUser)
    asked = cancel(operation, by=request.user, address=address_of(request))
    if not asked:
        raise Refused(409, _("It was too late to end this operation."), code="too_late")
    return OperationShape.of(operation)


def _operation(request: HttpRequest, operation_id: UUID) -> Operation:
    operation = seen_operations(request.user).filter(pk=operation_id).first()
    if operation is None:
        raise Http404(_("No such operation."))
    return operation
