"""libvirt's units to KiB, and KiB to what people read and type; exact both ways."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

KIB_PER_MIB = 1024
KIB_PER_GIB = 1024 * 1024

_BYTES = {
    "b": 1,
    "bytes": 1,
    "KB": 1000,
    "k": 1024,
    "KiB": 1024,
    "MB": 1000**2,
    "M": 1024**2,
    "MiB": 1024**2,
    "GB": 1000**3,
    "G": 1024**3,
    "GiB": 1024**3,
    "TB": 1000**4,
    "T": 1024**4,
    "TiB": 1024**4,
    "PB": 1000**5,
    "P": 1024**5,
    "PiB": 1024**5,
}


def to_kib(value: int, unit: str) -> int:
    """A size in one of libvirt's units (formatdomain, `memory`) in KiB, rounded up as libvirt does."""
    return -(-value * _BYTES[unit] // 1024)


def memory_number(kib: int) -> tuple[str, str]:
    """What people read: ("1.5", "GiB"), ("192", "MiB"); GiB from one GiB on."""
    if kib >= KIB_PER_GIB:
        return f"{(Decimal(kib) / KIB_PER_GIB).quantize(Decimal('0.1'), ROUND_HALF_EVEN)}", "GiB"
    if kib >= KIB_PER_MIB or kib == 0:
        return f"{round(kib / KIB_PER_MIB)}", "MiB"
    return str(kib), "KiB"


def memory_text(kib: int) -> str:
    """`memory_number` as one text: "1.5 GiB"."""
    return " ".join(memory_number(kib))


def rate_number(bytes_per_second: float) -> tuple[str, str]:
    """A rate as ("18.2", "MiB/s"); one decimal from MiB on."""
    kib = bytes_per_second / 1024
    if kib >= KIB_PER_GIB:
        return f"{kib / KIB_PER_GIB:.1f}", "GiB/s"
    if kib >= KIB_PER_MIB:
        return f"{kib / KIB_PER_MIB:.1f}", "MiB/s"
    return f"{kib:.0f}", "KiB/s"


def size_text(size_bytes: int) -> str:
    """A disk's size: "8.2 GiB"."""
    value = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            return f"{value:.0f} {unit}" if unit in {"B", "KiB"} else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError
