"""`manage.py audit verify`: whether the audit record is as it was written; `audit head`: its end, to be kept."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from guests.audit.anchoring import Head, anchored_heads, head
from guests.audit.verifying import verify


class Command(BaseCommand):
    """Reads only; ends with status 1 when something was found."""

    help = (
        "verify: walk the hash chain of the audit record and compare it with the heads that the host worker wrote to "
        "GUESTHOUSE_AUDIT_HEADS. head: print the chain's end, to be kept where nobody who can write the database can."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("act", choices=["verify", "head"])
        parser.add_argument(
            "--heads",
            type=Path,
            action="append",
            default=[],
            metavar="FILE",
            help="a file of heads, beside that of this machine; may be given several times",
        )
        parser.add_argument(
            "--head", action="append", default=[], metavar="POSITION:HASH", help="a head that `audit head` printed"
        )

    def handle(self, *args: Any, act: str, **options: Any) -> None:
        now = head()
        if act == "head":
            self.stdout.write(str(now))
            return
        anchors = self._anchors(options["heads"], options["head"])
        findings = 0
        for finding in verify(now, anchors):
            findings += 1
            self.stdout.write(str(finding))
        if findings:
            raise CommandError(f"{findings} found: the record was touched.")
        self.stdout.write(f"{now.position} lines, unbroken; {len(anchors)} anchored heads agree.")

    def _anchors(self, files: list[Path], typed: list[str]) -> list[Head]:
        own = Path(settings.AUDIT_HEADS)
        if own.exists():
            files = [own, *files]
        elif not files and not typed:
            self.stderr.write(f"No head was anchored ({own} is not there): a record cut off at its end looks whole.")
        try:
            return [one for file in files for one in anchored_heads(file)] + [Head.from_text(text) for text in typed]
        except (OSError, ValueError) as error:
            raise CommandError(str(error)) from error
