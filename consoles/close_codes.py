"""How a console ends: the websocket close codes of both console kinds, and the refusal that carries one."""

from __future__ import annotations

from enum import IntEnum


class CloseCode(IntEnum):
    """Private websocket close codes (RFC 6455 §7.4.2); a sentence goes with each."""

    NORMAL = 1000
    GOING_AWAY = 1001  # the console server stops
    PROTOCOL = 1002
    NOT_SIGNED_IN = 4401
    NOT_ALLOWED = 4403  # or revoked
    NOT_FOUND = 4404  # no such guest, or no such console
    TOO_SLOW = 4408
    IN_USE = 4409
    GUEST_STOPPED = 4410
    MOVED = 4412  # the guest is on its way to another host: connect again
    TOO_LONG = 4413  # one message
    TOO_MANY_OF_USER = 4421  # consoles of one person
    TOO_MANY_OF_GUEST = 4422
    TOO_MANY = 4423  # of this console server
    TOO_FAST = 4429  # input
    OPEN_TOO_LONG = 4430  # the absolute time is over
    IDLE = 4431  # a controller who did nothing
    SENT_AWAY = 4432  # by an administrator of the guest
    FAILED = 4500  # the host or its console did not answer as it should


class ConsoleRefused(Exception):
    """A console that is not opened, or has to end. `str(error)` is the sentence for the person."""

    def __init__(self, close_code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.close_code = close_code
        self.sentence = sentence
