"""The past of a device: nothing twice, nothing lost in silence."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from consoles.text.modes import ModeTracker
from consoles.text.ring import Ring

pieces = st.lists(st.binary(max_size=40), max_size=30)


@given(pieces, st.integers(1, 200))
def test_keeps_the_newest_bytes_under_their_offsets(written: list[bytes], size: int) -> None:
    ring, everything = Ring(size), b""
    for piece in written:
        ring.append(piece)
        everything += piece
        assert ring.end == len(everything)
        assert ring.end - ring.start == min(size, len(everything))
        assert ring.read(ring.start, size) == everything[ring.start :]


@given(pieces, st.integers(0, 400))
def test_who_comes_back_gets_the_rest_exactly_once(written: list[bytes], after: int) -> None:
    ring, everything = Ring(100), b"".join(written)
    for piece in written:
        ring.append(piece)
    start = ring.begin(ring.id, after)
    rest = ring.read(start.offset, 1000)
    assert rest == everything[start.offset :]
    if start.resumed:
        assert start.offset == after + start.lost_bytes
        assert start.lost_bytes >= 0
    else:
        assert after == 0 or after > len(everything)


def test_offsets_of_another_ring_mean_nothing() -> None:
    ring = Ring()
    ring.append(b"login: ")
    start = ring.begin("another", 3)
    assert (start.offset, start.resumed) == (0, False)


def test_a_replay_begins_with_a_whole_line_once_bytes_have_left() -> None:
    ring = Ring(20)
    ring.append(b"first line\nsecond line\n")
    assert ring.read(ring.begin().offset, 99) == b"second line\n"


def test_a_place_that_left_the_ring_cannot_be_read() -> None:
    ring = Ring(10)
    ring.append(b"0123456789abc")
    assert ring.read(2, 5) is None


def test_who_falls_off_goes_on_with_a_line_of_the_last_32_kib() -> None:
    ring = Ring()
    ring.append(b"x" * 99 + b"\n")
    for _ in range(5000):
        ring.append(b"y" * 99 + b"\n")
    offset = ring.skip()
    assert ring.end - 32 * 1024 <= offset < ring.end
    assert offset % 100 == 0


def test_marks_lie_between_the_bytes_and_leave_with_them() -> None:
    ring = Ring(10)
    ring.append(b"before")
    ring.mark("rebooted")
    ring.append(b"after")
    (mark,) = ring.marks_after(0)
    assert (mark.kind, mark.offset) == ("rebooted", 6)
    assert ring.marks_after(mark.number) == []
    ring.append(b"0123456789")
    assert ring.marks_after(0) == []


def test_modes_that_were_switched_on_by_lost_bytes_are_set_again() -> None:
    ring = Ring(16)
    ring.append(b"\x1b[?1049h\x1b[?25l\x1b[?1;2004h\x1b=")
    ring.append(b"0123456789abcdef")
    assert ring.begin().modes == b"\x1b[?1h\x1b[?1049h\x1b[?2004h\x1b[?25l\x1b="


def test_modes_switched_off_again_and_full_resets_leave_nothing() -> None:
    tracker = ModeTracker()
    tracker.feed(b"\x1b[?1049h\x1b[?1049l")
    assert tracker.sequence() == b""
    tracker.feed(b"\x1b[?25l\x1b=\x1bc")
    assert tracker.sequence() == b""


@given(st.integers(0, 30))
def test_modes_are_seen_wherever_they_are_split(cut: int) -> None:
    sequence = b"abc\x1b[?1049h\x1b[?2004h\x1b[?25l"
    tracker = ModeTracker()
    tracker.feed(sequence[:cut])
    tracker.feed(sequence[cut:])
    assert tracker.sequence() == b"\x1b[?1049h\x1b[?2004h\x1b[?25l"
