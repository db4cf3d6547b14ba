"""Volumes of a real host: uploaded in pieces, cut off and gone on with, downloaded, refused, kept while in use."""

from __future__ import annotations

import hashlib
import os
import random
import signal
from pathlib import Path

import pytest

from tests.labs.lab import Lab
from tests.labs.product import Product
from tests.live.storage_client import PIECE, StorageClient
from tests.live.text_client import WebSession

pytestmark = pytest.mark.timeout(240)
MIB = 1024 * 1024


@pytest.fixture
def directory(lab: Lab) -> Path:
    return lab.pool("uploads")


@pytest.fixture
def client(product: Product, directory: Path) -> StorageClient:
    return StorageClient(WebSession(product.url, "admin", product.admin_password))


def test_an_upload_goes_on_after_every_kind_of_break_and_a_download_too(
    product: Product, lab: Lab, client: StorageClient, tmp_path: Path
) -> None:
    content = random.Random(1).randbytes(2 * PIECE + 12345)
    pool = client.pool("uploads")
    _status, told = client.begin(pool, "data.raw", content)
    upload = told["upload"]
    client.send_half(upload, content, 0)
    assert client.told("GET", f"/storage/uploads/{upload}/")[1]["received"] == 0
    assert client.send(upload, content, 0)[1]["received"] == PIECE
    assert client.send(upload, content, 0)[0] == 409  # it is there already: goes on elsewhere
    assert client.send(upload, content, 0)[1]["received"] == PIECE
    assert client.begin(pool, "data.raw", content)[1]["received"] == PIECE  # the page was closed and opened again
    assert client.begin(pool, "data.raw", content[::-1])[0] == 409  # another file of the name
    assert client.told("POST", f"/storage/uploads/{upload}/finish/")[0] == 409  # not all of it is there
    os.kill(product.pids["hostworker"], signal.SIGKILL)
    assert client.send_until_taken(upload, content, PIECE) == 2 * PIECE
    assert client.send(upload, content, 2 * PIECE)[1]["received"] == len(content)
    status, told = client.told("POST", f"/storage/uploads/{upload}/finish/")
    assert status == 200, told
    copy = tmp_path / "copy"
    lab.virsh("vol-download", "data.raw", str(copy), "--pool", "uploads")
    assert hashlib.sha256(copy.read_bytes()).digest() == hashlib.sha256(content).digest()

    path = f"{client.volume(pool, 'data.raw')}download/"
    status, headers, whole = client.ask("GET", path)
    assert (status, whole == content, headers["Content-Length"]) == (200, True, str(len(content)))
    status, headers, rest = client.ask("GET", path, Range=f"bytes={PIECE + 7}-", **{"If-Range": headers["ETag"]})
    assert (status, rest == content[PIECE + 7 :]) == (206, True)
    assert headers["Content-Range"] == f"bytes {PIECE + 7}-{len(content) - 1}/{len(content)}"
    assert client.ask("GET", path, Range=f"bytes={len(content)}-")[0] == 416
    assert client.ask("PUT", f"/storage/uploads/{upload}/?offset=0", bytes(PIECE + 1))[0] == 413


def test_E7_an_uploaded_image_that_needs_another_file_is_refused_and_deleted(
    lab: Lab, client: StorageClient, directory: Path
) -> None:
    pool = client.pool("uploads")
    lab.virsh("vol-create-as", "uploads", "base.qcow2", "64M", "--format", "qcow2")
    over = ("--backing-vol", "base.qcow2", "--backing-vol-format", "qcow2")
    lab.virsh("vol-create-as", "uploads", "over.qcow2", "64M", "--format", "qcow2", *over)
    whole, overlay = (directory / "base.qcow2").read_bytes(), (directory / "over.qcow2").read_bytes()
    for name, content, format, word in (
        ("bad.qcow2", overlay, "qcow2", "backing file"),
        ("bad.raw", whole, "raw", "image of the format qcow2"),
        ("bad2.qcow2", os.urandom(MIB), "qcow2", "no qcow2 image"),
    ):
        status, told = client.upload(pool, name, content, format)
        assert status == 409
        assert word in told["error"]
        assert not (directory / name).exists()
    status, told = client.upload(pool, "good.qcow2", whole, "qcow2")
    assert status == 200, told
    assert "64.0 MiB" in client.session.get(told["url"])


def test_a_volume_in_use_is_not_deleted_and_others_are_copied_grown_and_deleted(
    lab: Lab, client: StorageClient, directory: Path
) -> None:
    pool, session = client.pool("uploads"), client.session
    medium = (bytes(32769) + b"CD001").ljust(MIB, b"\0")
    assert client.upload(pool, "tools.iso", medium)[0] == 200
    assert "tools.iso" in session.get("/storage/media/")
    assert "Done." in session.post(f"{pool}volumes/new/", name="disk.qcow2", capacity="64 MiB", format="qcow2")
    page = client.volume(pool, "disk.qcow2")
    backup = lab.uuid("backup-1")
    seen = lab.host.layout().seen.parent / "uploads" / "disk.qcow2"
    lab.virsh("attach-disk", backup, str(seen), "vdb", "--subdriver", "qcow2", "--config")
    try:
        refused = session.post(f"{page}delete/", confirm="disk.qcow2")
        assert "backup-1 uses it" in refused
        assert (directory / "disk.qcow2").exists()
    finally:
        lab.virsh("detach-disk", backup, "vdb", "--config")
    assert "Done." in session.post(f"{page}grow/", capacity="128 MiB")
    assert "128.0 MiB" in session.get(page)
    uuid = lab.virsh("pool-uuid", "uploads").strip()
    for name in ("disk.qcow2", "tools.iso"):
        copied = session.post(f"{client.volume(pool, name)}copy/", name=f"copy-{name}", to_pool=uuid)
        assert "Done." in copied, copied
    assert (directory / "copy-tools.iso").read_bytes() == (directory / "tools.iso").read_bytes()
    assert "Done." in session.post(f"{page}delete/", confirm="disk.qcow2")
    assert not (directory / "disk.qcow2").exists()
