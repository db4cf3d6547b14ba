"""The doors of uploads and downloads: who may, what is refused, and what is asked of whom."""

from __future__ import annotations

import asyncio
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from guests.access.models import Role
from guests.audit.models import AuditRecord
from guests.inventory.models import Host, HostLease
from guests.inventory.storage import Pool
from guests.operations.models import Operation
from guests.operations.upload_models import Upload
from guests.operations.volume_wire import TransferFailed, line, read_line, send_piece, socket_of
from tests.dashboard.routes import without_what_differs_each_time
from tests.guests.inventory_rows import grant, make_guest, make_host, person, signed_in
from tests.guests.test_storage_pages import disk, make_pool, make_volume

pytestmark = pytest.mark.django_db
MIB = 1024**2


@pytest.fixture
def host() -> Host:
    return make_host()


@pytest.fixture
def pool(host: Host) -> Pool:
    return make_pool(host)


def make_upload(pool: Pool, by: Any, **more: Any) -> Upload:
    values = {"name": "big.iso", "format": "raw", "size_bytes": 20 * MIB, "received_bytes": 8 * MIB} | more
    return Upload.objects.create(pool=pool, fingerprint="f" * 64, by=by, by_name=by.username, **values)


@pytest.fixture
def worker(host: Host, settings: Any, tmp_path: Path) -> Iterator[Callable[[bytes], list[Any]]]:
    """Somebody at a worker's socket who answers each question so; what was asked, with the bytes that came."""
    settings.RUNTIME_DIR = tmp_path
    HostLease.objects.create(host=host, owner="me", epoch=1, expires_at="2099-01-01T00:00Z")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(socket_of("me")))
    listener.listen()
    asked: list[Any] = []
    threads: list[threading.Thread] = []

    def serve(answer: bytes) -> list[Any]:
        def run() -> None:
            try:
                peer, _address = listener.accept()
            except OSError:
                return  # nobody came until the end
            with peer:
                question, content = read_line(peer)
                while question["ask"] == "write" and (more := peer.recv(1 << 20)):
                    content += more
                asked.append((question, content))
                peer.sendall(answer)

        threads.append(threading.Thread(target=run, daemon=True))
        threads[-1].start()
        return asked

    yield serve
    listener.shutdown(socket.SHUT_RDWR)  # wakes who waits for somebody to come
    for thread in threads:
        thread.join(10)
    listener.close()


def test_a_piece_goes_to_the_worker_as_it_came(host: Host, pool: Pool, worker: Callable[[bytes], list[Any]]) -> None:
    ada = person("ada", superuser=True)
    upload = make_upload(pool, ada)
    asked = worker(line({"received": 12 * MIB}))
    content = bytes(range(256)) * (4 * MIB // 256)
    path = f"/storage/uploads/{upload.pk}/"
    answer = signed_in(ada).put(f"{path}?offset={8 * MIB}", content, content_type="application/octet-stream")
    assert (answer.status_code, answer.json()) == (200, {"received": 12 * MIB, "size": 20 * MIB})
    assert asked == [({"ask": "write", "upload": str(upload.pk), "offset": 8 * MIB, "length": 4 * MIB}, content)]


def test_a_piece_for_another_place_is_answered_with_the_right_one(
    pool: Pool, worker: Callable[[bytes], list[Any]]
) -> None:
    ada = person("ada", superuser=True)
    worker(line({"error": "Elsewhere.", "received": 8 * MIB}))
    path = f"/storage/uploads/{make_upload(pool, ada).pk}/?offset=0"
    answer = signed_in(ada).put(path, b"x", content_type="application/octet-stream")
    assert (answer.status_code, answer.json()) == (409, {"error": "Elsewhere.", "received": 8 * MIB})


@pytest.mark.parametrize("query", ["", "?offset=", "?offset=-1", "?offset=x", "?offset=99999999999999999"])
def test_a_piece_without_a_place_is_refused(pool: Pool, query: str) -> None:
    ada = person("ada", superuser=True)
    path = f"/storage/uploads/{make_upload(pool, ada).pk}/{query}"
    assert signed_in(ada).put(path, b"x", content_type="application/octet-stream").status_code == 400


def test_without_a_worker_on_this_machine_the_browser_is_told_to_try_again(
    pool: Pool, settings: Any, tmp_path: Path
) -> None:
    settings.RUNTIME_DIR = tmp_path
    ada = person("ada", superuser=True)
    path = f"/storage/uploads/{make_upload(pool, ada).pk}/?offset=0"
    answer = signed_in(ada).put(path, b"x", content_type="application/octet-stream")
    assert answer.status_code == 503
    assert "does not answer" in answer.json()["error"]
    with pytest.raises(TransferFailed):
        send_piece(pool.host_id, uuid.uuid4(), 0, 1, lambda _size: b"x")


def test_only_who_began_an_upload_sends_pieces_and_only_administrators_of_the_host_cancel_it(pool: Pool) -> None:
    anna, eva, gil = person("anna"), person("eva"), person("gil")
    for someone in (anna, eva):
        grant(someone, Role.ADMINISTRATOR, host=pool.host)
    grant(gil, Role.OPERATOR, host=pool.host)
    path = f"/storage/uploads/{make_upload(pool, anna).pk}/"
    assert signed_in(anna).get(path).json()["received"] == 8 * MIB
    assert signed_in(eva).get(path).status_code == 404
    assert signed_in(gil).get(path).status_code == 404
    assert signed_in(gil).post(f"{path}cancel/").status_code == 404
    assert signed_in(gil).post(f"{path}finish/").status_code == 404
    assert "big.iso" in signed_in(eva).get(f"/storage/{pool.pk}/").content.decode()


@pytest.mark.parametrize("who", ["a stranger", "administrator of another host", "operator here", "administrator here"])
def test_B2_an_upload_that_is_not_one_s_own_answers_a_piece_like_one_that_never_was(
    pool: Pool, worker: Callable[[bytes], list[Any]], who: str
) -> None:
    upload, gil = make_upload(pool, person("anna", superuser=True)), person("gil")
    if who == "administrator of another host":
        grant(gil, Role.ADMINISTRATOR, host=make_host("elsewhere"))
    elif who == "operator here":
        grant(gil, Role.OPERATOR, host=pool.host)
    elif who == "administrator here":  # whose right to the pool gives no right to send for somebody else
        grant(gil, Role.ADMINISTRATOR, host=pool.host)
    asked, client = worker(line({"received": 12 * MIB})), signed_in(gil)
    answers = []
    for identity in (upload.pk, uuid.uuid4()):
        path = f"/storage/uploads/{identity}/"
        for method, query in (("put", f"?offset={8 * MIB}"), ("put", "?offset=nowhere"), ("get", ""), ("head", "")):
            answer = getattr(client, method)(
                path + query, **({"data": b"x", "content_type": "application/octet-stream"} if method == "put" else {})
            )
            body = without_what_differs_each_time(answer.content.decode(), {str(identity): "ID"})
            answers.append((method, query, answer.status_code, body, sorted(answer.headers)))
    assert answers[:4] == answers[4:]
    assert {status for _, _, status, _, _ in answers} == {404}
    assert asked == []  # not a byte went to the host
    upload.refresh_from_db()
    assert upload.received_bytes == 8 * MIB
    assert not Operation.objects.exists()


def test_the_same_file_under_the_same_name_goes_on_and_another_one_is_asked_for(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guests.views.uploads.BEGIN_SECONDS", 0.0)
    ada = person("ada", superuser=True)
    upload = make_upload(pool, ada)
    fields = {"name": "big.iso", "size": str(20 * MIB), "format": "raw", "fingerprint": "f" * 64}
    client = signed_in(ada)
    answer = client.post(f"/storage/{pool.pk}/upload/", fields)
    assert answer.json() == {"upload": str(upload.pk), "received": 8 * MIB, "size": 20 * MIB}
    assert not Operation.objects.exists()
    assert client.post(f"/storage/{pool.pk}/upload/", fields | {"fingerprint": "0" * 64}).status_code == 409
    operation = Operation.objects.get()
    assert operation.kind == "begin_upload"
    assert operation.parameters["by"] == ada.pk
    assert "path" not in operation.parameters


def test_a_download_is_recorded_and_streamed_and_one_of_a_disk_in_use_is_refused(
    pool: Pool, worker: Callable[[bytes], list[Any]]
) -> None:
    volume = make_volume(pool, "a b.qcow2")
    client = signed_in(person("ada", superuser=True))
    asked = worker(line({"length": 3, "size": 10}) + b"789")
    answer = client.get(f"/storage/volumes/{volume.pk}/download/", headers={"Range": "bytes=7-"})
    assert (answer.status_code, answer["Content-Range"], answer["Content-Length"]) == (206, "bytes 7-9/10", "3")
    assert "a%20b.qcow2" in answer["Content-Disposition"]

    async def content() -> bytes:
        return b"".join([part async for part in answer.streaming_content])

    assert asyncio.run(content()) == b"789"
    assert asked[0][0]["offset"] == 7
    entry = AuditRecord.objects.get(action="storage.download")
    assert (entry.host_name, entry.detail["volume"]) == (pool.host.name, "images/a b.qcow2")
    make_guest(pool.host, "web-1", definition={"disks": [disk("/images/a b.qcow2")]})
    assert client.get(f"/storage/volumes/{volume.pk}/download/").status_code == 302


def test_storage_pages_of_a_pool_offer_the_upload(pool: Pool) -> None:
    client: Client = signed_in(person("ada", superuser=True))
    assert f"/storage/{pool.pk}/upload/" in client.get(f"/storage/{pool.pk}/").content.decode()
    html = client.get(f"/storage/{pool.pk}/upload/").content.decode()
    assert 'data-piece="8388608"' in html
