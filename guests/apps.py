"""The guests app: one Django app, one migration history for all its rooms."""

from django.apps import AppConfig


class GuestsConfig(AppConfig):
    """Guests and hosts."""

    name = "guests"
    verbose_name = "Guests"

    def ready(self) -> None:
        """Listen to what changes rights, and to guests that move to another host."""
        from guests.access import announcing
        from guests.audit import moves as audited_moves
        from guests.operations import moves as queued_moves

        announcing.connect()
        audited_moves.connect()
        queued_moves.connect()
