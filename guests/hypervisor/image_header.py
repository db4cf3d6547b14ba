"""What the first bytes of an image say that it is, and whether it may become a guest's disk: a pure function on bytes.

A qcow2 image can name another file, as its backing file or as the file of its data: whoever reads the image reads that
file of the host. Images that people bring must be whole in themselves. Layout: QEMU's docs/interop/qcow2.txt.
"""

from __future__ import annotations

import struct

HEAD_BYTES = 64 * 1024  # the header and its extensions lie within the first cluster
QCOW2 = b"QFI\xfb"
FIXED_BYTES = {2: 72, 3: 104}
MAY_BE_DIRTY, MAY_BE_CORRUPT, COMPRESSION, EXTENDED_L2 = 1 << 0, 1 << 1, 1 << 3, 1 << 4
UNDERSTOOD = MAY_BE_DIRTY | MAY_BE_CORRUPT | COMPRESSION | EXTENDED_L2  # not 1 << 2: data in another file
END, BACKING_FORMAT, DATA_FILE = 0, 0xE2792ACA, 0x44415441
OTHER_FORMATS = {
    QCOW2: "qcow2",
    b"KDMV": "vmdk",
    b"# Disk DescriptorFile": "vmdk",
    b"vhdxfile": "vhdx",
    b"conectix": "vhd",
    b"QED\0": "qed",
    b"<<< ": "vdi",
}


class RefusedImage(ValueError):
    """It is not what was said, or it needs another file. `reason` is one of the words below."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


NOT_QCOW2, OTHER, BACKING, EXTERNAL, UNREADABLE = (
    "not qcow2",
    "another format",
    "backing file",
    "data file",
    "unreadable",
)


def refuse_image(format: str, head: bytes) -> None:
    """RefusedImage where an image of this format may not be used; `head`: its first HEAD_BYTES, or all of it."""
    if format == "qcow2":
        _refuse_qcow2(head)
        return
    for magic, name in OTHER_FORMATS.items():
        if head.startswith(magic):
            raise RefusedImage(OTHER, name)


def _refuse_qcow2(head: bytes) -> None:
    if not head.startswith(QCOW2):
        raise RefusedImage(NOT_QCOW2)
    version = _number(">I", head, 4)
    if version not in FIXED_BYTES or len(head) < FIXED_BYTES[version]:
        raise RefusedImage(UNREADABLE, f"version {version}")
    if _number(">Q", head, 8) or _number(">I", head, 16):
        raise RefusedImage(BACKING)
    length = FIXED_BYTES[2]
    if version == 3:
        features = _number(">Q", head, 72)
        if features & 1 << 2:
            raise RefusedImage(EXTERNAL)
        if features & ~UNDERSTOOD:
            raise RefusedImage(UNREADABLE, f"features {features:#x}")
        length = _number(">I", head, 100)
        if length < FIXED_BYTES[3] or length % 8:
            raise RefusedImage(UNREADABLE, f"header of {length} bytes")
    cluster_bits = _number(">I", head, 20)
    if not 9 <= cluster_bits <= 21:
        raise RefusedImage(UNREADABLE, f"clusters of 2^{cluster_bits} bytes")
    _refuse_extensions(head[: 1 << cluster_bits], length)


def _refuse_extensions(cluster: bytes, at: int) -> None:
    while True:
        kind, size = _number(">I", cluster, at), _number(">I", cluster, at + 4)
        if kind == END:
            return
        if kind in {BACKING_FORMAT, DATA_FILE}:
            raise RefusedImage(BACKING if kind == BACKING_FORMAT else EXTERNAL)
        at += 8 + (size + 7) // 8 * 8


def _number(layout: str, head: bytes, at: int) -> int:
    try:
        (value,) = struct.unpack_from(layout, head, at)
    except struct.error as error:
        raise RefusedImage(UNREADABLE, f"ends after {len(head)} bytes") from error
    return int(value)
