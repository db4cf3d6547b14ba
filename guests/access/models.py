"""Who may do what where: a grant gives one user or group one role on one scope."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from guests.inventory.models import Guest, Host, Tag
from guests.units import memory_text


class Role(models.TextChoices):
    """From less to more; each holds what the one before holds."""

    WATCHER = "watcher", _("Watcher")
    OPERATOR = "operator", _("Operator")
    ADMINISTRATOR = "administrator", _("Administrator")


ROLE_ORDER = list(Role)


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest size that an operator may give a guest. None is "without a limit"."""

    memory_kib: int | None = None
    vcpus: int | None = None

    def __str__(self) -> str:
        """For records and the command line: "at most 4.0 GiB, 2 vCPUs", "" without limits."""
        parts = [] if self.memory_kib is None else [memory_text(self.memory_kib)]
        parts += [] if self.vcpus is None else [f"{self.vcpus} vCPUs"]
        return f"at most {', '.join(parts)}" if parts else ""


UNLIMITED = Limits()


class Scope(models.TextChoices):
    """What a grant is about."""

    EVERYTHING = "everything", _("Everything")
    HOST = "host", _("Host")
    TAG = "tag", _("Tag")
    GUEST = "guest", _("Guest")


def _one_role_per_holder_and_object() -> list[models.UniqueConstraint]:
    """One row for each holder and object: NULLs are distinct in a unique index, so every pair needs its own."""
    return [
        models.UniqueConstraint(
            fields=[holder] if scope == Scope.EVERYTHING else [holder, scope],
            condition=Q(scope=scope, **{f"{holder}__isnull": False}),
            name=f"one_role_for_a_{holder}_on_{scope}",
        )
        for holder in ("user", "group")
        for scope in Scope.values
    ]


class Grant(models.Model):
    """One role for one user or one group, on everything, a host, a tag or a guest."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="grants"
    )
    group = models.ForeignKey(Group, null=True, blank=True, on_delete=models.CASCADE, related_name="grants")
    role = models.CharField(max_length=13, choices=Role)
    scope = models.CharField(max_length=10, choices=Scope)
    host = models.ForeignKey(Host, null=True, blank=True, on_delete=models.CASCADE)
    tag = models.ForeignKey(Tag, null=True, blank=True, on_delete=models.CASCADE)
    guest = models.ForeignKey(Guest, null=True, blank=True, on_delete=models.CASCADE)
    # The largest size that an operator may give a guest; None is "without a limit". Administrators have none.
    largest_memory_kib = models.PositiveBigIntegerField(null=True, blank=True)
    largest_vcpus = models.PositiveIntegerField(null=True, blank=True)
    granted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    granted_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            *_one_role_per_holder_and_object(),
            models.CheckConstraint(
                name="grant_names_a_user_or_a_group",
                condition=Q(user__isnull=False, group__isnull=True) | Q(user__isnull=True, group__isnull=False),
            ),
            models.CheckConstraint(
                name="only_operators_have_limits",
                condition=Q(role="operator") | Q(largest_memory_kib__isnull=True, largest_vcpus__isnull=True),
            ),
            models.CheckConstraint(
                name="grant_scope_names_its_object",
                condition=(
                    Q(scope="everything", host__isnull=True, tag__isnull=True, guest__isnull=True)
                    | Q(scope="host", host__isnull=False, tag__isnull=True, guest__isnull=True)
                    | Q(scope="tag", host__isnull=True, tag__isnull=False, guest__isnull=True)
                    | Q(scope="guest", host__isnull=True, tag__isnull=True, guest__isnull=False)
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.holder}: {self.powers} on {self.object_name}"

    @property
    def holder(self) -> str:
        """Who holds it, as people write it: "anna", "group night shift"."""
        return self.user.get_username() if self.user else f"group {self.group}"

    @property
    def limits(self) -> Limits:
        """How far it reaches where it gives the right to resize."""
        return Limits(self.largest_memory_kib, self.largest_vcpus)

    @property
    def powers(self) -> str:
        """The role with its limits: "operator (at most 4.0 GiB, 2 vCPUs)"."""
        return f"{self.role} ({self.limits})" if self.limits != UNLIMITED else str(self.role)

    @property
    def object_name(self) -> str:
        """What it is about: "everything", "host atlas", "tag web", "guest web-1"."""
        return str(self.scope) if self.scope == Scope.EVERYTHING else f"{self.scope} {getattr(self, self.scope)}"
