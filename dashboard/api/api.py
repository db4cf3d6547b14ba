"""The API put together: its rooms, its document, its errors."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe
from ninja import NinjaAPI
from ninja.operation import Operation
from pydantic import BaseModel, Field

from dashboard.api import asking, errors, guest_settings, guests, hosts, operations, plugged_memory
from dashboard.api.errors import ErrorAnswer
from guests.access.tokens import Ability, token_of

DESCRIPTION = (
    "What the pages of Guesthouse show and do, as JSON. Send a token in the header Authorization: Bearer …; it may no "
    "more than its owner. Memory is in KiB, rates are bytes a second, times are UTC; null is “not known”."
)


class API(NinjaAPI):
    """Names operations as their functions: list_guests, resize_memory."""

    def get_openapi_operation_id(self, operation: Operation) -> str:
        return operation.view_func.__name__


api = API(
    title="Guesthouse",
    version="1",
    description=DESCRIPTION,
    openapi_url=None,
    docs_url=None,
    openapi_extra={
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}],
    },
)
errors.connect(api)


class Welcome(BaseModel):
    """Who came."""

    user: str
    token: str
    ability: Ability
    is_limited: bool = Field(description="Whether it is for chosen guests and hosts only.")
    expires_at: datetime


@api.get("/", response={200: Welcome, frozenset({401, 429}): ErrorAnswer}, summary="Who am I", tags=["Token"])
def welcome(request: HttpRequest) -> Welcome:
    """The token that was sent, and whose it is."""
    token = token_of(request.user)
    assert token is not None
    return Welcome(
        user=token.user.get_username(),
        token=token.name,
        ability=Ability(token.ability),
        is_limited=token.is_limited,
        expires_at=token.expires_at,
    )


for room in (guests, asking, plugged_memory, guest_settings, operations, hosts):
    api.add_router("", room.router)


@require_safe
@login_not_required
def document(request: HttpRequest) -> JsonResponse:
    """The OpenAPI document: the same for everybody, and nothing of this site."""
    return JsonResponse(api.get_openapi_schema())
