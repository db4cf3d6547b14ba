"""Nothing that a host or a thread does ends the process: libvirt's client library crashes where used carelessly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.labs.lab import REPOSITORY, Lab

pytestmark = [pytest.mark.live]
MOST_SECONDS = 60


@contextmanager
def stress(kind: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process of hypervisor_stress.py that is ready; it must end by itself, without a complaint."""
    command = [sys.executable, "-X", "faulthandler", "-m", "tests.live.hypervisor_stress", kind, *arguments]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "dashboard.settings"}
    process = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate(timeout=10)
        yield process
        output, errors = process.communicate("on\n", timeout=MOST_SECONDS)
        assert process.returncode == 0, f"{process.returncode}: {output}{errors}"
        assert output.endswith("done\n")
        assert errors == ""
    finally:
        process.kill()
        process.communicate()


def test_callers_of_a_host_that_hangs_all_return_and_its_waking_up_crashes_nothing(lab: Lab) -> None:
    with stress("keepalive", lab.uri) as process:
        lab.stop_libvirtd(signal.SIGSTOP)
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "broken\n", process.communicate(timeout=10)
        finally:
            lab.start_libvirtd()


def test_connections_are_closed_under_their_callers_and_stay_closed(lab: Lab) -> None:
    with stress("close", lab.uri) as process:
        while process.poll() is None:
            lab.virsh("suspend", lab.uuid("db-1"))  # events
            lab.virsh("resume", lab.uuid("db-1"))


def test_text_consoles_are_closed_while_they_are_flooded(lab: Lab) -> None:
    lab.wait_until_booted("web-1")
    try:
        with stress("consoles", lab.uri, lab.uuid("web-1")):
            pass
    finally:
        lab.virsh("destroy", lab.uuid("web-1"))  # it still has a flood to write: the next test wants a fresh one


@pytest.mark.parametrize("hung", [False, True])
def test_a_process_ends_in_order_while_libvirt_is_busy(lab: Lab, hung: bool) -> None:
    for _ in range(1 if hung else 5):
        try:
            with stress("end_in_a_call", lab.uri):
                if hung:
                    lab.stop_libvirtd(signal.SIGSTOP)
                    time.sleep(0.5)
        finally:
            lab.start_libvirtd()
