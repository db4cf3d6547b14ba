"""Whether a definition that somebody wrote may be asked for: its form, what it reaches, its MACs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from django.contrib.auth.models import AbstractBaseUser
from django.utils.translation import gettext as _

from guests.access import Action, may_on
from guests.access.networks import may_connect
from guests.errors import OperationRefused
from guests.hypervisor.definition_rules import Permissions, Problem, macs_of, places_of, problems_of
from guests.hypervisor.xml_document import MAX_BYTES, UnreadableDefinition, parse_document
from guests.inventory.definitions import DefinitionVersion
from guests.inventory.disk_uses import disks_of_rows, same_elsewhere, uses_by_path, volume_paths
from guests.inventory.mac_addresses import normal_mac
from guests.inventory.models import Guest
from guests.inventory.storage import Volume
from guests.operations.disk_sharing import Objection, Wanted, objection
from guests.operations.given_volumes import READABLE
from guests.operations.mac_pools import refuse_used


def why_not_editable(guest: Guest) -> str:
    """Why the definition of this guest cannot be changed here, or ""."""
    if guest.gone_at is not None:
        return _("%(guest)s is no longer on this host.") % {"guest": guest.name}
    if guest.privileged:
        return _("%(guest)s is its host: this cannot be changed.") % {"guest": guest.name}
    if guest.next_boot is None:
        return _("%(guest)s is transient: it has no next boot that could be changed.") % {"guest": guest.name}
    return ""


def problems_in(
    xml: str, guest: Guest, by: AbstractBaseUser, *, base: str, brought_back: DefinitionVersion | None = None
) -> list[Problem]:
    """Everything that is refused, by line. `base`: what the next boot takes now, parts of which may stay.

    What is brought back was on the host already: whoever administrates the whole host may bring all of it back.
    """
    standing = [base]
    if brought_back is not None and may_on(by, Action.DEVICES, guest.host):
        standing.append(brought_back.xml)
    try:
        root, trees = parse_document(xml), [parse_document(text) for text in standing]
    except UnreadableDefinition as error:
        return [Problem(error.line, _unreadable(error))]
    return [*problems_of(root, trees, _permissions(by, guest)), *_mac_problems(macs_of(root), macs_of(trees[0]), guest)]


def new_macs(xml: str, base: str) -> list[str]:
    """Those that the guest did not have at its next boot."""
    before = {mac for _line, mac in macs_of(parse_document(base))}
    return [mac for _line, mac in macs_of(parse_document(xml)) if mac not in before]


def new_volumes(xml: str, base: str, guest: Guest) -> list[Volume]:
    """Those that store disks which the guest did not have at its next boot."""
    before = set(places_of(parse_document(base)))
    places = dict.fromkeys(place for place in places_of(parse_document(xml)) if place not in before)
    return [volume for place in places if (volume := volume_at(guest, place))]


def _unreadable(error: UnreadableDefinition) -> str:
    text = str(error)
    if error.column:
        return _("Column %(column)d: %(what)s") % {"column": error.column, "what": text}
    if "larger than" in text:
        return _("This is longer than %(most)d KiB.") % {"most": MAX_BYTES // 1024}
    return _("This cannot be read: %(what)s.") % {"what": text}


def _mac_problems(
    wanted: Sequence[tuple[int, str]], standing: Sequence[tuple[int, str]], guest: Guest
) -> list[Problem]:
    found, left = [], Counter(mac for _line, mac in standing)
    for line, mac in wanted:
        if left[mac] > 0:
            left[mac] -= 1
        elif not mac:
            found.append(
                Problem(line, _("Give this NIC a MAC, or add it under Devices: there it is given a free one."))
            )
        elif mac in {other for _line, other in standing}:
            found.append(Problem(line, _("This guest has this MAC already.")))
        else:
            try:
                refuse_used(normal_mac(mac), guest)
            except OperationRefused as refusal:
                found.append(Problem(line, str(refusal)))
            left[mac] = 0
            standing = [*standing, (line, mac)]
    return found


def _permissions(by: AbstractBaseUser, guest: Guest) -> Permissions:
    """What somebody may add: volumes of the host's pools only where they administrate the whole host."""
    holds_host = may_on(by, Action.DEVICES, guest.host)
    not_theirs = _("Only who administrates the whole host may add this here. Disks can be added under Devices.")

    def path(path: str) -> str:
        if not holds_host:
            return not_theirs
        return "" if volume_at(guest, path) else _("No volume of a pool of this host.")

    def volume(place: str, format_: str) -> str:
        if not holds_host:
            return not_theirs
        found, paths = volume_at(guest, place), volume_paths(guest.host)
        if found is None or found.format not in READABLE:
            return _("No volume of a pool of this host.")
        if format_ != READABLE[found.format]:
            return _("Say its format: <driver type='%(format)s'/>.") % {"format": READABLE[found.format]}
        if any(lower not in paths.known for lower in paths.chain_below(found.path)):
            return _("This volume lies over a file that is in no pool of its host: it is not given to a guest.")
        return ""

    def taken(place: str, format_: str, writes: bool, shareable: bool) -> str:
        found = _objection(guest, place, format_, writes=writes, shareable=shareable)
        return found.sentence if found else ""

    def network(kind: str, name: str) -> str:
        if may_connect(by, guest, kind, name):
            return ""
        return _("You may connect this guest only to networks of guests that you administrate.")

    return Permissions(path=path, volume=volume, taken=taken, network=network)


def volume_at(guest: Guest, place: str) -> Volume | None:
    """The volume of the guest's host at a path, or by "pool/volume"."""
    volumes = Volume.objects.filter(pool__host=guest.host_id, kind__in=["file", "block"]).select_related("pool__host")
    if place.startswith("/"):
        return volumes.filter(path=place).first()
    pool, _slash, name = place.partition("/")
    return volumes.filter(pool__name=pool, name=name).first()


def _objection(guest: Guest, place: str, format_: str, *, writes: bool, shareable: bool) -> Objection | None:
    """The rule of `disk_sharing`, by the rows; what the guest itself has there already is no objection."""
    paths, row = volume_paths(guest.host), volume_at(guest, place)
    path = row.path if row else place
    uses = uses_by_path(disks_of_rows(guest.host), paths)
    others = [use for use in uses.get(path, []) if use.guest_id != guest.uuid or use.below]
    if row is not None:
        others += [use for use in same_elsewhere(row) if use.guest_id != guest.uuid]
    wanted = Wanted(guest.uuid, path, format_, paths.chain_below(path), writes, shareable)
    return objection(wanted, {**uses, path: others})
