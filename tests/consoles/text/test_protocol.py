"""The wire, split wherever a socket may split it."""

from __future__ import annotations

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consoles.text import protocol
from consoles.text.protocol import FromBrowser, Hello, ProtocolError, ToBrowser, Unpacker

messages = st.lists(st.binary(min_size=1, max_size=80), max_size=6)


@given(messages)
def test_messages_survive_a_split_at_every_byte(sent: list[bytes]) -> None:
    stream = b"".join(map(protocol.packed, sent))
    for cut in range(len(stream) + 1):
        unpacker = Unpacker()
        assert unpacker.feed(stream[:cut]) + unpacker.feed(stream[cut:]) == sent


@given(messages, st.lists(st.integers(1, 9), min_size=1))
def test_messages_survive_any_split(sent: list[bytes], steps: list[int]) -> None:
    stream = b"".join(map(protocol.packed, sent))
    unpacker, received, position = Unpacker(), [], 0
    for index in range(len(stream)):
        step = steps[index % len(steps)]
        received += unpacker.feed(stream[position : position + step])
        position += step
    assert received == sent


@pytest.mark.parametrize("length", [0, protocol.MESSAGE_BYTES + 1, 2**32 - 1])
def test_a_message_of_an_impossible_length_ends_the_connection(length: int) -> None:
    with pytest.raises(ProtocolError):
        Unpacker().feed(length.to_bytes(4, "big"))


@given(st.integers(0, 2**63), st.binary(max_size=100))
def test_output_carries_its_offset(offset: int, content: bytes) -> None:
    message = protocol.data(ToBrowser.DATA, offset, content)
    assert (message[0], int.from_bytes(message[1:9], "big"), message[9:]) == (0, offset, content)


def test_a_hello_arrives_as_it_was_sent() -> None:
    hello = Hello(7, "ab", uuid4(), "serial0", "watch", "127.0.0.1", "pt-br", "cafe", 12)
    assert Hello.parse(hello.message()) == hello


@given(st.binary(max_size=300))
def test_no_bytes_of_a_browser_do_more_than_be_refused(noise: bytes) -> None:
    for parse in (protocol.checked, Hello.parse, protocol.parse_ack, protocol.parse_json):
        try:
            parse(noise)
        except ProtocolError:
            continue


@pytest.mark.parametrize(
    "message",
    [
        b"",
        bytes([FromBrowser.HELLO]) + b"{}",
        bytes([3]),
        bytes([FromBrowser.INPUT]) + bytes(protocol.INPUT_BYTES + 1),
        bytes([FromBrowser.JSON]) + bytes(protocol.CONTROL_BYTES + 1),
        bytes([FromBrowser.ACK]) + bytes(9),
    ],
)
def test_a_browser_may_not_send(message: bytes) -> None:
    with pytest.raises(ProtocolError):
        protocol.checked(message)


def test_a_close_carries_code_and_sentence() -> None:
    assert protocol.parse_close(protocol.close(4403, "não pode")) == (4403, "não pode")
