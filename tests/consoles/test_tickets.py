from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from consoles.close_codes import ConsoleRefused
from consoles.console_settings import setting_read_with
from consoles.models import Kind, Mode, Ticket
from consoles.rights import signed_in
from consoles.tickets import look_up, mint, redeem
from guests.inventory.models import Guest, Host
from tests.consoles.conftest import Person

MakePerson = Callable[..., Person]


def mint_for(person: Person, guest: Guest) -> str:
    return mint(person.user, person.session_key, guest, kind=Kind.VNC, mode=Mode.CONTROL)


def test_a_ticket_opens_its_guest_in_its_mode(guest: Guest, person: MakePerson) -> None:
    ana = person()
    ticket = redeem(mint_for(ana, guest), user=ana.user, session_key=ana.session_key, kind=Kind.VNC, guest_id=guest.id)
    assert (ticket.guest, ticket.guest.host, ticket.mode) == (guest, guest.host, Mode.CONTROL)


def test_one_query_tells_all_that_a_handshake_has_to_know(
    guest: Guest, person: MakePerson, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    ana = person("ana")
    token, key = mint_for(ana, guest), ana.session_key
    with django_assert_num_queries(1):
        ticket = look_up(token, key)
        assert ticket is not None
        assert (ticket.user, ticket.guest, ticket.guest.host) == (ana.user, guest, guest.host)
        assert (ticket.guest.definition, setting_read_with(ticket.guest).keyboard) == (guest.definition, "all")
        assert signed_in(key, (ticket.session_data, ticket.user)) == ana.user
    assert look_up("x" * 43, key) is None


def test_a_ticket_makes_nobody_of_whom_the_session_does_not_sign_in(guest: Guest, person: MakePerson) -> None:
    ana, rui = person("ana"), person("rui")
    token, key = mint_for(ana, guest), rui.session_key
    ticket = look_up(token, key)
    assert ticket is not None
    assert ticket.user == ana.user
    assert signed_in(key, (ticket.session_data, ticket.user)) == rui.user
    unknown = look_up(token, "x" * 32)
    assert unknown is not None
    assert signed_in("x" * 32, (unknown.session_data, unknown.user)) is None
    Session.objects.filter(session_key=key).update(expire_date=timezone.now())
    over = look_up(token, key)
    assert over is not None
    assert signed_in(key, (over.session_data, over.user)) is None


def test_a_ticket_works_once(guest: Guest, person: MakePerson) -> None:
    ana = person()
    token = mint_for(ana, guest)
    redeem(token, user=ana.user, session_key=ana.session_key, kind=Kind.VNC)
    with pytest.raises(ConsoleRefused, match="not valid any more") as refused:
        redeem(token, user=ana.user, session_key=ana.session_key, kind=Kind.VNC)
    assert refused.value.close_code == 4403


@pytest.mark.django_db(transaction=True)
def test_of_many_concurrent_redeemers_one_wins(guest: Guest, person: MakePerson) -> None:
    ana = person()
    token, key = mint_for(ana, guest), ana.session_key
    barrier, outcomes = threading.Barrier(6), []

    def redeemer() -> None:
        barrier.wait(timeout=10)
        try:
            redeem(token, user=ana.user, session_key=key, kind=Kind.VNC)
            outcomes.append("won")
        except ConsoleRefused:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=redeemer) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert sorted(outcomes) == ["refused"] * 5 + ["won"]


def test_a_ticket_expires(guest: Guest, person: MakePerson) -> None:
    ana = person()
    token = mint_for(ana, guest)
    minted = Ticket.objects.get()
    assert timedelta(seconds=25) < minted.expires_at - timezone.now() <= timedelta(seconds=30)
    Ticket.objects.update(expires_at=timezone.now())
    with pytest.raises(ConsoleRefused):
        redeem(token, user=ana.user, session_key=ana.session_key, kind=Kind.VNC)


@pytest.mark.parametrize("other", ["session", "person", "guest", "kind", "token"])
def test_a_ticket_is_bound(other: str, guest: Guest, person: MakePerson) -> None:
    ana, rui = person("ana"), person("rui")
    token = mint_for(ana, guest)
    with pytest.raises(ConsoleRefused):
        redeem(
            token[:-1] + "x" if other == "token" else token,
            user=rui.user if other == "person" else ana.user,
            session_key=rui.session_key if other == "session" else ana.session_key,
            kind=Kind.TEXT if other == "kind" else Kind.VNC,
            guest_id=uuid.uuid4() if other == "guest" else guest.id,
        )
    # The attempt did not use it up.
    redeem(token, user=ana.user, session_key=ana.session_key, kind=Kind.VNC, guest_id=guest.id)


def test_a_ticket_does_not_follow_its_guest_to_another_host(guest: Guest, person: MakePerson) -> None:
    ana = person()
    token = mint_for(ana, guest)
    guest.host = Host.objects.create(name="beta", uri="test:///other")
    guest.save()
    with pytest.raises(ConsoleRefused, match="web-1 is on another host now") as refused:
        redeem(token, user=ana.user, session_key=ana.session_key, kind=Kind.VNC, guest_id=guest.id)
    assert refused.value.close_code == 4412
    redeem(mint_for(ana, guest), user=ana.user, session_key=ana.session_key, kind=Kind.VNC, guest_id=guest.id)


def test_only_the_hash_is_stored_and_a_token_has_256_bits(guest: Guest, person: MakePerson) -> None:
    ana = person()
    token = mint_for(ana, guest)
    row = Ticket.objects.values().get()
    assert len(token) == 43
    assert not [value for value in row.values() if token in str(value) or ana.session_key in str(value)]


def test_dead_tickets_are_swept_out(guest: Guest, person: MakePerson) -> None:
    ana = person()
    mint_for(ana, guest)
    Ticket.objects.update(expires_at=timezone.now() - timedelta(minutes=11))
    mint_for(ana, guest)
    assert Ticket.objects.count() == 1
