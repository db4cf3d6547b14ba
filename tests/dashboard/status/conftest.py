"""A page with one guest in every state, whose secrets are words that must never be seen."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from dashboard.status.models import StatusPage, StatusPageGuest
from guests.access import Grant
from guests.inventory.models import Guest, Host
from guests.resources import GuestState

SECRETS = {
    "host name": "secrethostname",
    "uri": "qemu+ssh://secretuser@secrethost/system",
    "guest name": "secretguestname",
    "mac": "52:54:00:5e:c7:e7",
    "path": "/srv/secretpath/disk.qcow2",
    "version": "7.2.secretversion",
    "address": "10.99.99.99",
    "maker": "secretmaker",
    "libvirt's words": "secretlibvirtwords",
}


@pytest.fixture
def now() -> datetime:
    return timezone.now()


@pytest.fixture
def host(db: None, now: datetime) -> Host:
    return Host.objects.create(
        name=SECRETS["host name"],
        uri=SECRETS["uri"],
        state="up",
        seen_at=now,
        hostname=SECRETS["address"],
        hypervisor_version=SECRETS["version"],
        message=SECRETS["libvirt's words"],
        detail=SECRETS["libvirt's words"],
    )


def make_guest(host: Host, label: str, state: GuestState, **fields: Any) -> Guest:
    defaults: dict[str, Any] = {
        "id": uuid.uuid4(),
        "uuid": uuid.uuid4(),
        "name": f"{SECRETS['guest name']}-{label}",
        "state": state,
        "state_since": timezone.now() - timedelta(hours=3),
        "seen_at": timezone.now(),
        "reason": SECRETS["libvirt's words"],
        "current_kib": 2097152,
        "maximum_kib": 4194304,
        "macs": SECRETS["mac"],
        "definition": {"disks": [{"source": SECRETS["path"]}]},
        "cpu_percent": 22.4,
        "cpu_history": "1,2,,4",
        "usable_kib": 1048576,
    }
    return Guest.objects.create(host=host, **{**defaults, **fields})


@pytest.fixture
def page(host: Host) -> StatusPage:
    maker = User.objects.create_user(SECRETS["maker"])
    page = StatusPage.objects.create(slug="northbay", title="Northbay platform", published=True, made_by=maker)
    for position, state in enumerate(GuestState):
        guest = make_guest(host, state.value, state)
        StatusPageGuest.objects.create(page=page, guest=guest, label=f"Label {state.value}", position=position)
    make_guest(host, "not-on-the-page", GuestState.RUNNING)
    return page


@pytest.fixture
def maker(db: None) -> Client:
    user = User.objects.create_user("maker", password="correct horse battery")
    Grant.objects.create(user=user, role="administrator", scope="everything")
    client = Client()
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client
