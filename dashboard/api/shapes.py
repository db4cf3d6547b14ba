"""What the API says of guests, in lists and of one. Units are in the names; null is "not known"."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Self
from uuid import UUID

from django.urls import reverse
from pydantic import BaseModel, Field

from guests import resources
from guests.inventory.definition_json import definition_from_json
from guests.inventory.models import Guest
from guests.resources import NIC, Disk, Graphics, GuestState, Hotplug
from guests.views.addresses_shown import ToldAddress
from guests.views.guest_row import pending_words


class MemorySize(BaseModel):
    """Current memory of the maximum."""

    current_kib: int
    maximum_kib: int


class VCPUsSize(BaseModel):
    """Current vCPUs of the maximum."""

    current: int
    maximum: int


class MemoryNow(MemorySize):
    """What runs; for a guest that is shut off, what its next boot takes."""

    balloon_kib: int | None = Field(description="What the guest holds while its balloon moves to current_kib.")
    used_kib: int | None = Field(description="What the guest uses; null where it does not report it.")
    next_boot: MemorySize | None = Field(description="What the next boot takes; null for a transient guest.")


class VCPUsNow(VCPUsSize):
    """What runs; for a guest that is shut off, what its next boot takes."""

    next_boot: VCPUsSize | None = Field(description="What the next boot takes; null for a transient guest.")


class GuestShape(BaseModel):
    """A guest as the list shows it."""

    id: UUID = Field(description="Ours, unique over all hosts: for addresses.")
    uuid: UUID = Field(description="libvirt's.")
    name: str
    host: str
    url: str = Field(description="Its page for people.")
    domain_id: int | None
    state: GuestState = Field(description="Unknown where the host does not answer.")
    last_state: GuestState = Field(description="As the host last told it.")
    reason: str
    state_since: datetime | None
    read_at: datetime | None = Field(description="How old all this is.")
    gone_at: datetime | None = Field(description="Since when its host has it no more.")
    persistent: bool
    autostart: bool
    saved: bool = Field(description="Its memory is saved to disk: it goes on from there when it is started.")
    privileged: bool = Field(description="The host itself (Xen's Domain-0): it has no power switch.")
    conflict: bool = Field(description="The same libvirt UUID stands on another host, too.")
    virtualisation: str
    memory: MemoryNow
    vcpus: VCPUsNow
    pending: bool = Field(description="Whether the next boot changes memory or vCPUs.")
    cpu_percent: float | None = Field(description="Of all its vCPUs, 0 to 100.")
    disk_read_rate: float | None = Field(description="Bytes a second.")
    disk_written_rate: float | None = Field(description="Bytes a second.")
    received_rate: float | None = Field(description="Bytes a second.")
    sent_rate: float | None = Field(description="Bytes a second.")
    tags: list[str]

    @classmethod
    def of(cls, guest: Guest, *, silent: bool, **more: Any) -> Self:
        """From a row with its host and tags loaded; a silent host's figures are old, and those that move not known."""
        moving = guest.is_active and not silent
        boot_memory, boot_vcpus = guest.next_boot_current_kib, guest.next_boot_vcpus_current
        return cls(
            id=guest.pk,
            uuid=guest.uuid,
            name=guest.name,
            host=guest.host.name,
            url=guest.get_absolute_url(),
            domain_id=guest.domain_id,
            state=GuestState.UNKNOWN if silent else GuestState(guest.state),
            last_state=GuestState(guest.state),
            reason=guest.reason,
            state_since=guest.state_since,
            read_at=guest.seen_at or guest.host.seen_at,
            gone_at=guest.gone_at,
            persistent=guest.persistent,
            autostart=guest.autostart,
            saved=guest.saved,
            privileged=guest.privileged,
            conflict=guest.conflict,
            virtualisation=guest.virtualisation,
            memory=MemoryNow(
                current_kib=guest.current_kib,
                maximum_kib=guest.maximum_kib,
                balloon_kib=guest.balloon_kib if moving else None,
                used_kib=guest.used_kib if moving else None,
                next_boot=None
                if boot_memory is None
                else MemorySize(current_kib=boot_memory, maximum_kib=guest.next_boot_maximum_kib or boot_memory),
            ),
            vcpus=VCPUsNow(
                current=guest.vcpus_current,
                maximum=guest.vcpus_maximum,
                next_boot=None
                if boot_vcpus is None
                else VCPUsSize(current=boot_vcpus, maximum=guest.next_boot_vcpus_maximum or boot_vcpus),
            ),
            pending=bool(pending_words(guest)),
            cpu_percent=guest.cpu_percent if moving else None,
            disk_read_rate=guest.disk_read_rate if moving else None,
            disk_written_rate=guest.disk_written_rate if moving else None,
            received_rate=guest.received_rate if moving else None,
            sent_rate=guest.sent_rate if moving else None,
            tags=[tag.name for tag in guest.tags.all()],
            **more,
        )


class ConsoleShape(BaseModel):
    """A device for a text console."""

    device: str
    target: str
    url: str = Field(description="Its page for people.")


class DefinitionShape(BaseModel):
    """What a domain XML says: of the guest that runs, or of its next boot."""

    title: str
    description: str
    os_type: str
    domain_type: str
    machine: str
    firmware: str
    memory: MemorySize
    vcpus: VCPUsSize
    balloon: bool
    disks: list[Disk]
    nics: list[NIC]
    text_consoles: list[ConsoleShape]
    graphics: list[Graphics]
    hotplug: Hotplug = Field(description="Room for memory beyond the maximum, and what is plugged in.")

    @classmethod
    def of(cls, guest: Guest, found: dict[str, Any] | None) -> Self | None:
        """From what the inventory holds of a definition."""
        if not found:
            return None
        definition: resources.Definition = definition_from_json(found)
        memory, vcpus = definition.memory, definition.vcpus
        return cls(
            title=definition.title,
            description=definition.description,
            os_type=definition.os_type,
            domain_type=definition.domain_type,
            machine=definition.machine,
            firmware=definition.firmware,
            memory=MemorySize(current_kib=memory.current_kib, maximum_kib=memory.maximum_kib),
            vcpus=VCPUsSize(current=vcpus.current, maximum=vcpus.maximum),
            balloon=definition.balloon,
            disks=list(definition.disks),
            nics=list(definition.nics),
            text_consoles=[
                ConsoleShape(
                    device=console.device,
                    target=console.target,
                    url=reverse("consoles:text", args=[guest.pk, console.device]),
                )
                for console in definition.text_consoles
            ],
            graphics=list(definition.graphics),
            hotplug=definition.hotplug,
        )


class DiskUse(BaseModel):
    """One disk since the guest started, and now: bytes, and bytes a second."""

    target: str
    read_bytes: int | None = None
    written_bytes: int | None = None
    capacity_bytes: int | None = None
    allocation_bytes: int | None = None
    read_rate: float | None = None
    written_rate: float | None = None


class NICUse(BaseModel):
    """One NIC since the guest started, and now: bytes, and bytes a second."""

    target: str
    received_bytes: int | None = None
    sent_bytes: int | None = None
    received_rate: float | None = None
    sent_rate: float | None = None


class SnapshotShape(BaseModel):
    """One snapshot of a guest."""

    name: str
    description: str
    parent: str = Field(description="The snapshot that it was taken from; empty for the first of a tree.")
    made_at: datetime
    state: GuestState = Field(description="What the guest did then.")
    memory: bool = Field(description="Whether it keeps memory, too.")
    external: bool = Field(description="Made outside, in files of its own: it is shown only.")
    current: bool


class WholeGuest(GuestShape):
    """A guest as its page shows it."""

    live: DefinitionShape | None = Field(description="What runs; null while it is shut off.")
    next_boot: DefinitionShape | None = Field(description="What the next boot takes; null for a transient guest.")
    disk_use: list[DiskUse]
    nic_use: list[NICUse]
    addresses: list[ToldAddress] = Field(
        description="A guest's agent and its host are asked only while somebody looks at its page; `at` says when."
    )
    snapshots: list[SnapshotShape]
    role: str | None = Field(description="What this token may here: watcher, or operator.")
    acts: list[str] = Field(description="What can be asked of it now, in its state, with this token.")


class Minute(BaseModel):
    """One minute of the last hour."""

    at: datetime
    cpu_percent: float | None = Field(description="The mean of that minute, of all its vCPUs; null is not known.")


class Samples(BaseModel):
    """The last hour, oldest first; the last minute is still moving."""

    minutes: list[Minute]

    @classmethod
    def of(cls, guest: Guest) -> Samples:
        numbers = guest.cpu_history.split(",") if guest.cpu_history else []
        first = (guest.history_minute or 0) - len(numbers) + 1
        return cls(
            minutes=[
                Minute(at=datetime.fromtimestamp(60 * (first + n), UTC), cpu_percent=float(text) if text else None)
                for n, text in enumerate(numbers)
            ]
        )
