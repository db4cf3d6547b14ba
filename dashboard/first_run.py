"""What has to be there before the first page: database, static files, an administrator."""

from __future__ import annotations

import hashlib
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model, password_validation
from django.contrib.staticfiles.finders import get_finders
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import transaction

from dashboard.accounts.people.acts import random_password
from guests.audit.recording import record

ADMINISTRATOR = "admin"


class WeakPassword(Exception):
    """The password that was given is refused; the sentences say why."""


def make_administrator(password: str) -> str | None:
    """Make the first person, an administrator, with this password or a random one.

    Returns a random password, which is shown once and kept nowhere; None when one was given, or when there are people
    already. Raises WeakPassword, and makes nobody.
    """
    users = get_user_model().objects
    with transaction.atomic():
        if users.exists():
            return None
        administrator = users.model(username=ADMINISTRATOR, is_superuser=True, is_staff=False)
        if password:
            try:
                password_validation.validate_password(password, administrator)
            except ValidationError as error:
                raise WeakPassword(" ".join(error.messages)) from error
        chosen = password or random_password()
        administrator.set_password(chosen)
        administrator.save()
        record("people.first_administrator", by=administrator)
    return None if password else chosen


def see_to_static_files() -> bool:
    """Collect static files unless they are those collected last; whether there was something to do."""
    stamp = Path(settings.STATIC_ROOT) / ".collected"
    wanted = _fingerprint()
    if stamp.exists() and stamp.read_text() == wanted:
        return False
    call_command("collectstatic", interactive=False, clear=True, verbosity=0)
    stamp.write_text(wanted)
    return True


def _fingerprint() -> str:
    """Of every static file's name, size and time of change, and of how they are stored."""
    digest = hashlib.sha256(str(settings.STORAGES["staticfiles"]).encode())
    for finder in get_finders():
        for path, storage in finder.list([]):
            found = Path(storage.path(path)).stat()
            digest.update(f"{path}\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    return digest.hexdigest()
