"""API tokens: passes with which a person's programs come, never stronger than the person.

A token is a prefix and 256 random bits; only its SHA-256 is stored, so it can be shown once. Whoever came with one is a
person with `came_with` set (`bearer`): every answer of this room is then the person's, within the token.
"""

from __future__ import annotations

import copy
import hashlib
import secrets
from collections.abc import Collection
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from guests.access.models import Role
from guests.audit import record
from guests.inventory.models import Guest, Host

if TYPE_CHECKING:
    from datetime import datetime

PREFIX = "guesthouse_"  # what scanners for leaked secrets look for
SHOWN_LENGTH = len(PREFIX) + 4  # of 43: enough to tell two tokens apart
MOST_DAYS = 365
USE_NOTED = timedelta(minutes=1)  # a request that only reads must not wait for the write lock


class Ability(models.TextChoices):
    """What a token may be used for, at most."""

    READ = "read", _("Read only")
    OPERATE = "operate", _("Read and operate")


ROLES_OF = {Ability.READ: {Role.WATCHER}, Ability.OPERATE: {Role.WATCHER, Role.OPERATOR}}


class APIToken(models.Model):
    """One token. Rows stay when a token ends: operations and the record name it."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=60)
    token_hash = models.CharField(max_length=64, unique=True)
    beginning = models.CharField(max_length=SHOWN_LENGTH)
    ability = models.CharField(max_length=7, choices=Ability)
    # Whether it is for the chosen guests and hosts only: without this a host that goes away would open all the others.
    is_limited = models.BooleanField(default=False)
    guests = models.ManyToManyField(Guest, blank=True, related_name="+")
    hosts = models.ManyToManyField(Host, blank=True, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    used_at = models.DateTimeField(null=True)
    used_from = models.CharField(max_length=45, default="", blank=True)

    class Meta:
        ordering = ["-made_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "name"], condition=Q(revoked_at=None), name="one_token_of_a_name_not_revoked"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.beginning}…)"

    @property
    def is_valid(self) -> bool:
        """Whether it opens anything: neither revoked nor expired. Its owner must be active, too."""
        return self.revoked_at is None and self.expires_at > timezone.now()

    def gives(self, role: Role) -> bool:
        """Whether it reaches as far as a role."""
        return self.is_valid and role in ROLES_OF[Ability(self.ability)]

    def guests_within(self, guests: QuerySet[Guest]) -> QuerySet[Guest]:
        """Those that the token is for."""
        if not self.is_limited:
            return guests
        return guests.filter(Q(pk__in=self.guests.values("pk")) | Q(host__in=self.hosts.values("pk")))

    def hosts_within(self, hosts: QuerySet[Host]) -> QuerySet[Host]:
        """Those that the token is for, whole or with one of their guests."""
        if not self.is_limited:
            return hosts
        return hosts.filter(Q(pk__in=self.hosts.values("pk")) | Q(pk__in=self.guests.values("host")))

    def covers(self, what: Guest | Host | None) -> bool:
        """Whether it is for a guest, a whole host, or (None) the whole site."""
        if not self.is_limited:
            return True
        if isinstance(what, Guest):
            return self.guests_within(Guest.objects.filter(pk=what.pk)).exists()
        return what is not None and self.hosts.filter(pk=what.pk).exists()


def make_token(
    user: AbstractBaseUser,
    name: str,
    ability: Ability,
    expires_at: datetime,
    *,
    guests: Collection[Guest] | None = None,
    hosts: Collection[Host] | None = None,
    address: str = "",
) -> tuple[APIToken, str]:
    """A new token and its secret, which is kept nowhere. `guests` or `hosts` given: for these only.

    ValueError for an expiry that is past, or more than a year ahead.
    """
    if not timedelta() < expires_at - timezone.now() <= timedelta(days=MOST_DAYS):
        raise ValueError("a token expires within a year")
    secret = PREFIX + secrets.token_urlsafe(32)
    is_limited = guests is not None or hosts is not None
    with transaction.atomic():
        token = APIToken.objects.create(
            user_id=user.pk,
            name=name,
            token_hash=_hash(secret),
            beginning=secret[:SHOWN_LENGTH],
            ability=ability,
            is_limited=is_limited,
            expires_at=expires_at,
        )
        token.guests.set(guests or [])
        token.hosts.set(hosts or [])
        record(
            "token.make",
            by=user,
            address=address,
            token=str(token),
            ability=str(ability),
            expires_at=expires_at.isoformat(timespec="minutes"),
            only=[str(what) for what in [*(hosts or []), *(guests or [])]] if is_limited else "everything",
        )
    return token, secret


def revoke_token(token: APIToken, *, by: AbstractBaseUser, address: str = "") -> None:
    """End it at once; what it asked for and is still queued will be denied."""
    with transaction.atomic():
        if not APIToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
            return
        owner = token.user.get_username()
        record("token.revoke", by=by, address=address, token=str(token), owner=owner)


def find_token(secret: str) -> APIToken | None:
    """The token with its owner, valid or not; None for what never was one."""
    if not secret.startswith(PREFIX):
        return None
    return APIToken.objects.select_related("user").filter(token_hash=_hash(secret)).first()


def note_use(token: APIToken, address: str) -> None:
    """When and from where it was last used, once a minute and for each new address."""
    now = timezone.now()
    if token.used_at is None or token.used_from != address or now - token.used_at >= USE_NOTED:
        APIToken.objects.filter(pk=token.pk).update(used_at=now, used_from=address)


def bearer(token: APIToken) -> AbstractBaseUser:
    """The token's owner as somebody who came with it."""
    user = copy.copy(token.user)
    user.came_with = token  # type: ignore[attr-defined]
    return user


def token_of(user: AbstractBaseUser | AnonymousUser | None) -> APIToken | None:
    """The token with which somebody came; None for a person in a browser."""
    return getattr(user, "came_with", None)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
