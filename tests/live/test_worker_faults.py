"""libvirtd killed, stopped and hung under the host worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from guests.inventory.models import Guest, Host, HostState
from guests.operations import ask, new_key, wait_for_end
from guests.operations.models import Operation
from tests.guests.worker.conftest import RunningWorker, admin, row, start_worker, until
from tests.labs.host_xml import HostXml
from tests.labs.lab import Lab

__all__ = ["admin", "start_worker"]
REPOSITORY = Path(__file__).resolve().parents[2]


def state(name: str = "lab") -> str:
    return Host.objects.get(name=name).state


@pytest.fixture
def served(lab: Lab, start_worker: Callable[..., RunningWorker], host_xml: HostXml, settings: Any) -> RunningWorker:
    """The lab, and beside it a host of the test driver that must never notice anything."""
    lab.wait_until_booted("web-1")
    host_xml.add_guest("other-1")
    settings.TICK_SECONDS = 0.5
    worker = start_worker({"lab": lab.uri, "other": host_xml.uri})
    until(lambda: Guest.objects.filter(name="web-1", usable_kib__isnull=False).exists(), 20)
    until(lambda: Guest.objects.filter(name="other-1", cpu_percent__isnull=False).exists(), 20)
    return worker


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_libvirtd_is_marked_within_three_seconds_and_everything_returns(
    served: RunningWorker, lab: Lab, number: signal.Signals
) -> None:
    began = time.monotonic()
    lab.stop_libvirtd(number)
    until(lambda: state() == HostState.UNREACHABLE, 3)
    print(f"marked after {time.monotonic() - began:.2f} s")
    host = Host.objects.get(name="lab")
    assert host.message
    assert host.next_try_at is not None
    assert row("web-1").state == "running"  # the last that was known, shown with its age
    lab.start_libvirtd()
    until(lambda: state() == HostState.UP, 15)
    seen = Host.objects.get(name="lab").seen_at
    until(lambda: Host.objects.get(name="lab").seen_at != seen, 5)
    assert Host.objects.get(name="lab").message == ""


def test_a_hung_libvirtd_is_marked_within_twenty_seconds_and_delays_no_other_host(
    served: RunningWorker, lab: Lab
) -> None:
    began = time.monotonic()
    lab.stop_libvirtd(signal.SIGSTOP)
    gaps, seen_at, last = [], None, time.monotonic()
    while state() == HostState.UP and time.monotonic() - began < 25:
        now = Host.objects.get(name="other").seen_at
        if now != seen_at:
            gaps.append(time.monotonic() - last)
            seen_at, last = now, time.monotonic()
        time.sleep(0.02)
    took = time.monotonic() - began
    print(f"marked after {took:.1f} s, the other host was read at most {max(gaps):.2f} s apart")
    assert took < 20
    assert max(gaps) < 3
    assert Host.objects.get(name="lab").message
    time.sleep(2)
    assert state() != HostState.UP  # opening towards a stopped daemon does not succeed
    lab.start_libvirtd()
    until(lambda: state() == HostState.UP, 25)


def test_an_operation_whose_connection_broke_is_unknown_and_then_found_out(
    served: RunningWorker, lab: Lab, admin: User
) -> None:
    lab.virsh("suspend", lab.uuid("web-1"))  # so that the balloon waits
    held = row("web-1").current_kib
    parameters = {"kib": held - 32 * 1024, "live": True, "next_boot": False}
    operation = ask("set_current_memory", row("web-1"), by=admin, key=new_key(), parameters=parameters)
    until(lambda: Operation.objects.get(pk=operation.pk).state == "waiting")
    lab.stop_libvirtd(signal.SIGKILL)
    found = wait_for_end(operation, 10)
    assert (found.state, found.ended_at) == ("unknown", None)
    assert found.message
    refused = wait_for_end(ask("pause", row("web-1"), by=admin, key=new_key()), 10)
    assert refused.state == "failed"
    assert "nothing was changed" in refused.message
    lab.start_libvirtd()
    until(lambda: Operation.objects.get(pk=operation.pk).ended_at, 25)
    settled = Operation.objects.get(pk=operation.pk)
    assert settled.state == "failed"
    assert settled.after["current_kib"] == held
    lab.virsh("setmem", lab.uuid("web-1"), str(held), "--live")  # or it would move once it wakes, in the next test


@pytest.mark.parametrize("hung", [False, True])
def test_sigterm_ends_the_worker_within_three_seconds_also_when_libvirtd_hangs(
    lab: Lab, tmp_path: Path, hung: bool
) -> None:
    environment = {
        **os.environ,
        "GUESTHOUSE_DATA_DIR": str(tmp_path),
        "GUESTHOUSE_RUNTIME_DIR": str(tmp_path),
        "GUESTHOUSE_DATABASE_URL": f"sqlite:///{tmp_path}/worker.sqlite3",
        "GUESTHOUSE_HOSTS": f"lab={lab.uri}",
        "GUESTHOUSE_TICK_SECONDS": "0.5",
    }
    manage = [sys.executable, str(REPOSITORY / "manage.py")]
    subprocess.run([*manage, "migrate", "-v0"], env=environment, check=True, timeout=120)
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*manage, "hostworker"], env=environment, stderr=log, stdout=log)
    try:
        until(lambda: b"serving host" in (tmp_path / "log").read_bytes(), 30)
        time.sleep(2)
        if hung:
            lab.stop_libvirtd(signal.SIGSTOP)
            time.sleep(2)  # the poll is in a call that does not come back
        began = time.monotonic()
        process.terminate()
        assert process.wait(10) == 0
        assert time.monotonic() - began < 3.0
    finally:
        process.kill()
        process.wait(10)
        lab.start_libvirtd()
    connection.close()
