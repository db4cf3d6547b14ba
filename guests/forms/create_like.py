"""What stands in the form for a new guest from the beginning: like a guest, or as it was once asked for."""

from __future__ import annotations

from typing import Any

from guests.forms.amounts import exact_text
from guests.inventory.models import Guest
from guests.inventory.storage import Pool, Volume
from guests.operations.models import Operation


def like(guest: Guest) -> dict[str, Any]:
    """What stands in the form for another guest like this one; `guest.host` must be loaded."""
    definition = guest.next_boot or guest.definition
    found: dict[str, Any] = {
        "host": guest.host.name,
        "memory": exact_text(guest.next_boot_current_kib or guest.current_kib),
        "maximum": exact_text(guest.next_boot_maximum_kib or guest.maximum_kib),
        "vcpus": guest.next_boot_vcpus_current or guest.vcpus_current,
        "maximum_vcpus": guest.next_boot_vcpus_maximum or guest.vcpus_maximum,
        "firmware": definition.get("firmware", ""),
        "autostart": guest.autostart,
        "start": True,
    }
    os_type = {"linux": "xen"}.get(definition.get("os_type", ""), definition.get("os_type", ""))
    found["kind"] = f"{os_type}-{definition.get('domain_type', '')}"
    nic = next(iter(definition.get("nics", [])), None)
    found["network"] = f"{nic['kind']}:{nic['source']}" if nic else ""
    disk = next((disk for disk in definition.get("disks", []) if disk["device"] == "disk" and disk["source"]), None)
    volume = disk and Volume.objects.filter(pool__host=guest.host, path=disk["source"]).first()
    if volume:
        found |= {"pool": str(volume.pool_id), "size": exact_text(volume.capacity_bytes // 1024)}
    return found


def again(operation: Operation) -> dict[str, Any]:
    """For another attempt at a creation that failed; `operation.host` must be loaded."""
    wanted = operation.parameters
    found: dict[str, Any] = {
        "host": operation.host.name,
        "memory": exact_text(wanted["current_kib"]),
        "maximum": exact_text(wanted["maximum_kib"]),
        "firmware": "UEFI" if wanted["uefi"] else "BIOS",
        "size": "",
    }
    same = ("name", "source", "kind", "vcpus", "maximum_vcpus", "emulated", "cmdline", "start", "autostart")
    found |= {name: wanted[name] for name in same}
    for name in ("iso", "image", "disk", "kernel", "initrd"):
        if name in wanted:
            pool, volume = wanted[name]
            row = Volume.objects.filter(pool__host=operation.host, pool__uuid=pool, name=volume).first()
            found[name] = str(row.pk) if row else ""
    if disk := wanted.get("new_disk"):
        pool_row = Pool.objects.filter(host=operation.host, uuid=disk["pool"]).first()
        found |= {"pool": str(pool_row.pk) if pool_row else "", "size": exact_text(disk["bytes"] // 1024)}
        found["linked"] = disk["linked"]
    if cloud := wanted.get("cloud"):
        found |= {**cloud, "ssh_keys": "\n".join(cloud["ssh_keys"])}
    nic = wanted.get("nic")
    return {**found, "network": f"{nic['kind']}:{nic['source']}" if nic else ""}
