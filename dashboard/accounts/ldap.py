"""Signing in with name and password of an LDAP directory (the extra `ldap`; docs/accounts.md).

In the project only where GUESTHOUSE_LDAP_URL names a directory.
"""

from __future__ import annotations

import logging
import socket
import ssl
from typing import Any
from urllib.parse import urlsplit

import ldap
from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django_auth_ldap.backend import LDAPBackend, ldap_error

from dashboard.accounts.adapter import say_why_refused
from dashboard.accounts.people.admitting import NotAdmitted, admit
from dashboard.accounts.recording import address_of

logger = logging.getLogger(__name__)
SOURCE = "LDAP"
UNREACHABLE_SECONDS = 5
UNREACHABLE = (ldap.SERVER_DOWN, ldap.CONNECT_ERROR, ldap.TIMEOUT, ldap.UNAVAILABLE, ldap.BUSY)


class DirectoryBackend(LDAPBackend):  # type: ignore[misc]
    """The directory checks the password; who is let in under the name is decided here, as for every other source."""

    def authenticate(self, request: HttpRequest | None, username: str | None = None, **credentials: Any) -> User | None:
        address = _first_that_answers(settings.LDAP_URL)
        if address is None:
            _could_not_ask(request)
            return None
        self.settings.SERVER_URI = address
        person: User | None = super().authenticate(request, username, **credentials)
        return person

    def ldap_to_django_username(self, username: str) -> str:
        """As the account spells it: a directory takes "Olga" for "olga", and one person there is one here."""
        spellings = list(User.objects.filter(username__iexact=username).values_list("username", flat=True))
        return username if username in spellings else next(iter(spellings), username)

    def get_or_build_user(self, username: str, ldap_user: Any) -> tuple[User, bool]:
        request = ldap_user._request
        try:
            return admit(username, source=SOURCE, address=address_of(request)), False
        except NotAdmitted as error:
            say_why_refused(request, str(error))
            raise ldap_user.AuthenticationFailed(str(error)) from error


def _first_that_answers(addresses: str) -> str | None:
    """One that speaks TLS, of those over TLS; the others as they are: libldap tries them in turn.

    In the handshake of ldaps libldap (2.5, with GnuTLS) heeds no timeout: a directory that hangs would keep a thread
    and a core busy for ever. What the server's certificate is worth is for libldap to say.
    """
    if not addresses.startswith("ldaps://"):
        return addresses
    liveness = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    liveness.check_hostname, liveness.verify_mode = False, ssl.CERT_NONE
    for address in addresses.split():
        place = urlsplit(address)
        host = place.hostname or "localhost"
        try:
            with (
                socket.create_connection((host, place.port or 636), UNREACHABLE_SECONDS) as connection,
                liveness.wrap_socket(connection, server_hostname=host),
            ):
                return address
        except OSError as error:
            logger.warning("The directory %s does not answer: %s", address, error)
    return None


def _failed(context: str, exception: Exception, request: HttpRequest | None = None, **_more: Any) -> None:
    if context == "search_for_user_dn" or isinstance(exception, UNREACHABLE):
        _could_not_ask(request)


def _could_not_ask(request: HttpRequest | None) -> None:
    """Whoever signs in is told that it is not their password; the log says more."""
    say_why_refused(
        request,
        _(
            "The directory that knows your password cannot be asked now. Accounts with a password of their own "
            "here can sign in. Try again later, or tell an administrator."
        ),
    )


ldap_error.connect(_failed)
