from __future__ import annotations

import itertools
import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consoles.vnc import frames
from consoles.vnc.frames import BINARY, CLOSE, CONTINUATION, PING, TEXT, BrokenFrame, FrameReader, FrameTooLong


def frame(opcode: int, payload: bytes, *, final: bool = True, mask: bytes | None = None) -> bytes:
    mask = os.urandom(4) if mask is None else mask
    length = len(payload)
    size = (
        bytes((0x80 | length,))
        if length < 126
        else struct.pack("!BH", 0xFE, length)
        if length < 65536
        else struct.pack("!BQ", 0xFF, length)
    )
    masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    return bytes((0x80 * final | opcode,)) + size + mask + masked


sent = st.lists(
    st.one_of(
        st.tuples(st.sampled_from([TEXT, BINARY]), st.binary(max_size=400)),
        st.tuples(st.sampled_from([CLOSE, PING]), st.binary(max_size=125)),
    ),
    max_size=8,
)


@given(sent, st.lists(st.integers(0), max_size=20))
def test_any_split_gives_the_same(messages: list[tuple[int, bytes]], cuts: list[int]) -> None:
    stream = b"".join(frame(opcode, payload) for opcode, payload in messages)
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    reader = FrameReader()
    assert [found for a, b in itertools.pairwise(edges) for found in reader.feed(stream[a:b])] == messages


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65535, 65536, 1 << 20])
def test_every_form_of_length(length: int) -> None:
    payload = os.urandom(length)
    assert FrameReader().feed(frame(BINARY, payload)) == [(BINARY, payload)]


def test_a_message_in_parts_is_one_and_a_ping_may_come_between() -> None:
    reader = FrameReader()
    stream = frame(BINARY, b"a", final=False) + frame(PING, b"p") + frame(CONTINUATION, b"b", final=False)
    assert reader.feed(stream) == [(PING, b"p")]
    assert reader.feed(frame(CONTINUATION, b"c") + frame(TEXT, b"t")) == [(BINARY, b"abc"), (TEXT, b"t")]


@pytest.mark.parametrize(
    "data",
    [
        b"\x82\x01a",
        frame(CONTINUATION, b"a"),
        frame(BINARY, b"a", final=False) + frame(BINARY, b"b"),
        frame(PING, b"a", final=False),
        frame(PING, bytes(126)),
        frame(3, b"a"),
        frame(11, b"a"),
        b"\xc2" + frame(BINARY, b"a")[1:],
    ],
    ids=["not masked", "no beginning", "no end", "ping in parts", "long ping", "opcode 3", "opcode 11", "extended"],
)
def test_what_no_browser_sends_is_refused(data: bytes) -> None:
    with pytest.raises(BrokenFrame):
        FrameReader().feed(data)


def test_a_length_is_refused_before_its_bytes_come() -> None:
    for length in (frames.MESSAGE_LIMIT + 1, 1 << 63, (1 << 64) - 1):
        with pytest.raises(FrameTooLong):
            FrameReader().feed(b"\x82\xff" + struct.pack("!Q", length) + bytes(4))


def test_parts_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MESSAGE_LIMIT", 100)
    reader = FrameReader()
    reader.feed(frame(BINARY, bytes(60), final=False))
    with pytest.raises(FrameTooLong):
        reader.feed(frame(CONTINUATION, bytes(60), final=False))


@given(st.lists(st.binary(max_size=60), max_size=12))
def test_random_bytes_are_refused_or_read(pieces: list[bytes]) -> None:
    reader = FrameReader()
    try:
        for piece in pieces:
            for opcode, _payload in reader.feed(piece):
                assert opcode in (1, 2, 8, 9, 10)
    except BrokenFrame:
        pass
