"""The form that migrates a guest and the tab "Settings", in Chromium, between two real hosts."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.axe import findings
from tests.browser.conftest import PASSWORD
from tests.browser.vnc_consoles import COLOURS, connected
from tests.browser.waiting import until
from tests.labs.product import Product
from tests.labs.two_hosts import TwoHosts

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(os.geteuid() != 0, reason="bridges and network namespaces need root"),
]
ROVER = "5f3c1b0e-0000-4000-8000-0000000c0003"
ROVER_XML = f"""
<domain type='qemu'>
  <name>rover</name><uuid>{ROVER}</uuid><memory unit='MiB'>64</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <interface type='user'><mac address='52:54:00:0c:00:03'/></interface>
    <graphics type='vnc' autoport='yes' listen='0.0.0.0'/><video><model type='vga'/></video>
  </devices>
</domain>
"""
DECOY_XML = """
<domain type='qemu'>
  <name>decoy</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices><graphics type='vnc' port='{port}' autoport='no' listen='0.0.0.0'/></devices>
</domain>
"""
ADD_PAULA = f"""
from django.contrib.auth.models import User
from guests.access.models import Grant
from guests.inventory.models import Host
paula = User.objects.create_user("paula", password="{PASSWORD}")
Grant.objects.create(user=paula, role="operator", scope="host", host=Host.objects.get(name="two"))
"""
# What the page says, one after the other.
LISTEN = """() => {
  window.said = [];
  const hear = () => {
    const words = document.querySelector("#vnc-notice p").textContent.trim();
    if (words && window.said.at(-1) !== words) window.said.push(words);
  };
  const notice = document.querySelector("#vnc-notice");
  new MutationObserver(hear).observe(notice, { subtree: true, childList: true, characterData: true });
}"""


@pytest.fixture(scope="module")
def product(two_hosts: TwoHosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Over both hosts; rover runs on host one. Screens of host two want TLS and a certificate of ours."""
    certificates = tmp_path_factory.mktemp("vnc-tls")
    two_hosts.authority.write(certificates / "two", "client")
    two_hosts.virsh(1, "define", "/dev/stdin", stdin=ROVER_XML)
    two_hosts.virsh(1, "start", "rover")
    hosts = {"one": two_hosts.uri(1), "two": two_hosts.uri(2), "spare": "test:///default"}
    product = Product(hosts, {"GUESTHOUSE_VNC_TLS_DIR": str(certificates)})
    yield product
    product.close()
    for host in (1, 2):
        for word in ("destroy", "undefine"):
            with suppress(subprocess.CalledProcessError):
                two_hosts.virsh(host, word, "rover")


def test_somebody_migrates_a_guest(signed_in: Page, two_hosts: TwoHosts) -> None:
    page = signed_in
    page.goto(f"/guests/{ROVER}/")
    page.get_by_label("More actions").click()
    page.get_by_role("link", name="Migrate").click()
    expect(page.get_by_role("radio", name=re.compile("two"))).to_be_checked()  # the only one that fits
    expect(page.get_by_role("radio", name=re.compile("spare"))).to_be_disabled()
    expect(page.get_by_text("It runs Test guests, rover is one of QEMU.")).to_be_visible()
    assert findings(page) == []
    page.get_by_role("button", name="Migrate").click()
    expect(page.locator("#guest-header a", has_text=re.compile("^two$"))).to_be_visible(timeout=20_000)
    assert two_hosts.virsh(2, "domstate", "rover").strip() == "running"


@pytest.fixture
def decoy(two_hosts: TwoHosts) -> Iterator[None]:
    """A guest on host one, at the port at which rover's screen is on host two."""
    port = two_hosts.virsh(2, "vncdisplay", "rover").strip().rpartition(":")[2]
    two_hosts.virsh(1, "create", "/dev/stdin", stdin=DECOY_XML.format(port=5900 + int(port)))
    yield
    two_hosts.virsh(1, "destroy", "decoy")


def test_an_open_screen_follows_its_guest_and_ends_for_whom_the_new_host_is_closed(
    signed_in: Page,
    two_hosts: TwoHosts,
    product: Product,
    new_context: Callable[..., BrowserContext],
    sign_in: Callable[..., None],
    decoy: None,
) -> None:
    def viewers(host: int, guest: str) -> int:
        return two_hosts.virsh(host, "qemu-monitor-command", guest, "--hmp", "info vnc").count("Client:")

    product.manage("shell", "-c", ADD_PAULA)
    admin, paula = signed_in, new_context().new_page()
    sign_in(paula, "paula", PASSWORD)
    tickets: list[str] = []
    admin.on("response", lambda answer: tickets.append(answer.url) if "/console/ticket/" in answer.url else None)
    for page in (admin, paula):
        page.goto(f"/guests/{ROVER}/console/vnc/")
        connected(page)
        page.evaluate(LISTEN)
    assert (viewers(2, "rover"), len(tickets)) == (2, 1)

    to = f"tcp://{two_hosts.address(1)}"
    options = ("--migrateuri", to, "--live", "--persistent", "--undefinesource")
    two_hosts.virsh(2, "migrate", "rover", two_hosts.uri(1), *options)
    expect(paula.locator("#vnc-state")).to_have_text("Ended")
    expect(paula.locator("#vnc-notice")).to_contain_text("This guest or its screen is not there any more.")
    until(admin, "window.said.length > 0")
    connected(admin)
    until(admin, f"({COLOURS})() > 1")
    assert admin.evaluate("window.said[0]").startswith("rover is not on two any more.")
    assert (viewers(1, "rover"), viewers(1, "decoy")) == (1, 0)
    assert len(tickets) > 1


def test_settings_are_changed_in_their_tab(signed_in: Page, two_hosts: TwoHosts) -> None:
    page = signed_in
    page.goto(f"/guests/{ROVER}/settings/")
    page.locator("#describe-title").fill("Rover & co")
    page.get_by_role("button", name="Save the description").click()
    expect(page.locator("#messages")).to_contain_text("rover: it was saved.")
    expect(page.locator("#describe-title")).to_have_value("Rover & co")
    page.locator("#rename-name").fill("rover")
    page.get_by_role("button", name="Rename").click()
    expect(page.get_by_text("This is its name already.")).to_be_visible()
    assert findings(page) == []
