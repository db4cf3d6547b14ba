"""A site with two hosts and three guests that have all that a guest can have, and one person for each role."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from dashboard.live import hints
from dashboard.status.models import StatusPage
from guests.access import Grant
from guests.hypervisor.domain_xml import parse_definition
from guests.inventory.definition_json import definition_to_json
from guests.inventory.definitions import DefinitionVersion, packed
from guests.inventory.models import Guest, Host
from guests.inventory.storage import Pool, Volume
from guests.operations.models import Operation
from guests.operations.proposals import DefinitionProposal
from tests.dashboard.routes import SAMPLES

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
DOMAIN = (Path(__file__).parent.parent / "guests/hypervisor/samples/qemu-running.xml").read_text()
HOSTILE_NAME = "<img src=x onerror=alert(1)>\u202e'\"&{{7*7}}"


@dataclass
class Site:
    alpha: Host
    beta: Host
    web: Guest
    hostile: Guest
    far: Guest
    operation: Operation
    people: dict[str, User] = field(default_factory=dict)

    def client(self, who: str, **options: Any) -> Client:
        """A browser with that person signed in; "anonymous" is nobody."""
        client = Client(**options)
        if who != "anonymous":
            client.force_login(self.people[who], backend=BACKEND)
        return client


@pytest.fixture(autouse=True)
def no_live_hints_left() -> Iterator[None]:
    """The hub of the web process reads the database from its first socket on: not after the test."""
    yield
    hints.hub.stop()


@pytest.fixture
def site(db: None) -> Site:
    now = timezone.now()
    alpha = Host.objects.create(name="alpha", uri="test:///default", state="up", seen_at=now)
    beta = Host.objects.create(name="beta", uri="test:///default", state="up", seen_at=now)

    xml = DOMAIN.replace("52:54:00:AB:CD:EF", SAMPLES["mac"])
    definition = definition_to_json(parse_definition(xml))
    snapshot = {
        "name": SAMPLES["snapshot"],
        "description": "",
        "parent": "",
        "made_at": int(now.timestamp()),
        "state": "shut-off",
        "memory": False,
        "external": False,
        "current": True,
        "reaches": [],
    }

    def guest(host: Host, name: str, number: int) -> Guest:
        identity = UUID(SAMPLES["guest_id"]) if number == 0 else UUID(int=0x5F3C1B0E << 96 | number)
        return Guest.objects.create(
            id=identity,
            uuid=identity,
            host=host,
            name=name,
            state="running",
            domain_id=number + 1,
            state_since=now - timedelta(hours=1),
            seen_at=now,
            current_kib=262144,
            maximum_kib=524288,
            vcpus_current=1,
            vcpus_maximum=2,
            macs="52:54:00:00:00:01",
            definition=definition,
            next_boot=definition,
            snapshots=[snapshot],
        )

    web, hostile, far = guest(alpha, "web-1", 0), guest(alpha, HOSTILE_NAME, 1), guest(beta, "far-1", 2)
    root = User.objects.create_superuser("root", password="correct horse battery")
    version = DefinitionVersion.objects.create(
        pk=int(SAMPLES["version_id"]), guest=web, digest="0" * 64, content=packed(xml)
    )
    DefinitionProposal.objects.create(
        id=UUID(SAMPLES["proposal_id"]), guest=web, author=root, base=version, content=packed(xml)
    )
    Group.objects.create(pk=int(SAMPLES["pk"]), name="night shift")
    operation = Operation.objects.create(
        id=UUID(SAMPLES["operation_id"]),
        kind="start",
        host=alpha,
        guest=web,
        asked_by=root,
        asked_by_name="root",
        idempotency_key="k",
        state="done",
        ended_at=now,
    )
    pool = Pool.objects.create(
        id=int(SAMPLES["pool_id"]), host=alpha, uuid=UUID(int=1), name="images", kind="dir", active=True, path="/images"
    )
    Volume.objects.create(
        id=int(SAMPLES["volume_id"]), pool=pool, name="web-1.img", path="/images/web-1.img", format="raw", kind="file"
    )
    StatusPage.objects.create(slug=SAMPLES["slug"], title="Northbay", published=True)
    site = Site(alpha, beta, web, hostile, far, operation, {"root": root})
    for role in ("watcher", "operator", "administrator"):
        site.people[role] = User.objects.create_user(role, password="correct horse battery")
        Grant.objects.create(user=site.people[role], role=role, scope="host", host=alpha)
    site.people["stranger"] = User.objects.create_user("stranger", password="correct horse battery")
    return site


@pytest.fixture
def as_person(site: Site) -> Callable[..., Client]:
    return site.client
