"""The list of operations: what was asked, by whom, and what came of it; those under way move by themselves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from guests.access import Action, holds_everything, hosts_held, visible_to
from guests.operations import cancel
from guests.operations.host_kinds import all_kinds, hosts_whose_operations_show, kind_of
from guests.operations.models import Operation, OperationState
from guests.views.operation_words import OperationLine, describe

PAGE_SIZE = 50
OPEN = (OperationState.QUEUED, OperationState.RUNNING, OperationState.WAITING)


@dataclass(frozen=True, slots=True)
class OperationQuery:
    """The list's parameters, cleaned."""

    state: str = ""  # one of OperationState, or "open" for all that are under way
    kind: str = ""
    mine: bool = False
    page: int = 1

    @classmethod
    def from_parameters(cls, parameters: QueryDict) -> OperationQuery:
        state, kind, page = parameters.get("state", ""), parameters.get("kind", ""), parameters.get("page", "")
        return cls(
            state=state if state == "open" or state in OperationState.values else "",
            kind=kind if kind in all_kinds() else "",
            mine=parameters.get("mine") == "1",
            page=int(page) if page.isascii() and page.isdigit() and 0 < len(page) < 7 else 1,
        )

    def with_(self, **changes: object) -> str:
        """The query string of this list with something changed; the page starts anew."""
        changed = replace(self, **{"page": 1, **changes})  # type: ignore[arg-type]
        parts = {
            "state": changed.state,
            "kind": changed.kind,
            "mine": "1" if changed.mine else "",
            "page": "" if changed.page <= 1 else str(changed.page),
        }
        return "?" + urlencode({name: value for name, value in parts.items() if value})

    @property
    def here(self) -> str:
        return self.with_(page=self.page)

    def narrowed(self, user: AbstractBaseUser | AnonymousUser) -> QuerySet[Operation]:
        """What the user sees of the kind, and by them alone if so asked; of all states, which chips count."""
        seen = seen_operations(user)
        if self.mine:
            seen = seen.filter(asked_by=user.pk)
        return seen.filter(kind=self.kind) if self.kind else seen

    def found(self, operations: QuerySet[Operation]) -> list[Operation]:
        """The page of those in the state, newest first, and one more where another page follows."""
        if self.state:
            states = OPEN if self.state == "open" else (self.state,)
            operations = operations.filter(state__in=states)
        start = (self.page - 1) * PAGE_SIZE
        return list(operations.order_by("-asked_at", "-pk")[start : start + PAGE_SIZE + 1])


@dataclass(frozen=True, slots=True)
class OperationChip:
    """A filter: a link with a count, where one is known."""

    label: str
    number: int | None
    url: str
    chosen: bool
    mark: str = ""


def seen_operations(user: AbstractBaseUser | AnonymousUser) -> QuerySet[Operation]:
    """Those on guests that the user sees, and those on hosts that they see as a whole."""
    found = Operation.objects.select_related("guest", "host")
    if holds_everything(user):
        return found
    return found.filter(Q(guest__in=visible_to(user)) | Q(guest=None, host__in=hosts_whose_operations_show(user)))


@require_safe
def operation_list(request: HttpRequest) -> HttpResponse:
    """The page, its list for htmx, or the header's count (`?fragment=count`)."""
    if request.GET.get("fragment") == "count":
        return render(request, "includes/running_operations.html")
    query = OperationQuery.from_parameters(request.GET)
    seen = query.narrowed(request.user)
    numbers = dict(seen.order_by().values_list("state").annotate(Count("pk")))
    chips = _chips(query, numbers)
    found = query.found(seen)
    context = {
        "section": "operations",
        "query": query,
        "chips": chips,
        "kinds": [
            (name, str(kind.label), query.with_(kind="" if name == query.kind else name), name == query.kind)
            for name, kind in all_kinds().items()
        ],
        "all_kinds_url": query.with_(kind=""),
        "lines": lines_of(request, found[:PAGE_SIZE]),
        "previous_url": query.with_(page=query.page - 1) if query.page > 1 else "",
        "next_url": query.with_(page=query.page + 1) if len(found) > PAGE_SIZE else "",
    }
    part = request.headers.get("HX-Target") == "operation-list" and not request.headers.get(
        "HX-History-Restore-Request"
    )
    return render(request, "guests/operation_list.html#listing" if part else "guests/operation_list.html", context)


@require_safe
def operation_fragment(request: HttpRequest, operation_id: UUID) -> HttpResponse:
    """One operation's line again; a page of its own without htmx."""
    operation = _operation(request, operation_id)
    if request.GET.get("as") == "line":
        return render(request, "guests/includes/operation_line.html", {"operation": operation})
    context = {"section": "operations", "line": lines_of(request, [operation])[0]}
    whole = not request.headers.get("HX-Request")
    return render(request, "guests/operation.html" if whole else "guests/includes/operation_item.html", context)


@require_POST
def cancel_operation(request: HttpRequest, operation_id: UUID) -> HttpResponse:
    """Ask for the end of an operation that is queued, or of a kind that can be ended."""
    operation = _operation(request, operation_id)
    assert request.user.is_authenticated
    asked = cancel(operation, by=request.user, address=str(request.META.get("REMOTE_ADDR", ""))[:45])
    operation.refresh_from_db()
    if request.headers.get("HX-Request"):
        return render(
            request,
            "guests/includes/operation_item.html",
            {"line": lines_of(request, [operation])[0], "too_late": not asked},
        )
    if asked:
        messages.info(request, _("The operation was asked to end."))
    else:
        messages.warning(request, _("It was too late to end this operation."))
    target = request.POST.get("next", "")
    return redirect(target if url_has_allowed_host_and_scheme(target, None) else "guests:operations")


def _operation(request: HttpRequest, operation_id: UUID) -> Operation:
    operation = seen_operations(request.user).filter(pk=operation_id).first()
    if operation is None:
        raise Http404(_("No such operation."))
    return operation


def lines_of(request: HttpRequest, operations: list[Operation]) -> list[tuple[OperationLine, bool]]:
    """Each in words, and whether this person may end it now; one query for each action that those under way need."""
    theirs = _doable(request.user, [operation for operation in operations if not operation.is_over])
    lines = []
    for operation in operations:
        line = describe(operation)
        stoppable = line.cancellable or (operation.state == OperationState.QUEUED and not operation.cancel_asked)
        lines.append((line, stoppable and operation.pk in theirs))
    return lines


def _doable(user: AbstractBaseUser | AnonymousUser, operations: list[Operation]) -> set[UUID]:
    """Those of these that the person may ask for themselves."""
    wanted: dict[tuple[Action, bool], list[Operation]] = {}
    for operation in operations:
        if (kind := kind_of(operation)) is not None:
            wanted.setdefault((kind.action, operation.guest_id is None), []).append(operation)
    found = set()
    for (action, of_host), some in wanted.items():
        if of_host:
            hosts = set(hosts_held(user, action).values_list("pk", flat=True))
            found |= {operation.pk for operation in some if operation.host_id in hosts}
        else:
            guests = visible_to(user, action).filter(pk__in=[operation.guest_id for operation in some])
            theirs = set(guests.values_list("pk", flat=True))
            found |= {operation.pk for operation in some if operation.guest_id in theirs}
    return found


def _chips(query: OperationQuery, numbers: dict[str, int]) -> list[OperationChip]:
    """All, under way, each state that occurs, and mine."""
    under_way = sum(numbers.get(state, 0) for state in OPEN)
    chips = [
        OperationChip(_("All"), sum(numbers.values()), query.with_(state=""), not query.state),
        OperationChip(_("Under way"), under_way, query.with_(state="open"), query.state == "open", "op-running"),
    ]
    for state in OperationState:
        if state not in OPEN and (numbers.get(state) or query.state == state):
            chips.append(
                OperationChip(
                    str(state.label),
                    numbers.get(state, 0),
                    query.with_(state=state.value),
                    query.state == state,
                    state.value,
                )
            )
    chips.append(OperationChip(_("Asked by me"), None, query.with_(mine=not query.mine), query.mine))
    return chips
