"""Chromium against the running product: `browser`, `page` (nobody signed in), `signed_in` (as the administrator)."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright

from tests.labs.lab import REPOSITORY, Lab
from tests.labs.product import Product

CHROMIUM = "/usr/bin/chromium"
RESULTS = REPOSITORY / "test-results"
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
PASSWORD = "a long enough passphrase"
ADD_PERSON = """
from django.contrib.auth.models import User
from guests.access.models import Grant
User.objects.filter(username="{name}").delete()
user = User.objects.create_user("{name}", password="{password}")
Grant.objects.create(user=user, role="{role}", scope="everything")
"""
FAILED_OPERATIONS = """
from guests.operations.models import Operation
for failed in Operation.objects.filter(state="failed")[:5]:
    print(failed.ended_at, failed.kind, failed.guest, failed.message, failed.detail)
"""
LOG_CHARACTERS = 20_000
_PHASES = pytest.StashKey[dict[str, pytest.TestReport]]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark them `browser`, so that `make test-fast` leaves them out."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("browser")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Let fixtures see at their end how the test went."""
    report = yield
    item.stash.setdefault(_PHASES, {})[report.when] = report
    return report


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless; one per test process."""
    flags = FLAGS + (["--no-sandbox"] if os.getuid() == 0 else [])  # Chromium's sandbox refuses root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags, timeout=60_000)
        yield browser
        browser.close()


@pytest.fixture
def new_context(
    request: pytest.FixtureRequest, browser: Browser, product: Product
) -> Iterator[Callable[..., BrowserContext]]:
    """Make browser contexts, each a person with cookies of their own.

    At the end of a failed test every open page leaves a picture in test-results/, and the report has what its pages
    complained of, what still loads, the product's log and the last operations that failed, with libvirt's own words; a
    passed one fails when a page broke its content security policy or a script of it ended in an error.
    """
    contexts: list[BrowserContext] = []
    problems: list[str] = []
    complaints: list[str] = []
    loading: dict[Request, float] = {}

    def watch(page: Page) -> None:
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console",
            lambda message: problems.append(message.text) if "Content Security Policy" in message.text else None,
        )
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("requestfailed", lambda request: complaints.append(f"{request.url}: {request.failure}"))
        page.on("request", lambda request: loading.update({request: time.monotonic()}))
        for over in ("requestfinished", "requestfailed"):
            page.on(over, lambda request: loading.pop(request, None))

    def new(**options: Any) -> BrowserContext:
        context = browser.new_context(
            **({"base_url": product.url, "locale": "en-GB", "reduced_motion": "reduce"} | options)
        )
        context.set_default_timeout(15_000)
        context.on("page", watch)
        contexts.append(context)
        return context

    yield new
    phases = request.node.stash.get(_PHASES, {})
    failed = any(report.failed for report in phases.values())
    for context in contexts:
        for page in context.pages:
            if failed:
                _take_picture(page, request.node.nodeid)
        context.close()
    if failed:
        print(*problems, *complaints, sep="\n")
        print(*(f"{time.monotonic() - since:.1f} s: {request.url}" for request, since in loading.items()), sep="\n")
        print(product.log.read_text(errors="replace")[-LOG_CHARACTERS:])
        print(product.manage("shell", "-v0", "-c", FAILED_OPERATIONS))
    else:
        assert not problems, problems


@pytest.fixture
def page(new_context: Callable[..., BrowserContext]) -> Page:
    """A page of somebody who has not signed in."""
    return new_context().new_page()


@pytest.fixture
def sign_in(product: Product) -> Callable[..., None]:
    """Sign in on a page, as the administrator or as somebody else."""

    def sign_in(page: Page, name: str = "admin", password: str = product.admin_password) -> None:
        page.goto("/accounts/login/")
        page.fill("input[name=login]", name)
        page.fill("input[name=password]", password)
        page.press("input[name=password]", "Enter")
        page.wait_for_url(lambda url: "/accounts/login/" not in url)

    return sign_in


@pytest.fixture
def signed_in(page: Page, sign_in: Callable[..., None]) -> Page:
    """A page of the administrator, signed in."""
    sign_in(page)
    return page


@pytest.fixture
def add_person(product: Product) -> Callable[[str, str], tuple[str, str]]:
    """Somebody with a role on everything; their name and password, for `sign_in`."""

    def add_person(name: str, role: str) -> tuple[str, str]:
        product.manage("shell", "-c", ADD_PERSON.format(name=name, role=role, password=PASSWORD))
        return name, PASSWORD

    return add_person


@pytest.fixture
def guest(lab: Lab) -> str:
    """A guest with a shell on its serial port."""
    lab.wait_until_booted("web-1")
    return lab.uuid("web-1")


@pytest.fixture
def open_console(
    new_context: Callable[..., BrowserContext], sign_in: Callable[..., None], guest: str
) -> Callable[..., Page]:
    """The guest's text console, live, for the administrator or for somebody else, in a browser of their own."""

    def open_console(*person: str, **options: object) -> Page:
        page = new_context(**options).new_page()
        sign_in(page, *person)
        page.goto(f"/guests/{guest}/console/text/")
        expect(page.locator("#state")).to_have_attribute("data-state", "live", timeout=30_000)
        return page

    return open_console


def _take_picture(page: Page, name: str) -> None:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / (re.sub(r"[^\w.-]+", "_", name)[-150:] + f"-{id(page) % 1000}.png")
    page.screenshot(path=path, timeout=10_000)
