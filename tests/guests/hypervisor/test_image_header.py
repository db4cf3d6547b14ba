"""Crafted images: what may become a guest's disk, and what may not."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guests.hypervisor.image_header import BACKING_FORMAT, DATA_FILE, QCOW2, RefusedImage, refuse_image

CLUSTER = 65536


def qcow2(
    version: int = 3,
    *,
    backing: tuple[int, int] = (0, 0),
    features: int = 0,
    cluster_bits: int = 16,
    length: int = 104,
    extensions: tuple[tuple[int, bytes], ...] = (),
    end: bool = True,
) -> bytes:
    head = QCOW2 + struct.pack(">IQIIQIIQQIIQ", version, *backing, cluster_bits, 1 << 30, 0, 1, CLUSTER, 0, 1, 0, 0)
    if version == 3:
        head += struct.pack(">QQQII", features, 0, 0, 4, length)
    for kind, content in extensions:
        head += struct.pack(">II", kind, len(content)) + content + b"\0" * (-len(content) % 8)
    return (head + (b"\0" * 8 if end else b"")).ljust(CLUSTER, b"\0" if end else b"\1")


def reason(format: str, head: bytes) -> str:
    with pytest.raises(RefusedImage) as refused:
        refuse_image(format, head)
    return refused.value.reason


@pytest.mark.parametrize(
    "head",
    [
        qcow2(),
        qcow2(2),
        qcow2(features=0b11011),
        qcow2(length=112),
        qcow2(extensions=((0x6803F857, b"a feature table"), (0x23852875, b"bitmaps"))),
    ],
)
def test_an_image_that_is_whole_in_itself_may_be_used(head: bytes) -> None:
    refuse_image("qcow2", head)


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (qcow2(2, backing=(512, 11)), "backing file"),
        (qcow2(backing=(512, 11)), "backing file"),
        (qcow2(backing=(512, 0)), "backing file"),
        (qcow2(backing=(0, 11)), "backing file"),
        (qcow2(extensions=((BACKING_FORMAT, b"raw"),)), "backing file"),
        (qcow2(features=0b100), "data file"),
        (qcow2(extensions=((0x6803F857, b"x" * 13), (DATA_FILE, b"/etc/shadow"))), "data file"),
        (qcow2(features=1 << 40), "unreadable"),
        (qcow2(4), "unreadable"),
        (qcow2(length=96), "unreadable"),
        (qcow2(length=0xFFFFFFF8), "unreadable"),
        (qcow2(cluster_bits=63), "unreadable"),
        (qcow2(end=False), "unreadable"),
        (qcow2()[:100], "unreadable"),
        (QCOW2, "unreadable"),
        (b"", "not qcow2"),
        (b"\0" * 512, "not qcow2"),
    ],
)
def test_E7_a_qcow2_image_with_a_backing_file_or_external_data_is_refused(head: bytes, why: str) -> None:
    assert reason("qcow2", head) == why


@pytest.mark.parametrize("magic", [QCOW2, b"KDMV", b"# Disk DescriptorFile\n", b"vhdxfile", b"conectix", b"QED\0"])
def test_E7_what_was_said_to_be_raw_and_is_not_is_refused(magic: bytes) -> None:
    assert reason("raw", magic.ljust(512, b"\0")) == "another format"
    refuse_image("raw", (b"\xeb\x63\x90" + magic).ljust(512, b"\0"))


@given(st.binary(max_size=300))
def test_nothing_but_a_refusal_comes_of_any_bytes(tail: bytes) -> None:
    for head in (tail, QCOW2 + tail, qcow2()[:104] + tail):
        try:
            refuse_image("qcow2", head)
        except RefusedImage:
            continue
