"""A NIC: which network, which MAC, which model, its link and its rates; a new one, or one that is there."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests.access.networks import open_sources
from guests.errors import OperationRefused
from guests.forms.asking_form import WAIT_SECONDS
from guests.forms.resize_form import ANSWERING
from guests.forms.times import BOOT, times_of, when_parameters
from guests.inventory.mac_addresses import normal_mac
from guests.inventory.models import Guest
from guests.inventory.networks import HostNetwork
from guests.operations import ask, new_key, wait_for_end
from guests.operations.mac_pools import pools_for, reserve_mac
from guests.operations.models import Operation, OperationState
from guests.resources import NIC

MODELS = {"xen": ("netfront", "e1000", "rtl8139"), "": ("virtio", "e1000e", "e1000", "rtl8139")}
MOST_RATE = 100 * 1024 * 1024  # KiB a second
INVALID_RATE = gettext_lazy("Type a whole number of KiB a second, or nothing.")


class NICForm(forms.Form):
    """`guest.host` must be loaded. With `nic` the form changes it; without, it adds one."""

    source = forms.ChoiceField(label=gettext_lazy("Network"))
    model = forms.ChoiceField(label=gettext_lazy("Model"))
    mac = forms.CharField(label="MAC", required=False, max_length=40)
    link_up = forms.BooleanField(label=gettext_lazy("Link up"), required=False)
    inbound = forms.IntegerField(
        label=gettext_lazy("At most received"),
        required=False,
        min_value=1,
        max_value=MOST_RATE,
        error_messages={"invalid": INVALID_RATE, "min_value": INVALID_RATE},
    )
    outbound = forms.IntegerField(
        label=gettext_lazy("At most sent"),
        required=False,
        min_value=1,
        max_value=MOST_RATE,
        error_messages={"invalid": INVALID_RATE, "min_value": INVALID_RATE},
    )
    when = forms.ChoiceField(label=gettext_lazy("When"))

    def __init__(
        self, data: Any = None, *, guest: Guest, by: AbstractBaseUser, nic: dict[str, Any] | None = None
    ) -> None:
        """`nic`: one of `Guest.definition["nics"]`."""
        self.guest, self.by, self.nic = guest, by, nic
        self.fresh_key = new_key()
        networks = {network.name: network for network in HostNetwork.objects.filter(host=guest.host)}
        sources = open_sources(by, guest)
        if nic and (nic["kind"], nic["source"]) not in sources:
            sources = [(nic["kind"], nic["source"]), *sources]
        first = (nic["kind"], nic["source"]) if nic else next(iter(sources), ("", ""))
        super().__init__(
            data,
            initial={
                "source": ":".join(first),
                "model": nic["model"] if nic else self.models[0],
                "mac": nic["mac"] if nic else "",
                "link_up": nic["link_up"] if nic else True,
                "inbound": nic.get("inbound_kib") if nic else None,
                "outbound": nic.get("outbound_kib") if nic else None,
                "when": next(iter(dict(self.times)), ""),
            },
        )
        rate = _("KiB a second; empty: as fast as it goes.")
        self.fields["inbound"].help_text = self.fields["outbound"].help_text = rate
        pool = pools_for(guest.host.driver)[0].name
        free = _("Empty: a free one from the pool %(pool)s, that no guest of any host has.") % {"pool": pool}
        self.fields["mac"].help_text = _("Empty: it keeps the one it has.") if nic else free
        self._field("source").choices = [(":".join(source), _source_words(*source, networks)) for source in sources]
        models = [nic["model"], *self.models] if nic and nic["model"] else self.models
        self._field("model").choices = [(model, model) for model in dict.fromkeys(models)]
        self._field("when").choices = self.times

    def _field(self, name: str) -> forms.ChoiceField:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        return field

    @property
    def models(self) -> tuple[str, ...]:
        """What the driver of the host offers, the best first."""
        return MODELS.get(self.guest.host.driver.lower(), MODELS[""])

    @property
    def times(self) -> list[tuple[str, str]]:
        """When a change can hold, the usual first."""
        return times_of(self.guest)

    @property
    def may_change(self) -> bool:
        """Whether a NIC of this kind can be changed here."""
        return self.nic is None or self.nic["kind"] in {"network", "bridge"}

    def clean_mac(self) -> str:
        typed: str = self.cleaned_data["mac"]
        if not typed.strip():
            return self.nic["mac"] if self.nic else ""
        try:
            return normal_mac(typed)
        except OperationRefused as error:
            raise forms.ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.errors:
            return cleaned
        if self.guest.gone_at is not None or self.guest.host.state not in ANSWERING:
            host = {"host": self.guest.host.name}
            self.add_error(None, _("%(host)s does not answer. Nothing was changed.") % host)
        elif self.nic is not None and cleaned["mac"] != self.nic["mac"] and self._is_live:
            self.add_error("mac", _("A running guest keeps its MACs: choose “From the next boot on”."))
        elif self.nic is not None and cleaned["model"] != self.nic["model"] and self._is_live:
            self.add_error("model", _("A running guest keeps the model: choose “From the next boot on”."))
        return cleaned

    @property
    def _is_live(self) -> bool:
        return bool(self.cleaned_data["when"] != BOOT)

    def submit(self, *, address: str) -> Operation | None:
        """Ask for it and wait a moment; None where it was refused, with the error at its field."""
        cleaned = self.cleaned_data
        mac = cleaned["mac"]
        try:
            if self.nic is None or mac != self.nic["mac"]:
                mac = reserve_mac(self.guest, mac)
        except OperationRefused as error:
            self.add_error("mac", str(error))
            return None
        kind, _colon, source = cleaned["source"].partition(":")
        wanted = NIC(
            mac=mac,
            kind=kind,
            source=source,
            model=cleaned["model"],
            target="",
            link_up=cleaned["link_up"],
            inbound_kib=cleaned["inbound"],
            outbound_kib=cleaned["outbound"],
        )
        parameters: dict[str, Any] = {"nic": asdict(wanted), **when_parameters(cleaned["when"])}
        before: dict[str, Any] = {}
        if self.nic is not None:
            parameters["mac"] = self.nic["mac"]
            before = {"source": self.data["before_source"][:255]} if "before_source" in self.data else {}
        try:
            operation = ask(
                "change_nic" if self.nic else "add_nic",
                self.guest,
                by=self.by,
                key=str(self.data.get("key", ""))[:56] or new_key(),
                parameters=parameters,
                before=before,
                address=address,
            )
        except PermissionDenied as refusal:
            self.add_error("source", str(refusal))
            return None
        wait_for_end(operation, seconds=WAIT_SECONDS)
        if operation.state in {OperationState.FAILED, OperationState.DENIED}:
            self.add_error(operation.field if operation.field in self.fields else None, operation.message)
            return None
        return operation


def _source_words(kind: str, name: str, networks: dict[str, HostNetwork]) -> str:
    network = networks.get(name) if kind == "network" else None
    if network is None:
        return _("bridge %(name)s") % {"name": name} if kind == "bridge" else name
    words = f"{network.name}, {network.forward}"
    return words if network.active else _("%(network)s, not active") % {"network": words}
