from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import websocket
from pytest_django import Settings

from consoles import handshakes
from consoles.models import ConsoleSession, Mode
from consoles.vnc import frames, header_reader, pump, server, waiting_threads
from guests.access.models import Grant
from guests.audit.models import AuditRecord
from guests.inventory.changes import Feed, announce
from guests.inventory.models import Guest
from tests.consoles.conftest import Person
from tests.consoles.vnc.conftest import Reader, Relay, close_of, handshake, wait_for
from tests.consoles.vnc.rfb_server import SERVER_INIT, TINY_UPDATE, RFBServer
from tests.consoles.vnc.test_rfb_filter import UPDATE, cut_text, encodings, key, pointer

MakePerson = Callable[..., Person]


def test_a_controller_gets_the_picture_and_types(
    relay: Relay, guest: Guest, person: MakePerson, rfb_server: RFBServer
) -> None:
    browser = relay.connect(person(), guest)
    reader = handshake(browser)
    browser.send_binary(UPDATE)
    assert reader.exactly(len(TINY_UPDATE)) == TINY_UPDATE
    browser.send_binary(key(0x61) + pointer(1))
    assert rfb_server.heard(UPDATE + key(0x61) + pointer(1))
    browser.close()
    assert wait_for(lambda: ConsoleSession.objects.filter(ended_at__isnull=False).exists())
    row = ConsoleSession.objects.get()
    assert (row.mode, row.bytes_in, row.peer) == ("control", 24, "127.0.0.1")
    assert row.bytes_out >= len(TINY_UPDATE)


def test_a_watcher_gets_the_picture_and_nothing_typed_arrives(
    relay: Relay, guest: Guest, person: MakePerson, rfb_server: RFBServer
) -> None:
    browser = relay.connect(person(role="watcher"), guest, mode=Mode.WATCH)
    reader = handshake(browser)
    browser.send_binary(key(0x61) + pointer(1) + cut_text(b"rm -rf /") + encodings(0, -258) + UPDATE + key(0x62))
    assert reader.exactly(len(TINY_UPDATE)) == TINY_UPDATE
    assert rfb_server.heard(encodings(0) + UPDATE)
    browser.close()
    assert wait_for(lambda: AuditRecord.objects.filter(action="console.close").exists())
    assert AuditRecord.objects.get(action="console.close").detail["dropped"] == {"key": 2, "pointer": 1, "cut_text": 1}


def test_a_wish_to_be_alone_is_not_passed_on(
    relay: Relay, guest: Guest, person: MakePerson, rfb_server: RFBServer
) -> None:
    handshake(relay.connect(person(), guest), shared=b"\0")
    assert rfb_server.shared == [1]


def test_a_message_sent_together_with_the_handshake_arrives(
    relay: Relay, guest: Guest, person: MakePerson, rfb_server: RFBServer
) -> None:
    browser = relay.connect(person(), guest)
    browser.send_binary(b"RFB 003.008\n\1\1" + UPDATE)
    assert rfb_server.heard(UPDATE)


def test_the_page_gets_all_of_the_handshake_at_once(relay: Relay, guest: Guest, person: MakePerson) -> None:
    reader = Reader(relay.connect(person(), guest))
    assert reader.exactly(18 + len(SERVER_INIT)) == b"RFB 003.008\n\1\1\0\0\0\0" + SERVER_INIT


@pytest.mark.parametrize("answer", [b"RFB 003.003\n", b"RFB 003.008\n\2", b"GET / HTTP/1.1\r\n"])
def test_a_page_that_speaks_otherwise_is_told(answer: bytes, relay: Relay, guest: Guest, person: MakePerson) -> None:
    browser = relay.connect(person(), guest)
    browser.send_binary(answer[:5])
    browser.send_binary(answer[5:])
    code, sentence = close_of(browser)
    assert (code, "load it again" in sentence) == (1002, True)


def test_an_unknown_message_ends_the_console(relay: Relay, guest: Guest, person: MakePerson) -> None:
    browser = relay.connect(person(), guest)
    handshake(browser)
    browser.send_binary(b"\x96" + bytes(20))
    assert close_of(browser)[0] == 1002


def cookies_of(person: Person) -> str:
    return f"guesthouse_session={person.session_key}"


ORIGINS = {
    "missing": None,
    "null": "null",
    "suffix": "http://127.0.0.1:{port}.evil.example",
    "prefix": "http://evil-127.0.0.1:{port}",
    "userinfo": "http://127.0.0.1:{port}@evil.example",
    "user before": "http://evil@127.0.0.1:{port}",
    "other port": "http://127.0.0.1:1",
    "no port": "http://127.0.0.1",
    "other scheme": "https://127.0.0.1:{port}",
    "other name": "http://localhost:{port}",
    "path": "http://127.0.0.1:{port}/",
    "two": "http://127.0.0.1:{port}, http://127.0.0.1:{port}",
    "foreign": "https://evil.example",
}


@pytest.mark.parametrize("origin", ORIGINS.values(), ids=ORIGINS.keys())
def test_a_foreign_origin_is_refused_before_the_upgrade(
    origin: str | None, relay: Relay, guest: Guest, person: MakePerson, rfb_server: RFBServer
) -> None:
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        relay.connect(person(), guest, origin=origin and origin.format(port=relay.port))
    assert refused.value.status_code == 403
    assert rfb_server.clients == []


@pytest.mark.parametrize("cookie", ["", "guesthouse_session=", "guesthouse_session=forged", "other={key}"])
def test_nobody_is_refused_before_the_upgrade(cookie: str, relay: Relay, guest: Guest, person: MakePerson) -> None:
    ana = person()
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        relay.connect(ana, guest, cookie=cookie.format(key=ana.session_key))
    assert refused.value.status_code == 403


def test_a_disabled_person_is_nobody(relay: Relay, guest: Guest, person: MakePerson) -> None:
    ana = person()
    ana.user.is_active = False
    ana.user.save()
    with pytest.raises(websocket.WebSocketBadStatusException):
        relay.connect(ana, guest)


@pytest.mark.parametrize("token", ["", "x" * 43, "x" * 4000])
def test_without_a_good_ticket_a_person_is_told(
    token: str, relay: Relay, guest: Guest, person: MakePerson, rfb_server: RFBServer
) -> None:
    assert close_of(relay.connect(person(), guest, token=token)) == (
        4403,
        "The ticket is not valid any more. Connect again.",
    )
    assert rfb_server.clients == []
    assert AuditRecord.objects.get(action="console.open").outcome == "denied"


def test_another_person_s_ticket_is_no_good(relay: Relay, guest: Guest, person: MakePerson) -> None:
    ana, rui = person("ana"), person("rui")
    assert close_of(relay.connect(ana, guest, cookie=cookies_of(rui)))[0] == 4403


def test_a_page_of_another_guest_is_refused(relay: Relay, guest: Guest, person: MakePerson) -> None:
    path = "/websockify?guest=5f3c1b0e-0000-4000-8000-000000005999"
    assert close_of(relay.connect(person(), guest, path=path))[0] == 4403
    browser = relay.connect(person("rui"), guest, path=f"/websockify?guest={guest.id}")
    handshake(browser)


def test_a_grant_that_went_between_ticket_and_socket_is_noticed(
    relay: Relay, guest: Guest, person: MakePerson, rfb_server: RFBServer
) -> None:
    ana = person()
    from consoles.models import Kind
    from consoles.tickets import mint

    token = mint(ana.user, ana.session_key, guest, kind=Kind.VNC, mode=Mode.CONTROL)
    Grant.objects.all().delete()
    assert close_of(relay.connect(ana, guest, token=token))[0] == 4403
    assert rfb_server.clients == []


def lose_grant(person: Person) -> None:
    Grant.objects.all().delete()


def sign_out(person: Person) -> None:
    person.client.logout()


def disable(person: Person) -> None:
    person.user.is_active = False
    person.user.save()


@pytest.mark.parametrize(("loss", "code"), [(lose_grant, 4403), (sign_out, 4401), (disable, 4401)])
def test_a_lost_right_ends_the_console_within_5_s(
    loss: Callable[[Person], None], code: int, relay: Relay, guest: Guest, person: MakePerson
) -> None:
    ana = person()
    browser = relay.connect(ana, guest)
    handshake(browser)
    started = time.monotonic()
    loss(ana)
    assert close_of(browser)[0] == code
    assert time.monotonic() - started < 5


def test_a_controller_becomes_a_watcher_in_place(
    relay: Relay, guest: Guest, person: MakePerson, rfb_server: RFBServer
) -> None:
    browser = relay.connect(person(), guest)
    reader = handshake(browser)
    browser.send_binary(key(0xFFE3))
    assert rfb_server.heard(key(0xFFE3))
    Grant.objects.update(role="watcher")
    announce(Feed.RIGHTS)
    assert rfb_server.heard(key(0xFFE3) + key(0xFFE3, down=False))
    browser.send_binary(key(0x61) + UPDATE)
    assert reader.exactly(len(TINY_UPDATE)) == TINY_UPDATE
    assert rfb_server.heard(key(0xFFE3) + key(0xFFE3, down=False) + UPDATE)


def test_the_screen_of_a_running_guest_that_closes_is_no_stop(
    relay: Relay, guest: Guest, person: MakePerson, rfb_server: RFBServer
) -> None:
    browser = relay.connect(person(), guest)
    handshake(browser)
    rfb_server.drop_clients()
    assert close_of(browser) == (4500, "The guest's screen closed the connection.")


@pytest.mark.parametrize(
    ("graphics", "runstate", "code"),
    [
        ("", "", 4404),
        ("<graphics type='spice' port='5901'/>", "", 4404),
        ("<graphics type='vnc' port='1' autoport='no' listen='127.0.0.1'/>", "", 4500),
        ("<graphics type='vnc' autoport='yes'/>", "<test:runstate>5</test:runstate>", 4410),
    ],
    ids=["no graphics", "spice", "does not answer", "shut off"],
)
def test_a_guest_without_a_screen_is_explained(
    graphics: str, runstate: str, code: int, relay: Relay, make_guest: Callable[..., Guest], person: MakePerson
) -> None:
    screenless = make_guest(graphics, runstate)
    browser = relay.connect(person(on=screenless), screenless)
    found, sentence = close_of(browser)
    assert found == code
    assert "web-1" in sentence


def test_a_guest_that_its_host_does_not_know_is_looked_for_again(
    relay: Relay, make_guest: Callable[..., Guest], person: MakePerson
) -> None:
    lost = make_guest("")
    Guest.objects.update(uuid="5f3c1b0e-0000-4000-8000-000000005999")
    assert close_of(relay.connect(person(on=lost), lost)) == (4412, f"web-1 is not on {lost.host.name} any more.")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"types": b""}, "go away"),
        ({"types": b"\x13"}, "TLS"),
        ({"version": b"HTTP/1.1 400"}, "version"),
        ({"password": "secret"}, "password"),
    ],
)
def test_a_guest_that_refuses_is_explained(
    arguments: dict[str, object], words: str, relay: Relay, make_guest: Callable[..., Guest], person: MakePerson
) -> None:
    with RFBServer(**arguments) as refusing:  # type: ignore[arg-type]
        guest = make_guest(f"<graphics type='vnc' port='{refusing.port}' autoport='no' listen='127.0.0.1'/>")
        code, sentence = close_of(relay.connect(person(on=guest), guest))
    assert code == 4500
    assert words in sentence


def test_a_guest_s_password_is_given_by_the_relay(
    relay: Relay, make_guest: Callable[..., Guest], person: MakePerson
) -> None:
    with RFBServer(password="secret") as asking:
        guest = make_guest(
            f"<graphics type='vnc' port='{asking.port}' autoport='no' listen='127.0.0.1' passwd='secret'/>"
        )
        handshake(relay.connect(person(on=guest), guest))
        assert asking.shared == [1]


def test_a_stalled_browser_stops_the_reading_of_the_guest(
    relay: Relay, guest: Guest, person: MakePerson, rfb_server: RFBServer
) -> None:
    browser = relay.connect(person(), guest)
    handshake(browser)
    (client,) = rfb_server.clients
    client.setblocking(False)
    sent, block = 0, bytes(1 << 16)
    idle_since = time.monotonic()
    while time.monotonic() - idle_since < 1.0:
        try:
            sent += client.send(block)
            idle_since = time.monotonic()
            assert sent < 64 << 20, "somebody buffers without bound"
        except BlockingIOError:
            time.sleep(0.01)
    row = ConsoleSession.objects.get()
    (live,) = [s for s in relay.sessions._snapshot() if s.id == row.id]
    kernel = browser.sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    assert live.bytes_out <= sent
    assert live.bytes_out < kernel + (16 << 20)


def test_a_silent_browser_is_left_after_the_deadline(
    relay: Relay, guest: Guest, person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump, "PING_SECONDS", 0.3)
    monkeypatch.setattr(pump, "SILENCE_SECONDS", 0.9)
    browser = relay.connect(person(), guest)
    handshake(browser)
    started = time.monotonic()
    # Read without websocket-client's automatic pong: a browser whose machine sleeps.
    seen = b""
    while not seen.endswith(b"long."):
        seen += browser.sock.recv(1000)
    assert b"\x89\0" in seen  # a ping was sent
    assert struct.pack("!H", 4408) in seen
    assert 0.5 < time.monotonic() - started < 4


def test_a_browser_that_answers_pings_stays(
    relay: Relay, guest: Guest, person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump, "PING_SECONDS", 0.2)
    monkeypatch.setattr(pump, "SILENCE_SECONDS", 0.6)
    browser = relay.connect(person(), guest)
    reader = handshake(browser)
    threading.Timer(1.5, browser.send_binary, [UPDATE]).start()
    assert reader.exactly(len(TINY_UPDATE)) == TINY_UPDATE  # recv answers the pings meanwhile


def test_a_frame_without_end_is_refused(
    relay: Relay, guest: Guest, person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "MESSAGE_LIMIT", 100_000)
    browser = relay.connect(person(), guest)
    handshake(browser)
    browser.sock.sendall(b"\x82\xff" + struct.pack("!Q", 1 << 40) + bytes(4))
    try:
        for _ in range(200):
            browser.sock.sendall(bytes(4096))
    except OSError:
        return  # closed while we still sent
    assert close_of(browser)[0] == 1002


def test_a_flood_of_pings_does_not_grow_the_relay(relay: Relay, guest: Guest, person: MakePerson) -> None:
    browser = relay.connect(person(), guest)
    reader = handshake(browser)
    for _ in range(2000):
        browser.ping(b"x" * 100)
    browser.send_binary(UPDATE)
    assert reader.exactly(len(TINY_UPDATE)) == TINY_UPDATE


def test_half_open_handshakes_hinder_nobody(
    relay: Relay, guest: Guest, person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(header_reader, "HEADER_SECONDS", 1.0)
    silent = [socket.create_connection(("127.0.0.1", relay.port)) for _ in range(200)]
    for connection in silent:
        connection.sendall(b"GET /websockify HTTP/1.1\r\nHost: x\r\n")
    handshake(relay.connect(person(), guest))
    assert relay_threads() <= server.WAITING_LIMIT + waiting_threads.MOST + 2
    for connection in silent:
        connection.settimeout(5)
        with connection, suppress(ConnectionResetError):
            assert connection.recv(10) == b""


def relay_threads() -> int:
    return sum(thread.name == "vnc-relay" for thread in threading.enumerate())


def test_a_header_without_end_is_refused(relay: Relay) -> None:
    with socket.create_connection(("127.0.0.1", relay.port), timeout=5) as connection:
        try:
            connection.sendall(b"GET /websockify HTTP/1.1\r\n" + b"X-Padding: 1234567890\r\n" * 2000)
            assert b"101" not in connection.recv(100)
        except ConnectionError:
            pass


@pytest.mark.parametrize(
    ("line", "status"), [("GET /websockify", 426), ("HEAD /websockify", 426), ("POST /websockify", 501)]
)
def test_an_ordinary_request_is_told_what_this_is(line: str, status: int, relay: Relay) -> None:
    with socket.create_connection(("127.0.0.1", relay.port), timeout=5) as connection:
        connection.sendall(f"{line} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert connection.recv(100).startswith(f"HTTP/1.1 {status} ".encode())


@pytest.mark.parametrize(
    "request_head",
    [
        "GET /websockify HTTP/1.0\r\nHost: x\r\n",
        "GET /websockify\r\nHost: x\r\n",
        "GET  /websockify HTTP/1.1\r\nHost: x\r\n",
        "\r\nGET /websockify HTTP/1.1\r\nHost: x\r\n",
        "GET /websockify HTTP/1.1\r\nHost: x\r\n Origin: folded\r\n",
    ],
)
def test_what_no_browser_sends_is_answered_as_such(request_head: str, relay: Relay) -> None:
    with socket.create_connection(("127.0.0.1", relay.port), timeout=5) as connection:
        connection.sendall(f"{request_head}\r\n".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 400 ")


def test_no_file_is_served(relay: Relay) -> None:
    with socket.create_connection(("127.0.0.1", relay.port), timeout=5) as connection:
        connection.sendall(b"GET /manage.py HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 426 ")


def test_a_cap_is_told(relay: Relay, guest: Guest, person: MakePerson, settings: Settings) -> None:
    settings.CONSOLES_PER_USER = 1
    ana = person()
    handshake(relay.connect(ana, guest))
    code, sentence = close_of(relay.connect(ana, guest))
    assert (code, sentence) == (4421, "You have too many consoles open. Close one of them first.")


def test_tickets_and_cookies_are_not_logged(
    relay: Relay, guest: Guest, person: MakePerson, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    ana = person()
    token = "s3cret" + "x" * 30
    close_of(relay.connect(ana, guest, token=token))
    handshake(relay.connect(ana, guest))
    assert "s3cret" not in caplog.text
    assert ana.session_key not in caplog.text


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_ended_consoles_leave_no_descriptor_and_no_thread(relay: Relay, guest: Guest, person: MakePerson) -> None:
    ana = person()

    def visit() -> None:
        browser = relay.connect(ana, guest)
        handshake(browser)
        browser.shutdown()
        assert wait_for(lambda: len(relay.sessions) == 0 and relay_threads() <= waiting_threads.MOST)

    visit()
    before = descriptors()
    for _ in range(5):
        visit()
    # The test's own RFB server keeps one for each visit.
    assert wait_for(lambda: descriptors() - before <= 5 + 1)


def test_C12_a_flood_of_made_up_tickets_is_turned_away_and_costs_no_call(
    relay: Relay, guest: Guest, person: MakePerson, settings: Settings, rfb_server: RFBServer
) -> None:
    settings.REFUSED_HANDSHAKES_PER_MINUTE = 3
    handshakes.forget()
    ada = person()
    for _ in range(3):
        assert close_of(relay.connect(ada, guest, token="x" * 43))[0] == 4403
    recorded = AuditRecord.objects.filter(outcome="denied").count()
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        relay.connect(ada, guest)
    assert refused.value.status_code == 429
    assert 0 < int(refused.value.resp_headers["retry-after"]) <= 60
    assert AuditRecord.objects.filter(outcome="denied").count() == recorded == 3
    assert rfb_server.shared == []  # nobody was connected to the guest
    handshakes.forget()
    handshake(relay.connect(ada, guest))


def test_C16_behind_a_proxy_of_an_https_site_a_console_comes_by_tls_only(
    relay: Relay, guest: Guest, person: MakePerson, settings: Settings
) -> None:
    settings.HTTPS = settings.BEHIND_PROXY = True
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        relay.connect(person(), guest)
    assert refused.value.status_code == 403
