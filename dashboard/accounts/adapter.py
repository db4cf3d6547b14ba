"""How django-allauth is bent to this product: nobody signs up, nothing is mailed, nobody can lock another out."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.core.exceptions import ValidationError
from django.http import HttpRequest

WAIT_SECONDS = 300  # the longest of ACCOUNT_RATE_LIMITS["login_failed"]


class ClosedAccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Accounts are made by administrators."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """No mail server is configured, and no page promises a mail."""

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Refuse while throttled, right password or not, and tell the view how long."""
        try:
            super().pre_authenticate(request, **credentials)
        except ValidationError:
            request.sign_in_waits_seconds = WAIT_SECONDS  # type: ignore[attr-defined]
            raise

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """With the reason, where whoever checked the password gave one."""
        if reason := getattr(request, "sign_in_refused_because", ""):
            raise ValidationError(reason)

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """Failures are counted per name *and* address: guessing elsewhere never locks out whoever holds the name."""
        key: str = super()._get_login_attempts_cache_key(request, **credentials)
        return f"{key}:{self.get_client_ip(request)}"


def say_why_refused(request: HttpRequest | None, reason: str) -> None:
    """What the page of a sign-in says instead of "wrong"."""
    if request is not None:
        request.sign_in_refused_because = reason  # type: ignore[attr-defined]
