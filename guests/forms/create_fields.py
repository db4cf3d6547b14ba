"""The fields of the form for a new guest: all there are, and which stand together."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy

from guests.forms.create_choices import Source

NAME_WORDS = gettext_lazy("Letters, digits, “_”, “.” and “-”, at most 63; a letter or digit first.")
FIELDS_OF = {  # of what a guest begins with
    Source.ISO: ("iso", "pool", "size", "emulated"),
    Source.CLOUD: ("image", "linked", "pool", "size", "hostname", "user", "ssh_keys"),
    Source.DISK: ("disk", "emulated"),
    Source.KERNEL: ("kernel", "initrd", "cmdline", "pool", "size"),
}
SECTIONS = (
    (gettext_lazy("The guest"), ("host", "name")),
    (gettext_lazy("What it begins with"), ("source", "iso", "image", "disk", "kernel", "initrd", "cmdline", "linked")),
    (gettext_lazy("Who signs in, by cloud-init"), ("hostname", "user", "ssh_keys")),
    (gettext_lazy("Size"), ("memory", "maximum", "vcpus", "maximum_vcpus", "pool", "size")),
    (gettext_lazy("What it runs on"), ("network", "kind", "firmware", "emulated")),
)


class CreateFields(forms.Form):
    """`CreateForm` takes out those that do not go with what was chosen."""

    host = forms.ChoiceField(label=gettext_lazy("Host"))
    name = forms.CharField(label=gettext_lazy("Name"), max_length=200, help_text=NAME_WORDS)
    source = forms.ChoiceField(
        label=gettext_lazy("It begins with"), choices=Source.choices, widget=forms.RadioSelect, initial=Source.ISO
    )
    iso = forms.ChoiceField(label=gettext_lazy("Installation medium"))
    image = forms.ChoiceField(label=gettext_lazy("Cloud image"))
    disk = forms.ChoiceField(
        label=gettext_lazy("Disk"), help_text=gettext_lazy("Only those are listed that no guest has.")
    )
    kernel = forms.ChoiceField(label=gettext_lazy("Kernel"))
    initrd = forms.ChoiceField(label="Initrd", required=False)
    cmdline = forms.CharField(label=gettext_lazy("Kernel's arguments"), required=False, max_length=1000)
    linked = forms.BooleanField(
        label=gettext_lazy("Store only the difference to the image"),
        required=False,
        help_text=gettext_lazy("At once there and small; the image must stay as it is as long as the guest."),
    )
    hostname = forms.CharField(
        label=gettext_lazy("Host name"),
        required=False,
        max_length=253,
        help_text=gettext_lazy("Empty: the guest's name."),
    )
    user = forms.CharField(label=gettext_lazy("User"), max_length=32)
    ssh_keys = forms.CharField(
        label=gettext_lazy("Public SSH keys"),
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "class": "mono"}),
        max_length=20_000,
        help_text=gettext_lazy("One a line. The user may become root; no password is set."),
    )
    memory = forms.CharField(label=gettext_lazy("Memory"), max_length=40, initial="1 GiB")
    maximum = forms.CharField(
        label=gettext_lazy("Maximum memory"),
        max_length=40,
        initial="2 GiB",
        help_text=gettext_lazy("Up to which it can grow while it runs."),
    )
    vcpus = forms.IntegerField(label="vCPUs", min_value=1, max_value=4096, initial=1)
    maximum_vcpus = forms.IntegerField(label=gettext_lazy("Maximum vCPUs"), min_value=1, max_value=4096, initial=2)
    pool = forms.ChoiceField(label=gettext_lazy("Pool for its disk"))
    size = forms.CharField(label=gettext_lazy("Size of its disk"), max_length=40, initial="10 GiB")
    network = forms.ChoiceField(label=gettext_lazy("Network"), required=False)
    kind = forms.ChoiceField(label=gettext_lazy("Virtualisation"))
    firmware = forms.ChoiceField(label=gettext_lazy("Firmware"))
    emulated = forms.BooleanField(
        label=gettext_lazy("Only devices for which every system has drivers"),
        required=False,
        help_text=gettext_lazy("For Windows without virtio drivers and old systems: slower."),
    )
    start = forms.BooleanField(label=gettext_lazy("Start it now and open its console"), required=False, initial=True)
    autostart = forms.BooleanField(label=gettext_lazy("Start it with its host"), required=False)
    accept = forms.BooleanField(label=gettext_lazy("Create it all the same"), required=False)
