"""Sets of CPUs as libvirt writes them: "0-3,^2,7"."""

from __future__ import annotations

from collections.abc import Iterable

MOST = 4096  # CPUs that a host may have


def parse_cpu_set(text: str) -> frozenset[int]:
    """The numbers of a set, none for an empty text; ValueError for anything else."""
    chosen: set[int] = set()
    for part in filter(None, (part.strip() for part in text.split(","))):
        first, dash, last = part.removeprefix("^").partition("-")
        if not all(number.isascii() and number.isdigit() for number in ([first, last] if dash else [first])):
            raise ValueError(f"no set of CPUs: {part[:40]!r}")
        begin, end = int(first), int(last or first)
        if end < begin or end >= MOST:
            raise ValueError(f"no set of CPUs: {part[:40]!r}")
        if part.startswith("^"):
            chosen -= set(range(begin, end + 1))
        else:
            chosen |= set(range(begin, end + 1))
    return frozenset(chosen)


def cpu_set_text(cpus: Iterable[int]) -> str:
    """The shortest text of a set, in order: "0-1,3"."""
    runs: list[list[int]] = []
    for cpu in sorted(set(cpus)):
        if runs and cpu == runs[-1][1] + 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
