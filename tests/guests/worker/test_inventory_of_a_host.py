from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import libvirt
import pytest

from guests.inventory.models import Guest, Host, HostState
from tests.guests.worker.conftest import RunningWorker, domain, row, until
from tests.labs.host_xml import HostXml


def test_a_host_is_read_and_its_figures_follow(worker: RunningWorker) -> None:
    host = Host.objects.get()
    assert (host.state, host.driver) == (HostState.UP, "Test")
    assert host.seen_at is not None
    assert host.tick_ms is not None
    web = until(lambda: Guest.objects.filter(name="web-1", cpu_percent__isnull=False).first())
    assert (web.state, web.current_kib, web.vcpus_current, web.vcpus_maximum) == ("running", 256 * 1024, 1, 4)
    assert web.disk_read_rate is not None
    assert web.cpu_history
    off = row("off-1")
    assert (off.state, off.cpu_percent, off.domain_id) == ("shut-off", None, None)


def test_what_virsh_suspends_is_paused_in_the_table_within_a_moment(worker: RunningWorker) -> None:
    web = domain(worker, "web-1")
    times = []
    for _ in range(5):
        began = time.monotonic()
        web.suspend()
        until(lambda: row("web-1").state == "paused", 2)
        times.append(time.monotonic() - began)
        web.resume()
        until(lambda: row("web-1").state == "running", 2)
    assert sorted(times)[2] < 0.15, times  # a tick is 0.2 s: it was the event


def test_a_guest_defined_and_undefined_by_virsh_comes_and_goes(worker: RunningWorker) -> None:
    connection = worker.libvirt("alpha").raw
    new = connection.defineXML(
        "<domain type='test'><name>new-1</name><memory>1024</memory><os><type>hvm</type></os></domain>"
    )
    until(lambda: Guest.objects.filter(name="new-1", state="shut-off").exists())
    new.undefine()
    until(lambda: Guest.objects.filter(name="new-1", gone_at__isnull=False).exists())


def test_a_guest_started_and_destroyed_by_virsh_gets_and_loses_its_id(worker: RunningWorker) -> None:
    off = domain(worker, "off-1")
    off.create()
    until(lambda: row("off-1").state == "running" and row("off-1").domain_id == off.ID())
    off.destroy()
    until(lambda: row("off-1").state == "shut-off" and row("off-1").domain_id is None)


def test_a_resize_by_virsh_is_seen_at_the_next_tick(worker: RunningWorker) -> None:
    web = domain(worker, "web-1")
    web.setMemoryFlags(128 * 1024, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    web.setVcpusFlags(3, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    until(lambda: row("web-1").current_kib == 128 * 1024 and row("web-1").vcpus_current == 3)
    assert row("web-1").next_boot_current_kib == 256 * 1024


def test_a_bad_address_is_a_row_with_a_sentence_and_holds_nobody_up(
    start_worker: Callable[..., RunningWorker], host_xml: HostXml
) -> None:
    host_xml.add_guest("web-1")
    start_worker({"bad": "qemu+unix:///system?socket=/tmp/no-such-socket", "alpha": host_xml.uri, "odd": "nonsense"})
    until(lambda: Guest.objects.filter(name="web-1").exists())
    bad = until(lambda: Host.objects.filter(name="bad", state=HostState.UNREACHABLE).first())
    assert bad.message
    assert bad.next_try_at is not None
    assert "no-such-socket" not in bad.message  # libvirt's own words are for administrators
    assert "no-such-socket" in bad.detail
    odd = until(lambda: Host.objects.filter(name="odd", state=HostState.UNREACHABLE).first())
    assert odd.message


def test_a_host_that_was_removed_from_the_settings_is_switched_off_and_kept(
    start_worker: Callable[..., RunningWorker], host_xml: HostXml
) -> None:
    host_xml.add_guest("web-1")
    first = start_worker({"alpha": host_xml.uri})
    until(lambda: Guest.objects.filter(name="web-1").exists())
    first.stop()
    second = start_worker({})
    until(lambda: Host.objects.filter(state=HostState.DISABLED).exists())
    assert not second.worker.services
    assert Guest.objects.filter(name="web-1", gone_at__isnull=True).exists()


def test_it_stops_within_three_seconds_while_a_host_hangs(
    start_worker: Callable[..., RunningWorker], host_xml: HostXml, unused_listener: str
) -> None:
    host_xml.add_guest("web-1")
    running = start_worker({"mute": f"qemu+unix:///system?socket={unused_listener}", "alpha": host_xml.uri})
    until(lambda: Guest.objects.filter(name="web-1", cpu_percent__isnull=False).exists())  # the mute one held nobody up
    assert running.stop() < 3.0


@pytest.fixture
def unused_listener(tmp_path_factory: Any) -> Any:
    """A socket that takes connections and never says a word, as a stopped libvirtd does."""
    import socket
    import tempfile
    from pathlib import Path

    with (
        tempfile.TemporaryDirectory(prefix="gh-mute-", dir="/tmp") as directory,
        socket.socket(socket.AF_UNIX) as listener,
    ):
        path = Path(directory) / "s"
        listener.bind(str(path))
        listener.listen(8)
        yield str(path)


def test_two_workers_share_hosts_and_a_second_takes_over_what_the_first_gives_back(
    start_worker: Callable[..., RunningWorker], host_xml: HostXml, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guests.worker.worker.TAKE_SECONDS", 0.2)
    host_xml.add_guest("web-1")
    first = start_worker({"alpha": host_xml.uri}, "first")
    first.libvirt("alpha")
    second = start_worker({"alpha": host_xml.uri}, "second")
    time.sleep(1.0)
    assert not second.worker.services
    epoch = Host.objects.get().lease.epoch
    first.stop()
    until(lambda: second.worker.services, 10)
    lease = Host.objects.get().lease
    assert (lease.owner, lease.epoch) == ("second", epoch + 1)


def test_a_worker_whose_lease_was_taken_stops_serving(worker: RunningWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host.objects.get()
    host.lease.owner, host.lease.epoch = "other", host.lease.epoch + 1
    host.lease.save()
    until(lambda: not worker.worker.services)
    seen = Host.objects.get().seen_at
    time.sleep(0.6)
    assert Host.objects.get().seen_at == seen
