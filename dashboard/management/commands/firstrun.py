"""`manage.py firstrun`: everything that `serve` needs; quick and silent where it is there already."""

from __future__ import annotations

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from dashboard.environment import env_secret
from dashboard.first_run import ADMINISTRATOR, WeakPassword, make_administrator, see_to_static_files


class Command(BaseCommand):
    """Migrates the database, collects static files, and makes the administrator when there is nobody yet."""

    help = (
        "Prepare database and static files; on the first run make the administrator `admin`, with the password of "
        "GUESTHOUSE_ADMIN_PASSWORD or a random one that is printed once."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        see_to_static_files()
        try:
            password = make_administrator(env_secret("GUESTHOUSE_ADMIN_PASSWORD"))
        except WeakPassword as error:
            raise CommandError(f"GUESTHOUSE_ADMIN_PASSWORD is refused: {error}") from error
        if password:
            self.stdout.write(
                f"\nSign in as {ADMINISTRATOR} with {password}\n(shown once; change it in your profile)\n"
            )
