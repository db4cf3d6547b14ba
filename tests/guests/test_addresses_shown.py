"""The addresses on a guest's page: each once, with who told it, link-local last, and nothing of an earlier life."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.utils import timezone

from guests.access.models import Role
from guests.inventory.addresses import GuestAddresses
from guests.inventory.definition_json import definition_to_json
from guests.inventory.models import Guest
from guests.inventory.networks import HostNetwork
from guests.resources import NIC
from tests.guests.inventory.values import definition
from tests.guests.inventory_rows import grant, make_guest, make_host, person, signed_in

pytestmark = pytest.mark.django_db
MAC = "52:54:00:12:34:56"


@pytest.fixture
def guest() -> Guest:
    host = make_host()
    lease = {"mac": MAC, "address": "192.0.2.9", "hostname": "", "until": 0}
    HostNetwork.objects.create(
        host=host, uuid=host.pk, name="lan", active=True, autostart=False, forward="nat", bridge="b", leases=[lease]
    )
    made = definition_to_json(definition(nics=(NIC(MAC, "network", "lan", "virtio", "vnet0"),)))
    return make_guest(host, "web-1", definition=made, next_boot=made, macs=MAC)


def told(guest: Guest, **readings: Any) -> None:
    now = time.time()
    filled = {name: {"at": now - 20, "problem": "", "addresses": []} | found for name, found in readings.items()}
    GuestAddresses.objects.create(guest=guest, wanted_at=timezone.now(), domain_id=guest.domain_id, readings=filled)


def page(guest: Guest) -> str:
    user = person("wanda")
    grant(user, Role.WATCHER, guest=guest)
    text = signed_in(user).get(f"/guests/{guest.pk}/devices/").content.decode()
    card = text[text.index('id="guest-nics"') :]
    return " ".join(card[: card.index("</section>")].split())


def test_each_address_is_said_once_with_all_who_told_it(guest: Guest) -> None:
    addresses = [[MAC, "fe80::1", "eth0"], [MAC, "2001:db8::9", "eth0"], [MAC, "192.0.2.9", "eth0"]]
    inside = ["02:42:00:00:00:01", "172.17.0.1", "<b>docker0"]
    told(guest, agent={"addresses": [*addresses, inside]}, arp={"addresses": [[MAC, "192.0.2.9", "vnet0"]]})
    text = page(guest)
    assert "guest agent 20 s ago, neighbours of the host 20 s ago, DHCP lease" in text
    assert text.count(">192.0.2.9<") == 1
    assert text.index("192.0.2.9") < text.index("2001:db8::9") < text.index("fe80::1")
    assert "Also in the guest:" in text and "&lt;b&gt;docker0" in text and "172.17.0.1" in text


def test_without_an_agent_the_page_says_who_tells(guest: Guest) -> None:
    told(guest, agent={"problem": "silent"})
    text = page(guest)
    assert "No guest agent answers in it" in text and "DHCP lease" in text


def test_what_was_told_of_an_earlier_life_is_not_shown(guest: Guest) -> None:
    told(guest, agent={"addresses": [[MAC, "198.51.100.7", "eth0"]]})
    Guest.objects.update(domain_id=(guest.domain_id or 0) + 1)
    assert "198.51.100.7" not in page(guest)


def test_a_page_says_that_it_is_looked_at_and_nobody_else_can(guest: Guest) -> None:
    user = person("anna")
    grant(user, Role.WATCHER, guest=guest)
    url = f"/guests/{guest.pk}/addresses/"
    assert signed_in(person("eve")).post(url).status_code == 404
    assert signed_in(user).get(url).status_code == 405
    assert not GuestAddresses.objects.exists()
    assert signed_in(user).post(url).status_code == 204
    assert GuestAddresses.objects.get().guest == guest
