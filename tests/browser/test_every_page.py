"""Every page there is, as each role, in Chromium: axe finds nothing, no script fails, no content policy is broken.

The pages are the resolver's (tests/dashboard/routes.py), with ids of the lab: a new page is walked by itself. One that
cannot be reached with these ids fails `test_every_address_is_a_page_or_known_to_be_none` until it can, or is named.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing

import pytest
from playwright.sync_api import APIResponse, Browser, BrowserContext, Page, Response

from deploy.demo.processes import wait_until
from tests.browser import axe
from tests.browser.conftest import PASSWORD
from tests.dashboard.routes import ROUTES, SAMPLES, Route
from tests.labs.lab import Lab
from tests.labs.product import Product

pytestmark = pytest.mark.timeout(300)
# Read by programs or by parts of a page; a download would not end in a page.
NO_PAGES = (
    "api/v1/",
    "healthz",
    "status/<slug:slug>/status.json",
    "storage/uploads/",
    "accounts/2fa/recovery-codes/download/",
)
NO_PAGE_ENDINGS = ("volumes/<int:volume_id>/download/", ".txt", ".cast", ".rfb", ".xml", "/picture/")
# There for somebody with second factors only.
OF_FACTORS = {
    "accounts/2fa/recovery-codes/",
    "accounts/2fa/totp/deactivate/",
    "accounts/2fa/webauthn/keys/<int:pk>/remove/",
    "accounts/2fa/webauthn/keys/<int:pk>/edit/",
}
# Nothing is there for these in the lab; the journeys of recordings and snapshots walk them.
ABSENT = OF_FACTORS | {
    "guests/<uuid:guest_id>/console/recordings/<uuid:recording_id>/",
    "guests/<uuid:guest_id>/snapshots/<str:snapshot>/delete/",
    "guests/<uuid:guest_id>/snapshots/<str:snapshot>/revert/",
}
# These lead on for somebody who is signed in, has no second factor, and confirmed the password a moment ago.
LEADING_ON = {
    "",
    "accounts/login/",
    "accounts/2fa/authenticate/",
    "accounts/2fa/reauthenticate/",
    "accounts/2fa/recovery-codes/generate/",
    "accounts/2fa/webauthn/login/",
    "accounts/2fa/webauthn/reauthenticate/",
}
MAKE_FACTORS = """
import json
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.mfa.webauthn.internal.auth import WebAuthn
from django.contrib.auth.models import User
person = User.objects.get(username="walks-as-administrator")
TOTP.activate(person, generate_totp_secret())
RecoveryCodes.activate(person)
print(json.dumps(WebAuthn.add(person, "the blue key", {}).instance.pk))
"""
MAKE_THINGS = """
import json, time
from django.contrib.auth.models import Group, User
from dashboard.status.models import StatusPage
from guests.access.models import Grant
from guests.inventory.models import Guest
from guests.inventory.storage import Volume
from guests.operations.models import Operation
from guests.operations.proposals import propose
guest = Guest.objects.get(name="web-1")
deadline = time.monotonic() + 60
while not (volume := Volume.objects.filter(pool__name="walked", name="one.img").first()):
    assert time.monotonic() < deadline, "the worker does not see the volume"
    time.sleep(0.2)
page, _ = StatusPage.objects.get_or_create(slug="northbay", defaults={"title": "Northbay", "published": True})
group, _ = Group.objects.get_or_create(name="night shift")
person = User.objects.get(username="admin")
grant, _ = Grant.objects.get_or_create(group=group, role="watcher", scope="guest", guest=guest)
operation, _ = Operation.objects.get_or_create(
    idempotency_key="walked", defaults=dict(kind="start", host=guest.host, guest=guest, asked_by=person,
    asked_by_name="admin", state="done"))
creation, _ = Operation.objects.get_or_create(
    idempotency_key="walked-new", defaults=dict(kind="create_guest", host=guest.host, asked_by=person,
    asked_by_name="admin", state="failed", message="The pool is full.", parameters={"name": "new-1", "start": True}))
print(json.dumps({"guest_id": str(guest.pk), "operation_id": str(operation.pk), "name": guest.host.name,
    "creation": str(creation.pk),
    "mac": guest.macs.split()[0] if guest.macs else "", "slug": page.slug, "pk": group.pk, "person": person.pk,
    "pool_id": volume.pool_id, "volume_id": volume.pk,
    "grant_pk": grant.pk, "version_id": guest.definition_versions.first().pk,
    "proposal_id": str(propose(guest, guest.definition_versions.first().xml.replace("destroy", "restart"),
    by=person, base=guest.definition_versions.first(), brought_back=None).pk), "member_pk": person.pk}))
"""


@pytest.fixture
def path_of(product: Product, lab: Lab, guest: str) -> Callable[[Route], str]:
    """A route's path with what is there in the lab."""
    lab.pool("walked")
    lab.virsh("vol-create-as", "walked", "one.img", "1M")
    values = json.loads(product.manage("shell", "-v0", "-c", MAKE_THINGS).splitlines()[-1])

    def path_of(route: Route) -> str:
        known = {name: value for name, value in values.items() if name in SAMPLES}
        if route.pattern.startswith("accounts/people/"):
            known["pk"] = values["person"]
        if route.pattern.startswith("guests/new/"):
            known["operation_id"] = values["creation"]
        if "fragments/" in route.pattern:
            del known["name"]
        query = f"?guest={guest}" if route.pattern == "guests/consoles/" else ""
        return route.path(**known) + query

    return path_of


def asked(context: BrowserContext, path: str) -> APIResponse:
    return context.request.get(path, max_redirects=0)


def may_be_a_page(route: Route) -> bool:
    return not route.pattern.startswith(NO_PAGES) and not route.pattern.endswith(NO_PAGE_ENDINGS)


def is_page(answer: APIResponse) -> bool:
    return answer.headers.get("content-type", "").startswith("text/html") and "<html" in answer.text()


def confirm_password(page: Page, password: str = PASSWORD) -> None:
    """So that the pages that ask for it first are shown, not their question."""
    page.goto("/accounts/reauthenticate/")
    page.fill("input[name=password]", password)
    page.press("input[name=password]", "Enter")
    page.wait_for_url(lambda url: "/reauthenticate/" not in url)


def walk(page: Page, paths: list[str]) -> None:
    """Open each; everything found on all of them is told together."""
    found = []
    for path in paths:
        page.goto(path)
        found += [f"{path}: {finding}" for finding in axe.findings(page)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("role", ["watcher", "operator", "administrator", "stranger"])
def test_D3_every_page_of_a_role_keeps_the_policy_and_is_accessible(
    new_context: Callable[..., BrowserContext],
    sign_in: Callable[..., None],
    add_person: Callable[[str, str], tuple[str, str]],
    product: Product,
    path_of: Callable[[Route], str],
    role: str,
) -> None:
    context = new_context()
    page = context.new_page()
    sign_in(page, *add_person(f"walks-as-{role}", "watcher" if role == "stranger" else role))
    if role == "stranger":
        take = (
            "from guests.access.models import Grant; Grant.objects.filter(user__username='walks-as-stranger').delete()"
        )
        product.manage("shell", "-v0", "-c", take)
    confirm_password(page)
    routes = {path_of(route): route.pattern for route in ROUTES if may_be_a_page(route)}
    answers = {path: asked(context, path) for path in routes}
    led_on = [path for path, answer in answers.items() if 300 <= answer.status < 400]
    assert not [path for path in led_on if routes[path] not in LEADING_ON]
    pages = [path for path, answer in answers.items() if answer.status == 200 and is_page(answer)]
    refusals = {answer.status: path for path, answer in answers.items() if answer.status in {403, 404, 405}}
    assert not [path for path, answer in answers.items() if answer.status >= 500]
    assert len(pages) > (8 if role == "stranger" else 20), pages
    refused = [path for status, path in refusals.items() if is_page(answers[path]) and status != 405]
    walk(page, [*pages, *refused, "/no/such/page/"])
    if role == "administrator":
        key = json.loads(product.manage("shell", "-v0", "-c", MAKE_FACTORS).splitlines()[-1])
        new = {route.path(pk=key) for route in ROUTES if route.pattern in OF_FACTORS | LEADING_ON}
        new = {path for path in new if asked(context, path).status == 200}
        assert {route.path(pk=key) for route in ROUTES if route.pattern in OF_FACTORS} < new
        walk(page, sorted(new))


def test_D3_the_pages_of_nobody_keep_the_policy_and_are_accessible(
    new_context: Callable[..., BrowserContext], path_of: Callable[[Route], str]
) -> None:
    context = new_context()
    paths = [
        path
        for path in map(path_of, filter(may_be_a_page, ROUTES))
        if (answer := asked(context, path)).status == 200 and is_page(answer)
    ]
    assert {"/accounts/login/", "/status/northbay/"} <= set(paths)
    walk(context.new_page(), [*paths, "/no/such/page/", "/status/nothing/"])


def test_D3_what_breaks_the_policy_is_reported_in_the_log(browser: Browser, product: Product) -> None:
    """In a context that no fixture watches: here a broken policy is no fault."""
    with closing(browser.new_context(base_url=product.url)) as context:
        page = context.new_page()
        page.goto("/accounts/login/")
        page.evaluate(
            "document.body.append(Object.assign(new Image(), {src: 'https://elsewhere.example/x.png?secret'}))"
        )

        def told() -> list[str]:
            lines = product.log.read_text(errors="replace").splitlines()
            return [line for line in lines if "elsewhere.example" in line]

        assert wait_until(lambda: bool(told()), 15)
    (line,) = told()
    found = json.loads(line)
    assert (found["policy_directive"], found["policy_blocked"]) == ("img-src", "https://elsewhere.example/x.png")
    assert found["policy_page"] == f"{product.url}/accounts/login/"


def test_every_address_is_a_page_or_known_to_be_none(signed_in: Page, path_of: Callable[[Route], str]) -> None:
    absent = {
        route.pattern
        for route in filter(may_be_a_page, ROUTES)
        if asked(signed_in.context, path_of(route)).status == 404
    }
    assert absent <= ABSENT, f"give these an id that is there, or name them: {sorted(absent - ABSENT)}"


def is_sent_form(answer: Response) -> bool:
    """Not what a page of live figures posts by itself."""
    return answer.request.method == "POST" and "hx-request" in answer.request.headers


def test_D2_a_form_s_token_survives_a_new_session_and_comes_with_htmx(
    signed_in: Page, sign_in: Callable[..., None], guest: str
) -> None:
    """Signing in again in another tab gives a new session and token: what was open asks to be loaded again, once."""
    page = signed_in
    page.route_web_socket("**/ws/live/**", lambda _socket: None)  # it would take the page to the sign-in at once
    page.goto(f"/guests/{guest}/resources/")
    other = page.context.new_page()
    other.goto("/accounts/logout/")
    other.get_by_role("button", name="Sign out").last.click()
    other.wait_for_url(lambda url: "/logout/" not in url)
    sign_in(other)
    with page.expect_response(is_sent_form) as stale:
        page.locator("form[hx-post] [type=submit]:visible").first.click()
    assert stale.value.status == 403
    page.reload()
    with page.expect_response(is_sent_form) as fresh:
        page.locator("form[hx-post] [type=submit]:visible").first.click()
    assert fresh.value.status < 400
    assert fresh.value.request.headers.get("hx-request") == "true"
