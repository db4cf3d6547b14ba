"""How a guest's vCPUs share its host, and the processor it sees: each a form of its own, each one operation."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests.cpu_sets import cpu_set_text, parse_cpu_set
from guests.forms.asking_form import AskingForm
from guests.forms.times import NOW, times_of, when_parameters
from guests.inventory.cpus import VCPUFigures, cpu_names_of, cpus_of
from guests.inventory.models import Guest
from guests.operations.vcpu_tuning import MOST_CAP_PERCENT, MOST_WEIGHT

MOST_FIELDS = 64  # vCPUs that are pinned one by one here
DRIVERS_WITH_PINS = {"QEMU", "Test"}


class TimedForm(AskingForm):
    """With the choice of when it holds."""

    when = forms.ChoiceField(label=gettext_lazy("When"))

    def __init__(self, data: Any = None, *, guest: Guest, by: AbstractBaseUser) -> None:
        super().__init__(data, guest=guest, by=by)
        field = self.fields["when"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = self.times()

    def times(self) -> list[tuple[str, str]]:
        """When a change can hold, the usual first."""
        times = times_of(self.guest)
        if len(times) > 1:
            times.append((NOW, _("Now; the next boot is as before")))
        return times

    def targets(self) -> dict[str, bool]:
        """`live` and `next_boot` of the operation."""
        return when_parameters(self.cleaned_data["when"])


class SchedulingForm(TimedForm):
    """Weight and cap, in the same words for every hypervisor."""

    kind = "set_scheduling"
    heading = gettext_lazy("Weight and cap")
    button = gettext_lazy("Set weight and cap")

    weight = forms.IntegerField(required=False, min_value=1, max_value=MOST_WEIGHT, label=gettext_lazy("Weight"))
    cap_percent = forms.IntegerField(
        required=False, min_value=0, max_value=MOST_CAP_PERCENT, label=gettext_lazy("Cap, % of one CPU")
    )
    vcpu_cap_percent = forms.IntegerField(
        required=False, min_value=0, max_value=100, label=gettext_lazy("Cap of each vCPU, % of one CPU")
    )

    def __init__(self, data: Any = None, *, guest: Guest, by: AbstractBaseUser) -> None:
        super().__init__(data, guest=guest, by=by)
        usual = {"Xen": "256"}.get(guest.host.driver, _("1024, or 100 where the host has control groups of version 2"))
        self.fields["weight"].help_text = _(
            "Twice the weight of a neighbour gets twice the time when both want it. Usual: %(usual)s. Empty: as it is."
        ) % {"usual": usual}
        self.fields["cap_percent"].help_text = _(
            "The most that all its vCPUs together get, even of an idle host: 50 is half a CPU, 200 is two. 0: no cap. "
            "Empty: as it is."
        )
        self.fields["vcpu_cap_percent"].help_text = _("0: no cap. Empty: as it is.")
        self.order_fields(["weight", "cap_percent", "vcpu_cap_percent", "when"])
        if guest.host.driver != "QEMU":
            del self.fields["vcpu_cap_percent"]
        if guest.host.driver == "Test":
            del self.fields["cap_percent"]

    @property
    def effect(self) -> str:
        if self.guest.host.driver == "QEMU":
            return _("It holds at once; what runs in the guest is not interrupted.")
        return _("It holds at once, until the guest is shut off: this host cannot keep it for the next boot.")

    def times(self) -> list[tuple[str, str]]:
        if self.guest.host.driver == "QEMU":
            return super().times()
        return [(NOW, _("Now, until it is shut off"))]

    def now(self, guest: Guest) -> dict[str, Any]:
        """As the hypervisor told last, else as the definition has it."""
        figures = VCPUFigures.objects.filter(pk=guest.pk).first()
        if guest.is_active and figures is not None and figures.is_fresh and figures.scheduling:
            return dict(figures.scheduling)
        tuning = ((guest.definition if guest.is_active else guest.next_boot) or {}).get("tuning", {})
        return {name: tuning.get(name) for name in ("weight", "cap_percent", "vcpu_cap_percent")}

    def before(self) -> dict[str, Any]:
        return {}

    def parameters(self) -> dict[str, Any]:
        amounts = {name: self.cleaned_data.get(name) for name in ("weight", "cap_percent", "vcpu_cap_percent")}
        return {**amounts, **self.targets()}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        amounts = [cleaned.get(name) for name in ("weight", "cap_percent", "vcpu_cap_percent")]
        if not self.errors and all(amount is None for amount in amounts):
            raise forms.ValidationError(_("Type a weight or a cap."))
        return cleaned


class PinForm(TimedForm):
    """On which CPUs of the host each vCPU may run."""

    kind = "pin_vcpus"
    heading = gettext_lazy("Pinning")
    button = gettext_lazy("Pin")
    effect = gettext_lazy("Empty: it may run on every CPU. A pinned guest cannot always be migrated to a smaller host.")

    emulator = forms.CharField(required=False, max_length=200, label=gettext_lazy("The emulator's own threads"))

    def __init__(self, data: Any = None, *, guest: Guest, by: AbstractBaseUser) -> None:
        self.standing = (guest.definition if guest.is_active else guest.next_boot) or guest.definition or {}
        self.pins = {str(pin["vcpu"]): pin["cpus"] for pin in self.standing.get("tuning", {}).get("pins", [])}
        self.cpus = frozenset(cpu.number for cpu in cpus_of(guest.host))
        super().__init__(data, guest=guest, by=by)
        most = max(guest.vcpus_maximum, guest.next_boot_vcpus_maximum or 0)
        self.vcpus = {f"vcpu_{number}": str(number) for number in range(min(most, MOST_FIELDS))}
        for name, number in self.vcpus.items():
            self.fields[name] = forms.CharField(required=False, max_length=200, label=f"vCPU {number}")
        first = next(iter(self.vcpus))
        self.fields[first].help_text = _("CPUs of the host, like 0-3,7. It has %(cpus)s.") % {
            "cpus": cpu_set_text(self.cpus) or "?"
        }
        self.order_fields([*self.vcpus, "emulator", "when"])

    def now(self, guest: Guest) -> dict[str, Any]:
        pins = {f"vcpu_{vcpu}": cpus for vcpu, cpus in self.pins.items()}
        return {**pins, "emulator": self.standing.get("tuning", {}).get("emulator", "")}

    def before(self) -> dict[str, Any]:
        return {"pins": self.pins}

    def parameters(self) -> dict[str, Any]:
        pins = {number: self.cleaned_data[name] for name, number in self.vcpus.items()}
        return {"pins": pins, "emulator": self.cleaned_data["emulator"], **self.targets()}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for name in (*self.vcpus, "emulator"):
            try:
                wanted = parse_cpu_set(cleaned.get(name, ""))
            except ValueError:
                self.add_error(name, _("Name CPUs of the host like this: 0-3,7."))
                continue
            if self.cpus and wanted - self.cpus:
                missing = cpu_set_text(wanted - self.cpus)
                self.add_error(name, _("The host has no CPU %(cpus)s.") % {"cpus": missing})
            cleaned[name] = cpu_set_text(wanted)
        return cleaned


class TopologyForm(AskingForm):
    """How its vCPUs look to the guest: sockets, cores, threads."""

    kind = "set_topology"
    heading = gettext_lazy("Topology")
    button = gettext_lazy("Set the topology")

    sockets = forms.IntegerField(required=False, min_value=0, max_value=4096, label=gettext_lazy("Sockets"))
    cores = forms.IntegerField(required=False, min_value=0, max_value=4096, label=gettext_lazy("Cores of a socket"))
    threads = forms.IntegerField(required=False, min_value=0, max_value=64, label=gettext_lazy("Threads of a core"))

    @property
    def maximum(self) -> int:
        return self.guest.next_boot_vcpus_maximum or self.guest.vcpus_maximum

    @property
    def effect(self) -> str:
        return _(
            "It holds from the next boot. Sockets × cores × threads must be the maximum of %(maximum)d vCPUs. "
            "All empty: the hypervisor decides, and the maximum can change."
        ) % {"maximum": self.maximum}

    def now(self, guest: Guest) -> dict[str, Any]:
        cpu = (guest.next_boot or guest.definition or {}).get("cpu", {})
        sockets = (cpu.get("sockets") or 0) * (cpu.get("dies") or 1)
        return {"sockets": sockets or None, "cores": cpu.get("cores") or None, "threads": cpu.get("threads") or None}

    def before(self) -> dict[str, Any]:
        return {name: count or 0 for name, count in self.now(self.guest).items()}

    def parameters(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] or 0 for name in ("sockets", "cores", "threads")}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        counts = [cleaned.get(name) or 0 for name in ("sockets", "cores", "threads")]
        product = counts[0] * counts[1] * counts[2]
        if not self.errors and any(counts) and product != self.maximum:
            self.add_error(
                "sockets",
                _("Sockets × cores × threads is %(product)d, and must be the maximum of %(maximum)d vCPUs.")
                % {"product": product, "maximum": self.maximum},
            )
        return cleaned


class CPUModelForm(AskingForm):
    """The processor that the guest sees."""

    kind = "set_cpu_model"
    heading = gettext_lazy("CPU model")
    button = gettext_lazy("Set the CPU model")
    effect = gettext_lazy(
        "It holds from the next boot. A guest that has the host's own processor can be migrated only to hosts that "
        "have the same."
    )

    processor = forms.ChoiceField(label=gettext_lazy("Processor"), required=False)

    def __init__(self, data: Any = None, *, guest: Guest, by: AbstractBaseUser) -> None:
        super().__init__(data, guest=guest, by=by)
        names = cpu_names_of(guest.host)
        now = self.initial["processor"]
        if now.startswith("custom:") and now.partition(":")[2] not in names:
            names = [now.partition(":")[2], *names]
        field = self.fields["processor"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [
            ("", _("The hypervisor's usual one")),
            ("host-passthrough", _("Exactly the host's (host-passthrough)")),
            ("host-model", _("Nearly the host's (host-model)")),
            *([("maximum", _("All that the hypervisor can (maximum)"))] if now == "maximum" else []),
            *((f"custom:{name}", name) for name in names),
        ]

    def now(self, guest: Guest) -> dict[str, Any]:
        cpu = (guest.next_boot or guest.definition or {}).get("cpu", {})
        return {"processor": f"custom:{cpu['model']}" if cpu.get("mode") == "custom" else cpu.get("mode", "")}

    def before(self) -> dict[str, Any]:
        cpu = (self.guest.next_boot or self.guest.definition or {}).get("cpu", {})
        return {name: cpu.get(name, "") for name in ("mode", "model")}

    def parameters(self) -> dict[str, Any]:
        mode, _colon, model = self.cleaned_data["processor"].partition(":")
        return {"mode": mode, "model": model}


FORMS: dict[str, type[AskingForm]] = {
    "scheduling": SchedulingForm,
    "pinning": PinForm,
    "topology": TopologyForm,
    "model": CPUModelForm,
}


def forms_that_fit(guest: Guest) -> dict[str, type[AskingForm]]:
    """What its host's driver can do for it; the processor only of a guest with a next boot."""
    fitting = dict(FORMS)
    if guest.host.driver not in DRIVERS_WITH_PINS:
        del fitting["pinning"]
        del fitting["topology"], fitting["model"]
    elif not guest.persistent:
        del fitting["topology"], fitting["model"]
    if guest.host.driver != "QEMU" and not guest.is_active:
        del fitting["scheduling"]
    return fitting
