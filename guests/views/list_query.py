"""What the address of the guest list asks for: search, filters, order and page; and the guests that answer to it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Case, CharField, Count, Exists, F, OuterRef, Q, QuerySet, TextField, Value, When
from django.db.models.expressions import OrderBy
from django.db.models.functions import Cast, Lower, Replace
from django.http import QueryDict

from guests.inventory.models import Guest
from guests.resources import GuestState

PAGE_SIZE = 100
ACTIVE = [state.value for state in GuestState if state.is_active]
SORTS = {
    "state": "shown_state",
    "name": None,
    "id": "domain_id",
    "host": "host__name",
    "memory": "current_kib",
    "vcpus": "vcpus_current",
    "cpu": "cpu_percent",
    "disk": "disk_rate",
    "network": "network_rate",
    "since": "state_since",
}
_RATES = {
    "disk_rate": F("disk_read_rate") + F("disk_written_rate"),
    "network_rate": F("received_rate") + F("sent_rate"),
}
_MAC = re.compile(r"[0-9a-f:]{3,17}")
_HEX = re.compile(r"[0-9a-f-]{4,36}")


def _differs(live: str, next_boot: str) -> Q:
    """True where both are known and not the same."""
    return Q(**{f"{next_boot}__gt": F(live)}) | Q(**{f"{next_boot}__lt": F(live)})


BEARS = Guest.tags.through.objects.all()  # a row for each tag on a guest
PENDING = Q(state__in=ACTIVE) & (
    _differs("current_kib", "next_boot_current_kib")
    | _differs("maximum_kib", "next_boot_maximum_kib")
    | _differs("vcpus_current", "next_boot_vcpus_current")
    | _differs("vcpus_maximum", "next_boot_vcpus_maximum")
)


@dataclass(frozen=True, slots=True)
class ListQuery:
    """The list's parameters, cleaned: what makes no sense is left out, never an error."""

    q: str = ""
    state: str = ""
    host: str = ""
    tag: str = ""
    pending: bool = False
    sort: str = "name"
    page: int = 1
    cards: bool = False  # instead of a table

    @classmethod
    def from_parameters(cls, parameters: QueryDict) -> ListQuery:
        state, sort, page = parameters.get("state", ""), parameters.get("sort", ""), parameters.get("page", "")
        return cls(
            q=parameters.get("q", "").replace("\0", "").strip()[:200],
            state=state if state in set(GuestState) else "",
            host=parameters.get("host", "").replace("\0", "")[:63],
            tag=parameters.get("tag", "").replace("\0", "")[:40],
            pending=parameters.get("pending") == "1",
            sort=sort if sort.removeprefix("-") in SORTS else "name",
            page=int(page) if page.isascii() and page.isdigit() and 0 < len(page) < 7 else 1,
            cards=parameters.get("view") == "cards",
        )

    def with_(self, **changes: object) -> str:
        """The query string ("?…", never empty) of this list with something changed; the page starts anew."""
        changed = replace(self, **{"page": 1, **changes})  # type: ignore[arg-type]
        parts = {
            "q": changed.q,
            "state": changed.state,
            "host": changed.host,
            "tag": changed.tag,
            "pending": "1" if changed.pending else "",
            "sort": "" if changed.sort == "name" else changed.sort,
            "page": "" if changed.page <= 1 else str(changed.page),
            "view": "cards" if changed.cards else "",
        }
        return "?" + urlencode({name: value for name, value in parts.items() if value})

    @property
    def here(self) -> str:
        """The query string of this very page."""
        return self.with_(page=self.page)

    @property
    def is_filtered(self) -> bool:
        return bool(self.q) or self.is_chosen

    @property
    def is_chosen(self) -> bool:
        """Whether a chip other than "All" is."""
        return bool(self.state or self.host or self.tag or self.pending)

    def searched(self, guests: QuerySet[Guest]) -> QuerySet[Guest]:
        """Those that answer to the search: name or MAC in part, id, libvirt's UUID or ours in part."""
        if not self.q:
            return guests
        text = self.q.lower()
        found = Q(name__icontains=self.q)
        if is_part_of_mac(text):
            found |= Q(macs__icontains=text)
        if text.isascii() and text.isdigit() and len(text) < 10:
            found |= Q(domain_id=int(text))
        if _HEX.fullmatch(text):
            bare = text.replace("-", "")
            guests = guests.alias(
                uuid_text=Replace(Cast("uuid", TextField()), Value("-"), Value(""), output_field=TextField()),
                id_text=Replace(Cast("id", TextField()), Value("-"), Value(""), output_field=TextField()),
            )
            found |= Q(uuid_text__icontains=bare) | Q(id_text__icontains=bare)
        return guests.filter(found)

    def filtered(self, guests: QuerySet[Guest]) -> QuerySet[Guest]:
        """Those that the chips leave; needs `shown_state` (`with_shown_state`)."""
        if self.state:
            guests = guests.filter(Q(("shown_state", self.state)))
        if self.host:
            guests = guests.filter(host__name=self.host)
        if self.tag:
            guests = guests.filter(Exists(BEARS.filter(guest=OuterRef("pk"), tag__name=self.tag)))
        if self.pending:
            guests = guests.filter(PENDING)
        return guests

    def ordered(self, guests: QuerySet[Guest]) -> QuerySet[Guest]:
        """In the order asked for; what is not known comes last either way, names decide between equals."""
        key, descending = self.sort.removeprefix("-"), self.sort.startswith("-")
        name = Lower("name")
        column = SORTS[key]
        if column is None:
            return guests.order_by(name.desc() if descending else name.asc(), "id")
        if column in _RATES:
            guests = guests.alias(**{column: _RATES[column]})
        first = OrderBy(F(column), descending=descending, nulls_last=True)
        return guests.order_by(first, name, "id")


def is_part_of_mac(text: str) -> bool:
    """Whether lower-case text is to be looked for in MAC addresses; a short number is an id."""
    return bool(_MAC.fullmatch(text)) and ":" in text


def with_shown_state(guests: QuerySet[Guest], stale_hosts: Iterable[UUID]) -> QuerySet[Guest]:
    """Adds the state that pages show: unknown where the host does not answer."""
    return guests.annotate(
        shown_state=Case(
            When(host_id__in=list(stale_hosts), then=Value(GuestState.UNKNOWN.value)),
            default=F("state"),
            output_field=CharField(),
        )
    )


@dataclass(frozen=True, slots=True)
class Counts:
    """How many guests each chip leads to."""

    total: int
    by_state: dict[str, int]
    by_host: dict[UUID, int]
    pending: int


def count(guests: QuerySet[Guest]) -> Counts:
    """All chips' numbers in one query."""
    total = pending = 0
    by_state: dict[str, int] = {}
    by_host: dict[UUID, int] = {}
    groups = (
        guests.order_by()
        .annotate(is_pending=Case(When(PENDING, then=Value(1)), default=Value(0)))
        .values_list("shown_state", "host_id", "is_pending")
        .annotate(Count("pk"))
    )
    for state, host, is_pending, number in groups:
        total += number
        by_state[state] = by_state.get(state, 0) + number
        by_host[host] = by_host.get(host, 0) + number
        pending += number * is_pending
    return Counts(total, by_state, by_host, pending)


def count_tags(guests: QuerySet[Guest]) -> dict[str, int]:
    """How many of these guests bear each tag."""
    borne = BEARS.filter(guest__in=guests.order_by().values("pk")).values_list("tag__name")
    return dict(borne.annotate(Count("pk")).order_by("tag__name"))


def tags_of(ids: Iterable[UUID]) -> dict[UUID, list[str]]:
    """The tags of each of these guests that has some."""
    found: dict[UUID, list[str]] = {}
    for guest_id, name in BEARS.filter(guest__in=ids).order_by("tag__name").values_list("guest", "tag__name"):
        found.setdefault(guest_id, []).append(name)
    return found
