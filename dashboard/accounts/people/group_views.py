"""The pages about groups."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.models import Group
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from dashboard.accounts.people import group_acts
from dashboard.accounts.people.forms import GroupForm, MemberForm
from dashboard.accounts.people.views import RELATED, address_of, administrator, for_administrators
from guests.access import revoke
from guests.forms.grant_form import GrantToHolderForm
from guests.views.grant_row import grant_rows


@require_safe
@for_administrators
def group_list(request: HttpRequest) -> HttpResponse:
    """All groups, and the form for a new one."""
    return _list(request, GroupForm())


@require_POST
@for_administrators
def new_group(request: HttpRequest) -> HttpResponse:
    """Make one."""
    form = GroupForm(request.POST)
    if not form.is_valid():
        return _list(request, form, status=422)
    group = group_acts.make_group(form.cleaned_data["name"], by=administrator(request), address=address_of(request))
    return redirect("people:group", pk=group.pk)


@for_administrators
def group(request: HttpRequest, pk: int) -> HttpResponse:
    """One group: GET shows members and roles, POST renames."""
    shown = get_object_or_404(Group, pk=pk)
    if request.method != "POST":
        return _page(request, shown)
    form = GroupForm(request.POST, instance=get_object_or_404(Group, pk=pk))
    if not form.is_valid():
        return _page(request, shown, status=422, form=form)
    group_acts.rename_group(shown, form.cleaned_data["name"], by=administrator(request), address=address_of(request))
    messages.success(request, _("%(name)s was saved.") % {"name": shown.name})
    return redirect("people:group", pk=pk)


@require_POST
@for_administrators
def add_member(request: HttpRequest, pk: int) -> HttpResponse:
    """Put somebody into it."""
    shown = get_object_or_404(Group, pk=pk)
    form = MemberForm(request.POST)
    if not form.is_valid() or form.person is None:
        return _page(request, shown, status=422, member_form=form)
    group_acts.add_member(shown, form.person, by=administrator(request), address=address_of(request))
    return redirect("people:group", pk=pk)


@require_POST
@for_administrators
def remove_member(request: HttpRequest, pk: int, member_pk: int) -> HttpResponse:
    """Take somebody out."""
    shown = get_object_or_404(Group, pk=pk)
    member = get_object_or_404(shown.user_set, pk=member_pk)
    group_acts.remove_member(shown, member, by=administrator(request), address=address_of(request))
    return redirect("people:group", pk=pk)


@require_POST
@for_administrators
def delete_group(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete it with its roles."""
    shown = get_object_or_404(Group, pk=pk)
    group_acts.delete_group(shown, by=administrator(request), address=address_of(request))
    messages.success(request, _("%(name)s was deleted.") % {"name": shown.name})
    return redirect("people:groups")


@require_POST
@for_administrators
def give_group_role(request: HttpRequest, pk: int) -> HttpResponse:
    """Give the group a role."""
    shown = get_object_or_404(Group, pk=pk)
    form = GrantToHolderForm(request.POST, holder=shown, by=administrator(request))
    if not form.is_valid():
        return _page(request, shown, status=422, grant_form=form)
    found = form.submit(address=address_of(request))
    messages.success(
        request, _("%(name)s is %(what)s now.") % {"name": shown.name, "what": found.get_role_display().lower()}
    )
    return redirect("people:group", pk=pk)


@require_POST
@for_administrators
def take_group_role(request: HttpRequest, pk: int, grant_pk: int) -> HttpResponse:
    """Take one of its roles away."""
    shown = get_object_or_404(Group, pk=pk)
    found = get_object_or_404(shown.grants.select_related(*RELATED), pk=grant_pk)
    revoke(found, by=administrator(request), address=address_of(request))
    messages.success(request, _("The role was taken away from %(name)s.") % {"name": shown.name})
    return redirect("people:group", pk=pk)


def _list(request: HttpRequest, form: GroupForm, *, status: int = 200) -> HttpResponse:
    groups = Group.objects.order_by("name").annotate(
        member_count=Count("user", distinct=True), role_count=Count("grants", distinct=True)
    )
    context = {"section": "people", "groups": groups, "form": form}
    return render(request, "accounts/people/group_list.html", context, status=status)


def _page(request: HttpRequest, shown: Group, *, status: int = 200, **forms: Any) -> HttpResponse:
    by = administrator(request)
    context = {
        "section": "people",
        "shown": shown,
        "members": shown.user_set.order_by("username"),
        "form": GroupForm(instance=Group.objects.get(pk=shown.pk)),
        "member_form": MemberForm(),
        "grant_form": GrantToHolderForm(holder=shown, by=by),
        "rows": grant_rows(
            shown.grants.select_related(*RELATED),
            by=by,
            url=lambda grant: reverse("people:take-group-role", kwargs={"pk": shown.pk, "grant_pk": grant.pk}),
        ),
        **forms,
    }
    return render(request, "accounts/people/group.html", context, status=status)
