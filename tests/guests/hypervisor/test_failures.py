"""libvirtError → named errors, on errors that libvirt really raises where the test driver can be made to."""

from __future__ import annotations

from typing import Any

import libvirt
import pytest

from guests import errors
from guests.hypervisor.connection import Connection
from guests.hypervisor.failures import translate, translated_errors
from tests.guests.hypervisor.conftest import RUNNING


class Told(libvirt.libvirtError):  # type: ignore[misc]
    """An error as libvirt fills it in: code, domain and message."""

    def __init__(self, code: int, domain: int, message: str = "words of libvirt /etc/secret") -> None:
        super().__init__(message)
        self.err = (code, domain, message, 2, None, None, None, -1, -1)


RPC, REMOTE, QEMU, LIBXL = 7, 13, 10, 60

TABLE: list[tuple[int, int, type[errors.HypervisorError]]] = [
    (1, RPC, errors.HypervisorUnreachable),
    (38, RPC, errors.HypervisorUnreachable),
    (38, REMOTE, errors.HypervisorUnreachable),
    (7, RPC, errors.OperationRefused),
    (5, 0, errors.HypervisorUnreachable),
    (6, 20, errors.HypervisorUnreachable),
    (1, QEMU, errors.OperationRefused),
    (38, QEMU, errors.OperationRefused),
    (3, QEMU, errors.NotSupported),
    (67, QEMU, errors.NotSupported),
    (74, QEMU, errors.NotSupported),
    (84, LIBXL, errors.NotSupported),
    (8, QEMU, errors.OperationRefused),
    (9, QEMU, errors.OperationRefused),
    (29, RPC, errors.OperationRefused),
    (88, 0, errors.OperationRefused),
    (42, QEMU, errors.GuestNotFound),
    (45, RPC, errors.AuthenticationFailed),
    (79, RPC, errors.AuthenticationFailed),
    (55, QEMU, errors.OperationRefused),
    (68, QEMU, errors.OperationRefused),
    (86, QEMU, errors.OperationRefused),
    (9999, QEMU, errors.OperationRefused),
]


@pytest.mark.parametrize(("code", "domain", "kind"), TABLE)
def test_each_code_has_one_named_error_and_a_sentence_without_libvirts_words(
    code: int, domain: int, kind: type[errors.HypervisorError]
) -> None:
    error = translate(Told(code, domain), "web-1")
    assert type(error) is kind
    assert error.code == code
    assert error.detail == "words of libvirt /etc/secret"
    assert str(error).endswith(".")
    assert "secret" not in str(error)
    assert "libvirtError" not in str(error)


@pytest.mark.parametrize(
    "message",
    [
        "Cannot recv data: root@10.0.0.1: Permission denied (publickey).: Connection reset by peer",
        "Cannot recv data: Host key verification failed.: Connection reset by peer",
        "Failed to connect socket to '/run/libvirt/libvirt-sock': Permission denied",
    ],
)
def test_a_transport_that_turns_us_away_is_told_from_one_that_is_silent(message: str) -> None:
    assert type(translate(Told(38, RPC, message))) is errors.AuthenticationFailed
    assert type(translate(Told(38, QEMU, message))) is errors.OperationRefused


def test_an_ssh_that_says_more_than_libvirt_reads_is_told_as_turned_away() -> None:
    told = translate(Told(38, RPC, "Cannot recv data: Value too large for defined data type"))
    assert type(told) is errors.AuthenticationFailed
    assert "key has changed" in str(told)


@pytest.mark.parametrize(
    ("code", "domain", "words"),
    [
        (38, 18, "Cannot access storage file '/a/x.img' (as uid:64055, gid:64055): Permission denied"),
        (
            38,
            18,
            "Cannot access backing file '/a/x' of storage file '/b/y' (as uid:65534, gid:65534): Permission denied",
        ),
        (
            1,
            QEMU,
            "internal error: unable to execute QEMU command 'blockdev-add': Could not open '/x': Permission denied",
        ),
        (
            1,
            QEMU,
            "internal error: process exited while connecting to monitor: 2026-11-25T17:08:26.486947Z "
            'qemu-system-x86_64: -blockdev {"driver":"file"}:\nCould not open \'/a/x.img\': Permission denied',
        ),
        (
            1,
            QEMU,
            "internal error: qemu unexpectedly closed the monitor: qemu: could not open kernel file '/a/vmlinuz': "
            "Permission denied",
        ),
    ],
)
def test_a_file_that_the_user_of_qemu_may_not_open_is_told_from_a_missing_one(
    code: int, domain: int, words: str
) -> None:
    told = translate(Told(code, domain, words), "web-1")
    assert type(told) is errors.OperationRefused
    assert str(told).startswith(
        "The user that runs QEMU on the host may not open a disk, a medium or a kernel of web-1"
    )
    assert told.detail == words
    missing = translate(Told(code, domain, words.replace("Permission denied", "No such file or directory")), "web-1")
    assert "may not open" not in str(missing)


def test_a_kernel_without_queueing_for_rates_is_named() -> None:
    words = (
        "internal error: Child process (tc qdisc add dev vnet0 parent 1:1 handle 2: sfq perturb 10) "
        "unexpected exit status 2: Error: Specified qdisc kind is unknown."
    )
    assert "cannot limit the rates of a NIC of web-1" in str(translate(Told(1, QEMU, words), "web-1"))


def test_a_guest_without_acpi_is_told_from_a_host_that_fails() -> None:
    words = (
        "internal error: unable to execute QEMU command 'device_add': "
        "memory hotplug is not enabled: missing acpi device or acpi disabled"
    )
    assert str(translate(Told(1, QEMU, words), "web-1")).startswith("web-1 has no ACPI")


def test_the_guest_is_named_in_the_sentence_and_a_percent_sign_stays() -> None:
    assert "100%s" in str(translate(Told(55, QEMU), "100%s"))
    assert "the guest" in str(translate(Told(55, QEMU)))


def test_libvirts_own_refusals_are_translated(host: Connection) -> None:
    domain: Any = host.raw.lookupByUUIDString(str(RUNNING))
    with pytest.raises(errors.OperationRefused) as invalid, translated_errors("web-1"):
        domain.setMemoryFlags(10**9, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    assert invalid.value.code == 8
    domain.destroy()
    with pytest.raises(errors.OperationRefused, match="web-1 is not in a state") as state, translated_errors("web-1"):
        domain.setMemoryFlags(65536, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    assert state.value.code == 55
    with pytest.raises(errors.NotSupported), translated_errors("web-1"):
        domain.openGraphicsFD(0, 0)
    assert isinstance(state.value.__cause__, libvirt.libvirtError)


def test_other_exceptions_pass_through() -> None:
    with pytest.raises(KeyError), translated_errors():
        raise KeyError
