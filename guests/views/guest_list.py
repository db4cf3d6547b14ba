"""The list of guests: the page, its parts for htmx, and the rows that changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from guests.access import Action, holds_everything, hosts_visible_to, visible_to
from guests.inventory.models import Guest, Host
from guests.operations import new_key
from guests.operations.models import Operation, OperationState
from guests.templatetags.guesthouse import STATE_WORDS, icons_url, mark_of
from guests.views.guest_row import GuestRow, build_rows, place_rows
from guests.views.list_query import PAGE_SIZE, Counts, ListQuery, count, count_tags, tags_of, with_shown_state
from guests.views.listed_guest import ListedGuest, listed
from guests.views.pictures_shown import shown_pictures

COLUMNS = [
    ("state", _("State"), "c-state"),
    ("name", _("Name"), "c-name"),
    ("id", _("Id"), "c-id n"),
    ("host", _("Host"), "c-host"),
    ("memory", _("Memory used of current of max."), "c-mem"),
    ("vcpus", _("vCPUs"), "c-vcpu n"),
    ("cpu", _("CPU, last hour"), "c-cpu"),
    ("disk", _("Disk"), "c-io"),
    ("network", _("Network"), "c-io"),
    ("since", _("Since"), "c-since n"),
]
MOST_TAG_CHIPS = 20
OPEN = [OperationState.QUEUED, OperationState.RUNNING, OperationState.WAITING]


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter: a link with a count."""

    label: str
    number: int
    url: str
    chosen: bool
    mark: str = ""
    icon: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A heading that sorts."""

    label: str
    css: str
    url: str
    direction: str  # ascending, descending or ""


@dataclass(frozen=True, slots=True)
class SilentHost:
    """A host that does not answer, and how many of its guests this person is shown."""

    host: Host
    guests: int


class GuestListing:
    """What one person sees of the list that an address asks for."""

    def __init__(self, user: AbstractBaseUser | AnonymousUser, query: ListQuery) -> None:
        self.user, self.query, self.now = user, query, timezone.now()
        # Hosts are few: all of them once, also for rows of hosts that the person sees in part.
        self.hosts = {host.pk: host for host in hosts_visible_to(user)}
        self.stale = {pk for pk, host in self.hosts.items() if host.is_stale(self.now)}
        seen = with_shown_state(visible_to(user).filter(gone_at=None), self.stale)
        self.found = query.searched(seen)
        self.counts: Counts = count(self.found)

    def page(self) -> QuerySet[Guest]:
        """The guests of the page asked for, at most PAGE_SIZE."""
        start = (min(self.query.page, self.pages) - 1) * PAGE_SIZE
        return self.query.ordered(self.matching())[start : start + PAGE_SIZE]

    def matching(self) -> QuerySet[Guest]:
        return self.query.filtered(self.found)

    @cached_property
    def total(self) -> int:
        """How many guests the chips leave, from the counts where they say it."""
        query, counts = self.query, self.counts
        chosen = [bool(query.state), bool(query.host), query.pending, bool(query.tag)]
        if not any(chosen):
            return counts.total
        if sum(chosen) == 1:
            if query.state:
                return counts.by_state.get(query.state, 0)
            if query.pending:
                return counts.pending
            if query.tag:
                return self.tags.get(query.tag, 0)
            return sum(n for pk, n in counts.by_host.items() if self.hosts[pk].name == query.host)
        return self.matching().count()

    @cached_property
    def tags(self) -> dict[str, int]:
        """The tags of what was found, with how many guests bear each."""
        return count_tags(self.found)

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // PAGE_SIZE))

    def rows(self, guests: list[ListedGuest]) -> list[GuestRow]:
        """Their rows; three queries, and one for the pictures of cards, however many they are."""
        ids = [guest.pk for guest in guests]
        # All that are under way, which are few: naming the guests would cost more.
        operations: dict[UUID, Operation] = {
            operation.guest_id: operation
            for operation in Operation.objects.filter(state__in=OPEN).order_by("asked_at")
            if operation.guest_id
        }
        everywhere = holds_everything(self.user)
        powered = (
            None
            if everywhere
            else set(visible_to(self.user, Action.POWER).filter(pk__in=ids).values_list("pk", flat=True))
        )
        return build_rows(
            guests,
            hosts=self.hosts,
            stale=self.stale,
            operations=operations,
            powered=powered,
            tags=tags_of(ids) if self.tags else {},
            now=self.now,
            # Who may see a guest may watch its screen (access.ACTIONS).
            pictures=shown_pictures(guests, hosts=self.hosts, stale=self.stale) if self.query.cards else None,
        )

    def chips(self) -> list[list[Chip]]:
        """Up to four groups: states that occur, hosts if there are several, tags, pending changes."""
        query, counts = self.query, self.counts
        everything = query.with_(state="", host="", tag="", pending=False)
        states = [Chip(str(_("All")), counts.total, everything, not query.is_chosen)]
        for state, word in STATE_WORDS.items():
            number = counts.by_state.get(state, 0)
            if number or query.state == state:
                chosen = query.state == state
                states.append(
                    Chip(str(word), number, query.with_(state="" if chosen else state.value), chosen, mark_of(state))
                )
        hosts = [
            Chip(
                host.name,
                counts.by_host.get(pk, 0),
                query.with_(host="" if query.host == host.name else host.name),
                query.host == host.name,
                icon="server-2",
            )
            for pk, host in self.hosts.items()
            if pk in counts.by_host or query.host == host.name
        ]
        groups = [states]
        if len(self.hosts) > 1 or query.host:
            groups.append(hosts)
        if self.tags or query.tag:
            groups.append(self._tag_chips())
        if counts.pending or query.pending:
            groups.append(
                [
                    Chip(
                        str(_("Pending change")),
                        counts.pending,
                        query.with_(pending=not query.pending),
                        query.pending,
                        icon="clock",
                    )
                ]
            )
        return groups

    def _tag_chips(self) -> list[Chip]:
        """The tags that most guests bear, and the chosen one."""
        query = self.query
        most = sorted(self.tags, key=lambda name: (-self.tags[name], name))[:MOST_TAG_CHIPS]
        names = sorted({*most, query.tag} - {""})
        return [
            Chip(
                name,
                self.tags.get(name, 0),
                query.with_(tag="" if query.tag == name else name),
                query.tag == name,
                icon="tag",
            )
            for name in names
        ]

    def columns(self) -> list[Column]:
        """The headings; a click turns the order of the chosen one."""
        key, descending = self.query.sort.removeprefix("-"), self.query.sort.startswith("-")
        return [
            Column(
                str(label),
                css,
                self.query.with_(sort=f"-{name}" if name == key and not descending else name),
                ("descending" if descending else "ascending") if name == key else "",
            )
            for name, label, css in COLUMNS
        ]

    def silent(self) -> list[SilentHost]:
        """The hosts that the banner tells about."""
        return [
            SilentHost(host, self.counts.by_host[pk])
            for pk, host in self.hosts.items()
            if pk in self.stale and self.counts.by_host.get(pk)
        ]

    def context(self, rows: list[GuestRow]) -> dict[str, Any]:
        """For templates/guests/guest_list.html."""
        shown = min(self.query.page, self.pages)
        return {
            "section": "guests",
            "list_url": reverse("guests:list"),
            "icons_url": icons_url(),
            "query": self.query,
            "rows": rows,
            "rows_text": place_rows(rows, "guests/includes/card.html") if self.query.cards else place_rows(rows),
            "table_url": self.query.with_(cards=False, page=shown),
            "cards_url": self.query.with_(cards=True, page=shown),
            "wall_url": self.query.with_(cards=False),
            "chips": self.chips(),
            "columns": self.columns(),
            "silent": self.silent(),
            "total": self.total,
            "visible_total": self.counts.total,
            "hosts_known": bool(self.hosts),
            "page_number": shown,
            "pages": self.pages,
            "previous_url": self.query.with_(page=shown - 1) if shown > 1 else "",
            "next_url": self.query.with_(page=shown + 1) if shown < self.pages else "",
        }


@require_safe
def guest_list(request: HttpRequest) -> HttpResponse:
    """The page; for htmx the part of it that search, chips, headings and pages change."""
    listing = GuestListing(request.user, ListQuery.from_parameters(request.GET))
    context = listing.context(listing.rows(list(listed(listing.page()))))
    context["key"] = new_key()
    part = request.headers.get("HX-Target") == "guest-list" and not request.headers.get("HX-History-Restore-Request")
    context["part"] = part
    return render(request, "guests/guest_list.html#listing" if part else "guests/guest_list.html", context)


@require_safe
def guest_rows(request: HttpRequest) -> HttpResponse:
    """The rows of the ids that changed (`?id=…&id=…`, at most a page of them), with chips and banners.

    A guest that no longer answers to the list's filters has no row in the answer; the page then asks for the list.
    """
    listing = GuestListing(request.user, ListQuery.from_parameters(request.GET))
    ids = []
    for text in request.GET.getlist("id")[:PAGE_SIZE]:
        try:
            ids.append(UUID(text))
        except ValueError:
            continue
    guests = list(listed(listing.matching().filter(pk__in=ids))) if ids else []
    return render(request, "guests/guest_list.html#changed", listing.context(listing.rows(guests)))
