"""What a domain XML says of a guest's processor, and of how its vCPUs share those of the host."""

from __future__ import annotations

from lxml import etree

from guests.cpu_sets import cpu_set_text, parse_cpu_set
from guests.hypervisor.xml_document import UnreadableDefinition, attribute, number, text_of
from guests.resources import CPU, CPUTuning, Pin

PERIOD_US = 100_000  # libvirt's and Linux's own period, where none is told
UNLIMITED_US = 17_592_186_044_415  # what libvirt writes for no quota at all


def parse_cpu(root: etree._Element) -> CPU:
    """`<cpu>`: its model and its topology."""
    cpu = root.find("cpu")
    if cpu is None:
        return CPU()
    model = text_of(cpu, "model")
    # An old definition names a model without a mode.
    topology = cpu.find("topology")
    if topology is None:
        return CPU(mode=cpu.get("mode", "custom" if model else ""), model=model)
    counts = {name: number(topology.get(name, "1"), name) for name in ("sockets", "dies", "cores", "threads")}
    return CPU(mode=cpu.get("mode", "custom" if model else ""), model=model, **counts)


def parse_tuning(root: etree._Element) -> CPUTuning:
    """`<cputune>` and the set of CPUs of `<vcpu>`."""
    pins = (
        Pin(number(pin.get("vcpu", ""), "vcpu of <vcpupin>"), _cpu_set(pin.get("cpuset", "")))
        for pin in root.iterfind("cputune/vcpupin")
    )
    shares = text_of(root, "cputune/shares")
    return CPUTuning(
        weight=number(shares, "<shares>") if shares else None,
        cap_percent=_percent(root, "global_period", "global_quota"),
        vcpu_cap_percent=_percent(root, "period", "quota"),
        pins=tuple(sorted(pins, key=lambda pin: pin.vcpu)),
        emulator=_cpu_set(attribute(root, "cputune/emulatorpin", "cpuset")),
        every=_cpu_set(attribute(root, "vcpu", "cpuset")),
    )


def _percent(root: etree._Element, period: str, quota: str) -> int | None:
    """How much of one CPU a quota gives; None where it limits nothing."""
    text = text_of(root, f"cputune/{quota}")
    if not text or text.startswith("-"):
        return None
    return percent_of(number(text, f"<{quota}>"), number(text_of(root, f"cputune/{period}") or "0", f"<{period}>"))


def percent_of(quota_us: int, period_us: int) -> int | None:
    """A quota of each period as a share of one CPU; None where it limits nothing."""
    if quota_us <= 0 or quota_us >= UNLIMITED_US:
        return None
    return max(1, round(100 * quota_us / (period_us or PERIOD_US)))


def _cpu_set(text: str) -> str:
    try:
        return cpu_set_text(parse_cpu_set(text))
    except ValueError as error:
        raise UnreadableDefinition(str(error)) from error
