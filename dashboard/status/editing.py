"""Making status pages: for administrators of the whole site."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from dashboard.status.forms import ChosenGuests, StatusPageForm
from dashboard.status.models import StatusPage
from guests import audit
from guests.access import Action, may

View = Callable[..., HttpResponse]


def for_makers(view: View) -> View:
    """Refuse whoever may not make status pages, before anything is looked up."""

    @wraps(view)
    def guarded(request: HttpRequest, **kwargs: str) -> HttpResponse:
        if not may(request.user, Action.STATUS):
            raise PermissionDenied(_("Only administrators of the whole site make status pages."))
        return view(request, **kwargs)

    return guarded


@require_safe
@for_makers
def page_list(request: HttpRequest) -> HttpResponse:
    """All of them, with what can be done."""
    pages = StatusPage.objects.annotate(guest_count=Count("rows")).select_related("made_by")
    return render(request, "dashboard/status/list.html", {"section": "status", "pages": pages})


@for_makers
def new_page(request: HttpRequest) -> HttpResponse:
    """Make one."""
    return _edit(request, StatusPage(), "status.make")


@for_makers
def edit_page(request: HttpRequest, slug: str) -> HttpResponse:
    """Change one."""
    return _edit(request, get_object_or_404(StatusPage, slug=slug), "status.change")


@require_POST
@for_makers
def publish_page(request: HttpRequest, slug: str) -> HttpResponse:
    """Show it to everybody, or to nobody: `published` is 1 or 0."""
    page = get_object_or_404(StatusPage, slug=slug)
    page.published = request.POST.get("published") == "1"
    with transaction.atomic():
        page.save()
        _record(request, page, "status.change")
    text = _("%(title)s can be seen by everybody now.") if page.published else _("%(title)s is seen by nobody now.")
    messages.success(request, text % {"title": page.title})
    return redirect("status:list")


@require_POST
@for_makers
def delete_page(request: HttpRequest, slug: str) -> HttpResponse:
    """Remove it; the guests are untouched."""
    page = get_object_or_404(StatusPage, slug=slug)
    with transaction.atomic():
        _record(request, page, "status.delete")
        page.delete()
    messages.success(request, _("%(title)s was deleted.") % {"title": page.title})
    return redirect("status:list")


def _edit(request: HttpRequest, page: StatusPage, action: str) -> HttpResponse:
    """One form for making and changing. "Find" looks for guests and keeps what was typed; only "Save" stores."""
    title = page.title
    if request.method != "POST":
        return _form_page(
            request, StatusPageForm(instance=page), ChosenGuests.of(page) if page.pk else ChosenGuests([], []), title
        )
    form, chosen = StatusPageForm(request.POST, instance=page), ChosenGuests.typed(request.POST)
    if "save" not in request.POST:
        # Bound, so that what was typed stays; not validated, since nothing was sent off yet.
        return _form_page(request, StatusPageForm(initial=request.POST.dict(), instance=page), chosen, title)
    if not form.is_valid() or chosen.errors:
        return _form_page(request, form, chosen, title, status=422)
    with transaction.atomic():
        if page._state.adding:
            page.made_by_id = request.user.pk
        saved = form.save()
        chosen.store(saved)
        _record(request, saved, action)
    messages.success(request, _("%(title)s was saved.") % {"title": saved.title})
    return redirect("status:list")


def _form_page(
    request: HttpRequest, form: StatusPageForm, chosen: ChosenGuests, title: str, status: int = 200
) -> HttpResponse:
    words = request.POST.get("words", "").strip()[:120]
    context = {
        "section": "status",
        "form": form,
        "chosen": chosen,
        "words": words,
        "candidates": chosen.candidates(words),
        "title": title,
    }
    return render(request, "dashboard/status/form.html", context, status=status)


def _record(request: HttpRequest, page: StatusPage, action: str) -> None:
    """Without the address of the page: an unlisted one is a secret."""
    audit.record(
        action,
        by=request.user,
        address=request.META.get("REMOTE_ADDR", ""),
        page=page.pk,
        title=page.title,
        published=page.published,
        guests=[str(pk) for pk in page.rows.values_list("guest", flat=True)],
    )
