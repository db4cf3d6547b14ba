"""`manage.py web`: the pages and websockets, and the door of the graphical consoles."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """The web process: daphne on LISTEN:PORT; /websockify is handed to the console server."""

    help = "Serve the pages on GUESTHOUSE_LISTEN:PORT until SIGTERM; hand /websockify to the console server."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--header-seconds", type=float, default=10.0, help="close a connection that has asked for nothing by then"
        )

    def handle(self, *args: Any, header_seconds: float, **options: Any) -> None:
        # daphne puts its reactor in place when it is imported: before anything else that uses Twisted.
        from dashboard.one_port import serve_one_port  # isort: skip
        from dashboard.asgi import application
        from dashboard.time_limit import bound_statements

        bound_statements()
        serve_one_port(application, header_seconds=header_seconds)
