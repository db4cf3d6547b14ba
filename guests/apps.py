"""The guests app: one Django app, one migration history for all its rooms."""

from django.apps import AppConfig


class GuestsConfig(AppConfig):
    """Guests and hosts."""

    name = "guests"
    verbose_name = "Guests"

    def ready(self) -> None:
        """Listen to what changes rights."""
        from guests.access import announcing

        announcing.connect()
