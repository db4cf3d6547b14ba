"""API tokens in Chromium: made after proving who one is, copied, used, revoked; nothing for axe to find."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import findings
from tests.labs.product import Product


def asked(product: Product, secret: str) -> dict[str, Any]:
    request = urllib.request.Request(f"{product.url}/api/v1/guests", headers={"Authorization": f"Bearer {secret}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def test_a_token_is_made_copied_used_and_revoked(product: Product, signed_in: Page) -> None:
    page = signed_in
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/accounts/tokens/")
    page.get_by_role("link", name="New token").click()
    page.fill("[name=password]", product.admin_password)  # a token outlives the session
    page.press("[name=password]", "Enter")
    page.fill("[name=name]", "nightly")
    page.check("[name=reach][value=chosen]")
    page.get_by_label("web-1 · lab").check()
    assert findings(page) == []
    page.get_by_role("button", name="Make the token").click()
    expect(page.locator("h1")).to_have_text("Token nightly")
    assert findings(page) == []
    page.get_by_role("button", name="Copy").click()
    expect(page.locator("[data-said]")).to_have_text("Copied")
    secret = page.evaluate("navigator.clipboard.readText()")

    assert [guest["name"] for guest in asked(product, secret)["items"]] == ["web-1"]

    page.get_by_role("link", name="I have it").click()
    row = page.get_by_role("row").filter(has_text="nightly")
    expect(row).to_contain_text("127.0.0.1")
    assert secret not in page.content()
    row.get_by_role("button", name="Revoke nightly").click()
    assert findings(page) == []
    page.locator("form:popover-open button").click()
    expect(page.get_by_role("row").filter(has_text="nightly")).to_have_count(0)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        asked(product, secret)


def test_the_api_s_page_is_readable_on_a_phone(signed_in: Page) -> None:
    signed_in.set_viewport_size({"width": 390, "height": 844})
    signed_in.goto("/api/")
    expect(signed_in.get_by_role("heading", name="Resize the memory of a guest")).to_be_visible()
    signed_in.locator("#resize_memory").get_by_role("link", name="MemoryAsked").click()
    expect(signed_in.locator("#shape-MemoryAsked")).to_be_in_viewport()
    assert signed_in.evaluate("document.documentElement.scrollWidth") == 390
    assert findings(signed_in) == []
