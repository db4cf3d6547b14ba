"""The public status page in Chromium: made by the administrator, opened by somebody without an account."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import BrowserContext, Page, expect

from tests.labs.lab import Lab


def test_a_page_is_made_published_and_read_signed_out_with_and_without_scripts(
    lab: Lab, signed_in: Page, new_context: Callable[..., BrowserContext]
) -> None:
    signed_in.goto("/status/new/")
    signed_in.fill("[name=title]", "Public things")
    signed_in.fill("[name=slug]", "public-things")
    first = signed_in.locator("[name=add]").first
    expect(first).to_be_visible()
    first.check()
    signed_in.click("[name=add-chosen]")
    label = signed_in.locator("[name^=label-]")
    expect(label).to_have_count(1)
    name = label.input_value()
    label.fill("The shop")
    signed_in.click("[name=save]")
    expect(signed_in.locator("main")).to_contain_text("Nobody yet")

    reader = new_context().new_page()
    assert reader.goto("/status/public-things/").status == 404  # type: ignore[union-attr]
    signed_in.get_by_role("button", name=re.compile("^Publish Public things")).click()
    expect(signed_in.locator("main")).to_contain_text("Everybody")

    reader.goto("/status/public-things/")
    expect(reader.locator("h1")).to_have_text("Public things")
    row = reader.get_by_role("row").filter(has_text="The shop")
    expect(row).to_be_visible()
    assert name not in reader.content()

    without_scripts = new_context(java_script_enabled=False).new_page()
    without_scripts.goto("/status/public-things/")
    expect(without_scripts.locator("main")).to_contain_text("The shop")

    # What happens to the guest is seen without a reload: the page renews itself.
    reader.evaluate("window.notReloaded = true")
    before = row.inner_text()
    signed_in.get_by_role("button", name=re.compile("^Unpublish Public things")).click()
    expect(reader.locator("h1")).to_have_text("There is no such page", timeout=25_000)
    assert "The shop" in before
