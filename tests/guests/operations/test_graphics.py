from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree

import libvirt
import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied

from guests.access.models import Grant
from guests.operations import ask, new_key
from guests.operations.models import Operation
from guests.resources import Graphics
from tests.guests.operations.test_text_devices import next_boot
from tests.guests.worker.conftest import RunningWorker, domain, row

Asked = Callable[..., Operation]


def without_graphics(worker: RunningWorker, guest: str = "web-1") -> None:
    """Take the screen out of the next boot's definition."""
    root = next_boot(worker, guest)
    devices = root.find("devices")
    assert devices is not None
    for name in ("graphics", "video"):
        for element in devices.findall(name):
            devices.remove(element)
    domain(worker, guest).connect().defineXML(ElementTree.tostring(root, encoding="unicode"))


def test_a_vnc_server_is_added_to_the_next_boot_and_what_runs_is_not_touched(
    worker: RunningWorker, asked: Asked
) -> None:
    without_graphics(worker)
    running = domain(worker, "web-1").XMLDesc(0)
    operation = asked("add_graphics", "web-1")
    assert (operation.state, operation.message) == ("done", "")
    (graphics,) = next_boot(worker).findall("devices/graphics")
    # Libvirt's test driver hands no descriptor over: its own loopback it is.
    assert (graphics.get("type"), graphics.get("autoport")) == ("vnc", "yes")
    assert [listen.attrib for listen in graphics.findall("listen")] == [{"type": "address", "address": "127.0.0.1"}]
    assert operation.after == {"graphics": ["vnc address 127.0.0.1"], "waits_for_boot": True}
    assert domain(worker, "web-1").XMLDesc(0) == running
    again = asked("add_graphics", "web-1")
    assert (again.state, "has a graphical console already" in again.message) == ("failed", True)
    assert len(next_boot(worker).findall("devices/graphics")) == 1


def test_a_screen_that_the_network_reaches_is_kept_inside_from_the_next_boot_on(
    worker: RunningWorker, asked: Asked
) -> None:
    root = next_boot(worker)
    (graphics,) = root.findall("devices/graphics")
    graphics.attrib |= {"port": "5999", "autoport": "no", "listen": "0.0.0.0", "websocket": "5700", "passwd": "s3cret"}
    for listen in graphics.findall("listen"):
        listen.set("address", "0.0.0.0")
    domain(worker, "web-1").connect().defineXML(ElementTree.tostring(root, encoding="unicode"))
    operation = asked("keep_graphics_inside", "web-1")
    assert (operation.state, operation.message) == ("done", "")
    xml = domain(worker, "web-1").XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE)
    graphics = ElementTree.fromstring(xml).find("devices/graphics")  # type: ignore[assignment]
    assert (graphics.get("listen"), graphics.get("autoport"), graphics.get("passwd")) == ("127.0.0.1", "yes", "s3cret")
    assert {graphics.get("websocket"), graphics.get("socket")} == {None}
    assert "5999" not in xml
    assert row("web-1").next_boot["graphics"][0]["address"] == "127.0.0.1"


def test_without_a_screen_there_is_nothing_to_keep_inside(worker: RunningWorker, asked: Asked) -> None:
    without_graphics(worker)
    refused = asked("keep_graphics_inside", "web-1")
    assert (refused.state, "has no graphical console" in refused.message) == ("failed", True)


@pytest.mark.parametrize("kind", ["add_graphics", "keep_graphics_inside"])
def test_a_watcher_changes_no_screen(worker: RunningWorker, kind: str) -> None:
    wanda = User.objects.create_user("wanda", password="a passphrase that is long")
    Grant.objects.create(user=wanda, role="watcher", scope="everything")
    with pytest.raises(PermissionDenied):
        ask(kind, row("web-1"), by=wanda, key=new_key(), parameters={})


@pytest.mark.parametrize(
    ("graphics", "exposed"),
    [
        (Graphics("vnc", "none"), False),
        (Graphics("vnc", "socket", socket="/run/x"), False),
        (Graphics("vnc", "address", "127.0.0.1", 5900), False),
        (Graphics("vnc", "address", "::1", 5900), False),
        (Graphics("vnc", "address", "localhost", 5900), False),
        (Graphics("vnc", "address", None, 5900), False),
        (Graphics("vnc", "address", "0.0.0.0", 5900), True),
        (Graphics("vnc", "address", "::", 5900), True),
        (Graphics("vnc", "address", "192.0.2.7", 5900), True),
        (Graphics("vnc", "address", "atlas.example", 5900), True),
        (Graphics("vnc", "network"), True),
    ],
)
def test_a_screen_is_exposed_where_others_than_its_host_reach_it(graphics: Graphics, exposed: bool) -> None:
    assert graphics.is_exposed is exposed
