"""/find/?q=: a guest by name, id or UUID; straight to it where one answers."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from guests.access import visible_to
from guests.inventory.models import Guest
from guests.views.list_query import is_part_of_mac

MOST = 100


@require_safe
def find(request: HttpRequest) -> HttpResponse:
    """Exact matches first (id of a running guest, UUID, name), else names in part; an id that runs no more says so."""
    q = cleaned(request.GET.get("q", ""))
    matches = found_by(request.user, q)
    if len(matches) == 1 and matches[0].gone_at is None:
        return redirect(matches[0])
    context = {"section": "guests", "q": q, "matches": matches, "is_id": _is_id(q), "most": MOST}
    return render(request, "guests/find.html", context, status=200 if matches or not q else 404)


def cleaned(q: str) -> str:
    """What is looked for."""
    return q.replace("\0", "").strip()[:200]


def found_by(user: AbstractBaseUser | AnonymousUser, q: str) -> list[Guest]:
    """At most MOST guests with their hosts: exact matches where there are any, else names and MACs in part."""
    if not q:
        return []
    seen = visible_to(user).select_related("host").order_by("name", "id")
    if matches := list(seen.filter(_exact(q))[:MOST]):
        return matches
    part = Q(name__icontains=q)
    if is_part_of_mac(q.lower()):
        part |= Q(macs__icontains=q.lower())
    return list(seen.filter(part, gone_at=None)[:MOST])


def _is_id(q: str) -> bool:
    return q.isascii() and q.isdigit() and len(q) < 10


def _exact(q: str) -> Q:
    found = Q(name=q)
    if _is_id(q):
        found |= Q(domain_id=int(q), gone_at=None)
    try:
        uuid = UUID(q)
    except ValueError:
        return found
    # A UUID also finds guests that went away: their history is still there.
    return found | Q(uuid=uuid) | Q(pk=uuid)
