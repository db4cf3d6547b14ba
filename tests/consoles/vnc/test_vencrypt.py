"""The relay towards VNC servers that want TLS: a real TLS server on a real socket, and what must be refused."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from consoles.models import ConsoleSession
from consoles.vnc.vencrypt import TLSFiles
from guests.inventory.models import Guest
from tests.consoles.conftest import Person
from tests.consoles.vnc.conftest import Relay, close_of, handshake, wait_for
from tests.consoles.vnc.rfb_server import TINY_UPDATE, RFBServer
from tests.consoles.vnc.test_rfb_filter import UPDATE, key
from tests.labs.certificates import Authority

MakePerson = Callable[..., Person]
MakeServer = Callable[..., RFBServer]
MakeGuest = Callable[..., Guest]

PASSWORD = "s3cret"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(autouse=True)
def directory(settings: Settings, tmp_path: Path) -> Path:
    settings.VNC_TLS_DIR = tmp_path / "vnc-tls"
    return settings.VNC_TLS_DIR


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[MakeServer]:
    servers: list[RFBServer] = []

    def make(authority: Authority, name: str = "localhost", *, wants_client: bool = False, **more: object) -> RFBServer:
        files = authority.write(tmp_path / f"server-{name}", "server", name)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files / "server-cert.pem", files / "server-key.pem")
        if wants_client:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(files / "ca-cert.pem")
        server = RFBServer(tls=context, **more)  # type: ignore[arg-type]
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.__exit__()


def guest_at(make_guest: MakeGuest, server: RFBServer) -> Guest:
    password = f" passwd='{server.password}'" if server.password else ""
    return make_guest(f"<graphics type='vnc' port='{server.port}' autoport='no' listen='127.0.0.1'{password}/>")


def believe(directory: Path, authority: Authority) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "ca-cert.pem").write_bytes(authority.pem)


@pytest.mark.parametrize("password", [None, PASSWORD])
def test_a_picture_comes_through_tls(
    password: str | None,
    relay: Relay,
    make_guest: MakeGuest,
    person: MakePerson,
    serve: MakeServer,
    authority: Authority,
    directory: Path,
) -> None:
    believe(directory, authority)
    server = serve(authority, password=password)
    guest = guest_at(make_guest, server)
    browser = relay.connect(person(on=guest), guest)
    reader = handshake(browser)
    browser.send_binary(UPDATE)
    assert reader.exactly(len(TINY_UPDATE)) == TINY_UPDATE
    browser.send_binary(key(0x61))
    assert server.heard(UPDATE + key(0x61))
    assert server.shared == [1]


def test_nothing_stays_behind_in_tls(
    relay: Relay,
    make_guest: MakeGuest,
    person: MakePerson,
    serve: MakeServer,
    authority: Authority,
    directory: Path,
) -> None:
    believe(directory, authority)
    server = serve(authority)
    guest = guest_at(make_guest, server)
    browser = relay.connect(person(on=guest), guest)
    reader = handshake(browser)
    picture = bytes(range(256)) * (16 << 10)  # 4 MiB, in records of every size that TLS makes of it
    sender = server.clients[-1]
    sender.sendall(b"one" + picture[: 1 << 20])
    assert reader.exactly(3 + (1 << 20)) == b"one" + picture[: 1 << 20]
    sending = threading.Thread(target=sender.sendall, args=(picture,), daemon=True)
    sending.start()
    assert reader.exactly(len(picture)) == picture
    sending.join(10)
    for _ in range(50):
        sender.sendall(b"x" * 16384)
        assert reader.exactly(16384) == b"x" * 16384
    # The other direction, more than the server takes at once.
    server.reading.clear()
    browser.send_binary(key(0x61) * 20_000)
    server.reading.set()
    assert server.heard(key(0x61) * 20_000, 20)


def test_a_client_certificate_is_shown_where_one_is_there(
    relay: Relay,
    make_guest: MakeGuest,
    person: MakePerson,
    serve: MakeServer,
    authority: Authority,
    directory: Path,
) -> None:
    server = serve(authority, wants_client=True)
    guest = guest_at(make_guest, server)
    believe(directory, authority)
    assert close_of(relay.connect(person(on=guest), guest))[0] == 4500
    authority.write(directory / guest.host.name, "client")
    handshake(relay.connect(person("rui", on=guest), guest))


REFUSALS = {
    "no authority": (None, "localhost", (), "wants TLS: the administrator"),
    "another authority": ("other", "localhost", (), "is not good for localhost"),
    "another name": ("same", "elsewhere.example", (), "is not good for localhost"),
    "anonymous": ("same", "localhost", (257, 258), "wants TLS without certificates"),
    "sasl": ("same", "localhost", (264,), "wants TLS without certificates"),
}


@pytest.mark.parametrize(("believed", "name", "subtypes", "words"), REFUSALS.values(), ids=REFUSALS.keys())
def test_who_cannot_be_told_apart_is_refused(
    believed: str | None,
    name: str,
    subtypes: tuple[int, ...],
    words: str,
    relay: Relay,
    make_guest: MakeGuest,
    person: MakePerson,
    serve: MakeServer,
    authority: Authority,
    directory: Path,
) -> None:
    if believed:
        believe(directory, authority if believed == "same" else Authority("another"))
    server = serve(authority, name, password=PASSWORD, subtypes=subtypes)
    guest = guest_at(make_guest, server)
    code, sentence = close_of(relay.connect(person(on=guest), guest))
    assert (code, words in sentence) == (4500, True), sentence
    assert server.shared == []
    assert wait_for(lambda: words in ConsoleSession.objects.get().reason)


def test_a_host_s_own_files_go_before_those_for_all(directory: Path, authority: Authority) -> None:
    assert TLSFiles.of("alpha") is None
    believe(directory, authority)
    assert TLSFiles.of("alpha") == TLSFiles(directory / "ca-cert.pem", None, None)
    authority.write(directory / "alpha", "client")
    own = TLSFiles.of("alpha")
    assert own is not None
    assert (own.authority, own.certificate) == (
        directory / "alpha" / "ca-cert.pem",
        directory / "alpha" / "client-cert.pem",
    )
    for odd in ("..", ".", "", "../vnc-tls/alpha", "beta"):
        found = TLSFiles.of(odd)
        assert found is not None
        assert found.authority == directory / "ca-cert.pem"
