"""Status pages as everybody sees them: no account, no script, and no way to tell a private page from none."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from dashboard.status.models import StatusPage
from dashboard.status.shown import as_json, shown_page
from dashboard.status.summary import summary_of
from guests.access import Action, may

RENEWED_SECONDS = 10  # how often the page asks again, and how long an answer may be kept by caches


@require_safe
@login_not_required
def page(request: HttpRequest, slug: str) -> HttpResponse:
    """The page as HTML."""
    found, preview = _find(request, slug)
    if found is None:
        return _kept(_absent_page(), shared=False)
    shown = shown_page(found)
    context = {"page": shown, "summary": summary_of(shown), "preview": preview, "renewed_seconds": RENEWED_SECONDS}
    return _kept(_html("page", context), shared=not preview)


@require_safe
@login_not_required
def page_json(request: HttpRequest, slug: str) -> HttpResponse:
    """The page as JSON."""
    found, preview = _find(request, slug)
    if found is None:
        return _kept(JsonResponse({"error": "There is no such page."}, status=404), shared=False)
    return _kept(JsonResponse(as_json(shown_page(found))), shared=not preview)


def _find(request: HttpRequest, slug: str) -> tuple[StatusPage | None, bool]:
    """The page, and whether it is only a preview for who may publish it.

    What is asked of the database does not depend on whether an unpublished page of that name exists.
    """
    found = StatusPage.objects.filter(slug=slug).first()
    if found is not None and found.published:
        return found, False
    may_preview = may(request.user, Action.STATUS)
    return (found, True) if found is not None and may_preview else (None, False)


def _html(name: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
    """Rendered without the request: nothing about who asks can get into the page."""
    return HttpResponse(render_to_string(f"dashboard/status/{name}.html", context), status=status)


def _absent_page() -> HttpResponse:
    return _html("absent", {}, status=404)


def _kept(response: HttpResponse, *, shared: bool) -> HttpResponse:
    """Caches may keep a page as long as it stands; a preview, and that there is no page, is kept by nobody."""
    response["Cache-Control"] = f"public, max-age={RENEWED_SECONDS}" if shared else "no-store"
    patch_vary_headers(response, ["Accept-Language", "Cookie"])  # the language may come from either
    return response
