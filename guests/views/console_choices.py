"""Which consoles a guest has, and why one cannot be opened."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from django.urls import reverse
from django.utils.translation import gettext as _

from guests.inventory.definition_json import definition_from_json
from guests.inventory.models import Guest, HostState
from guests.resources import Graphics, TextConsole

TARGETS = {"isa-serial": "ISA serial", "serial": "serial", "virtio": "virtio", "xen": "Xen", "usb-serial": "USB serial"}


@dataclass(frozen=True, slots=True)
class ConsoleChoice:
    """One console: its page, or in `why_not` the reason why there is none."""

    is_text: bool
    name: str
    kind: str
    where: str
    url: str
    why_not: str
    exposed: str = ""  # who else can reach it, and
    keep_url: str = ""  # where to ask that they cannot
    log_url: str = ""  # where what it wrote is kept to be read, also while the guest is off


def console_choices(guest: Guest) -> list[ConsoleChoice]:
    """Text consoles first, each in the order of the definition."""
    found = guest.definition or guest.next_boot
    if not found:
        return []
    definition = definition_from_json(found)
    reason = _why_none(guest)
    return [
        *(_text(guest, console, reason) for console in definition.text_consoles),
        *(_graphics(guest, graphics, reason) for graphics in definition.graphics),
    ]


def _why_none(guest: Guest) -> str:
    """What keeps every console of the guest closed; "" for nothing."""
    names = {"guest": guest.name, "host": guest.host.name}
    if guest.host.uri.startswith("test:"):
        return _("%(host)s is libvirt's test driver: it has no consoles.") % names
    if guest.host.state not in {HostState.UP, HostState.DEGRADED}:
        return _("%(host)s does not answer.") % names
    if not guest.is_active:
        return _("%(guest)s is not running: start it first.") % names
    return ""


def _text(guest: Guest, console: TextConsole, reason: str) -> ConsoleChoice:
    if not reason and not console.pty:
        reason = _("libvirt can open a text console on a pty only; this one is something else.")
    return ConsoleChoice(
        is_text=True,
        name=console.device,
        kind=TARGETS.get(console.target, console.target),
        where=_("pty") if console.pty else _("not a pty"),
        url=reverse("consoles:text", args=[guest.pk, console.device]),
        why_not=reason,
        log_url=reverse("consoles:past", args=[guest.pk, console.device]) if _is_kept(guest, console) else "",
    )


def _is_kept(guest: Guest, console: TextConsole) -> bool:
    return console.pty and not guest.host.uri.startswith("test:") and guest.host.enabled and guest.gone_at is None


def _graphics(guest: Guest, graphics: Graphics, reason: str) -> ConsoleChoice:
    if not reason and graphics.kind != "vnc":
        reason = _("Only VNC can be shown in the browser.")
    is_exposed = graphics.kind == "vnc" and graphics.is_exposed
    return ConsoleChoice(
        is_text=False,
        name=graphics.kind.upper(),
        kind=graphics.kind.upper(),
        where=_where(graphics),
        url=reverse("consoles:vnc", args=[guest.pk]),
        why_not=reason,
        exposed=_("Everybody on the network of its host can try to connect to it.") if is_exposed else "",
        keep_url=reverse("consoles:keep-inside", args=[guest.pk]) if is_exposed and _can_keep(guest) else "",
    )


def _can_keep(guest: Guest) -> bool:
    """Whether its next boot may be another one, and Guesthouse would still reach the screen."""
    uri = urlsplit(guest.host.uri)
    by_ssh = uri.scheme.partition("+")[2] in {"ssh", "libssh", "libssh2"}
    later = definition_from_json(guest.next_boot) if guest.persistent and guest.next_boot else None
    return (by_ssh or not uri.hostname) and later is not None and any(g.is_exposed for g in later.graphics)


def _where(graphics: Graphics) -> str:
    if graphics.socket:
        return _("socket %(path)s") % {"path": graphics.socket}
    if graphics.port:
        return f"{graphics.address or '?'}:{graphics.port}"
    if graphics.listen == "none":
        return _("through libvirt only")
    return _("a port is chosen at the start")
