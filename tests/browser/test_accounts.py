"""Accounts in Chromium: people and groups, roles and tags, the second step, passkeys; axe on every page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.axe import findings
from tests.dashboard.accounts.test_sessions_end import code_now
from tests.labs.lab import Lab
from tests.labs.product import Product

pytestmark = pytest.mark.timeout(300)
PEOPLE, SECOND = "/accounts/people/", "/accounts/2fa/"


def clean(page: Page) -> None:
    """axe finds nothing on the page, wide and light, on a phone and dark, and nothing reaches beyond its edge."""
    page.emulate_media(reduced_motion="reduce")  # or a button is seen on its way from one theme to the other
    for width, theme in ((390, "dark"), (1440, "light")):
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate(f"document.documentElement.dataset.bsTheme = '{theme}'")
        assert findings(page) == [], (page.url, width, theme)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1"), (page.url, width)


@pytest.fixture
def at_localhost(product: Product, new_context: Callable[..., BrowserContext]) -> Iterator[Page]:
    """A page at a name, not an address, with an authenticator of the browser's own: what passkeys need."""
    context = new_context(base_url=product.url.replace("127.0.0.1", "localhost"))
    page = context.new_page()
    devtools = context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "automaticPresenceSimulation": True}
    options |= {"hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True}
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    yield page
    devtools.detach()


def test_an_administrator_makes_a_person_a_group_and_roles(
    lab: Lab, signed_in: Page, new_context: Callable[..., BrowserContext], sign_in: Callable[..., None]
) -> None:
    page, web = signed_in, lab.uuid("web-1")
    page.goto(PEOPLE)
    clean(page)
    page.get_by_role("link", name="New person").click()
    clean(page)
    page.get_by_label("Name", exact=True).fill("paula")
    page.get_by_role("button", name="Make the account").click()
    password = page.locator(".gh-secret").inner_text()
    clean(page)
    page.get_by_role("link", name="I have it").click()
    expect(page.get_by_role("heading", name="paula", exact=True)).to_be_visible()
    clean(page)

    page.goto("/accounts/groups/")
    page.get_by_label("Name", exact=True).fill("people of the front")
    page.get_by_role("button", name="Make the group").click()
    page.get_by_label("Name", exact=True).first.fill("paula")
    page.get_by_role("button", name="Put in").click()
    page.locator("#grant-scope").select_option("tag")
    page.locator("#grant-on").fill("front")
    page.get_by_role("button", name="Give the role").click()
    expect(page.locator(".gh-error")).to_contain_text("No guest has this tag yet")
    clean(page)

    page.goto(f"/guests/{web}/access/")
    page.get_by_label("Words, with spaces between").fill("front")
    page.get_by_role("button", name="Set the tags").click()
    page.locator("#grant-kind").select_option("group")
    page.locator("#grant-name").fill("people of the front")
    page.locator("#grant-on").select_option(label="every guest with the tag front")
    page.locator("#grant-role").select_option("operator")
    page.locator("#grant-largest_memory").fill("384 MiB")
    page.get_by_role("button", name="Give the role").click()
    row = page.get_by_role("row", name=re.compile("paula"))
    expect(row).to_contain_text("operator on tag front, through group people of the front")
    expect(row).to_contain_text("at most 384 MiB")
    clean(page)
    page.goto("/guests/?tag=front")
    expect(page.locator("tbody tr[data-row]")).to_have_count(1)
    clean(page)

    paula = new_context(locale="pt-BR").new_page()
    sign_in(paula, "paula", password)
    paula.goto("/guests/")
    expect(paula.locator("tbody tr[data-row]")).to_have_count(1)
    paula.goto(f"/guests/{web}/access/")
    expect(paula.get_by_text("operador sobre etiqueta front, pelo grupo people of the front")).to_be_visible()
    paula.goto(f"/guests/{web}/resources/")
    paula.fill("#memory-current", "500 MiB")
    paula.locator("#memory-form [data-effect=button]").click()
    expect(paula.locator("#memory-current-error")).to_contain_text("no máximo 384 MiB")

    # An administrator ends her sessions: what she has open goes to the sign-in by itself.
    page.goto(PEOPLE)
    page.get_by_role("link", name="paula").click()
    clean(page)
    page.get_by_role("button", name="Sign out everywhere").click()
    expect(paula).to_have_url(re.compile("/accounts/login/"), timeout=8_000)
    page.get_by_text("Delete this account").click()
    page.get_by_role("button", name="Delete paula").click()
    expect(page.get_by_text("paula was deleted.")).to_be_visible()


def test_a_second_step_with_an_authenticator_app(
    page: Page, sign_in: Callable[..., None], add_person: Callable[[str, str], tuple[str, str]]
) -> None:
    name, password = add_person("tom", "watcher")
    sign_in(page, name, password)
    page.goto(SECOND)
    clean(page)
    page.get_by_role("link", name="Set it up").click()
    page.fill("input[name=password]", password)
    clean(page)
    page.press("input[name=password]", "Enter")
    secret = page.locator("#authenticator_secret").input_value()
    clean(page)
    page.fill("input[name=code]", "000000")
    page.press("input[name=code]", "Enter")
    expect(page.get_by_text("Incorrect code")).to_be_visible()
    page.fill("input[name=code]", code_now(secret))
    page.press("input[name=code]", "Enter")
    codes = page.locator(".gh-codes li")
    expect(codes).to_have_count(10)
    recovery = codes.first.inner_text()
    clean(page)
    page.goto("/accounts/sessions/")
    clean(page)

    page.context.clear_cookies()
    page.goto("/accounts/login/")
    page.fill("input[name=login]", name)
    page.fill("input[name=password]", password)
    page.press("input[name=password]", "Enter")
    expect(page.get_by_role("heading", name="Second step")).to_be_visible()
    clean(page)
    page.fill("input[name=code]", recovery)
    page.press("input[name=code]", "Enter")
    page.wait_for_url("**/guests/")


def test_a_passkey_is_made_and_signs_in_alone(
    at_localhost: Page, product: Product, add_person: Callable[[str, str], tuple[str, str]], tmp_path: Path
) -> None:
    page = at_localhost
    name, password = add_person("pat", "watcher")
    page.goto("/accounts/login/")
    clean(page)
    page.fill("input[name=login]", name)
    page.fill("input[name=password]", password)
    page.press("input[name=password]", "Enter")
    page.wait_for_url("**/guests/")
    page.goto(f"{SECOND}webauthn/add/")
    page.fill("input[name=password]", password)
    page.press("input[name=password]", "Enter")
    page.get_by_label("Passkey: signs in alone").check()
    clean(page)
    page.get_by_role("button", name="Ask the browser for it").click()
    expect(page.locator(".gh-codes li")).to_have_count(10)
    page.goto(f"{SECOND}webauthn/")
    expect(page.get_by_text("Master key")).to_be_visible()
    clean(page)

    page.context.clear_cookies()
    page.goto("/accounts/login/")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/guests/")
    page.locator("summary[aria-label^='Signed in as']").click()
    expect(page.get_by_text("Signed in as pat", exact=True)).to_be_visible()

    # As a second step after the password, too.
    page.context.clear_cookies()
    page.goto("/accounts/login/")
    page.fill("input[name=login]", name)
    page.fill("input[name=password]", password)
    page.press("input[name=password]", "Enter")
    clean(page)
    page.get_by_role("button", name="Use a passkey or security key").click()
    page.wait_for_url("**/guests/")


def test_why_a_passkey_did_not_work_is_said_in_words(page: Page) -> None:
    page.goto("/accounts/login/")  # at 127.0.0.1, which is no name
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.locator("[data-passkey-said]")).to_contain_text("Passkeys need a name in the address")
