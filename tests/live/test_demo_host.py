"""The demo host that `make run` brings up: what it leaves running, and that it leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.demo import place
from deploy.demo.host import demo_host
from deploy.demo.processes import wait_until
from tests.labs.lab import IMAGE, REPOSITORY, Lab


def processes_naming(text: str) -> list[int]:
    """The pids of processes that have this text among their arguments."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if text in (entry / "cmdline").read_text(errors="replace"):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """`python -m deploy.demo COMMAND` in a data directory of the test's own, taken down at the end."""
    (tmp_path / "guest-image").symlink_to(IMAGE)

    def run(command: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "deploy.demo", command, "--data-dir", tmp_path],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    yield run
    run("down")


def test_has_two_running_guests_and_one_that_is_shut_off(lab: Lab) -> None:
    assert {name: lab.state(name) for name in ("web-1", "db-1", "backup-1")} == {
        "web-1": "running",
        "db-1": "running",
        "backup-1": "shut off",
    }


def test_guests_boot_and_report_what_they_use(lab: Lab) -> None:
    lab.wait_until_booted("web-1")
    balloon = lab.balloon("web-1")
    assert balloon["actual"] == lab.demo_guest("web-1").current_kib
    assert 0 < balloon["usable"] < balloon["actual"]


def test_guests_run_on_while_libvirtd_is_stopped(lab: Lab) -> None:
    before = lab.virsh("domid", "web-1")
    lab.stop_libvirtd()
    assert lab.libvirtd is None
    lab.start_libvirtd()
    assert lab.virsh("domid", "web-1") == before


def test_libvirtd_that_was_killed_finds_its_guests_again(lab: Lab) -> None:
    before = lab.virsh("domid", "db-1")
    lab.stop_libvirtd(signal.SIGKILL)
    lab.start_libvirtd()
    assert lab.virsh("domid", "db-1") == before


def test_hung_libvirtd_goes_on_when_started(lab: Lab) -> None:
    lab.stop_libvirtd(signal.SIGSTOP)
    with pytest.raises(subprocess.TimeoutExpired):
        lab.virsh("list", seconds=1)
    lab.start_libvirtd()
    assert lab.state("web-1") == "running"


def test_restoring_undoes_what_a_test_did(lab: Lab) -> None:
    lab.virsh("setvcpus", "web-1", "2", "--live")
    lab.virsh("setmaxmem", "backup-1", "512MiB", "--config")
    lab.virsh("start", "backup-1")
    lab.virsh("suspend", "db-1")
    lab.restore()
    assert lab.virsh("vcpucount", "web-1", "--live", "--active").strip() == "1"
    assert lab.state("backup-1") == "shut off"
    assert lab.state("db-1") == "running"
    assert "262144" in lab.virsh("dumpxml", "backup-1", "--inactive", "--xpath", "//memory")


def test_second_up_finds_it_up_and_down_leaves_nothing(demo: Callable[[str], str], tmp_path: Path) -> None:
    directory = place.demo_directory(tmp_path)
    uri = demo("up").strip()
    assert demo("up").strip() == uri
    assert (tmp_path / "demo").readlink() == directory
    assert "web-1" in demo("status")
    demo("stop")
    assert "stopped" in demo("status")
    demo("start")
    assert demo_host(directory).virsh("pool-list", "--name").split() == ["images"]  # to create guests from
    guests = demo_host(directory).virsh("list", "--name").split()
    assert sorted(guests) == ["db-1", "web-1"]
    demo("down")
    assert not directory.exists()
    assert not (tmp_path / "demo").is_symlink()
    assert wait_until(lambda: not processes_naming(str(directory)), 5)
    assert str(directory) not in Path("/proc/self/mounts").read_text()


def test_up_does_not_start_a_guest_that_was_shut_off_since(demo: Callable[[str], str], tmp_path: Path) -> None:
    demo("up")
    host = demo_host(place.demo_directory(tmp_path))
    host.virsh("destroy", "db-1")
    demo("up")
    assert host.virsh("domstate", "db-1").strip() == "shut off"
