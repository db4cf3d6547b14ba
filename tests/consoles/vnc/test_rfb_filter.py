from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consoles.vnc.rfb_filter import CUT_TEXT_LIMIT, Allowed, ClientFilter, ForbiddenMessage

POWERFUL = Allowed(typing=True, power=True)
WATCHER, CONTROLLER = Allowed(typing=False), Allowed(typing=True)
PIXEL_FORMAT = b"\0\0\0\0" + bytes(16)
UPDATE = struct.pack("!BBHHHH", 3, 1, 0, 0, 640, 480)
ALLOWED_FOR_ALL = [0, 1, 5, 6, 7, 16, -260, -256, -247, -32, -23, -223, -224, -239, -261, -308, -314]
FOR_CONTROLLERS = [-258, struct.unpack("!i", b"\xc0\xa1\xe5\xce")[0]]
FORBIDDEN = [2, 15, 21, 50, -257, -246, -22, -33, -309, -312, -313, -316, -305, 2**31 - 1, -(2**31)]


def key(symbol: int, down: bool = True) -> bytes:
    return struct.pack("!BBxxI", 4, down, symbol)


def qemu_key(symbol: int, code: int, down: bool = True) -> bytes:
    return struct.pack("!BBHII", 255, 0, down, symbol, code)


def pointer(mask: int, x: int = 1, y: int = 2) -> bytes:
    return struct.pack("!BBHH", 5, mask, x, y)


def cut_text(text: bytes, *, extended: bool = False) -> bytes:
    return struct.pack("!Bxxxi", 6, -len(text) if extended else len(text)) + text


def desktop_size(screens: int) -> bytes:
    return struct.pack("!BxHHBx", 251, 800, 600, screens) + bytes(16 * screens)


def encodings(*numbers: int) -> bytes:
    return struct.pack(f"!BxH{len(numbers)}i", 2, len(numbers), *numbers)


XVP = b"\xfa\0\x01\x02"

picture = st.one_of(st.just(PIXEL_FORMAT), st.just(UPDATE), st.just(encodings(0, 1, 16)))
symbols = st.integers(0, 200)
typed = st.one_of(
    st.builds(key, symbols, st.booleans()),
    st.builds(qemu_key, symbols, symbols, st.booleans()),
    st.builds(pointer, st.integers(0, 255), st.integers(0, 65535), st.integers(0, 65535)),
    st.builds(cut_text, st.binary(max_size=300), extended=st.booleans()),
    st.builds(desktop_size, st.integers(0, 255)),
)
messages = st.lists(st.one_of(picture, typed, st.just(XVP)), max_size=30)


def in_pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


@given(messages, st.lists(st.integers(0), max_size=40), st.booleans())
def test_any_split_gives_the_same(said: list[bytes], cuts: list[int], watching: bool) -> None:
    stream = b"".join(said)
    whole, split = ClientFilter(Allowed(typing=not watching)), ClientFilter(Allowed(typing=not watching))
    passed = b"".join(split.feed(piece) for piece in in_pieces(stream, cuts))
    assert passed == whole.feed(stream)
    assert split.dropped == whole.dropped


@given(messages)
def test_byte_by_byte_gives_the_same(said: list[bytes]) -> None:
    stream = b"".join(said)
    one = ClientFilter(CONTROLLER)
    assert b"".join(one.feed(bytes((byte,))) for byte in stream) == ClientFilter(CONTROLLER).feed(stream)


@given(messages)
def test_a_controller_s_messages_pass_except_power(said: list[bytes]) -> None:
    client_filter = ClientFilter(CONTROLLER)
    assert client_filter.feed(b"".join(said)) == b"".join(message for message in said if message != XVP)
    assert client_filter.dropped["xvp"] == said.count(XVP)


@given(messages)
def test_a_watcher_s_picture_passes_and_nothing_else(said: list[bytes]) -> None:
    client_filter = ClientFilter(WATCHER)
    wanted = [message for message in said if message in (PIXEL_FORMAT, UPDATE, encodings(0, 1, 16))]
    assert client_filter.feed(b"".join(said)) == b"".join(wanted)
    assert client_filter.dropped.total() == len(said) - len(wanted)


@given(st.lists(st.binary(max_size=60), max_size=12), st.booleans())
def test_random_bytes_never_pass_an_unknown_message(pieces: list[bytes], watching: bool) -> None:
    client_filter, passed = ClientFilter(Allowed(typing=not watching)), bytearray()
    try:
        for piece in pieces:
            passed += client_filter.feed(piece)
    except ForbiddenMessage:
        pass
    # What passed is made of whole known messages: an independent parser takes it apart without a rest.
    at, known = 0, {0: 20, 3: 10, 4: 8, 5: 6}
    while at < len(passed):
        kind = passed[at]
        assert kind in ((0, 2, 3) if watching else (0, 2, 3, 4, 5, 6, 251, 255))
        if kind == 2:
            (count,) = struct.unpack_from("!H", passed, at + 2)
            asked = struct.unpack_from(f"!{count}i", passed, at + 4)
            assert set(asked) <= set(range(-256, -246)) | set(range(-32, -22)) | set(ALLOWED_FOR_ALL + FOR_CONTROLLERS)
            at += 4 + 4 * count
        elif kind == 6:
            at += 8 + abs(struct.unpack_from("!i", passed, at + 4)[0])
        elif kind == 251:
            at += 8 + 16 * passed[at + 6]
        elif kind == 255:
            assert passed[at + 1] == 0
            at += 12
        else:
            at += known[kind]
    assert at == len(passed)


@pytest.mark.parametrize("watching", [True, False])
def test_an_unknown_message_ends_the_console(watching: bool) -> None:
    for kind in set(range(256)) - {0, 2, 3, 4, 5, 6, 250, 251, 255}:
        with pytest.raises(ForbiddenMessage):
            ClientFilter(Allowed(typing=not watching)).feed(UPDATE + bytes((kind,)))


def test_qemu_s_audio_and_other_messages_end_the_console() -> None:
    for submessage in range(1, 256):
        with pytest.raises(ForbiddenMessage):
            ClientFilter(CONTROLLER).feed(bytes((255, submessage)))


@pytest.mark.parametrize("watching", [True, False])
def test_only_listed_encodings_are_asked_for(watching: bool) -> None:
    passed = ClientFilter(Allowed(typing=not watching)).feed(
        encodings(*FORBIDDEN, *ALLOWED_FOR_ALL, *FOR_CONTROLLERS, *FORBIDDEN)
    )
    assert passed == encodings(*ALLOWED_FOR_ALL, *([] if watching else FOR_CONTROLLERS))


def test_too_many_encodings_end_the_console() -> None:
    assert ClientFilter(CONTROLLER).feed(encodings(*[0] * 256))
    with pytest.raises(ForbiddenMessage):
        ClientFilter(CONTROLLER).feed(encodings(*[0] * 257)[:4])


@pytest.mark.parametrize("size", [CUT_TEXT_LIMIT + 1, -CUT_TEXT_LIMIT - 1, -(2**31), 2**31 - 1])
@pytest.mark.parametrize("watching", [True, False])
def test_a_cut_text_of_an_absurd_length_ends_the_console(size: int, watching: bool) -> None:
    with pytest.raises(ForbiddenMessage):
        ClientFilter(Allowed(typing=not watching)).feed(struct.pack("!Bxxxi", 6, size))


def test_a_negative_cut_text_length_is_read_signed() -> None:
    client_filter = ClientFilter(CONTROLLER)
    assert client_filter.feed(cut_text(b"abcd", extended=True) + UPDATE) == cut_text(b"abcd", extended=True) + UPDATE


def test_a_dropped_message_is_not_kept() -> None:
    client_filter = ClientFilter(WATCHER)
    announced = struct.pack("!Bxxxi", 6, CUT_TEXT_LIMIT)
    assert client_filter.feed(announced + bytes(70_000)) == b""
    assert len(client_filter._rest) == 0
    assert client_filter.feed(bytes(CUT_TEXT_LIMIT - 70_000) + UPDATE) == UPDATE
    assert client_filter.dropped == {"cut_text": 1}


def test_a_controller_who_becomes_a_watcher_lets_go_of_everything() -> None:
    client_filter = ClientFilter(CONTROLLER)
    said = key(0x41) + key(0x42) + key(0x42, down=False) + qemu_key(0xFFE3, 29) + pointer(1, 30, 40)
    assert client_filter.feed(said) == said
    assert client_filter.allow(WATCHER) == (
        key(0x41, down=False) + qemu_key(0xFFE3, 29, down=False) + pointer(0, 30, 40)
    )
    assert client_filter.feed(key(0x41) + pointer(1) + UPDATE) == UPDATE
    assert client_filter.allow(WATCHER) == b""


def test_a_message_begun_before_the_downgrade_is_dropped_whole() -> None:
    client_filter = ClientFilter(CONTROLLER)
    assert client_filter.feed(key(0x41)[:5]) == b""
    assert client_filter.allow(WATCHER) == b""
    assert client_filter.feed(key(0x41)[5:] + UPDATE) == UPDATE


def test_more_keys_than_hands_end_the_console() -> None:
    client_filter = ClientFilter(CONTROLLER)
    with pytest.raises(ForbiddenMessage):
        client_filter.feed(b"".join(key(n) for n in range(300)))


def test_a_key_that_repeats_is_one_key() -> None:
    client_filter = ClientFilter(CONTROLLER)
    client_filter.feed(key(0x41) * 1000)
    assert client_filter.allow(WATCHER) == key(0x41, down=False)


def test_who_may_switch_the_guest_may_say_so_here() -> None:
    client_filter = ClientFilter(POWERFUL)
    assert client_filter.feed(encodings(0, -309) + XVP + UPDATE) == encodings(0, -309) + XVP + UPDATE
    assert client_filter.allow(CONTROLLER) == encodings(0)
    assert client_filter.feed(XVP + key(1)) == key(1)
    assert client_filter.dropped == {"xvp": 1}


def test_what_changes_hands_changes_the_encodings_too() -> None:
    client_filter = ClientFilter(WATCHER)
    assert client_filter.feed(encodings(7, -258, -316)) == encodings(7)
    assert client_filter.allow(CONTROLLER) == encodings(7, -258)
    assert client_filter.allow(CONTROLLER) == b""
    assert client_filter.feed(key(0x41)) == key(0x41)
    assert client_filter.allow(WATCHER) == key(0x41, down=False) + encodings(7)
    assert client_filter.feed(key(0x42)) == b""
