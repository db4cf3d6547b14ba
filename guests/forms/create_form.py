"""A new guest: on which host, from what, how large, and what else is to be chosen; one form, whose fields follow."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any
from uuid import uuid4

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext as _

from guests.access import Action, hosts_held
from guests.errors import OperationRefused
from guests.forms.amounts import UnreadableAmount, parse_amount
from guests.forms.asking_form import WAIT_SECONDS
from guests.forms.create_checks import Wanted, doubts, refusals
from guests.forms.create_choices import KIND_WORDS, HostChoices, Source, pool_choices, volume_choices
from guests.forms.create_fields import FIELDS_OF, SECTIONS, CreateFields
from guests.forms.memory_form import UNREADABLE
from guests.forms.resize_form import ANSWERING
from guests.hypervisor.capabilities import UEFI, Offer
from guests.hypervisor.new_guest import NAME
from guests.inventory.models import Guest, Host
from guests.inventory.storage import Pool, Volume
from guests.operations import ask_host, new_key, wait_for_end
from guests.operations.cloud_init import HOSTNAME, USER, read_ssh_keys
from guests.operations.creating import FILE_POOLS, disk_volume, seed_volume
from guests.operations.mac_pools import draw_mac
from guests.operations.models import Operation, OperationState
from guests.resources import NIC


class CreateForm(CreateFields):
    """`typed`: what stood in the fields of a form that is shown again with other fields, checked by nobody yet."""

    def __init__(self, data: Any = None, *, by: AbstractBaseUser, typed: dict[str, Any] | None = None) -> None:
        super().__init__(data, initial=typed or {})
        self.by = by
        self.fresh_key = new_key()
        self.doubts: list[str] = []
        self.hosts = list(hosts_held(by, Action.CREATE).filter(enabled=True).order_by("name"))
        self._field("host").choices = [(host.name, host.name) for host in self.hosts]
        self.chosen_host: Host | None = self._chosen(
            "host",
            {host.name: host for host in self.hosts},
            next((h for h in self.hosts if h.state in ANSWERING), None),
        )
        if self.chosen_host is not None:
            self.choices = HostChoices(self.chosen_host, by)
            self._fit()

    def _field(self, name: str) -> forms.ChoiceField:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        return field

    def _chosen(self, name: str, options: dict[str, Any], otherwise: Any = None) -> Any:
        """The option that a field stands for now, as typed; the first where it stands for none."""
        value = self.data.get(name) if self.is_bound else self.initial.get(name)
        return options.get(str(value), otherwise or next(iter(options.values()), None))

    def _fit(self) -> None:
        """Leave the fields that the choices so far ask for, and fill their choices."""
        sources = {source.value: source for source in Source}
        self.chosen_source: Source = self._chosen("source", sources, Source.ISO)
        wanted = FIELDS_OF[self.chosen_source]
        for name in {name for names in FIELDS_OF.values() for name in names} - set(wanted):
            del self.fields[name]
        self.offers = {offer.key: offer for offer in self.choices.offers(self.chosen_source)}
        self.offer: Offer | None = self._chosen("kind", self.offers)
        self._field("kind").choices = [(key, KIND_WORDS.get(key, key)) for key in self.offers]
        firmwares = self.offer.firmwares if self.offer else ()
        if len(firmwares) < 2 or self.chosen_source == Source.KERNEL:
            del self.fields["firmware"]
        else:
            self._field("firmware").choices = [(name, name) for name in firmwares]
        if self.offer and self.offer.domain_type == "xen":
            self.fields.pop("emulated", None)
        self.volumes = {str(v.pk): v for v in self._fill()}
        self.pools = {str(pool.pk): pool for pool in self.choices.pools}
        if "pool" in self.fields:
            self._field("pool").choices = pool_choices(self.choices.pools)
        if self.chosen_source == Source.KERNEL:
            self.initial.setdefault("cmdline", "console=tty0 console=ttyS0" if self._is_full else "console=hvc0")
            self.fields["size"].required = self.fields["pool"].required = False
            self.fields["size"].help_text = _("Empty: it has no disk.")
        networks = self.choices.networks()
        self._field("network").choices = networks
        self.initial.setdefault("network", networks[0][0])

    @property
    def _is_full(self) -> bool:
        return self.offer is None or self.offer.is_full

    def _fill(self) -> list[Volume]:
        """Fill the fields that name a volume; all the volumes in them."""
        offered = {
            "iso": self.choices.isos,
            "image": self.choices.images,
            "disk": self.choices.disks,
            "kernel": self.choices.kernels,
            "initrd": self.choices.kernels,
        }
        found: list[Volume] = []
        for name in offered.keys() & self.fields.keys():
            volumes = offered[name]()
            found += volumes
            none = [("", _("none"))] if name == "initrd" else []
            self._field(name).choices = [*none, *volume_choices(volumes)]
        return found

    @property
    def sections(self) -> list[tuple[Any, list[forms.BoundField]]]:
        """What is shown together, without empty ones."""
        found = [(title, [self[name] for name in names if name in self.fields]) for title, names in SECTIONS]
        return [(title, fields) for title, fields in found if fields]

    @property
    def wanting(self) -> str:
        """What the host lacks so that nothing can be created on it from this, or ""."""
        assert self.chosen_host is not None
        names = {"host": self.chosen_host.name}
        if self.chosen_host.state not in ANSWERING:
            return _("%(host)s does not answer: nothing can be created on it.") % names
        if not self.offers:
            return _("%(host)s has not told how it can run guests.") % names
        needed = next((name for name in ("iso", "image", "disk", "kernel") if name in self.fields), "")
        if needed and not self._field(needed).choices:
            return _("%(host)s has no volume that fits: upload one into a pool first.") % names
        if "pool" in self.fields and self.fields["pool"].required and not self.pools:
            return _("%(host)s has no active pool in which a disk could be made.") % names
        return ""

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if not NAME.fullmatch(name):
            text = _("It has other characters, is too long, or begins with one that is no letter or digit.")
            raise forms.ValidationError(text)
        if Guest.objects.filter(host=self.chosen_host, name=name, gone_at=None).exists():
            names = {"host": self.cleaned_data.get("host", ""), "guest": name}
            raise forms.ValidationError(_("%(host)s has a guest %(guest)s already.") % names)
        return name

    def clean_memory(self) -> int:
        return self._amount("memory", "MiB")

    def clean_maximum(self) -> int:
        return self._amount("maximum", "MiB")

    def clean_size(self) -> int | None:
        """In bytes; None for no disk."""
        return self._amount("size", "GiB") * 1024 if self.cleaned_data["size"] else None

    def _amount(self, name: str, unit: str) -> int:
        try:
            return parse_amount(self.cleaned_data[name], unit)
        except UnreadableAmount as error:
            raise forms.ValidationError(UNREADABLE[error.reason]) from error

    def clean_user(self) -> str:
        user: str = self.cleaned_data["user"]
        if not USER.fullmatch(user) or user == "root":
            raise forms.ValidationError(_("A user's name has small letters, digits, “_” and “-”, and is not root."))
        return user

    def clean_ssh_keys(self) -> list[str]:
        try:
            return list(read_ssh_keys(self.cleaned_data["ssh_keys"]))
        except OperationRefused as error:
            raise forms.ValidationError(str(error)) from error

    def clean_cmdline(self) -> str:
        cmdline: str = self.cleaned_data["cmdline"]
        if not cmdline.isprintable():
            raise forms.ValidationError(_("The arguments are one line of printable text."))
        return cmdline

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.chosen_host is None:
            return cleaned
        if self.wanting:
            self.add_error(None, self.wanting)
        if "hostname" in self.fields and "hostname" not in self.errors and "name" in cleaned:
            cleaned["hostname"] = cleaned["hostname"] or re.sub(r"[^a-z0-9-]+", "-", cleaned["name"].lower()).strip("-")
            if not HOSTNAME.fullmatch(cleaned["hostname"]):
                self.add_error("hostname", _("A host name has small letters, digits, “-” and “.”."))
        if cleaned.keys() >= {"memory", "maximum", "vcpus", "maximum_vcpus"}:
            self._check_room(self.chosen_host, cleaned)
        return cleaned

    def _check_room(self, host: Host, cleaned: dict[str, Any]) -> None:
        pool: Pool | None = self.pools.get(cleaned.get("pool", ""))
        image = self.volumes.get(cleaned.get("image", ""))
        wanted = Wanted(
            current_kib=cleaned["memory"],
            maximum_kib=cleaned["maximum"],
            vcpus=cleaned["vcpus"],
            maximum_vcpus=cleaned["maximum_vcpus"],
            starts=cleaned["start"],
            pool=pool,
            disk_bytes=cleaned.get("size"),
            image=image,
            linked=bool(cleaned.get("linked")),
        )
        for name, sentence in refusals(host, self.offer, wanted).items():
            self.add_error(name, sentence)
        if cleaned.get("size") and pool is None and "pool" not in self.errors:
            self.add_error("pool", _("Choose where its disk is stored."))
        elif pool is not None and "name" in cleaned:
            self._check_pool(pool, cleaned)
        if not self.errors:
            self.doubts = doubts(host, wanted)
            if self.doubts and not cleaned["accept"]:
                self.add_error("accept", _("Say that it is to be created all the same."))

    def _check_pool(self, pool: Pool, cleaned: dict[str, Any]) -> None:
        if cleaned.get("linked") and pool.kind not in FILE_POOLS:
            self.add_error("linked", _("Only a pool of files can store a difference."))
        names = [disk_volume(cleaned["name"], pool.kind)[0]] if cleaned.get("size") else []
        names += [seed_volume(cleaned["name"])] if "ssh_keys" in cleaned else []
        taken = Volume.objects.filter(pool=pool, name__in=names).values_list("name", flat=True).first()
        if taken is not None:
            words = {"pool": pool.name, "volume": taken}
            self.add_error("name", _("%(pool)s has a volume %(volume)s already.") % words)

    def submit(self, *, address: str) -> Operation | None:
        """Ask for it and wait a moment; None where it was refused, with the error at its field."""
        assert self.chosen_host is not None
        try:
            operation = ask_host(
                "create_guest",
                self.chosen_host,
                by=self.by,
                key=str(self.data.get("key", ""))[:56] or new_key(),
                parameters=self.parameters(self.chosen_host),
                address=address,
            )
        except (PermissionDenied, OperationRefused) as refusal:
            self.add_error(None, str(refusal))
            return None
        wait_for_end(operation, seconds=WAIT_SECONDS)
        if operation.state in {OperationState.FAILED, OperationState.DENIED}:
            self.add_error(operation.field if operation.field in self.fields else None, operation.message)
            return None
        return operation

    def parameters(self, host: Host) -> dict[str, Any]:
        """What the worker is asked for, of a valid form."""
        cleaned = self.cleaned_data
        found: dict[str, Any] = {
            "name": cleaned["name"],
            "uuid": str(uuid4()),
            "kind": cleaned["kind"],
            "source": cleaned["source"],
            "current_kib": cleaned["memory"],
            "maximum_kib": cleaned["maximum"],
            "vcpus": cleaned["vcpus"],
            "maximum_vcpus": cleaned["maximum_vcpus"],
            "uefi": cleaned.get("firmware") == UEFI,
            "emulated": bool(cleaned.get("emulated")),
            "cmdline": cleaned.get("cmdline", ""),
            "start": cleaned["start"],
            "autostart": cleaned["autostart"],
        }
        for name in ("iso", "image", "disk", "kernel", "initrd"):
            if volume := self.volumes.get(cleaned.get(name, "")):
                found[name] = [str(volume.pool.uuid), volume.name]
        if cleaned.get("size"):
            pool = self.pools[cleaned["pool"]]
            linked = bool(cleaned.get("linked"))
            found["new_disk"] = {
                "pool": str(pool.uuid),
                "pool_kind": pool.kind,
                "bytes": cleaned["size"],
                "linked": linked,
            }
        if "ssh_keys" in cleaned:
            found["cloud"] = {name: cleaned[name] for name in ("hostname", "user", "ssh_keys")}
        if cleaned["network"]:
            kind, _colon, source = cleaned["network"].partition(":")
            found["nic"] = asdict(NIC(draw_mac(host.driver), kind, source, self._nic_model(), ""))
        return found

    def _nic_model(self) -> str:
        if self.offer and self.offer.domain_type == "xen":
            return "netfront" if not self.offer.is_full else "e1000"
        return "e1000e" if self.cleaned_data.get("emulated") else "virtio"
