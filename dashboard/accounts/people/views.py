"""The pages about people."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count, Exists, OuterRef, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from dashboard.accounts.people import acts
from dashboard.accounts.people.forms import PasswordForm, PersonForm
from guests.access import Action, may, revoke
from guests.forms.grant_form import GrantToHolderForm
from guests.views.grant_row import grant_rows

PAGE_SIZE = 100
RELATED = ("user", "group", "host", "tag", "guest", "granted_by")
View = Callable[..., HttpResponse]


def for_administrators(view: View) -> View:
    """Refuse whoever may not manage people, before anything is looked up."""

    @wraps(view)
    def guarded(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if not may(request.user, Action.PEOPLE):
            raise PermissionDenied(_("Only administrators of the whole site manage people and groups."))
        return view(request, **kwargs)

    return guarded


def administrator(request: HttpRequest) -> User:
    """Who asks."""
    assert isinstance(request.user, User)
    return request.user


def address_of(request: HttpRequest) -> str:
    """Where from."""
    return str(request.META.get("REMOTE_ADDR", ""))


@require_safe
@for_administrators
def person_list(request: HttpRequest) -> HttpResponse:
    """All people, or those whose name holds the words."""
    words = request.GET.get("q", "").replace("\0", "").strip()[:150]
    people = User.objects.order_by("username").prefetch_related("groups")
    if words:
        found = Q(username__icontains=words) | Q(first_name__icontains=words) | Q(last_name__icontains=words)
        people = people.filter(found | Q(email__icontains=words))
    people = people.annotate(
        role_count=Count("grants", distinct=True),
        has_second_factor=Exists(Authenticator.objects.filter(user=OuterRef("pk"))),
        is_signed_in=Exists(UserSession.objects.filter(user=OuterRef("pk"))),
    )
    page = Paginator(people, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {"section": "people", "page": page, "words": words}
    return render(request, "accounts/people/person_list.html", context)


@for_administrators
def new_person(request: HttpRequest) -> HttpResponse:
    """Make somebody; a random password stands in the answer, once."""
    by = administrator(request)
    form = PersonForm(request.POST or None, by=by, initial={"is_active": True})
    password_form = PasswordForm(request.POST or None, person=form.instance)
    if request.method != "POST" or not all([form.is_valid(), password_form.is_valid()]):
        context = {"section": "people", "form": form, "password_form": password_form}
        status = 422 if request.method == "POST" else 200
        return render(request, "accounts/people/person_new.html", context, status=status)
    password = password_form.chosen
    person = acts.make_person(form.instance, password, by=by, groups=form.chosen_groups, address=address_of(request))
    messages.success(request, _("%(name)s was made.") % {"name": person.username})
    return _after_password(request, person, password, password_form)


@for_administrators
def person(request: HttpRequest, pk: int) -> HttpResponse:
    """One person: GET shows everything, POST changes name, state and groups."""
    shown, by = get_object_or_404(User, pk=pk), administrator(request)
    if request.method != "POST":
        return _page(request, shown)
    form = PersonForm(request.POST, by=by, instance=get_object_or_404(User, pk=pk))
    if not form.is_valid():
        return _page(request, shown, status=422, form=form)
    acts.change_person(form.instance, by=by, groups=form.chosen_groups, address=address_of(request))
    messages.success(request, _("%(name)s was saved.") % {"name": form.instance.username})
    return redirect("people:person", pk=pk)


@require_POST
@for_administrators
def set_password(request: HttpRequest, pk: int) -> HttpResponse:
    """Set a password, typed or random; the person is signed out everywhere."""
    shown = get_object_or_404(User, pk=pk)
    form = PasswordForm(request.POST, person=shown)
    if not form.is_valid():
        return _page(request, shown, status=422, password_form=form)
    password = form.chosen
    acts.set_password(shown, password, by=administrator(request), address=address_of(request))
    messages.success(
        request, _("%(name)s has a new password and was signed out everywhere.") % {"name": shown.username}
    )
    return _after_password(request, shown, password, form)


@require_POST
@for_administrators
def reset_second_factors(request: HttpRequest, pk: int) -> HttpResponse:
    """Take away TOTP, passkeys and recovery codes."""
    shown = get_object_or_404(User, pk=pk)
    acts.reset_second_factors(shown, by=administrator(request), address=address_of(request))
    messages.success(request, _("%(name)s signs in with the password alone now.") % {"name": shown.username})
    return redirect("people:person", pk=pk)


@require_POST
@for_administrators
def end_sessions(request: HttpRequest, pk: int) -> HttpResponse:
    """Sign the person out everywhere."""
    shown = get_object_or_404(User, pk=pk)
    ended = acts.end_sessions_of(shown, by=administrator(request), address=address_of(request))
    text = ngettext("%(count)d session of %(name)s was ended.", "%(count)d sessions of %(name)s were ended.", ended)
    messages.success(request, text % {"count": ended, "name": shown.username})
    return redirect("people:person", pk=pk)


@require_POST
@for_administrators
def delete_person(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete the account."""
    shown = get_object_or_404(User, pk=pk)
    acts.delete_person(shown, by=administrator(request), address=address_of(request))
    messages.success(request, _("%(name)s was deleted.") % {"name": shown.username})
    return redirect("people:list")


@require_POST
@for_administrators
def give_role(request: HttpRequest, pk: int) -> HttpResponse:
    """Give the person a role."""
    shown = get_object_or_404(User, pk=pk)
    form = GrantToHolderForm(request.POST, holder=shown, by=administrator(request))
    if not form.is_valid():
        return _page(request, shown, status=422, grant_form=form)
    found = form.submit(address=address_of(request))
    messages.success(
        request, _("%(name)s is %(what)s now.") % {"name": shown.username, "what": found.get_role_display().lower()}
    )
    return redirect("people:person", pk=pk)


@require_POST
@for_administrators
def take_role(request: HttpRequest, pk: int, grant_pk: int) -> HttpResponse:
    """Take one of the person's own roles away."""
    shown = get_object_or_404(User, pk=pk)
    found = get_object_or_404(shown.grants.select_related(*RELATED), pk=grant_pk)
    revoke(found, by=administrator(request), address=address_of(request))
    messages.success(request, _("The role was taken away from %(name)s.") % {"name": shown.username})
    return redirect("people:person", pk=pk)


def _page(request: HttpRequest, shown: User, *, status: int = 200, **forms: Any) -> HttpResponse:
    by = administrator(request)
    groups = list(shown.groups.order_by("name").prefetch_related(*(f"grants__{name}" for name in RELATED)))
    through = [(group, grant_rows(group.grants.all(), by=by, url=lambda grant: "")) for group in groups]
    context = {
        "section": "people",
        "shown": shown,
        "is_self": shown.pk == by.pk,
        "may_change": by.is_superuser or not shown.is_superuser,
        "form": PersonForm(instance=User.objects.get(pk=shown.pk), by=by),
        "password_form": PasswordForm(person=shown),
        "grant_form": GrantToHolderForm(holder=shown, by=by),
        "rows": grant_rows(
            shown.grants.select_related(*RELATED),
            by=by,
            url=lambda grant: reverse("people:take-role", kwargs={"pk": shown.pk, "grant_pk": grant.pk}),
        ),
        "through": through,
        "factors": Authenticator.objects.filter(user=shown).order_by("created_at"),
        "sessions": acts.sessions_of(shown),
        **forms,
    }
    return render(request, "accounts/people/person.html", context, status=status)


def _after_password(request: HttpRequest, person: User, password: str | None, form: PasswordForm) -> HttpResponse:
    """A password that was made here stands in this answer and nowhere else: in no message and no session."""
    if not form.is_to_be_shown:
        return redirect("people:person", pk=person.pk)
    context = {"section": "people", "shown": person, "password": password}
    return render(request, "accounts/people/password_once.html", context)
