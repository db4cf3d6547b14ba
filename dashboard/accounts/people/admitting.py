"""Who comes from another place that vouches for them (OpenID Connect, LDAP): a known person, a new one, or nobody.

A name is not enough to become somebody: an account with a password here is never handed to whoever bears its name
elsewhere. One without a password is: it was made to be signed into from there.
"""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from guests.audit import record


class NotAdmitted(Exception):
    """The sentence says why."""


def refusal_of(person: User) -> str:
    """Why the account that has the name is not whoever comes with it, or ""."""
    if person.has_usable_password():
        return _("%(name)s has a password of its own here: sign in with that.") % {"name": person.username}
    return ""


def admit(name: str, *, source: str, address: str = "", **values: str) -> User:
    """The person of this name, made where there is none. Raises NotAdmitted (recorded)."""
    person = User.objects.filter(username=name).first() if name else None
    try:
        if person is None:
            return _make(name, source, address, values)
        if refusal := refusal_of(person):
            raise NotAdmitted(refusal)
    except NotAdmitted as error:
        record("account.sign_in", by_name=name[:150], outcome="denied", address=address, source=source, why=str(error))
        raise
    return person


def _make(name: str, source: str, address: str, values: dict[str, str]) -> User:
    if not settings.SINGLE_SIGN_ON_MAKES_PEOPLE:
        raise NotAdmitted(_("There is no account of this name: ask an administrator of this Guesthouse for one."))
    person = User(username=name, **values)
    person.set_unusable_password()
    try:
        person.full_clean()
    except ValidationError as error:
        raise NotAdmitted(_("This name cannot be an account's: ask an administrator of this Guesthouse.")) from error
    with transaction.atomic():
        person.save()
        record("people.make", by_name=source, address=address, person=name, person_id=person.pk)
    return person
