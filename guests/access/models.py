"""Who may do what where: a grant gives one user or group one role on one scope."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from guests.inventory.models import Guest, Host, Tag


class Role(models.TextChoices):
    """From less to more; each holds what the one before holds."""

    WATCHER = "watcher", _("Watcher")
    OPERATOR = "operator", _("Operator")
    ADMINISTRATOR = "administrator", _("Administrator")


class Scope(models.TextChoices):
    """What a grant is about."""

    EVERYTHING = "everything", _("Everything")
    HOST = "host", _("Host")
    TAG = "tag", _("Tag")
    GUEST = "guest", _("Guest")


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
    granted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    granted_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="grant_names_a_user_or_a_group",
                condition=Q(user__isnull=False, group__isnull=True) | Q(user__isnull=True, group__isnull=False),
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
        return f"{self.user or self.group}: {self.role} of {self.host or self.tag or self.guest or 'everything'}"
