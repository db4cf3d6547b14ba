"""The pages about API tokens."""

from __future__ import annotations

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.contrib.auth.models import AbstractBaseUser
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from dashboard.accounts.recording import address_of
from dashboard.accounts.tokens.forms import TokenForm
from guests.access import Action, may
from guests.access.tokens import APIToken, revoke_token

PAGE_SIZE = 100


def _person(request: HttpRequest) -> AbstractBaseUser:
    assert isinstance(request.user, AbstractBaseUser)
    return request.user


@require_safe
def token_list(request: HttpRequest) -> HttpResponse:
    """One's own tokens; with `?of=everybody`, for administrators of people, all of them."""
    sees_all = may(request.user, Action.PEOPLE)
    shows_all = sees_all and request.GET.get("of") == "everybody"
    tokens = APIToken.objects.filter(revoked_at=None).select_related("user").prefetch_related("guests", "hosts")
    if not shows_all:
        tokens = tokens.filter(user=_person(request).pk)
    page = Paginator(tokens, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {"page": page, "sees_all": sees_all, "shows_all": shows_all, "now": timezone.now()}
    return render(request, "accounts/tokens/token_list.html", context)


@reauthentication_required  # type: ignore[untyped-decorator]
def new_token(request: HttpRequest) -> HttpResponse:
    """Make one. Its secret stands in the answer, once: a token outlives the session, so the person proves again
    who they are.
    """
    form = TokenForm(request.POST or None, owner=_person(request))
    if request.method != "POST" or not form.is_valid():
        status = 422 if request.method == "POST" else 200
        return render(request, "accounts/tokens/token_new.html", {"form": form}, status=status)
    token, secret = form.make(address=address_of(request))
    base = f"{request.scheme}://{request.get_host()}"
    return render(request, "accounts/tokens/token_once.html", {"token": token, "secret": secret, "base": base})


@require_POST
def revoke(request: HttpRequest, token_id: int) -> HttpResponse:
    """End one's own token, or as an administrator of people anybody's."""
    by = _person(request)
    token = APIToken.objects.select_related("user").filter(pk=token_id, revoked_at=None).first()
    if token is None or (token.user.pk != by.pk and not may(by, Action.PEOPLE)):
        raise Http404(_("No such token."))
    revoke_token(token, by=by, address=address_of(request))
    messages.success(request, _("The token %(name)s was revoked.") % {"name": token.name})
    others = "?of=everybody" if token.user.pk != by.pk else ""
    response = redirect("tokens:list")
    response["Location"] += others
    return response
