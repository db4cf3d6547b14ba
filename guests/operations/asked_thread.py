"""A call that lasts, in a thread of its own: what it raises is raised where it is waited for, in the asker's words."""

from __future__ import annotations

import threading
from collections.abc import Callable

from django.conf import settings
from django.utils import translation


class AskedThread:
    """Begins at once, as a daemon: one that hangs in libvirt never holds up the end of the process."""

    def __init__(self, call: Callable[[], object], name: str) -> None:
        self._call = call
        self._language = translation.get_language() or settings.LANGUAGE_CODE
        self._errors: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            with translation.override(self._language):
                self._call()
        except BaseException as error:  # told in the thread that waits
            self._errors.append(error)

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def join(self, seconds: float) -> None:
        """Wait, at most so long."""
        self._thread.join(seconds)

    def finish(self) -> None:
        """Wait for its end, and raise what it raised."""
        self._thread.join()
        if self._errors:
            raise self._errors[0]
