"""Signing in with OpenID Connect: django-allauth's flow, and who is let in by it (docs/accounts.md).

In the project only where GUESTHOUSE_OIDC_URL names a provider; its URLs and apps are absent otherwise.
"""

from __future__ import annotations

from typing import Any, NoReturn

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.openid_connect.views import callback, login
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from requests import RequestException

from dashboard.accounts.people.admitting import NotAdmitted, admit
from dashboard.accounts.recording import address_of
from guests import audit

PROVIDER = "sso"
SOURCE = "single sign-on"


class SingleSignOnAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Whom the provider names is the person linked to that subject, or is admitted by name once and linked then."""

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        if sociallogin.is_existing:
            return
        named = sociallogin.user
        try:
            person = admit(
                named.username,
                source=SOURCE,
                address=address_of(request),
                first_name=named.first_name[:150],
                last_name=named.last_name[:150],
                email=named.email[:254],
            )
        except NotAdmitted as error:
            _refuse(request, str(error))
        if SocialAccount.objects.filter(user=person).exists():
            _refuse(request, _("%(name)s belongs to somebody else there.") % {"name": person.username})
        sociallogin.email_addresses = []  # nothing is mailed, so none has to be confirmed
        sociallogin.connect(request, person)

    def on_authentication_error(self, request: HttpRequest, provider: Any, **_more: Any) -> None:
        audit.record("account.sign_in", by_name=SOURCE, outcome="failed", address=address_of(request))
        _refuse(request, _("It did not work there, or was cancelled. Try again."))


@require_POST
@login_not_required
def start(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Send the browser to the provider: by a page that leads on, since a form may not (form-action 'self')."""
    wanted = QueryDict(mutable=True)
    if target := request.POST.get("next"):
        wanted["next"] = target
    request.GET = wanted  # type: ignore[assignment]  # signing in is all that can be asked
    try:
        answer: HttpResponse = login(request, _known(provider_id))
    except RequestException:
        return _refused(request, _("%(name)s does not answer. Try again later.") % {"name": settings.OIDC_NAME}, 503)
    if answer.status_code != 302:
        return answer
    context = {"url": answer["Location"], "provider": settings.OIDC_NAME}
    return render(request, "account/to_single_sign_on.html", context)


@require_safe
@login_not_required
def come_back(request: HttpRequest, provider_id: str) -> HttpResponse:
    """The provider sends the browser here with a code."""
    try:
        answer: HttpResponse = callback(request, _known(provider_id))
    except RequestException:
        return _refused(request, _("%(name)s does not answer. Try again later.") % {"name": settings.OIDC_NAME}, 503)
    return answer


def _known(provider_id: str) -> str:
    if provider_id != PROVIDER:
        raise Http404(_("There is no such provider."))
    return provider_id


def _refuse(request: HttpRequest, sentence: str) -> NoReturn:
    raise ImmediateHttpResponse(_refused(request, sentence, 403))


def _refused(request: HttpRequest, sentence: str, status: int) -> HttpResponse:
    return render(request, "account/single_sign_on_refused.html", {"sentence": sentence}, status=status)
