"""Power on libvirt's test driver: what each does, and the sentence when it does not fit the state."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest

from guests.errors import GuestNotFound, OperationRefused
from guests.hypervisor.connection import Connection
from guests.hypervisor.reading import get_guest
from guests.hypervisor.writing import force_off, pause, reboot, reset, resume, shut_down, start
from guests.resources import GuestState
from tests.guests.hypervisor.conftest import RUNNING, SHUT_OFF
from tests.guests.hypervisor.recording import recorded

Act = Callable[[Connection, UUID], None]
ACTS: list[Act] = [start, shut_down, force_off, reboot, reset, pause, resume]


@pytest.mark.parametrize(
    ("act", "uuid", "state", "reason"),
    [
        (start, SHUT_OFF, GuestState.RUNNING, "booted"),
        (shut_down, RUNNING, GuestState.SHUT_OFF, "shutdown"),
        (force_off, RUNNING, GuestState.SHUT_OFF, "destroyed"),
        (reboot, RUNNING, GuestState.RUNNING, "booted"),
        (reset, RUNNING, GuestState.RUNNING, ""),
        (pause, RUNNING, GuestState.PAUSED, "user"),
    ],
)
def test_does_what_its_name_says(host: Connection, act: Act, uuid: UUID, state: GuestState, reason: str) -> None:
    act(host, uuid)
    guest = get_guest(host, uuid)
    assert (guest.state, guest.reason) == (state, reason)


def test_resumes_a_paused_guest(host: Connection) -> None:
    pause(host, RUNNING)
    resume(host, RUNNING)
    assert get_guest(host, RUNNING).state is GuestState.RUNNING


@pytest.mark.parametrize(
    ("act", "uuid", "sentence"),
    [
        (start, RUNNING, "web-1 already runs"),
        (shut_down, SHUT_OFF, "backup-1 does not run"),
        (force_off, SHUT_OFF, "backup-1 is shut off already"),
        (reboot, SHUT_OFF, "backup-1 does not run"),
        (reset, SHUT_OFF, "backup-1 is shut off"),
        (pause, SHUT_OFF, "backup-1 does not run"),
        (resume, RUNNING, "web-1 is not paused"),
    ],
)
def test_refuses_what_does_not_fit_the_state_before_libvirt_is_asked(
    host: Connection, act: Act, uuid: UUID, sentence: str
) -> None:
    with recorded(host) as calls, pytest.raises(OperationRefused, match=sentence):
        act(host, uuid)
    assert calls == ["lookupByUUIDString", "state"]


@pytest.mark.parametrize("act", ACTS)
def test_an_unknown_guest_is_not_found(host: Connection, act: Act) -> None:
    with pytest.raises(GuestNotFound):
        act(host, UUID(int=1))


def test_a_name_with_a_percent_sign_does_not_break_the_sentence(host: Connection) -> None:
    uuid = UUID("5f3c1b0e-0000-4000-8000-000000000010")
    host.raw.defineXML(
        f"<domain type='test'><name>100%s</name><uuid>{uuid}</uuid>"
        "<memory>65536</memory><os><type>hvm</type></os></domain>"
    )
    with pytest.raises(OperationRefused, match="100%s does not run"):
        reboot(host, uuid)
