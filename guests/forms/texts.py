"""What a resize does, in sentences with named gaps: the page's script fills the same ones while somebody types."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

MEMORY_TEXTS = {
    "now_change": _("current memory {before} → {after}"),
    "now_change_free": _("current memory {before} → {after}; {host} keeps {free} free"),
    "now_same": _("nothing: current memory stays {after}"),
    "now_off": _("nothing: {guest} is shut off"),
    "now_no_balloon": _("nothing: {guest} has no balloon, so its current memory changes at a boot only"),
    "now_over": _("nothing: {guest} can have {limit} at most until its next boot"),
    "boot_change": _("{after} of {maximum}; set so far: {before} of {before_maximum}"),
    "boot_same": _("{after} of {maximum}, as it is set now"),
    "boot_none": _("{guest} is transient: there is no next boot, it ends when it is shut off"),
    "button": _("Resize to {after}"),
    "button_maximum": _("Set the maximum to {maximum}"),
    "button_none": _("Resize"),
}
VCPUS_TEXTS = {
    "now_change": _("vCPUs {before} → {after}; the guest brings them online"),
    "now_same": _("nothing: current vCPUs stay {after}"),
    "now_off": _("nothing: {guest} is shut off"),
    "now_fewer": _("nothing: {before} vCPUs stay until the next boot, taking one from a running guest can crash it"),
    "now_over": _("nothing: {guest} can have {limit} vCPUs at most until its next boot"),
    "boot_change": _("{after} of {maximum} vCPUs; set so far: {before} of {before_maximum}"),
    "boot_same": _("{after} of {maximum} vCPUs, as it is set now"),
    "boot_none": _("{guest} is transient: there is no next boot, it ends when it is shut off"),
    "button": _("Resize to {after} vCPUs"),
    "button_maximum": _("Set the maximum to {maximum} vCPUs"),
    "button_none": _("Resize"),
}
