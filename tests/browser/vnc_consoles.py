"""What tests of the graphical console's page do again and again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from playwright.sync_api import Page, expect

from guests.hypervisor.connection import open_connection
from guests.hypervisor.streams import open_text_stream
from tests.labs.lab import Lab

# How many there are on the screen; 0 while there is no picture.
COLOURS = """() => {
  const canvas = document.querySelector(".gh-vnc canvas");
  const pixels = new Uint32Array(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer);
  return canvas.width < 600 ? 0 : new Set(pixels).size;
}"""


def console(lab: Lab, name: str) -> str:
    return f"/guests/{lab.uuid(name)}/console/vnc/"


def connected(page: Page) -> None:
    expect(page.locator("#vnc-state")).to_have_text("Connected", timeout=20_000)


def may_type(page: Page) -> None:
    """Wait until the server said so."""
    expect(page.locator("[data-console=vnc] [data-part=mode]")).to_have_text("You have keyboard and mouse")
    expect(page.locator("#vnc-keys [data-press]").first).to_be_enabled()


def press_from_menu(page: Page, button: str) -> None:
    page.click("#vnc-keys summary")
    page.click(f"#vnc-keys {button}")


@contextmanager
def serial_of(lab: Lab, name: str) -> Iterator[Callable[[bytes, float], bool]]:
    """Whether the guest writes some words to its serial port within some seconds."""
    connection, text, changed = open_connection(lab.uri), bytearray(), threading.Condition()

    def add(data: bytes) -> None:
        with changed:
            text.extend(data)
            changed.notify_all()

    def has(words: bytes, seconds: float) -> bool:
        with changed:
            return changed.wait_for(lambda: words in text, seconds)

    # By force: the console server keeps the console of an earlier test for a minute.
    stream = open_text_stream(connection, UUID(lab.uuid(name)), None, force=True, on_data=add, on_end=lambda why: None)
    try:
        yield has
    finally:
        stream.close()
        connection.close()
