"""B9: a guest is (host, UUID), whatever it is called: what was given to one is not another's of its name."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from consoles.close_codes import ConsoleRefused
from consoles.console_settings import change_setting, setting_of
from consoles.models import ConsoleSession, Kind, Mode, Sharing, Ticket
from consoles.tickets import mint, redeem
from guests import audit
from guests.access import Grant, Role, may, visible_to
from guests.access.granting import grant
from guests.access.tokens import Ability, bearer, make_token
from guests.audit.models import AuditRecord
from guests.inventory.models import Guest, Tag
from guests.operations.host_starts import StartPlace
from guests.operations.models import Operation
from tests.guests.inventory_rows import signed_in
from tests.guests.worker.conftest import RunningWorker, domain, row, until


def test_B9_what_a_guest_had_stays_its_own_when_another_gets_its_name(
    worker: RunningWorker,
    admin: User,
) -> None:
    anna = User.objects.create_user("anna", password="correct horse battery")
    old, libvirts = row("off-1"), worker.libvirt("alpha").raw
    grant(Role.OPERATOR, anna, old, by=None)
    session_key = signed_in(anna).session.session_key or ""
    ends = timezone.now() + timedelta(days=1)
    token, _secret = make_token(anna, "script", Ability.OPERATE, ends, guests=[old])
    ticket = mint(anna, session_key, old, kind=Kind.VNC, mode=Mode.CONTROL)
    old.tags.add(Tag.objects.create(name="front"))
    StartPlace.objects.create(guest=old, place=1)
    change_setting(old, keyboard=Sharing.ONE, record=True, by=admin)
    Operation.objects.create(
        kind="start", host=old.host, guest=old, asked_by=admin, asked_by_name="admin", state="done"
    )
    ConsoleSession.objects.create(kind=Kind.VNC, mode=Mode.WATCH, user=anna, session_hash="x", guest=old)
    audit.record("guest.start", by=admin, guest=old)

    domain(worker, "off-1").rename("renamed")
    until(lambda: Guest.objects.filter(pk=old.pk, name="renamed").exists())
    check_holds(anna, row("renamed"), token)

    definition = domain(worker, "renamed").XMLDesc()
    domain(worker, "renamed").undefine()
    until(lambda: Guest.objects.filter(pk=old.pk, gone_at__isnull=False).exists())
    other = definition.replace(str(old.uuid), str(uuid4())).replace("<name>renamed<", "<name>off-1<")
    libvirts.defineXML(other)
    new = until(lambda: Guest.objects.filter(name="off-1", gone_at=None).first())
    assert new.pk != old.pk
    assert not may(anna, "see", new) and new not in visible_to(anna)
    assert not may(bearer(token), "see", new) and new not in visible_to(bearer(token))
    with pytest.raises(ConsoleRefused):
        redeem(ticket, user=anna, session_key=session_key, kind=Kind.VNC, guest_id=new.pk)
    assert not Ticket.objects.filter(guest=new).exists()
    assert not new.tags.exists() and not Grant.objects.filter(guest=new).exists()
    assert not StartPlace.objects.filter(guest=new).exists()
    assert setting_of(new).keyboard == Sharing.ALL and not setting_of(new).record
    assert not Operation.objects.filter(guest=new).exists()
    assert not ConsoleSession.objects.filter(guest=new).exists()
    assert not AuditRecord.objects.filter(guest=new).exists()
    history = signed_in(admin).get(f"/guests/{new.pk}/history/").content.decode()
    assert "/operations/" not in history.partition("<main")[2].replace('href="/operations/"', "")
    answers = [signed_in(anna).get(f"/guests/{guest}/").status_code for guest in (new.pk, uuid4())]
    assert answers == [404, 404]

    domain(worker, "off-1").undefine()
    libvirts.defineXML(definition)  # the guest that had it all: it has it again
    until(lambda: Guest.objects.filter(pk=old.pk, gone_at=None).exists())
    check_holds(anna, row("renamed"), token)


def check_holds(anna: User, guest: Guest, token: object) -> None:
    assert may(anna, "power", guest) and guest in visible_to(anna)
    assert may(bearer(token), "power", guest)  # type: ignore[arg-type]
    assert [tag.name for tag in guest.tags.all()] == ["front"]
    assert (guest.start_place.place, setting_of(guest).keyboard) == (1, Sharing.ONE)
    assert [operation.kind for operation in guest.operations.all()] == ["start"]
    assert AuditRecord.objects.filter(guest=guest, action="guest.start").exists()
