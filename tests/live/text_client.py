"""A person at a text console without a browser: signs in over HTTP, then speaks the wire protocol over a websocket."""

from __future__ import annotations

import http.cookiejar
import json
import re
import struct
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import websocket


class WebSession:
    """One signed-in browser session."""

    def __init__(self, url: str, name: str, password: str) -> None:
        self.url = url
        self._jar = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._jar))
        page = self.get("/accounts/login/")
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert token, page[:500]
        form = {"login": name, "password": password, "csrfmiddlewaretoken": token[1]}
        request = urllib.request.Request(
            f"{url}/accounts/login/", urllib.parse.urlencode(form).encode(), {"Origin": url, "Referer": url}
        )
        with self._opener.open(request, timeout=20) as answer:
            assert "/accounts/login/" not in answer.url, "the sign-in was refused"

    def get(self, path: str) -> str:
        return self.get_bytes(path).decode()

    def get_bytes(self, path: str) -> bytes:
        with self._opener.open(self.url + path, timeout=20) as answer:
            return bytes(answer.read())

    def post(self, path: str, **form: str) -> str:
        """The page that answers, redirects followed; also one that refuses (422)."""
        token = next(cookie.value for cookie in self._jar if cookie.name == "guesthouse_csrf")
        content = urllib.parse.urlencode({**form, "csrfmiddlewaretoken": token or ""}).encode()
        request = urllib.request.Request(self.url + path, content, {"Origin": self.url, "Referer": self.url + path})
        try:
            with self._opener.open(request, timeout=30) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            return str(error.read().decode())

    def wait_for_console(self, guest: str, seconds: float = 60) -> None:
        """Until the inventory knows the guest and its console."""
        deadline = time.monotonic() + seconds
        while True:
            with suppress(urllib.error.HTTPError):
                if "data-socket" in self.get(f"/guests/{guest}/console/text/"):
                    return
            assert time.monotonic() < deadline, f"{guest} has no console page"
            time.sleep(0.3)

    @property
    def cookies(self) -> str:
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self._jar)


class TextClient:
    """One open text console; a thread reads it. `draws = False`: nothing is acknowledged any more."""

    def __init__(self, session: WebSession, guest: str, device: str = "serial0", *, resume: TextClient | None = None):
        address = session.url.replace("http", "ws", 1) + f"/ws/guests/{guest}/text/{device}/"
        if resume is not None:
            address += f"?ring={resume.ring}&after={resume.offset}"
        self.statuses: list[dict[str, Any]] = []
        self.output = bytearray()
        self.ring, self.offset, self.close_code = "", 0, 0
        self.draws = True
        self.arrived = threading.Event()
        self._changed = threading.Condition()
        self._socket = websocket.create_connection(
            address, origin=session.url, host=urlsplit(session.url).netloc, cookie=session.cookies, timeout=30
        )
        self._socket.settimeout(None)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while True:
            try:
                kind, frame = self._socket.recv_data()
            except (OSError, websocket.WebSocketException):
                kind, frame = websocket.ABNF.OPCODE_CLOSE, b""
            with self._changed:
                if kind == websocket.ABNF.OPCODE_CLOSE:
                    self.close_code = struct.unpack("!H", frame[:2])[0] if len(frame) >= 2 else 1006
                    self._changed.notify_all()
                    return
                self._receive(frame)
                self._changed.notify_all()

    def _receive(self, message: bytes) -> None:
        if message[0] == 2:
            status = json.loads(message[1:])
            self.statuses.append(status)
            self.ring = status.get("ring", self.ring)
            return
        begins = int.from_bytes(message[1:9], "big")
        self.offset = begins + len(message) - 9
        self.output += message[9:]
        self.arrived.set()
        if self.draws:
            with suppress(OSError, websocket.WebSocketException):  # closed meanwhile: the next reading says so
                self.acknowledge()

    def acknowledge(self) -> None:
        self._socket.send_binary(b"\x01" + self.offset.to_bytes(8, "big"))

    def type(self, content: bytes) -> None:
        self._socket.send_binary(b"\x00" + content)

    def ask(self, **request: Any) -> None:
        """One request, such as keyboard="take"."""
        self._socket.send_binary(b"\x02" + json.dumps(request).encode())

    def said(self, word: str) -> list[Any]:
        return [status[word] for status in self.statuses if word in status]

    @property
    def state(self) -> str:
        states = self.said("state")
        return states[-1] if states else ""

    def wait(self, condition: Callable[[], object], seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        with self._changed:
            while not condition():
                left = deadline - time.monotonic()
                assert left > 0, f"{self.statuses[-8:]} {bytes(self.output[-300:])!r} {self.close_code}"
                self._changed.wait(min(left, 0.2))

    def wait_for_an_answer(self) -> None:
        """Greeted or closed."""
        self.wait(lambda: self.statuses or self.close_code)

    def wait_for_output(self, text: bytes, seconds: float = 20) -> None:
        self.wait(lambda: text in self.output, seconds)

    def wait_for_prompt(self) -> None:
        """Press Enter until a shell answers."""
        self.wait(lambda: self.state == "live", 30)
        for _ in range(30):
            at = len(self.output)
            self.type(b"\r")
            deadline = time.monotonic() + 2
            while time.monotonic() < deadline:
                if b"# " in self.output[at:]:
                    return
                time.sleep(0.02)
        raise AssertionError(f"no prompt: {bytes(self.output[-300:])!r}")

    def close(self) -> None:
        with suppress(OSError, websocket.WebSocketException):
            self._socket.close(timeout=1)
        self._thread.join(5)
        self._socket.shutdown()
