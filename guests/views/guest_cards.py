"""The parts of a guest's page: which tab shows which, what each needs, and how several are sent in one answer.

One query for the guest, one for the person's role, one for the last operations, one to count them: whatever is shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from guests.access import ACTIONS, UNLIMITED, Action, Limits, guest_for, limits_on, may_on, role_on
from guests.access.models import Role
from guests.forms import MemoryForm, VCPUsForm
from guests.forms.resize_plan import Standing, vcpus_standing
from guests.inventory.definitions import DefinitionVersion
from guests.inventory.disk_uses import volumes_of
from guests.inventory.mac_uses import duplicate_macs
from guests.inventory.models import Guest, HostState
from guests.operations import new_key
from guests.operations.definition_checks import why_not_editable
from guests.operations.destinations import why_it_stays
from guests.operations.kinds import KINDS
from guests.operations.models import Operation
from guests.resources import Virtualisation
from guests.views.addresses_shown import AddressesShown, addresses_shown
from guests.views.console_choices import ConsoleChoice, console_choices
from guests.views.device_rows import DiskRow, NICRow, disk_rows, nic_rows
from guests.views.guest_row import pending_words
from guests.views.memory_card import MemoryCard, memory_card
from guests.views.operation_words import OperationLine, describe
from guests.views.pictures_shown import shown_pictures
from guests.views.plugged_rows import PluggedCard, plugged_card
from guests.views.power_acts import ACTS, Act, act_of, fitting_acts
from guests.views.snapshot_rows import SnapshotRow, snapshot_rows
from guests.views.vcpu_figures import table_of

RECENT = 6
LOOKED_AT = 12  # operations in which the last resize is looked for
PAGE_SIZE = 50
DEFINITIONS_PAGE_SIZE = 20
MOST_SLOTS = 16
LONG = {
    "clone_guest",
    "migrate",
    "save",
    "take_snapshot",
    "revert_to_snapshot",
    "delete_snapshot",
    "plug_memory",
    "request_memory",
    "unplug_memory",
}  # kinds whose course the header shows

# Element ids of the parts; each has a template guests/guest_<part>.html, whose root element bears the id.
MEMORY = ("memory_head", "memory_now", "memory_form")
VCPUS = ("vcpus_head", "vcpus_now", "vcpus_form")
TABS: dict[str, tuple[str, ...]] = {
    "overview": ("header", *MEMORY, "disks", "nics", "settings", *VCPUS, "vcpus_course", "operations"),
    "console": ("header", "consoles"),
    "resources": ("header", *MEMORY, "plugged_now", *VCPUS, "course", "rates"),
    "devices": ("header", "device_cards"),
    "history": ("header", "past"),
    "access": ("header",),  # its forms stay as they are typed
    "migrate": ("header",),
    "setup": ("header",),
    "tuning": ("header",),
    "plugged": ("header", "plugged_now", "operations"),
    "snapshots": ("header", "snapshot_tree"),
    "snapshot_revert": ("header",),
    "snapshot_delete": ("header",),
    "definition": ("header", "definition_past"),
    "delete": ("header",),
    "clone": ("header",),
}
PARTS = frozenset(part for parts in TABS.values() for part in parts)
ROLES = list(Role)


class GuestCards:
    """What the templates ask of one guest for one person: `page.memory`, `page.disks` … computed when first asked."""

    def __init__(self, request: HttpRequest, guest: Guest) -> None:
        self.request = request
        self.guest = guest
        self.host = guest.host

    # What this person may do.

    @cached_property
    def role(self) -> Role | None:
        return role_on(self.request.user, self.guest)

    def _may(self, action: Action) -> bool:
        return self.role is not None and ROLES.index(self.role) >= ROLES.index(ACTIONS[action])

    @cached_property
    def may_power(self) -> bool:
        return self._may(Action.POWER)

    @cached_property
    def may_resize(self) -> bool:
        return self._may(Action.RESIZE)

    @cached_property
    def may_migrate(self) -> bool:
        return self._may(Action.MIGRATE)

    @cached_property
    def may_create(self) -> bool:
        """Whether one like this can be created."""
        can_be = not self.guest.privileged and self._may(Action.CREATE)
        return can_be and may_on(self.request.user, Action.CREATE, self.host)

    @cached_property
    def limits(self) -> Limits:
        """How far this person may resize it."""
        return limits_on(self.request.user, self.guest) if self.may_resize else UNLIMITED

    @cached_property
    def may_type(self) -> bool:
        return self._may(Action.TYPE)

    @cached_property
    def may_grant(self) -> bool:
        return self._may(Action.GRANT)

    @cached_property
    def sees_definition(self) -> bool:
        """The domain XML names paths, networks and devices of the host."""
        return self._may(Action.DEVICES)

    @cached_property
    def may_edit_definition(self) -> bool:
        return self.sees_definition and not why_not_editable(self.guest)

    @cached_property
    def sees_details(self) -> bool:
        """Libvirt's own words are for administrators."""
        return self._may(Action.AUDIT)

    # The header.

    @cached_property
    def is_stale(self) -> bool:
        """Whether the host does not answer, so that all this is old."""
        return self.host.state not in {HostState.UP, HostState.DEGRADED}

    @cached_property
    def acts(self) -> list[Act]:
        if not self.may_power or self.is_stale:
            return []
        return [act_of(kind, self.guest) for kind in fitting_acts(self.guest)]

    @property
    def first_acts(self) -> list[Act]:
        """The acts with a button of their own."""
        return [act for act in self.acts if act.kind in {"start", "shut_down", "pause", "resume"}]

    @property
    def menu_acts(self) -> list[Act]:
        """The others but force off, and pause, whose button a phone has no room for."""
        return [act for act in self.acts if act.kind in {"pause", "reboot", "reset", "save", "start_paused"}]

    @property
    def can_migrate(self) -> bool:
        return self.may_migrate and not self.is_stale and not why_it_stays(self.guest)

    @property
    def can_clone(self) -> bool:
        return self.can_delete and self.guest.persistent

    @property
    def can_delete(self) -> bool:
        return self.may_change_devices and not self.is_stale

    @property
    def can_discard(self) -> bool:
        return any(act.kind == "discard_saved" for act in self.acts)

    @property
    def can_force_off(self) -> bool:
        return any(act.kind == "force_off" for act in self.acts)

    @cached_property
    def key(self) -> str:
        """The idempotency key of the power buttons."""
        return new_key()

    @property
    def kind_words(self) -> str:
        """Driver and virtualisation: "QEMU, fully virtualised"."""
        words = {
            Virtualisation.FULL: _("fully virtualised"),
            Virtualisation.PARA: _("para-virtualised"),
            Virtualisation.PVH: _("para-virtualised in hardware"),
            Virtualisation.CONTAINER: _("container"),
        }
        driver = {"kvm": "QEMU/KVM", "qemu": "QEMU"}.get(self.guest.definition.get("domain_type", ""), self.host.driver)
        known = self.guest.virtualisation in words
        return ", ".join(filter(None, [driver, words[Virtualisation(self.guest.virtualisation)] if known else ""]))

    @property
    def yes_no(self) -> str:
        """The words for the template filter `yesno`."""
        return f"{_('yes')},{_('no')}"

    @cached_property
    def pending(self) -> str:
        return pending_words(self.guest)

    @cached_property
    def _beside(self) -> Guest:
        """What stands beside it in tables of their own, in one query."""
        rows = Guest.objects.select_related("start_place", "addresses")
        return rows.only("id", "start_place__place", "addresses__domain_id", "addresses__readings").get(
            pk=self.guest.pk
        )

    @property
    def starts_with_host(self) -> str:
        """Whether, and how: by libvirt, or at its place in the order of its host."""
        row = getattr(self._beside, "start_place", None)
        if row is not None and not self.guest.autostart:
            return _("in the order of its host, at place %(place)d") % {"place": row.place}
        return _("yes") if self.guest.autostart else _("no")

    # The cards.

    @cached_property
    def picture(self) -> SafeString:
        """The guest's screen. Who may see a guest may watch it (access.ACTIONS)."""
        stale = {self.host.pk} if self.is_stale else set()
        return shown_pictures([self.guest], hosts={self.host.pk: self.host}, stale=stale)[self.guest.pk]

    @cached_property
    def recent(self) -> list[Operation]:
        return list(self.guest.operations.select_related("asked_by")[:LOOKED_AT])

    @cached_property
    def recent_lines(self) -> list[OperationLine]:
        return [describe(operation) for operation in self.recent[:RECENT]]

    @cached_property
    def operations_count(self) -> int:
        return self.guest.operations.count()

    @cached_property
    def running_power(self) -> OperationLine | None:
        """The power operation that is under way, for the header."""
        found = next((o for o in self.recent if not o.is_over and o.kind in ACTS), None)
        return describe(found) if found else None

    @cached_property
    def on_its_way(self) -> OperationLine | None:
        """The long operation that is under way, with how far it came."""
        found = next((o for o in self.recent if not o.is_over and o.kind in LONG), None)
        return describe(found) if found else None

    @property
    def may_end_it(self) -> bool:
        """Whether this person may cancel what is under way."""
        return self.on_its_way is not None and self._may(KINDS[self.on_its_way.operation.kind].action)

    @cached_property
    def memory(self) -> MemoryCard:
        return memory_card(self.guest, self.recent)

    @cached_property
    def memory_form(self) -> MemoryForm:
        """Fresh; a view puts the one that was refused in its place."""
        return MemoryForm(guest=self.guest, limits=self.limits, start=self.memory.asked_kib)

    @cached_property
    def plugged(self) -> PluggedCard:
        """Memory beyond the maximum."""
        return plugged_card(self.guest)

    @cached_property
    def vcpus_form(self) -> VCPUsForm:
        return VCPUsForm(guest=self.guest, limits=self.limits)

    @cached_property
    def vcpus(self) -> Standing:
        return vcpus_standing(self.guest)

    @cached_property
    def vcpu_table(self) -> dict[str, object]:
        """What its vCPUs did last, if somebody looked."""
        return table_of(self.guest)

    @cached_property
    def slots(self) -> list[tuple[int, bool]]:
        """Each possible vCPU with whether it is there now; empty where they are too many to draw."""
        if self.guest.vcpus_maximum > MOST_SLOTS:
            return []
        online = self.guest.vcpus_current if self.guest.is_active else 0
        return [(number, number < online) for number in range(self.guest.vcpus_maximum)]

    @cached_property
    def cpu_highest(self) -> int | None:
        """The highest minute of the last hour, in %."""
        known = [float(text) for text in self.guest.cpu_history.split(",") if text]
        return round(max(known)) if known else None

    @cached_property
    def disks(self) -> list[DiskRow]:
        return disk_rows(self.guest, volumes_of(self.guest))

    @cached_property
    def nics(self) -> list[NICRow]:
        return nic_rows(self.guest, duplicates=self.duplicate_macs, addresses=self.addresses)

    @cached_property
    def addresses(self) -> AddressesShown:
        return addresses_shown(self.guest, getattr(self._beside, "addresses", None))

    @cached_property
    def duplicate_macs(self) -> frozenset[str]:
        """Those of its MACs that another guest has, too."""
        return frozenset(duplicate.mac for duplicate in duplicate_macs(self.guest.macs.split()))

    @cached_property
    def may_change_devices(self) -> bool:
        return self._may(Action.DEVICES) and self.guest.gone_at is None and not self.guest.privileged

    @cached_property
    def snapshots(self) -> list[SnapshotRow]:
        return snapshot_rows(self.guest)

    @cached_property
    def text_consoles(self) -> list[ConsoleChoice]:
        return [choice for choice in console_choices(self.guest) if choice.is_text]

    @cached_property
    def graphics(self) -> list[ConsoleChoice]:
        return [choice for choice in console_choices(self.guest) if not choice.is_text]

    @cached_property
    def can_open_text(self) -> bool:
        return any(not choice.why_not for choice in self.text_consoles)

    @cached_property
    def can_open_graphics(self) -> bool:
        return any(not choice.why_not for choice in self.graphics)

    @cached_property
    def past(self) -> Page[Operation]:
        """One page of all operations."""
        pages = Paginator(self.guest.operations.all(), PAGE_SIZE)
        pages.count = self.operations_count
        return pages.get_page(self.request.GET.get("page"))

    @cached_property
    def definitions(self) -> Page[DefinitionVersion]:
        """One page of the versions of what the next boot takes, newest first, without their text."""
        if not self.sees_definition:
            raise PermissionDenied
        versions = self.guest.definition_versions.select_related("operation").defer("content")
        return Paginator(versions, DEFINITIONS_PAGE_SIZE).get_page(self.request.GET.get("page"))

    @cached_property
    def past_lines(self) -> list[OperationLine]:
        return [describe(operation) for operation in self.past]


def signed_in(request: HttpRequest) -> AbstractBaseUser:
    """The person who asks; every view but the doors is for signed-in people."""
    assert isinstance(request.user, AbstractBaseUser)
    return request.user


def cards_for(request: HttpRequest, guest_id: UUID, action: Action = Action.SEE) -> GuestCards:
    """The guest's page for this person: 404 for one they may not see, 403 where only the action is not theirs."""
    return GuestCards(request, guest_for(request.user, guest_id, action))


def parts_answer(cards: GuestCards, parts: Iterable[str], *, status: int = 200) -> HttpResponse:
    """These parts, each to be put in the place of the element with its id (htmx: out of band)."""
    context = {"page": cards, "guest": cards.guest, "host": cards.host, "oob": True}
    html = "".join(render_to_string(f"guests/guest_{part}.html", context, cards.request) for part in parts)
    return HttpResponse(html, status=status)
