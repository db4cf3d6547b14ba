"""A guest's tab "Definition": its domain XML now and at the next boot, and every version that was seen."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from guests.access import Action, guest_for
from guests.audit import record
from guests.hypervisor.definition_text import as_at_rest
from guests.inventory.definitions import DefinitionVersion, live_xml, newest_version
from guests.inventory.models import Guest
from guests.operations.definition_checks import why_not_editable
from guests.views.guest_cards import cards_for
from guests.views.guest_page import show_tab
from guests.views.text_diff import diff_of
from guests.views.xml_shown import shown_xml


@require_safe
def definition(request: HttpRequest, guest_id: UUID) -> HttpResponse:
    """What the next boot takes, how what runs differs from it, and the history of both."""
    cards = cards_for(request, guest_id, Action.DEVICES)
    newest, live = newest_version(cards.guest), live_xml(cards.guest)
    differs = None
    if live and newest:
        differs = diff_of(*as_at_rest(live, newest.xml, current_kib=cards.guest.current_kib))
    return show_tab(
        cards,
        "definition",
        newest=newest,
        next_boot=shown_xml(newest.xml) if newest else "",
        live=shown_xml(live) if live else "",
        differs=differs,
    )


@require_safe
def version(request: HttpRequest, guest_id: UUID, version_id: int) -> HttpResponse:
    """One version: what it changed, how it differs from what the next boot takes now, and the whole of it."""
    guest = guest_for(request.user, guest_id, Action.DEVICES)
    found = _version(guest, version_id)
    earlier = guest.definition_versions.filter(pk__lt=found.pk).first()
    newest = newest_version(guest)
    xml = found.xml
    context = {
        "section": "guests",
        "guest": guest,
        "version": found,
        "earlier": earlier,
        "changed": diff_of(earlier.xml, xml) if earlier else None,
        "is_newest": newest is not None and newest.pk == found.pk,
        "differs": diff_of(newest.xml, xml) if newest else None,
        "may_bring_back": not why_not_editable(guest),
        "xml": shown_xml(xml),
    }
    return render(request, "guests/definition_version.html", context)


@require_safe
def download(request: HttpRequest, guest_id: UUID, which: str) -> HttpResponse:
    """As a file: `live`, `next-boot`, or a version's number."""
    guest = guest_for(request.user, guest_id, Action.DEVICES)
    if which == "live":
        xml = live_xml(guest)
    elif which == "next-boot":
        newest = newest_version(guest)
        xml = newest.xml if newest else ""
    else:
        xml = _version(guest, int(which)).xml if which.isascii() and which.isdigit() and len(which) < 19 else ""
    if not xml:
        raise Http404(_("There is no such definition."))
    if request.method == "GET":
        address = str(request.META.get("REMOTE_ADDR", ""))
        record("guest.take_definition", by=request.user, guest=guest, address=address, which=which)
    answer = HttpResponse(xml, content_type="application/xml; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{guest.pk}-{which}.xml"'
    return answer


def _version(guest: Guest, version_id: int) -> DefinitionVersion:
    if version_id >= 1 << 63:
        raise Http404(_("There is no such definition."))
    return get_object_or_404(guest.definition_versions.select_related("operation"), pk=version_id)
