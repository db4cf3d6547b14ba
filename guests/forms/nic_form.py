"""A NIC: which network, which MAC, which model, its link and its rates; a new one, or one that is there."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests.access.networks import open_sources
from guests.errors import OperationRefused
from guests.forms.device_form import DeviceForm
from guests.inventory.mac_addresses import normal_mac
from guests.inventory.models import Guest
from guests.inventory.networks import HostNetwork
from guests.operations.mac_pools import pools_for, reserve_mac
from guests.operations.models import Operation
from guests.resources import NIC

MODELS = {"xen": ("netfront", "e1000", "rtl8139"), "": ("virtio", "e1000e", "e1000", "rtl8139")}
MOST_RATE = 100 * 1024 * 1024  # KiB a second


class RateField(forms.IntegerField):
    """KiB a second; None for as fast as it goes."""

    def __init__(self, label: Any) -> None:
        wrong = gettext_lazy("Type a whole number of KiB a second, or nothing.")
        super().__init__(
            label=label,
            required=False,
            min_value=1,
            max_value=MOST_RATE,
            error_messages={"invalid": wrong, "min_value": wrong},
            help_text=gettext_lazy("KiB a second; empty: as fast as it goes."),
        )


class NICForm(DeviceForm):
    """What a NIC is like: what adding one and changing one have in common."""

    source = forms.ChoiceField(label=gettext_lazy("Network"))
    model = forms.ChoiceField(label=gettext_lazy("Model"))
    mac = forms.CharField(label="MAC", required=False, max_length=40)
    link_up = forms.BooleanField(label=gettext_lazy("Link up"), required=False)
    inbound = RateField(gettext_lazy("At most received"))
    outbound = RateField(gettext_lazy("At most sent"))

    field_order = ("key", "before_source", "source", "model", "mac", "link_up", "inbound", "outbound", "when")

    def __init__(self, data: Any = None, *, guest: Guest, by: AbstractBaseUser) -> None:
        self.sources = open_sources(by, guest)
        super().__init__(data, guest=guest, by=by)
        networks = {network.name: network for network in HostNetwork.objects.filter(host=guest.host)}
        self.choice("source").choices = [(":".join(source), _words(*source, networks)) for source in self.offered()]
        self.choice("model").choices = [(model, model) for model in self.models]

    def offered(self) -> list[tuple[str, str]]:
        """Kind and name of the networks and bridges that may be chosen."""
        return self.sources

    @property
    def models(self) -> tuple[str, ...]:
        """What the driver of the host offers, the best first."""
        return MODELS.get(self.guest.host.driver.lower(), MODELS[""])

    def clean_mac(self) -> str:
        typed: str = self.cleaned_data["mac"]
        try:
            return normal_mac(typed) if typed.strip() else ""
        except OperationRefused as error:
            raise forms.ValidationError(str(error)) from error

    def submit(self, *, address: str = "") -> Operation | None:
        try:
            self.cleaned_data["mac"] = self.reserved_mac()
        except OperationRefused as error:
            self.add_error("mac", str(error))
            return None
        return super().submit(address=address)

    def reserved_mac(self) -> str:
        """The MAC that it gets, promised to nobody else; raises OperationRefused where it cannot be had."""
        return reserve_mac(self.guest, self.cleaned_data["mac"])

    def parameters(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        kind, _colon, source = cleaned["source"].partition(":")
        wanted = NIC(
            mac=cleaned["mac"],
            kind=kind,
            source=source,
            model=cleaned["model"],
            target="",
            link_up=cleaned["link_up"],
            inbound_kib=cleaned["inbound"],
            outbound_kib=cleaned["outbound"],
        )
        return {"nic": asdict(wanted), **super().parameters()}


class AddNICForm(NICForm):
    """Another one."""

    kind = "add_nic"

    def __init__(self, data: Any = None, *, guest: Guest, by: AbstractBaseUser) -> None:
        super().__init__(data, guest=guest, by=by)
        pool = pools_for(guest.host.driver)[0].name
        text = _("Empty: a free one from the pool %(pool)s, that no guest of any host has.")
        self.fields["mac"].help_text = text % {"pool": pool}

    def now(self, guest: Guest) -> dict[str, Any]:
        return {"link_up": True}

    def before(self) -> dict[str, Any]:
        return {}


class ChangeNICForm(NICForm):
    """One that is there: `nic` is one of `Guest.definition["nics"]`."""

    kind = "change_nic"

    before_source = forms.CharField(required=False, max_length=255, widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *, guest: Guest, by: AbstractBaseUser, nic: dict[str, Any]) -> None:
        self.nic = nic
        super().__init__(data, guest=guest, by=by)
        self.fields["mac"].help_text = _("Empty: it keeps the one it has.")
        models = [nic["model"], *self.models] if nic["model"] else self.models
        self.choice("model").choices = [(model, model) for model in dict.fromkeys(models)]

    def now(self, guest: Guest) -> dict[str, Any]:
        nic = self.nic
        same = {name: nic[name] for name in ("model", "mac", "link_up")}
        rates = {"inbound": nic.get("inbound_kib"), "outbound": nic.get("outbound_kib")}
        return {"source": f"{nic['kind']}:{nic['source']}", "before_source": nic["source"], **same, **rates}

    def offered(self) -> list[tuple[str, str]]:
        own = (self.nic["kind"], self.nic["source"])
        return self.sources if own in self.sources else [own, *self.sources]

    @property
    def may_change(self) -> bool:
        """Whether a NIC of this kind can be changed here."""
        return self.nic["kind"] in {"network", "bridge"}

    def clean_mac(self) -> str:
        return super().clean_mac() or self.nic["mac"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if self.errors or not self.is_live:
            return cleaned
        if cleaned["mac"] != self.nic["mac"]:
            self.add_error("mac", _("A running guest keeps its MACs: choose “From the next boot on”."))
        elif cleaned["model"] != self.nic["model"]:
            self.add_error("model", _("A running guest keeps the model: choose “From the next boot on”."))
        return cleaned

    def reserved_mac(self) -> str:
        mac: str = self.cleaned_data["mac"]
        return mac if mac == self.nic["mac"] else super().reserved_mac()

    def parameters(self) -> dict[str, Any]:
        return {**super().parameters(), "mac": self.nic["mac"]}

    def before(self) -> dict[str, Any]:
        return {"source": self.cleaned_data["before_source"]}


class RemoveNICForm(DeviceForm):
    """When it goes."""

    kind = "remove_nic"

    def __init__(self, data: Any = None, *, guest: Guest, by: AbstractBaseUser, nic: dict[str, Any]) -> None:
        self.nic = nic
        super().__init__(data, guest=guest, by=by)

    def parameters(self) -> dict[str, Any]:
        return {**super().parameters(), "mac": self.nic["mac"]}

    def before(self) -> dict[str, Any]:
        return {"source": self.nic["source"]}


def _words(kind: str, name: str, networks: dict[str, HostNetwork]) -> str:
    network = networks.get(name) if kind == "network" else None
    if network is None:
        return _("bridge %(name)s") % {"name": name} if kind == "bridge" else name
    words = f"{network.name}, {network.forward}"
    return words if network.active else _("%(network)s, not active") % {"network": words}
