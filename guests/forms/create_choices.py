"""What one host has for a new guest: ways to run it, pools for its disk, volumes to begin with, networks."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import TextChoices
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests.access.networks import open_sources_on
from guests.hypervisor.capabilities import Offer
from guests.inventory.capabilities import offers_of
from guests.inventory.models import Host
from guests.inventory.networks import HostNetwork
from guests.inventory.storage import Pool, PoolProblem, Volume
from guests.inventory.volume_uses import uses_on
from guests.operations.creating import BLOCK_POOLS, FILE_POOLS
from guests.units import size_text

SECTOR_BYTES = 512  # a file that is not of whole sectors is no disk
LARGEST_KERNEL_BYTES = 512 * 1024 * 1024  # and initrd
KIND_WORDS = {
    "hvm-kvm": gettext_lazy("Full virtualisation (KVM)"),
    "hvm-qemu": gettext_lazy("Full, in software (QEMU without KVM: slow)"),
    "hvm-xen": gettext_lazy("Full virtualisation (Xen HVM)"),
    "xen-xen": gettext_lazy("Para-virtualisation (Xen PV)"),
    "xenpvh-xen": gettext_lazy("Para-virtualisation with hardware help (Xen PVH)"),
}


class Source(TextChoices):
    """What a new guest begins with."""

    ISO = "iso", gettext_lazy("An installation medium (ISO)")
    CLOUD = "cloud", gettext_lazy("A cloud image, set up by cloud-init")
    DISK = "disk", gettext_lazy("A disk that is there already")
    KERNEL = "kernel", gettext_lazy("A kernel and an initrd")


class HostChoices:
    """Each asked once, when it is needed."""

    def __init__(self, host: Host, by: AbstractBaseUser) -> None:
        self.host, self.by = host, by

    @cached_property
    def _offers(self) -> list[Offer]:
        return offers_of(self.host)

    def offers(self, source: str) -> list[Offer]:
        """Without firmware only a kernel boots."""
        return [offer for offer in self._offers if offer.is_full or source == Source.KERNEL]

    @cached_property
    def pools(self) -> list[Pool]:
        """Those in which a disk can be made."""
        kinds = [*FILE_POOLS, *BLOCK_POOLS]
        return list(Pool.objects.filter(host=self.host, active=True, problem=PoolProblem.NONE, kind__in=kinds))

    @cached_property
    def _volumes(self) -> list[Volume]:
        found = Volume.objects.filter(pool__host=self.host, pool__active=True, pool__problem=PoolProblem.NONE)
        return list(found.filter(kind__in=["file", "block"]).select_related("pool").order_by("name", "pool__name"))

    @cached_property
    def _written(self) -> set[str]:
        """Paths of disks that a guest of the host has for itself."""
        return {path for path, uses in uses_on(self.host).items() if not all(use.shareable for use in uses)}

    def isos(self) -> list[Volume]:
        """Installation media."""
        return [volume for volume in self._volumes if volume.is_media]

    def images(self) -> list[Volume]:
        """Disks that no guest writes to; what refers to another file, or is not what it was made as, is left out."""
        return [
            volume
            for volume in self._volumes
            if (volume.format == "qcow2" or (volume.format == "raw" and not volume.capacity_bytes % SECTOR_BYTES))
            and not (volume.is_media or volume.looks_otherwise or volume.backing_path)
            and volume.path not in self._written
        ]

    def disks(self) -> list[Volume]:
        """Images that no other volume is the difference of: whoever writes to them breaks nothing."""
        bases = {volume.backing_path for volume in self._volumes}
        return [volume for volume in self.images() if volume.path not in bases]

    def kernels(self) -> list[Volume]:
        """Files that could be a kernel or an initrd, those first that are called as Linux is."""
        found = [
            volume
            for volume in self._volumes
            if (volume.kind, volume.format) == ("file", "raw")
            and volume.capacity_bytes <= LARGEST_KERNEL_BYTES
            and not volume.is_media
            and volume.path not in self._written
        ]
        return sorted(found, key=lambda volume: not volume.name.startswith(("vmlinu", "bzImage", "linux")))

    def networks(self) -> list[tuple[str, str]]:
        """Values and words; the last is none."""
        rows = {network.name: network for network in HostNetwork.objects.filter(host=self.host)}
        choices = []
        for kind, name in open_sources_on(self.by, self.host):
            network = rows.get(name) if kind == "network" else None
            words = f"{name}, {network.forward}" if network else _("bridge %(name)s") % {"name": name}
            if network is None or network.active:
                choices.append((f"{kind}:{name}", words))
        return [*choices, ("", _("none"))]


def volume_choices(volumes: Iterable[Volume]) -> list[tuple[str, str]]:
    """Each with its pool and size."""
    return [(str(v.pk), f"{v.name} ({v.pool.name}, {size_text(v.capacity_bytes)})") for v in volumes]


def pool_choices(pools: Iterable[Pool]) -> list[tuple[str, str]]:
    """Each with what is free in it."""
    words = _("%(pool)s, %(free)s free")
    return [(str(pool.pk), words % {"pool": pool.name, "free": size_text(pool.available_bytes)}) for pool in pools]
