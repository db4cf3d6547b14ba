"""The dashboard app: home, hosts, accounts and status pages."""

from django.apps import AppConfig
from django.contrib.staticfiles.apps import StaticFilesConfig


class DashboardConfig(AppConfig):
    """The Django project's own pages."""

    name = "dashboard"
    verbose_name = "Dashboard"

    def ready(self) -> None:
        """Listen to sign-ins, sign-outs and password changes; log what nobody catches."""
        from dashboard.accounts import recording, session_limits, sessions
        from dashboard.logs import log_uncaught

        log_uncaught()
        recording.connect()
        sessions.connect()
        session_limits.connect()


class OwnStaticFiles(StaticFilesConfig):
    """Leaves out the copies of htmx that django-htmx brings: ours is vendored with its hash (static/vendor)."""

    ignore_patterns = [*StaticFilesConfig.ignore_patterns, "django_htmx"]
