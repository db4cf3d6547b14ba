"""The header of a handshake: fields as browsers send them, and nothing else."""

from __future__ import annotations

import io

import pytest

from consoles.vnc.header_reader import fields_of


def test_names_are_found_in_any_case_and_values_as_they_were_sent() -> None:
    rest = io.BytesIO(
        b"Host: x:1\r\nORIGIN:http://x\r\nCookie: a=b; c=d:e \r\nX-Word: caf\xe9\r\nEmpty:\r\n\r\nwhat follows"
    )
    found = fields_of(rest)
    assert (found["host"], found["Origin"], found["cookie"]) == ("x:1", "http://x", "a=b; c=d:e")
    assert (found["X-WORD"], found["empty"], found["missing"]) == ("café", "", None)
    assert rest.read() == b"what follows"


def test_a_field_that_comes_twice_is_seen_twice() -> None:
    found = fields_of(io.BytesIO(b"Origin: http://x\r\norigin: http://y\r\n\r\n"))
    assert found.get_all("Origin") == ["http://x", "http://y"]


@pytest.mark.parametrize(
    "header",
    [
        b"Host: x\r\n",
        b"",
        b"no colon\r\n\r\n",
        b": nameless\r\n\r\n",
        b"Origin : http://x\r\n\r\n",
        b"Host: x\r\n folded: y\r\n\r\n",
        b"Host: x\rOrigin: http://y\r\n\r\n",
        b"Host: x\0\r\n\r\n",
    ],
)
def test_what_no_browser_sends_is_refused(header: bytes) -> None:
    with pytest.raises(ValueError, match="header"):
        fields_of(io.BytesIO(header))
