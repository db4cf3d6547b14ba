"""The form that migrates a guest and the tab "Settings", in Chromium, between two real hosts."""

from __future__ import annotations

import os
import random
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
from tests.labs.two_hosts import IMAGES, TwoHosts

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
MULE = "5f3c1b0e-0000-4000-8000-0000000c0004"
MULE_XML = f"""
<domain type='qemu'>
  <name>mule</name><uuid>{MULE}</uuid><memory unit='MiB'>32</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/><source file='{IMAGES}/mule.img'/><target dev='vda' bus='virtio'/>
    </disk>
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
def cargo(product: Product, two_hosts: TwoHosts) -> Iterator[bytes]:
    """mule runs on host one; the content of its disk, which host two has not, only a pool of the same path."""
    content = random.Random(4).randbytes(32 * 1024 * 1024)
    image = two_hosts.images(1) / "mule.img"
    image.write_bytes(content)
    image.chmod(0o666)
    two_hosts.virsh(2, "pool-create-as", "mule-images", "dir", "--target", IMAGES)
    two_hosts.virsh(1, "define", "/dev/stdin", stdin=MULE_XML)
    two_hosts.virsh(1, "start", "mule")
    yield content
    for host in (1, 2):
        for word in ("destroy", "undefine"):
            with suppress(subprocess.CalledProcessError):
                two_hosts.virsh(host, word, "mule")
        (two_hosts.images(host) / "mule.img").unlink(missing_ok=True)
    two_hosts.virsh(2, "pool-destroy", "mule-images")


def test_a_paused_guest_goes_with_its_disk_and_comes_back_shut_off(
    signed_in: Page, two_hosts: TwoHosts, cargo: bytes
) -> None:
    page, there = signed_in, two_hosts.images(2) / "mule.img"
    header = page.locator("#guest-header")

    def is_on(name: str) -> None:
        expect(header.locator("a", has_text=re.compile(f"^{name}$"))).to_be_visible(timeout=20_000)

    def migrate(*ticked: str) -> None:
        page.goto(f"/guests/{MULE}/migrate/")
        for name in ticked:
            page.get_by_role("checkbox", name=re.compile(name)).check()
        page.get_by_role("button", name="Migrate").click()

    page.goto("/guests/?q=mule")
    page.get_by_role("link", name="mule", exact=True).click(timeout=20_000)  # once the list has it
    expect(header).to_contain_text("Running", timeout=20_000)
    two_hosts.virsh(1, "suspend", "mule")
    expect(header).to_contain_text("Paused")
    migrate()
    expect(page.locator("main")).to_contain_text("mule stays on one.", timeout=20_000)
    assert findings(page) == []

    two_hosts.virsh(1, "migrate-setspeed", "mule", "1")
    migrate("Copy its disks, too")
    on_its_way = page.locator("#on-its-way")
    expect(on_its_way).to_contain_text("Migrate: one → two")
    expect(on_its_way).to_contain_text("iB/s", timeout=20_000)
    assert findings(page) == []
    page.get_by_role("button", name="Cancel").click()
    expect(on_its_way).to_have_count(0, timeout=20_000)
    is_on("one")
    expect(page.locator("#guest-operations")).to_contain_text("Cancelled: mule stays on one.")
    assert two_hosts.virsh(1, "domstate", "mule").strip() == "paused"
    two_hosts.virsh(1, "migrate-setspeed", "mule", "8192")

    migrate("Copy its disks, too")
    is_on("two")
    expect(header).to_contain_text("Paused")
    assert two_hosts.virsh(2, "domstate", "mule").strip() == "paused"
    assert "mule" not in two_hosts.virsh(1, "list", "--all", "--name")
    assert there.read_bytes() == cargo

    two_hosts.virsh(2, "destroy", "mule")
    expect(header).to_contain_text("Shut off")
    migrate()
    expect(page.locator("#shared-error")).to_contain_text("Its disks do not go along")
    assert findings(page) == []
    page.get_by_role("checkbox", name=re.compile("The other host has its disks at the same path")).check()
    page.get_by_role("button", name="Migrate").click()
    is_on("one")
    assert two_hosts.virsh(1, "domstate", "mule").strip() == "shut off"
    assert "mule" not in two_hosts.virsh(2, "list", "--all", "--name")


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
    place = page.get_by_label("52:54:00:0c:00:03 (NIC)")
    place.fill("")
    page.get_by_role("button", name="Save the order").click()
    expect(page.get_by_text("Give at least one device a number.")).to_be_visible()
    page.get_by_label("52:54:00:0c:00:03 (NIC)").fill("1")
    page.get_by_role("button", name="Save the order").click()
    expect(page.locator("#messages")).to_contain_text("rover: it was saved.")
    expect(place).to_have_value("1")
    assert "<boot order='1'/>" in two_hosts.virsh(1, "dumpxml", "rover", "--inactive")
    page.locator("#rename-name").fill("rover")
    page.get_by_role("button", name="Rename").click()
    expect(page.get_by_text("This is its name already.")).to_be_visible()
    assert findings(page) == []
