"""`manage.py serve`: the whole of Guesthouse on this machine."""

from __future__ import annotations

import socket
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from dashboard.serve import Supervisor, manage


class Command(BaseCommand):
    """Starts web, consoleserver and hostworker, and keeps them running."""

    help = "Serve pages and consoles and keep the inventory, until SIGTERM or Ctrl-C."

    def handle(self, *args: Any, **options: Any) -> None:
        self._see_that_the_port_is_free()
        names = ["hostworker", "consoleserver", "web"]
        Supervisor({name: manage(name) for name in names}, announce=self._announce).run()
        self.stdout.write("Guesthouse has stopped.")

    def _see_that_the_port_is_free(self) -> None:
        family = socket.AF_INET6 if ":" in settings.LISTEN else socket.AF_INET
        try:
            with socket.create_server((settings.LISTEN, settings.PORT), family=family):
                pass
        except OSError as error:
            raise CommandError(
                f"{settings.LISTEN}:{settings.PORT} cannot be used: {error.strerror}. Choose another port: PORT=8001."
            ) from error

    def _announce(self) -> bool:
        """Print the address when the first page can be had, not before."""
        address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.LISTEN, settings.LISTEN)  # noqa: S104
        try:
            with socket.create_connection((address, settings.PORT), timeout=1):
                pass
        except OSError:
            return False
        self.stdout.write(f"\nGuesthouse is at {settings.ORIGINS[0]}/ - Ctrl-C ends it.\n")
        self.stdout.flush()
        return True
