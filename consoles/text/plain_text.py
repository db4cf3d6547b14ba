"""What a terminal would show of output, as lines of plain text: escape sequences and control characters taken out."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

# CSI; OSC and other strings (ended by BEL or ST); short escapes; every control character but tab and newline.
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)
# Characters that turn the direction of what follows: harmless on a screen of our own, misleading in an editor.
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
LINE_CHARACTERS = 4096  # a longer line is cut into several


def stripped(text: str) -> str:
    """Without what no reader shall see. A lone carriage return is no newline: what it overwrote stays."""
    return _BIDI.sub("", _ESCAPES.sub("", text))


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log."""

    at: float  # when its first byte came
    offset: int  # of its first byte
    text: str


class Lines:
    """Cuts output into lines, however it was split; UTF-8 with what is broken replaced."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._at = 0.0
        self._offset = 0

    def feed(self, at: float, offset: int, content: bytes) -> Iterator[Line]:
        """The lines that are complete now."""
        for piece in content.splitlines(keepends=True) if b"\n" in content else [content]:
            if not self._held:
                self._at, self._offset = at, offset
            offset += len(piece)
            self._held += self._decoder.decode(piece)
            if piece.endswith(b"\n") or len(self._held) >= LINE_CHARACTERS:
                yield self._take()

    def rest(self) -> Iterator[Line]:
        """The last line, which no newline ended."""
        if self._held:
            yield self._take()

    def _take(self) -> Line:
        text, self._held = self._held, ""
        return Line(self._at, self._offset, stripped(text.rstrip("\r\n")))
