"""Creating a guest: its disk, its seed, its definition, its start; when a step fails, those before it are undone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests import resources
from guests.access import Action
from guests.access.networks import open_sources_on
from guests.errors import GuestNotFound, HypervisorError, HypervisorUnreachable, OperationRefused
from guests.hypervisor import new_volumes, writing
from guests.hypervisor.connection import Connection
from guests.hypervisor.guest_settings import set_autostart
from guests.hypervisor.new_guest import NewDisk, NewGuest, define_guest, has_guest_named, undefine_guest
from guests.hypervisor.new_volumes import Place
from guests.hypervisor.reading import get_guest
from guests.inventory.capabilities import offers_of
from guests.inventory.models import Guest, Host
from guests.inventory.storage import Pool, Volume, keep_format, looks_otherwise
from guests.inventory.volume_uses import uses_of, uses_on
from guests.operations.cloud_init import CloudInit, seed_image
from guests.operations.facts import Facts
from guests.operations.half_made import making
from guests.operations.host_kinds import HostOperationKind, HostTask, register_host
from guests.operations.storage_task import at_pools, lasting
from guests.operations.volumes import refuse_used
from guests.operations.ways_back import WayBack, take_back
from guests.resources import NIC, Memory, VCPUs

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

FILE_POOLS, BLOCK_POOLS = ("dir", "fs", "netfs"), ("logical",)  # kinds of pools in which a disk can be made


def disk_volume(name: str, pool_kind: str) -> tuple[str, str]:
    """How the disk of a new guest is called in its pool, and its format."""
    return (f"{name}.qcow2", "qcow2") if pool_kind in FILE_POOLS else (name, "raw")


def seed_volume(name: str) -> str:
    """How the seed of a new guest is called in its pool."""
    return f"{name}-seed.iso"


class _Creation:
    """One creation under way: what was made so far, each with its way back."""

    def __init__(self, task: HostTask, connection: Connection) -> None:
        self.task, self.connection, self.wanted = task, connection, task.parameters
        self.name, self.uuid = str(self.wanted["name"]), UUID(self.wanted["uuid"])
        self.ways_back: list[WayBack] = []
        self.volumes: list[str] = []
        self._steps = 0

    def run(self) -> dict[str, Any]:
        """Make it all, or nothing."""
        self._refuse_what_stands()
        self.task.progress.sending()
        try:
            new = self._described(self._disks())
            self._refuse_cancelled()
            self.task.progress.will_make_guest(self.uuid)
            define_guest(self.connection, new)
            self.ways_back.append((_("the definition"), lambda: undefine_guest(self.connection, new)))
            self._step()
            if self.wanted["autostart"]:
                set_autostart(self.connection, self.uuid, on=True)
            if self.wanted["start"]:
                self._refuse_cancelled()
                writing.start(self.connection, self.uuid)
                self._step()
        except HypervisorUnreachable:
            raise  # nothing can be undone: the host will be asked what came of it
        except HypervisorError as error:
            field = error.field if isinstance(error, OperationRefused) else ""
            raise OperationRefused(f"{error} {take_back(self.ways_back)}", field=field, detail=error.detail) from error
        read_again(self.task)
        row = Guest.objects.filter(host=self.task.host, uuid=self.uuid).first()
        if row is not None:
            self.task.progress.made(row)
        state = str(get_guest(self.connection, self.uuid).state)
        return {"guest": str(row.pk) if row else "", "state": state, "volumes": self.volumes}

    def _refuse_what_stands(self) -> None:
        if has_guest_named(self.connection, self.name):
            names = {"host": self.task.host.name, "guest": self.name}
            raise OperationRefused(_("%(host)s has a guest %(guest)s already.") % names, field="name")

    def _refuse_cancelled(self) -> None:
        if self.task.progress.is_cancelled():
            raise OperationRefused(_("Cancelled."))

    def _step(self) -> None:
        self._steps += 1
        self.task.progress.under_way(self._steps, steps_of(self.wanted))

    def _disks(self) -> list[NewDisk]:
        """The disks and media, made where they have to be."""
        disks = []
        if self.wanted.get("disk"):
            volume, row = self._there("disk")
            disks.append(NewDisk(volume.path, volume.kind, row.format))
        if self.wanted.get("new_disk"):
            disks.append(self._new_disk())
            self._step()
        if self.wanted.get("cloud"):
            disks.append(self._seed())
            self._step()
        if self.wanted.get("iso"):
            volume, _row = self._there("iso")
            disks.append(NewDisk(volume.path, volume.kind, "raw", device="cdrom", readonly=True))
        return disks

    def _there(self, what: str) -> tuple[resources.Volume, Volume]:
        """A volume that is there already, as the host tells it, and our row of it, which says what it is used as."""
        place = self._place(what)
        volume = new_volumes.get_volume(self.connection, place)
        rows = Volume.objects.filter(pool__host=self.task.host, pool__uuid=place[0], name=place[1])
        row = rows.select_related("pool__host").first()
        if row is None or volume.kind not in {"file", "block"}:
            raise OperationRefused(_("It cannot be used for a guest."), field=what)
        if volume.backing_path or (what in {"disk", "image"} and looks_otherwise(row.format, volume.format)):
            text = _("What is in it refers to another file, or is not what it was made as: it is not taken.")
            raise OperationRefused(text, field=what)
        if what == "disk":
            refuse_used(self.task, self.connection, row)  # asks the host itself: two guests would destroy it
        elif what == "image" and any(not use.shareable for use in uses_of(row, uses_on(self.task.host))):
            raise OperationRefused(_("A guest writes into this image: it is not copied."), field=what)
        return volume, row

    def _place(self, what: str) -> Place:
        pool, name = self.wanted[what]
        return UUID(pool), str(name)

    def _new_disk(self) -> NewDisk:
        asked = self.wanted["new_disk"]
        capacity, c = int(asked["bytes"]), self.connection
        name, format = disk_volume(self.name, asked["pool_kind"])
        place, whole = (UUID(asked["pool"]), name), asked["pool_kind"] not in FILE_POOLS
        if not self.wanted.get("image"):
            with making(self.task.progress, c, place):
                new_volumes.make_disk(c, place, capacity_bytes=capacity, format=format, whole=whole)
        else:
            image, row = self._there("image")
            source = self._place("image")
            with making(self.task.progress, c, place):
                if asked["linked"]:
                    new_volumes.link_disk(c, place, source, image_format=row.format, capacity_bytes=capacity)
                else:
                    lasting(
                        self.task,
                        lambda: new_volumes.copy_disk(c, place, source, format=format, whole=whole),
                        lambda other: (new_volumes.get_volume(other, place).allocation_bytes, image.allocation_bytes),
                    )
        self._was_made(place, format)
        new_volumes.grow_disk(c, place, capacity)
        made = new_volumes.get_volume(c, place)
        return NewDisk(made.path, made.kind, format)

    def _seed(self) -> NewDisk:
        """As a disk where that can be, not a CD-ROM: kernels of cloud images have no drivers for the latter."""
        cloud, place = self.wanted["cloud"], (UUID(self.wanted["new_disk"]["pool"]), seed_volume(self.name))
        content = seed_image(CloudInit(str(self.uuid), cloud["hostname"], cloud["user"], tuple(cloud["ssh_keys"])))
        with making(self.task.progress, self.connection, place):
            made = new_volumes.make_disk(self.connection, place, capacity_bytes=len(content), format="raw", whole=True)
        self._was_made(place, "raw")
        new_volumes.fill_volume(self.connection, place, content)
        return NewDisk(made.path, made.kind, "raw", readonly=True)

    def _was_made(self, place: Place, format: str) -> None:
        self.volumes.append(place[1])
        self.ways_back.append((place[1], lambda: new_volumes.delete_volume(self.connection, place)))
        keep_format(self.task.inventory.lease, *place, format)

    def _described(self, disks: list[NewDisk]) -> NewGuest:
        wanted = self.wanted
        offer = next((offer for offer in offers_of(self.task.host) if offer.key == wanted["kind"]), None)
        if offer is None:
            raise OperationRefused(_("The host does not offer this (any more)."), field="kind")
        kernel = self._there("kernel")[0].path if wanted.get("kernel") else ""
        initrd = self._there("initrd")[0].path if wanted.get("initrd") else ""
        return NewGuest(
            name=self.name,
            uuid=self.uuid,
            offer=offer,
            memory=Memory(int(wanted["current_kib"]), int(wanted["maximum_kib"])),
            vcpus=VCPUs(int(wanted["vcpus"]), int(wanted["maximum_vcpus"])),
            disks=tuple(disks),
            nics=(NIC(**wanted["nic"]),) if wanted.get("nic") else (),
            uefi=bool(wanted.get("uefi")),
            emulated=bool(wanted.get("emulated")),
            kernel=kernel,
            initrd=initrd,
            cmdline=str(wanted.get("cmdline", "")),
        )


def steps_of(parameters: dict[str, Any]) -> int:
    """How many steps a creation has."""
    return 1 + sum(bool(parameters.get(what)) for what in ("new_disk", "cloud", "start"))


def _create(task: HostTask) -> dict[str, Any]:
    disk = task.parameters.get("new_disk")
    pools = Pool.objects.filter(host=task.host, uuid=UUID(disk["pool"])) if disk else ()
    with at_pools(task, *pools) as connection:
        return _Creation(task, connection).run()


def read_again(task: HostTask) -> None:
    """The guest's row, as it is now."""
    uuid, read_at = UUID(task.parameters["uuid"]), time.monotonic()
    try:
        task.inventory.refresh(get_guest(task.connection, uuid), read_at)
    except GuestNotFound:
        task.inventory.lose(uuid, read_at)


def _reached(task: HostTask) -> bool | None:
    try:
        guest = get_guest(task.connection, UUID(task.parameters["uuid"]))
    except GuestNotFound:
        return False
    return guest.state.is_active or not task.parameters["start"]


def _facts(task: HostTask) -> Facts:
    guest = task.host.guests.filter(uuid=UUID(task.parameters["uuid"]), gone_at=None).first()
    return {"there": True, "state": guest.state} if guest else {"there": False}


def _about(parameters: dict[str, Any]) -> str:
    """Two guests cannot begin with one disk, nor have one name."""
    return "/".join(parameters["disk"]) if parameters.get("disk") else f"guest {parameters.get('name')}"


def _forbidden(by: AbstractBaseUser, host: Host, parameters: dict[str, Any]) -> str:
    nic = parameters.get("nic")
    if nic and (nic["kind"], nic["source"]) not in open_sources_on(by, host):
        return _("You may connect this guest only to networks of guests that you administrate.")
    return ""


CREATE_GUEST = register_host(
    HostOperationKind(
        "create_guest",
        gettext_lazy("Create a guest"),
        Action.CREATE,
        _create,
        reached=_reached,
        read_again=read_again,
        facts=_facts,
        cancellable=True,
        refusal=_forbidden,
        about=_about,
    )
)
