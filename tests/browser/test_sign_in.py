"""Signing in, as everybody does first."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect


def test_somebody_who_is_not_signed_in_is_asked_to(page: Page) -> None:
    page.goto("/guests/")
    expect(page).to_have_url(re.compile(r"/accounts/login/\?next=/guests/"))


def test_the_administrator_signs_in_and_sees_the_three_guests(signed_in: Page) -> None:
    signed_in.goto("/guests/")
    for name in ("web-1", "db-1", "backup-1"):
        expect(signed_in.get_by_role("link", name=name).first).to_be_visible()


def test_a_wrong_password_is_refused_and_says_so(page: Page, sign_in: Callable[..., None]) -> None:
    page.goto("/accounts/login/")
    page.fill("input[name=login]", "admin")
    page.fill("input[name=password]", "not the password at all")
    page.press("input[name=password]", "Enter")
    expect(page.get_by_text("not correct")).to_be_visible()
    expect(page).to_have_url(re.compile("/accounts/login/"))
