"""Signing in with name and password of an LDAP directory (the extra `ldap`; docs/accounts.md).

In the project only where GUESTHOUSE_LDAP_URL names a directory.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django_auth_ldap.backend import LDAPBackend

from dashboard.accounts.people.admitting import NotAdmitted, admit

SOURCE = "LDAP"


class DirectoryBackend(LDAPBackend):  # type: ignore[misc]
    """The directory checks the password; who is let in under the name is decided here, as for every other source."""

    def get_or_build_user(self, username: str, ldap_user: Any) -> tuple[User, bool]:
        try:
            return admit(username, source=SOURCE), False
        except NotAdmitted as error:
            raise ldap_user.AuthenticationFailed(str(error)) from error
