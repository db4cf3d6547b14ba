from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import libvirt
import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied

from guests.access.models import Grant
from guests.operations import ask, new_key
from guests.operations.models import Operation
from tests.guests.worker.conftest import RunningWorker, domain, row

Asked = Callable[..., Operation]


def next_boot(worker: RunningWorker, guest: str = "web-1") -> ElementTree.Element:
    return ElementTree.fromstring(domain(worker, guest).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))


def without_consoles(worker: RunningWorker, guest: str = "web-1") -> list[str]:
    """Every element of the definition but the serial ports and consoles, as text."""
    root = next_boot(worker, guest)
    devices = root.find("devices")
    assert devices is not None
    for element in [*devices.findall("serial"), *devices.findall("console")]:
        devices.remove(element)
    return [line.strip() for line in ElementTree.tostringlist(root, encoding="unicode") if line.strip()]


def test_a_serial_port_is_added_to_the_next_boot_and_nothing_else_changes(worker: RunningWorker, asked: Asked) -> None:
    before, count = without_consoles(worker), len(next_boot(worker).findall("devices/serial"))
    running = domain(worker, "web-1").XMLDesc(0)
    operation = asked("add_serial_console", "web-1")
    assert (operation.state, operation.message) == ("done", "")
    serials = next_boot(worker).findall("devices/serial")
    assert len(serials) == count + 1
    assert serials[-1].get("type") == "pty"
    assert without_consoles(worker) == before
    assert domain(worker, "web-1").XMLDesc(0) == running
    assert operation.after["waits_for_boot"] is True
    assert f"serial{count}" in operation.after["text_consoles"]


def test_a_pc_has_four_serial_ports_and_no_more(worker: RunningWorker, asked: Asked) -> None:
    for _ in range(4 - len(next_boot(worker).findall("devices/serial"))):
        assert asked("add_serial_console", "web-1").state == "done"
    refused = asked("add_serial_console", "web-1")
    assert refused.state == "failed"
    assert "4 serial ports" in refused.message
    ports = [serial.find("target") for serial in next_boot(worker).findall("devices/serial")]
    assert sorted(port.get("port", "") for port in ports if port is not None) == ["0", "1", "2", "3"]


def test_a_form_that_is_out_of_date_adds_nothing(worker: RunningWorker, asked: Asked) -> None:
    count = len(next_boot(worker).findall("devices/serial"))
    refused = asked("add_serial_console", "web-1", before={"text_consoles": 77})
    assert refused.state == "failed"
    assert len(next_boot(worker).findall("devices/serial")) == count


def test_the_host_writes_a_log_from_the_next_boot_on_and_no_more(worker: RunningWorker, asked: Asked) -> None:
    asked("add_serial_console", "web-1")
    on = asked("set_host_log", "web-1", device="serial0", on=True)
    assert on.state == "done", on.message
    log = next_boot(worker).find("devices/serial/log")
    assert log is not None
    assert log.attrib == {"file": "/var/log/libvirt/qemu/web-1-serial0.log", "append": "on"}
    assert on.after["host_logs"] == {"serial0": "/var/log/libvirt/qemu/web-1-serial0.log"}
    assert row("web-1").next_boot["text_consoles"][0]["host_log"].endswith("web-1-serial0.log")
    off = asked("set_host_log", "web-1", device="serial0", on=False)
    assert off.state == "done"
    assert next_boot(worker).find("devices/serial/log") is None


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"device": "serial0"},
        {"device": 7, "on": True},
        {"device": "serial9", "on": True},
        {"device": "../etc", "on": True},
        {"device": "", "on": True},
        {"device": "serial0/../../x", "on": True},
    ],
)
def test_a_log_of_no_console_is_refused(worker: RunningWorker, asked: Asked, parameters: dict[str, Any]) -> None:
    before = domain(worker, "web-1").XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    assert asked("set_host_log", "web-1", **parameters).state == "failed"
    assert domain(worker, "web-1").XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE) == before


@pytest.mark.parametrize("kind", ["add_serial_console", "set_host_log"])
def test_a_watcher_changes_no_console(worker: RunningWorker, kind: str) -> None:
    wanda = User.objects.create_user("wanda", password="a passphrase that is long")
    Grant.objects.create(user=wanda, role="watcher", scope="everything")
    with pytest.raises(PermissionDenied):
        ask(kind, row("web-1"), by=wanda, key=new_key(), parameters={"device": "serial0", "on": True})
