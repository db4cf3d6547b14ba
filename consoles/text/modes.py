"""The terminal modes that a replay must switch on first, because what switched them on is no longer in the ring."""

from __future__ import annotations

import re

# DECSET/DECRST of one or more modes, keypad application/numeric, full reset.
_SWITCH = re.compile(rb"\x1b(?:\[\?([0-9;]{1,40})([hl])|([=>c]))")
_CARRY = 48  # bytes: longer than any sequence above
_DEFAULT_ON = {b"7", b"25"}  # autowrap, cursor shown
_FOLLOWED = {b"1", b"7", b"25", b"1049", b"2004"}  # cursor keys, autowrap, cursor, alternate screen, bracketed paste


class ModeTracker:
    """Follows the bytes that leave a ring."""

    def __init__(self) -> None:
        self._switched: dict[bytes, bool] = {}
        self._keypad = False
        self._carry = b""

    def feed(self, content: bytes) -> None:
        """Bytes in their order; a sequence split between two calls is seen."""
        text = self._carry + content
        seen = 0
        for found in _SWITCH.finditer(text):
            seen = found.end()
            modes, direction, single = found.groups()
            if single == b"c":
                self._switched.clear()
                self._keypad = False
            elif single:
                self._keypad = single == b"="
            else:
                for mode in modes.split(b";"):
                    if mode in _FOLLOWED:
                        self._switched[mode] = direction == b"h"
        self._carry = text[max(seen, len(text) - _CARRY) :]

    def sequence(self) -> bytes:
        """What brings a freshly reset terminal to these modes; empty while all are at their default."""
        parts = [
            b"\x1b[?%b%b" % (mode, b"h" if on else b"l")
            for mode, on in sorted(self._switched.items())
            if on != (mode in _DEFAULT_ON)
        ]
        return b"".join(parts) + (b"\x1b=" if self._keypad else b"")
