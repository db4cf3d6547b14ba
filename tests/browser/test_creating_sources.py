"""Guests from a medium, a cloud image and a disk that is there, in Chromium: what is refused, and what each one says.

The guests are boot sectors: tests/labs/boot_sectors.py.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import findings
from tests.labs import boot_sectors
from tests.labs.lab import Lab
from tests.live.test_creating import KEY

pytestmark = pytest.mark.timeout(240)
POOL = "sources"
GUESTS = ("from-medium", "from-image", "from-disk")


@pytest.fixture
def pool(lab: Lab) -> Iterator[Lab]:
    """The lab with a pool of something to boot from; new guests and the pool are gone at the end."""
    contents = {
        "install.iso": boot_sectors.medium("This was booted from a medium."),
        "cloud.img": boot_sectors.saying("This was booted from an image.").ljust(2**20, b"\0"),
        "ready.img": boot_sectors.saying("This was booted from a disk.").ljust(2**20, b"\0"),
    }
    directory = lab.pool(POOL)
    for name, content in contents.items():
        (directory / name).write_bytes(content)
    lab.virsh("pool-refresh", POOL)
    yield lab
    for name in GUESTS:
        for words in (("destroy", name), ("undefine", name)):
            with suppress(subprocess.CalledProcessError):
                lab.virsh(*words)
    lab.pool(POOL)
    lab.virsh("pool-destroy", POOL)
    lab.virsh("pool-undefine", POOL)


def choose(page: Page, field: str, words: str) -> None:
    select = page.locator(f"select[name={field}]")
    select.select_option(select.locator("option", has_text=words).get_attribute("value"))


def begin(page: Page, name: str, source: str, field: str) -> None:
    """A new guest of 64 MiB; returns when the fields of its source are there."""
    page.goto("/guests/new/")
    page.get_by_label(source).check()
    expect(page.locator(f"select[name={field}]")).to_be_visible()
    page.fill("input[name=name]", name)
    page.fill("input[name=memory]", "64 MiB")
    page.fill("input[name=maximum]", "64 MiB")


def create(page: Page) -> None:
    page.get_by_role("button", name="Create the guest").click()


def says(page: Page, *sentences: str) -> None:
    """What stands on the text console of the guest whose page or console this is."""
    guest = re.search(r"/guests/([0-9a-f-]{36})/", page.url)
    assert guest
    page.goto(f"/guests/{guest[1]}/console/text/")
    for sentence in sentences:
        expect(page.locator(".xterm-rows")).to_contain_text(sentence, timeout=60_000)


def test_guests_from_a_medium_an_image_and_a_disk_boot_and_what_does_not_fit_is_refused(
    signed_in: Page, pool: Lab
) -> None:
    page = signed_in
    page.goto("/storage/")
    page.get_by_role("link", name=POOL, exact=True).click(timeout=20_000)
    for name in ("install.iso", "cloud.img", "ready.img"):
        expect(page.locator("main")).to_contain_text(name, timeout=20_000)

    begin(page, "from-medium", "An installation medium (ISO)", "iso")
    choose(page, "iso", "install.iso")
    choose(page, "pool", POOL)
    page.fill("input[name=memory]", "9 TiB")
    page.fill("input[name=maximum]", "9 TiB")
    page.fill("input[name=maximum_vcpus]", "999")
    page.fill("input[name=size]", "no size")
    create(page)
    for field, sentence in (("maximum", "in all."), ("maximum_vcpus", "At most"), ("size", "Type a number")):
        expect(page.locator(f"#id_{field}_error")).to_contain_text(sentence)
    for field, typed in (("name", "from-medium"), ("maximum", "9 TiB"), ("size", "no size")):
        expect(page.locator(f"input[name={field}]")).to_have_value(typed)
    expect(page.locator("select[name=pool] option:checked")).to_contain_text(POOL)
    assert not findings(page)
    page.fill("input[name=memory]", "64 MiB")
    page.fill("input[name=maximum]", "64 MiB")
    page.fill("input[name=maximum_vcpus]", "1")
    page.fill("input[name=size]", "900 TiB")
    create(page)
    expect(page.locator("main")).to_contain_text("guests stop when it is full")
    page.fill("input[name=size]", "16 MiB")
    create(page)
    page.wait_for_url("**/console/vnc/**", timeout=30_000)
    says(page, "This was booted from a medium.")

    begin(page, "from-image", "A cloud image", "image")
    choose(page, "image", "cloud.img")
    choose(page, "pool", POOL)
    page.fill("input[name=user]", "root")
    page.fill("textarea[name=ssh_keys]", "ssh-ed25519 nonsense")
    page.fill("input[name=size]", "512 KiB")
    create(page)
    for field, sentence in (("user", "is not root"), ("ssh_keys", "no public key"), ("size", "at least 1.0 MiB")):
        expect(page.locator(f"#id_{field}_error")).to_contain_text(sentence)
    expect(page.locator("textarea[name=ssh_keys]")).to_have_value("ssh-ed25519 nonsense")
    page.fill("input[name=user]", "anna")
    page.fill("textarea[name=ssh_keys]", KEY)
    page.fill("input[name=size]", "16 MiB")
    create(page)
    page.wait_for_url("**/console/text/**", timeout=30_000)
    says(page, "This was booted from an image.")
    page.goto(page.url.replace("console/text/", "devices/"))
    seed = page.get_by_role("row").filter(has_text="from-image-seed.iso")
    expect(seed).to_contain_text("vdb")
    expect(seed).to_contain_text("read-only")

    begin(page, "from-disk", "A disk that is there already", "disk")
    choose(page, "disk", "ready.img")
    create(page)
    page.wait_for_url("**/console/text/**", timeout=30_000)
    says(page, "This was booted from a disk.")
    begin(page, "from-disk", "A disk that is there already", "disk")
    expect(page.locator("select[name=disk] option", has_text="ready.img")).to_have_count(0)

    guest = pool.virsh("domuuid", "from-image").strip()
    page.goto(f"/guests/{guest}/")
    page.locator("#act-more").click()
    page.get_by_role("link", name="Create one like this").click()
    for field, like in (("memory", "64 MiB"), ("maximum", "64 MiB"), ("size", "16 MiB"), ("name", "")):
        expect(page.locator(f"input[name={field}]")).to_have_value(like)
    expect(page.locator("select[name=pool] option:checked")).to_contain_text(POOL)
    assert not findings(page)
