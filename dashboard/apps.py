"""The dashboard app: home, hosts, accounts and status pages."""

from django.apps import AppConfig


class DashboardConfig(AppConfig):
    """The Django project's own pages."""

    name = "dashboard"
    verbose_name = "Dashboard"
