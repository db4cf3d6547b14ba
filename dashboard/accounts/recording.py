"""Every sign-in, failure and sign-out goes into the audit record, with the address it came from.

The receivers run inside the sign-in: when the line cannot be written they raise, the answer is an error, and the
session is not saved. Names that failed are cut and stored as typed; passwords never reach a signal (Django stars them).
"""

from __future__ import annotations

from typing import Any

from allauth.account.signals import password_changed, password_set
from allauth.mfa.signals import (
    authentication_failed,
    authenticator_added,
    authenticator_removed,
    authenticator_reset,
)
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import Signal
from django.http import HttpRequest

from guests import audit

NAME_LENGTH = 150


def connect() -> None:
    """Listen."""
    receivers: list[tuple[Signal, Any]] = [
        (user_logged_in, _signed_in),
        (user_logged_out, _signed_out),
        (user_login_failed, _failed),
        (password_changed, _password_changed),
        (password_set, _password_changed),
        (authenticator_added, _second_factor_changed),
        (authenticator_removed, _second_factor_changed),
        (authenticator_reset, _second_factor_changed),
        (authentication_failed, _second_step_failed),
    ]
    for signal, receiver in receivers:
        signal.connect(receiver, dispatch_uid=f"audit-{receiver.__name__}-{id(signal)}")


def address_of(request: HttpRequest | None) -> str:
    """Where a request came from, "" where there is none (a command)."""
    return str(request.META.get("REMOTE_ADDR", ""))[:45] if request is not None else ""


def _signed_in(request: HttpRequest | None = None, user: AbstractBaseUser | None = None, **_kwargs: Any) -> None:
    audit.record("account.sign_in", by=user, address=address_of(request))


def _signed_out(request: HttpRequest | None = None, user: AbstractBaseUser | None = None, **_kwargs: Any) -> None:
    if user is not None:
        audit.record("account.sign_out", by=user, address=address_of(request))


def _failed(credentials: dict[str, Any], request: HttpRequest | None = None, **_kwargs: Any) -> None:
    name = str(credentials.get("username", ""))[:NAME_LENGTH]
    audit.record("account.sign_in", by_name=name, outcome="failed", address=address_of(request))


def _password_changed(request: HttpRequest, user: AbstractBaseUser, **_kwargs: Any) -> None:
    audit.record("account.password", by=user, address=address_of(request))


def _second_factor_changed(request: HttpRequest, user: AbstractBaseUser, authenticator: Any, **_kwargs: Any) -> None:
    audit.record("account.second_factor", by=user, address=address_of(request), kind=str(authenticator.type))


def _second_step_failed(request: HttpRequest, user: AbstractBaseUser, authenticator: Any, **_kwargs: Any) -> None:
    kind = str(authenticator.type)
    audit.record("account.second_step", by=user, outcome="failed", address=address_of(request), kind=kind)
