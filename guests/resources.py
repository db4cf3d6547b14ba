"""Plain values that describe a host and its guests, as libvirt tells them: no Django, no libvirt.

Memory is in KiB (libvirt's unit), sizes of disks in bytes, CPU time in nanoseconds. None means "not known".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from uuid import UUID


class GuestState(StrEnum):
    """virsh's words (virDomainState), and UNKNOWN where nothing was ever read."""

    RUNNING = "running"
    IDLE = "idle"
    PAUSED = "paused"
    IN_SHUTDOWN = "in-shutdown"
    SHUT_OFF = "shut-off"
    CRASHED = "crashed"
    PMSUSPENDED = "pmsuspended"
    UNKNOWN = "unknown"

    @property
    def is_active(self) -> bool:
        """Whether the guest has a domain id: it occupies memory, whether its vCPUs run or not."""
        return self in {
            GuestState.RUNNING,
            GuestState.IDLE,
            GuestState.PAUSED,
            GuestState.IN_SHUTDOWN,
            GuestState.PMSUSPENDED,
        }


class Virtualisation(StrEnum):
    """How a guest is run: its `<os><type>`: hvm, xen or linux (para-virtualised), xenpvh."""

    FULL = "full"
    PARA = "para"
    PVH = "pvh"
    CONTAINER = "container"


@dataclass(frozen=True, slots=True)
class Memory:
    """`<currentMemory>`, with what virtio-mem gives, and `<memory>`, which counts all memory devices at their size."""

    current_kib: int
    maximum_kib: int


@dataclass(frozen=True, slots=True)
class NUMACell:
    """`<cell>`: which vCPUs of a guest are near to which part of the memory that it boots with."""

    cpus: str  # "0-3"
    memory_kib: int


@dataclass(frozen=True, slots=True)
class MemoryDevice:
    """`<memory>` among the devices: memory beside what the guest boots with. Only virtio-mem gives it in parts."""

    name: str  # libvirt's alias, or what it will be
    model: str  # dimm, virtio-mem, nvdimm …
    size_kib: int  # of virtio-mem: the most that it can give
    block_kib: int = 0  # of virtio-mem: the steps in which it gives
    requested_kib: int = 0  # of virtio-mem: what the guest should take
    taken_kib: int | None = None  # of virtio-mem: what the guest took; None before a boot

    @property
    def in_parts(self) -> bool:
        return self.model == "virtio-mem"

    @property
    def held_kib(self) -> int:
        """What the guest has of it, or will have: of a DIMM everything, whether the guest brings it online or not."""
        if not self.in_parts:
            return self.size_kib
        return self.requested_kib if self.taken_kib is None else self.taken_kib


@dataclass(frozen=True, slots=True)
class Hotplug:
    """Room for memory beyond `<memory>`, and what is plugged in."""

    ceiling_kib: int = 0  # `<maxMemory>`: the most with everything plugged in; 0: there is no room
    slots: int = 0
    cells: tuple[NUMACell, ...] = ()
    devices: tuple[MemoryDevice, ...] = ()

    @property
    def plugged_kib(self) -> int:
        """The whole size of all devices."""
        return sum(device.size_kib for device in self.devices)

    @property
    def in_parts_kib(self) -> int:
        """What the guest took of virtio-mem: the balloon has no hold on it."""
        return sum(device.held_kib for device in self.devices if device.in_parts)

    @property
    def idle_kib(self) -> int:
        """What virtio-mem could still give: part of the maximum, but not for the balloon to fill."""
        return sum(device.size_kib - device.held_kib for device in self.devices if device.in_parts)

    @property
    def free_slots(self) -> int:
        """Each device takes one, virtio-mem, too."""
        return max(0, self.slots - len(self.devices))


@dataclass(frozen=True, slots=True)
class VCPUs:
    """`<vcpu current="2">4</vcpu>`."""

    current: int
    maximum: int


@dataclass(frozen=True, slots=True)
class CPU:
    """`<cpu>`: the processor that a guest sees."""

    mode: str = ""  # custom, host-model, host-passthrough, maximum; "": the hypervisor's own
    model: str = ""  # of mode custom: Haswell, qemu64 …
    sockets: int = 0  # 0: no topology is told, each vCPU is a socket
    dies: int = 1
    cores: int = 0
    threads: int = 0


@dataclass(frozen=True, slots=True)
class Pin:
    """Where one vCPU may run; `cpus` is a set of physical CPUs: "0-3,7"."""

    vcpu: int
    cpus: str


@dataclass(frozen=True, slots=True)
class CPUTuning:
    """`<cputune>`: how a guest's vCPUs share the CPUs of their host. Caps are percent of one CPU, None for none."""

    weight: int | None = None  # None: the hypervisor's own
    cap_percent: int | None = None  # of the guest as a whole
    vcpu_cap_percent: int | None = None  # of each vCPU
    pins: tuple[Pin, ...] = ()
    emulator: str = ""  # where the emulator's own threads may run; "": anywhere
    every: str = ""  # where vCPUs without a pin may run; "": anywhere


@dataclass(frozen=True, slots=True)
class Disk:
    """One `<disk>`: what the guest sees (target, device, bus) and what stores it."""

    target: str
    device: str  # disk, cdrom, floppy, lun
    bus: str
    source_kind: str  # file, block, volume, network, dir, vhostuser; "" for an empty drive
    source: str  # path, pool/volume or URL; "" for an empty drive
    format: str
    readonly: bool = False
    shareable: bool = False
    cache: str = ""  # none, writeback, writethrough …; "" where the driver decides
    serial: str = ""
    backing: tuple[str, ...] = ()  # the sources that it lies over, nearest first; told of a running guest only
    tray_open: bool = False


@dataclass(frozen=True, slots=True)
class NIC:
    """One `<interface>` of a guest."""

    mac: str  # lower case, colons
    kind: str  # network, bridge, user, direct, ethernet, hostdev …
    source: str  # the network's or bridge's name; "" for user
    model: str
    target: str  # the host's device, e.g. vnet3; "" while shut off
    link_up: bool = True
    inbound_kib: int | None = None  # KiB a second that the host lets through towards the guest; None: as it comes
    outbound_kib: int | None = None


@dataclass(frozen=True, slots=True)
class Network:
    """A virtual network of a host, as libvirt has it."""

    uuid: UUID
    name: str
    active: bool
    autostart: bool
    forward: str  # isolated, nat, route, open, bridge …
    bridge: str
    addresses: tuple[str, ...]  # of the host in it: 192.168.122.1/24
    leases: tuple[Lease, ...]  # what its DHCP server gave out


@dataclass(frozen=True, slots=True)
class Lease:
    """An address that a virtual network's DHCP server gave to a MAC."""

    mac: str
    address: str
    hostname: str
    until: int  # Unix time; 0: for good


@dataclass(frozen=True, slots=True)
class Volume:
    """What stores a disk, in a pool."""

    name: str
    key: str  # libvirt's own, unique on its host
    path: str
    format: (
        str  # as libvirt found it by looking into it: nothing to hand to a guest (`inventory.storage.Volume.format`)
    )
    kind: str  # file, block, dir, network, netdir
    capacity_bytes: int
    allocation_bytes: int
    backing_path: str = ""  # of the volume or file that this one only keeps the differences to


@dataclass(frozen=True, slots=True)
class Pool:
    """A storage pool of a host. `volumes` is None where libvirt tells none: those of an inactive pool."""

    uuid: UUID
    name: str
    kind: str  # dir, fs, netfs, logical, disk, iscsi, rbd, zfs …
    active: bool
    persistent: bool
    autostart: bool
    path: str  # where its volumes are on the host
    source: str  # of what it is made: server:/export, a volume group, a device; "" for a directory
    capacity_bytes: int
    allocation_bytes: int
    available_bytes: int
    volumes: tuple[Volume, ...] | None


class AddressSource(StrEnum):
    """Who tells an address of a running guest."""

    AGENT = "agent"  # the guest agent in it
    ARP = "arp"  # the neighbour table of its host


@dataclass(frozen=True, slots=True)
class GuestAddress:
    """An address that a guest has."""

    mac: str  # lower case; "" where none was told
    address: str
    interface: str  # as the guest or the host calls it


@dataclass(frozen=True, slots=True)
class TextConsole:
    """One device that a text console can be opened on: a `<serial>` or `<console>` with a pty."""

    device: str  # the stable name in our URLs: serial0, serial1, console0 …
    alias: str | None  # libvirt's dev_name for openConsole, None for the driver's default console
    target: str  # isa-serial, virtio, xen …
    pty: bool  # only a pty can be opened through libvirt
    host_log: str = ""  # the file on the host to which virtlogd writes what it says


@dataclass(frozen=True, slots=True)
class Graphics:
    """One `<graphics>`: where the hypervisor listens for VNC or SPICE."""

    kind: str  # vnc, spice …
    listen: str  # none, address, socket, network
    address: str | None = None
    port: int | None = None  # None while autoport has not chosen one
    tls_port: int | None = None
    socket: str | None = None
    has_password: bool = False

    @property
    def is_exposed(self) -> bool:
        """Whether others than its own host can reach it; no, as far as is known, where no address is named."""
        if self.listen in {"none", "socket"}:
            return False
        if self.listen == "network":
            return True
        try:
            return not ip_address("127.0.0.1" if self.address in {None, "localhost"} else self.address).is_loopback
        except ValueError:
            return True


@dataclass(frozen=True, slots=True)
class Definition:
    """A guest's domain XML as values; a guest has a live one while it runs and one for the next boot if persistent."""

    uuid: UUID
    name: str
    title: str
    description: str
    virtualisation: Virtualisation
    os_type: str  # hvm, linux, xen, xenpvh, exe
    domain_type: str  # kvm, qemu, xen, test …
    machine: str
    firmware: str  # BIOS, UEFI, "" where the guest has none
    memory: Memory
    vcpus: VCPUs
    balloon: bool  # a memballoon that is not model "none", or Xen
    stats_period_s: int  # 0: the guest's memory statistics are not collected
    disks: tuple[Disk, ...]
    nics: tuple[NIC, ...]
    text_consoles: tuple[TextConsole, ...]
    graphics: tuple[Graphics, ...]
    shares_clipboard: bool = False  # a qemu-vdagent channel that may copy and paste
    boot_order: tuple[str, ...] = ()  # from what it is booted, first things first: "disk:vda", "nic:52:54:00:…"
    cpu: CPU = CPU()
    tuning: CPUTuning = CPUTuning()
    hotplug: Hotplug = Hotplug()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One snapshot of a guest: its disks, and its memory if it ran, as they were at a moment."""

    name: str
    description: str
    parent: str  # the snapshot that was current when this one was taken; "" for the first of a tree
    made_at: int  # Unix time
    state: GuestState  # what the guest did then: running, paused or shut off
    memory: bool  # whether its memory is kept, too
    external: bool  # kept in files of its own beside the disks
    current: bool  # the last one that was taken or gone back to
    reaches: tuple[str, ...] = ()  # what of the host the guest had then: "network:lan", "disk:/path", "hostdev:"


@dataclass(frozen=True, slots=True)
class Guest:
    """One guest of one host. `live` is None while shut off, `next_boot` is None for a transient guest."""

    uuid: UUID
    domain_id: int | None
    name: str
    state: GuestState
    reason: str  # virsh's word for why, e.g. "booted", "user", "crashed"; "" where the driver tells none
    privileged: bool  # Xen's Domain-0
    persistent: bool
    autostart: bool
    live: Definition | None
    next_boot: Definition | None
    saved: bool = False  # its memory is on the host's disk (managed save): the next start restores it
    snapshots: tuple[Snapshot, ...] | None = None  # oldest first; None where they were not asked for
    # As libvirt wrote them, without secrets; "" where there is none, or none that could be read.
    live_xml: str = field(default="", compare=False, repr=False)
    next_boot_xml: str = field(default="", compare=False, repr=False)

    @property
    def definition(self) -> Definition:
        """What is true now: the live definition, else the one that the next boot takes."""
        definition = self.live or self.next_boot
        if definition is None:
            raise ValueError(f"{self.name} has no definition")
        return definition


@dataclass(frozen=True, slots=True)
class DiskUsage:
    """Counters since the guest started, and the sizes of one disk; bytes."""

    target: str
    read_bytes: int | None
    written_bytes: int | None
    capacity_bytes: int | None
    allocation_bytes: int | None


@dataclass(frozen=True, slots=True)
class NICUsage:
    """Counters of one NIC since the guest started; bytes."""

    target: str
    received_bytes: int | None
    sent_bytes: int | None


@dataclass(frozen=True, slots=True)
class GuestStats:
    """One sample of one guest; `taken_at` is time.monotonic() when it was read."""

    uuid: UUID
    domain_id: int | None
    name: str
    state: GuestState
    reason: str
    taken_at: float
    cpu_time_ns: int | None
    vcpus_current: int | None
    balloon_current_kib: int | None  # what the guest holds now
    usable_kib: int | None  # what could be taken away from the guest without swapping; needs balloon statistics
    disks: tuple[DiskUsage, ...] = ()
    nics: tuple[NICUsage, ...] = ()


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What a host is and has."""

    hostname: str
    driver: str  # QEMU, Xen, Test
    hypervisor_version: str  # "7.2.0"; "" where the driver tells none
    libvirt_version: str
    architecture: str
    cpu_model: str
    cpus: int  # physical CPUs as the scheduler sees them
    memory_kib: int
    free_memory_kib: int | None
    is_local: bool  # descriptors can be passed: unix transport


DEVICE_KEPT = "device kept: "  # detail of an event: the guest refused to let go of the device with this alias


class EventKind(StrEnum):
    """What happened to a guest."""

    LIFECYCLE = "lifecycle"  # state changed
    DEFINITION = "definition"  # defined, undefined, device added or removed, metadata, rename: XML must be read again
    BALLOON = "balloon"  # the balloon moved: `kib` is what the guest holds now
    REBOOT = "reboot"


@dataclass(frozen=True, slots=True)
class GuestEvent:
    """One libvirt event of one guest."""

    kind: EventKind
    uuid: UUID
    name: str
    detail: str  # libvirt's word: defined, undefined, started, suspended, resumed, stopped, shutdown, crashed …
    kib: int | None = None
    reason: str = (
        ""  # why it stopped, in the words of a state's reason: shutdown, destroyed, crashed, migrated, saved …
    )
