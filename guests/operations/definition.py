"""The whole definition of the next boot, as somebody wrote it or as it was before."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests import resources
from guests.access import Action
from guests.errors import OperationRefused
from guests.hypervisor.definition import define
from guests.hypervisor.definition_text import digest_of
from guests.hypervisor.reading import get_guest
from guests.inventory.definitions import newest_version
from guests.inventory.mac_addresses import normal_mac
from guests.inventory.models import Guest
from guests.operations.definition_checks import new_macs, new_volumes, problems_in, why_not_editable
from guests.operations.given_volumes import promised
from guests.operations.kinds import OperationKind, Task, register
from guests.operations.mac_pools import reserve_mac
from guests.operations.proposals import DefinitionProposal, proposal_of


def _refusal(by: AbstractBaseUser, guest: Guest, parameters: dict[str, Any]) -> str:
    """By what stands in the rows; the worker looks at what the host says, too."""
    proposal, newest = proposal_of(guest, by, parameters.get("proposal")), newest_version(guest)
    if proposal is None or newest is None:
        return _("What was written is not kept any more: write it again.")
    return why_not_editable(guest) or _first_problem(proposal, guest, newest.xml)


def _first_problem(proposal: DefinitionProposal, guest: Guest, base: str) -> str:
    found = problems_in(proposal.xml, guest, proposal.author, base=base, brought_back=proposal.brought_back)
    return _("Line %(line)d: %(what)s") % {"line": found[0].line, "what": found[0].text} if found else ""


def _define(task: Task) -> dict[str, Any]:
    """Refused where the next boot is no longer what the text was written from."""
    proposal = DefinitionProposal.objects.select_related("author", "base", "brought_back").get(
        pk=task.parameters["proposal"]
    )
    base = task.guest.next_boot_xml
    if not base:
        raise OperationRefused(_("The definition of %(guest)s cannot be read.") % {"guest": task.guest.name})
    if digest_of(base) != proposal.base.digest:
        raise OperationRefused(_("The definition was changed since it was opened."), field="xml")
    xml = proposal.xml
    with ExitStack() as promises:
        for volume in new_volumes(xml, base, task.row):
            promises.enter_context(promised(volume, task.row))
        if problem := _first_problem(proposal, task.row, base):
            raise OperationRefused(problem, field="xml")
        for mac in new_macs(xml, base):
            reserve_mac(task.row, normal_mac(mac))
        task.progress.sending()
        define(task.connection, task.uuid, xml, base=proposal.base.digest)
    after = get_guest(task.connection, task.uuid)
    return {"digest": digest_of(after.next_boot_xml), "waits_for_boot": after.state.is_active}


def _reached(guest: resources.Guest, parameters: dict[str, Any]) -> bool | None:
    """What libvirt makes of it may be more: another text than the wanted one tells nothing."""
    if not guest.next_boot_xml:
        return None
    now = digest_of(guest.next_boot_xml)
    if now == parameters.get("digest"):
        return True
    return False if now == parameters.get("base") else None


DEFINE = register(
    OperationKind("define", gettext_lazy("Define anew"), Action.DEVICES, _define, _reached, refusal=_refusal)
)
