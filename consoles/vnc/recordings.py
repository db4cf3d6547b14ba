"""Which visits to graphical consoles are recorded, and what is kept of it: rows, files, and how much of both."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from consoles.close_codes import CloseCode, ConsoleRefused
from consoles.disk_thread import DiskThread
from consoles.models import RecordingEnd, ScreenRecording, ScreenRecordings
from consoles.sessions import LiveSession
from consoles.vnc.recorder import Limits, Recorder
from consoles.vnc.recording_file import length_of, recording_path
from consoles.vnc.visit import Visit
from consoles.vnc.warm_database import WarmDatabase
from guests import audit
from guests.inventory.models import Guest

logger = logging.getLogger(__name__)

FINISH_SECONDS = 3.0
MIB = 1024 * 1024


class Recordings:
    """Of this console server. Called from many threads."""

    def __init__(self, database: WarmDatabase) -> None:
        self._database = database
        self._thread = DiskThread("screen-recordings")

    def start(self) -> None:
        """End the rows that an earlier console server left open, and remove files that have none."""
        for row in ScreenRecording.objects.filter(ended_at=None):
            row.size, row.milliseconds = length_of(recording_path(row.guest_id, row.pk))
            row.ended_at, row.end = timezone.now(), RecordingEnd.RESTART
            row.save(update_fields=["size", "milliseconds", "ended_at", "end"])
        self.sweep()

    def sweep(self) -> None:
        """Remove the files whose rows were deleted."""
        files = list(Path(settings.SCREEN_RECORDING_DIR).glob("*/*.rfb"))
        known = set(ScreenRecording.objects.values_list("pk", flat=True)) if files else set()
        for path in files:
            if path.stem not in {str(pk) for pk in known}:
                path.unlink(missing_ok=True)

    @contextmanager
    def made(self, visit: Visit, live: LiveSession, wanted: ScreenRecordings) -> Iterator[None]:
        """While it lasts, what this visit is shown is recorded, where its guest's setting or its person wants it.

        Raises ConsoleRefused where it must be and cannot.
        """
        begun = None
        if wanted != ScreenRecordings.OFF or visit.wants_recording:
            with self._database.lent():
                begun = self._begin(visit, live, must=wanted == ScreenRecordings.MUST)
        try:
            yield
        finally:
            if begun is not None:
                self._end(visit, *begun)

    def _begin(self, visit: Visit, live: LiveSession, *, must: bool) -> tuple[ScreenRecording, Recorder] | None:
        guest = visit.guest
        row = ScreenRecording.objects.create(
            guest=guest, user_id=visit.user.pk, user_name=visit.user.get_username(), mode=visit.mode
        )
        sentences = _sentences()
        try:
            recorder = Recorder(
                recording_path(guest.pk, row.pk),
                guest.name,
                Limits(int(settings.SCREEN_RECORDING_MIB * MIB), int(settings.RECORDING_FREE_MIB * MIB)),
                self._thread,
                partial(_ended_early, visit, sentences, must=must),
            )
        except OSError as error:
            logger.error("a screen of %s cannot be recorded: %s", guest.name, error)
            row.delete()
            if must:
                raise ConsoleRefused(
                    CloseCode.NOT_ALLOWED, _("This console must be recorded, and cannot be.")
                ) from error
            visit.say_recording("failed", sentences[RecordingEnd.FAILED])
            return None
        visit.taps = (*visit.taps, recorder)
        visit.say_recording("on")
        audit.record(
            "console.record", by=visit.user, guest=guest, address=live.peer, recording=str(row.pk), mode=str(visit.mode)
        )
        return row, recorder

    def _end(self, visit: Visit, row: ScreenRecording, recorder: Recorder) -> None:
        visit.taps = tuple(tap for tap in visit.taps if tap is not recorder)
        row.end, row.ended_at = recorder.finish(FINISH_SECONDS), timezone.now()
        row.size, row.milliseconds = recorder.size, recorder.milliseconds
        with self._database.lent():
            row.save(update_fields=["end", "ended_at", "size", "milliseconds"])
            forget_oldest(visit.guest)


def forget_oldest(guest: Guest) -> None:
    """Delete a guest's oldest recordings beyond what is kept of one guest."""
    left = int(settings.SCREEN_RECORDINGS_MIB * MIB)
    gone: list[UUID] = []
    for pk, size in guest.screen_recordings.exclude(ended_at=None).values_list("pk", "size"):
        left -= size
        if left < 0:
            gone.append(pk)
    guest.screen_recordings.filter(pk__in=gone).delete()
    for pk in gone:
        recording_path(guest.pk, pk).unlink(missing_ok=True)


def _sentences() -> dict[RecordingEnd, str]:
    """For the person, in the active language."""
    return {
        RecordingEnd.SIZE: _("The recording is as large as it may be: nothing more is recorded."),
        RecordingEnd.DISK: _("The disk for recordings is full: nothing more is recorded."),
        RecordingEnd.SLOW: _("The disk is too slow for this recording: nothing more is recorded."),
        RecordingEnd.FAILED: _("The disk refuses the recording: nothing more is recorded."),
    }


def _ended_early(visit: Visit, sentences: dict[RecordingEnd, str], end: RecordingEnd, *, must: bool) -> None:
    """From the disk's or the relaying thread."""
    visit.say_recording("full" if end in {RecordingEnd.SIZE, RecordingEnd.DISK} else "failed", sentences[end])
    if must:
        visit.end(CloseCode.NOT_ALLOWED, sentences[end])
