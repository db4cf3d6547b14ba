"""Two hosts, three guests, one tag: enough for every scope."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from django.contrib.auth.models import User

from guests.inventory.models import Guest, Host, Tag


@dataclass
class Site:
    alpha: Host
    beta: Host
    web: Guest  # on alpha, tagged "front"
    db: Guest  # on alpha
    far: Guest  # on beta, tagged "front"
    front: Tag
    spare: Tag  # no guest bears it

    @property
    def all(self) -> set[str]:
        return {"web", "db", "far"}


def make_guest(host: Host, name: str) -> Guest:
    return Guest.objects.create(id=uuid.uuid4(), uuid=uuid.uuid4(), host=host, name=name, state="running")


@pytest.fixture
def site(db: None) -> Site:
    alpha = Host.objects.create(name="alpha", uri="test:///default")
    beta = Host.objects.create(name="beta", uri="test:///default")
    web, database, far = make_guest(alpha, "web"), make_guest(alpha, "db"), make_guest(beta, "far")
    front = Tag.objects.create(name="front")
    front.guests.add(web, far)
    return Site(alpha, beta, web, database, far, front, Tag.objects.create(name="spare"))


@pytest.fixture
def user(db: None) -> Callable[..., User]:
    return lambda name="anna", **fields: User.objects.create_user(name, **fields)
