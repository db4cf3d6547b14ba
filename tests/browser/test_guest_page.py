"""The guest's page in Chromium, on real guests: what libvirt has afterwards is asked of virsh."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.axe import findings
from tests.labs.lab import Lab

pytestmark = pytest.mark.timeout(240)
MIB = 1024
TABS = ["", "console/", "resources/", "devices/", "history/"]


@pytest.fixture
def guest(lab: Lab) -> str:
    lab.wait_until_booted("web-1")
    return lab.uuid("web-1")


@pytest.fixture
def guest_page(signed_in: Page, guest: str) -> Page:
    """The resources of web-1 (256 of 512 MiB, 1 of 4 vCPUs), live, its use known."""
    signed_in.goto(f"/guests/{guest}/resources/")
    expect(signed_in.locator("html")).to_have_attribute("data-live", "live")
    expect(signed_in.get_by_text("balloon answers")).to_be_visible(timeout=20_000)
    expect(signed_in.locator("#memory-current")).to_have_value("256")
    return signed_in


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def ask_memory(page: Page, amount: str) -> None:
    page.fill("#memory-current", amount)
    page.locator("#memory-form [data-effect=button]").click()


def test_grows_memory_says_so_before_and_the_balloon_arrives(guest_page: Page, lab: Lab, guest: str) -> None:
    guest_page.fill("#memory-current", "384 MiB")
    form = guest_page.locator("#memory-form")
    expect(form.locator("[data-effect=now]")).to_contain_text("current memory 256 MiB → 384 MiB; lab keeps")
    expect(form.locator("[data-effect=boot]")).to_have_text("384 MiB of 512 MiB; set so far: 256 MiB of 512 MiB")
    expect(guest_page.locator("[data-asked]")).to_have_text("384 MiB")
    expect(guest_page.locator("[data-memory-bar] .ask")).to_have_count(1)
    button = form.get_by_role("button", name="Resize to 384 MiB")
    button.click()
    expect(guest_page.locator("#guest-memory-form")).to_contain_text("now 384 MiB", timeout=20_000)
    wait_for(lambda: lab.balloon("web-1")["actual"] == 384 * MIB)
    boot = lab.virsh("dumpxml", guest, "--inactive", "--xpath", "//currentMemory/text()")
    assert int(boot) == 384 * MIB
    expect(guest_page.locator("#guest-memory-now")).to_contain_text("384 MiB")
    guest_page.goto(f"/guests/{guest}/history/")
    expect(guest_page.locator("#guest-past tbody tr").first).to_contain_text("256 MiB → 384 MiB")


def test_the_slider_and_the_field_say_the_same(guest_page: Page) -> None:
    slider = guest_page.get_by_role("slider", name="Current memory, slider")
    slider.focus()
    guest_page.keyboard.press("ArrowRight")
    expect(guest_page.locator("#memory-current")).to_have_value("272")
    guest_page.fill("#memory-current", "0.375 GiB")
    expect(slider).to_have_value(str(384 * MIB))
    expect(guest_page.locator("select[name=current_unit]").first).to_have_value("GiB")


def test_the_script_and_the_server_tell_the_same_effect(guest_page: Page) -> None:
    """Each form, each sentence: what the page says while typing is what the server says of the same fields."""
    in_words = """async ([id, fields]) => {
        const form = document.getElementById(id);
        for (const [name, value] of Object.entries(fields)) {
            if (name === "keep") form.elements.keep.checked = value;
            else form.elements[name].value = value;
        }
        form.elements.current.dispatchEvent(new Event("input", { bubbles: true }));
        const told = (root) =>
            ["now", "boot", "button"].map((n) => root.querySelector(`#${id} [data-effect=${n}]`).textContent);
        const body = new FormData(form);
        body.append("preview", "1");
        const answer = await fetch(form.action, { method: "POST", body });
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        return [told(document), told(page)];
    }"""
    for form, fields in [
        ("memory-form", {"current": "320"}),
        ("memory-form", {"current": "192", "keep": False}),
        ("memory-form", {"current": "256", "maximum": "1", "maximum_unit": "GiB", "keep": True}),
        ("memory-form", {"current": "700", "maximum": "1", "maximum_unit": "GiB", "keep": True}),
        ("memory-form", {"current": "0.3", "current_unit": "GiB", "maximum": "640", "maximum_unit": "MiB"}),
        ("memory-form", {"current": "300001", "current_unit": "KiB"}),
        ("vcpus-form", {"current": "3"}),
        ("vcpus-form", {"current": "1", "maximum": "8"}),
        ("vcpus-form", {"current": "6", "maximum": "8"}),
        ("vcpus-form", {"current": "2", "maximum": "4", "keep": False}),
    ]:
        if fields.get("current_unit") == "KiB":
            guest_page.evaluate("document.querySelector('[name=current_unit]').add(new Option('KiB'))")
        script, server = guest_page.evaluate(in_words, [form, fields])
        free = re.compile(r"keeps .* free")  # the host's free memory moves between the two
        assert [free.sub("", text) for text in script] == [free.sub("", text) for text in server], fields


def test_refuses_below_what_the_guest_uses_keeps_what_was_typed_and_can_be_forced(guest_page: Page, lab: Lab) -> None:
    ask_memory(guest_page, "32")
    error = guest_page.locator("#memory-current-error")
    expect(error).to_contain_text(re.compile(r"web-1 uses \d+ MiB\. Below that it may swap"))
    expect(guest_page.locator("#memory-current")).to_have_value("32")
    expect(guest_page.locator("#memory-current")).to_be_focused()
    expect(guest_page.locator("#memory-force")).to_be_visible()
    assert lab.balloon("web-1")["actual"] == 256 * MIB
    guest_page.wait_for_timeout(5000)  # ticks go by; the refused form stays
    expect(error).to_be_visible()
    expect(guest_page.locator("#memory-current")).to_have_value("32")


def test_what_is_being_typed_outlives_live_changes(guest_page: Page, lab: Lab, guest: str) -> None:
    guest_page.fill("#memory-current", "300")
    guest_page.locator("#memory-form legend").first.click()  # the focus is elsewhere
    lab.virsh("suspend", guest)
    expect(guest_page.locator("#guest-header")).to_contain_text("Paused")
    lab.virsh("resume", guest)
    expect(guest_page.locator("#guest-header")).to_contain_text("Running")
    guest_page.wait_for_timeout(2500)
    expect(guest_page.locator("#memory-current")).to_have_value("300")
    expect(guest_page.locator("#memory-form [data-effect=button]")).to_have_text("Resize to 300 MiB")


def test_a_change_by_virsh_is_noticed_when_the_form_is_sent(guest_page: Page, lab: Lab, guest: str) -> None:
    guest_page.fill("#memory-current", "320")
    lab.virsh("setmem", guest, str(200 * MIB), "--live")
    wait_for(lambda: lab.balloon("web-1")["actual"] == 200 * MIB)
    expect(guest_page.locator("#guest-memory-now")).to_contain_text("200 MiB", timeout=20_000)
    guest_page.locator("#memory-form [data-effect=button]").click()
    expect(guest_page.locator("#memory-current-error")).to_contain_text("changed since you opened the form")
    expect(guest_page.locator("#memory-current")).to_have_value("320")
    assert lab.balloon("web-1")["actual"] == 200 * MIB


def test_a_balloon_that_does_not_answer_is_said_and_can_be_asked_again(guest_page: Page, lab: Lab, guest: str) -> None:
    lab.virsh("suspend", guest)  # its driver cannot answer
    expect(guest_page.locator("#guest-header")).to_contain_text("Paused")
    ask_memory(guest_page, "384")
    expect(guest_page.locator("[data-arriving]")).to_contain_text("on the way to 384 MiB", timeout=10_000)
    expect(guest_page.locator("[data-arriving] progress")).to_be_visible()
    expect(guest_page.locator("[data-not-reached]")).to_contain_text(
        "Not reached: the guest’s balloon driver did not answer.", timeout=60_000
    )
    guest_page.get_by_role("button", name="Try again").click()
    expect(guest_page.locator("[data-arriving]")).to_be_visible(timeout=10_000)
    lab.virsh("resume", guest)
    expect(guest_page.locator("[data-arriving]")).to_have_count(0, timeout=20_000)
    expect(guest_page.locator("[data-not-reached]")).to_have_count(0)
    wait_for(lambda: lab.balloon("web-1")["actual"] == 384 * MIB)


def test_more_vcpus_come_at_once_and_fewer_wait_for_the_boot(guest_page: Page, lab: Lab, guest: str) -> None:
    form = guest_page.locator("#vcpus-form")
    guest_page.fill("#vcpus-current", "3")
    expect(form.locator("[data-effect=now]")).to_contain_text("vCPUs 1 → 3")
    form.get_by_role("button", name="Resize to 3 vCPUs").click()
    expect(guest_page.get_by_label("3 of 4 vCPUs online")).to_be_visible()
    assert lab.virsh("vcpucount", guest, "--live", "--active").strip() == "3"
    guest_page.fill("#vcpus-current", "2")
    expect(form.locator("[data-effect=now]")).to_contain_text("3 vCPUs stay until the next boot")
    form.locator("[data-effect=button]").click()
    expect(guest_page.locator("#guest-vcpus-now [data-pending]")).to_contain_text("2 of 4")
    assert lab.virsh("vcpucount", guest, "--live", "--active").strip() == "3"
    assert lab.virsh("vcpucount", guest, "--config", "--active").strip() == "2"
    guest_page.locator("#revert-vcpus").click()
    expect(guest_page.locator("#guest-vcpus-now [data-pending]")).to_have_count(0)
    assert lab.virsh("vcpucount", guest, "--config", "--active").strip() == "3"


def test_pauses_and_resumes_and_keeps_the_focus(guest_page: Page, lab: Lab) -> None:
    guest_page.get_by_role("button", name="Pause").click()
    expect(guest_page.get_by_role("button", name="Resume")).to_be_visible()
    assert lab.state("web-1") == "paused"
    expect(guest_page.locator("#act-pause-resume")).to_be_focused()
    guest_page.keyboard.press("Enter")
    expect(guest_page.get_by_role("button", name="Pause")).to_be_visible()
    assert lab.state("web-1") == "running"


def test_force_off_asks_names_the_guest_and_can_be_left(guest_page: Page, lab: Lab) -> None:
    def open_dialog() -> None:
        guest_page.get_by_label("More actions").click()
        guest_page.locator("#guest-header").get_by_role("button", name="Force off").click()
        expect(guest_page.get_by_role("dialog", name="Force off web-1?")).to_be_visible()

    open_dialog()
    guest_page.keyboard.press("Escape")
    expect(guest_page.get_by_role("dialog")).to_have_count(0)
    assert lab.state("web-1") == "running"
    open_dialog()
    assert findings(guest_page) == []
    guest_page.get_by_role("dialog").get_by_role("button", name="Force off").click()
    expect(guest_page.get_by_role("button", name="Start")).to_be_visible()
    expect(guest_page.get_by_role("dialog")).to_have_count(0)
    assert lab.state("web-1") == "shut off"


def test_works_without_a_script(
    new_context: Callable[..., BrowserContext], sign_in: Callable[..., None], lab: Lab, guest: str
) -> None:
    page = new_context(java_script_enabled=False).new_page()
    sign_in(page)
    page.goto(f"/guests/{guest}/resources/")
    page.fill("#memory-current", "9999")
    page.get_by_role("button", name="Show the effect").first.click()
    expect(page.locator("#memory-current-error")).to_contain_text("More than the maximum memory")
    expect(page.locator("#memory-current")).to_have_value("9999")
    page.fill("#memory-current", "320")
    page.get_by_role("button", name="Show the effect").first.click()
    expect(page.locator("#memory-form [data-effect=now]")).to_contain_text("256 MiB → 320 MiB")
    page.get_by_role("button", name="Resize to 320 MiB").click()
    wait_for(lambda: lab.balloon("web-1")["actual"] == 320 * MIB)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_axe_finds_nothing_and_nothing_overflows(
    new_context: Callable[..., BrowserContext], sign_in: Callable[..., None], guest: str, theme: str, width: int
) -> None:
    page = new_context(color_scheme=theme, viewport={"width": width, "height": 900}).new_page()
    sign_in(page)
    for tab in TABS:
        page.goto(f"/guests/{guest}/{tab}")
        expect(page.locator("html")).to_have_attribute("data-bs-theme", theme)
        assert findings(page) == [], tab
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), tab
