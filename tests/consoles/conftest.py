"""People, guests and signed-in sessions for the consoles' tests."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from django.contrib.auth.models import User
from django.test import Client

from guests.access.models import Grant
from guests.inventory.models import Guest, Host


@dataclass
class Person:
    """Somebody with one signed-in browser session."""

    user: User
    client: Client
    grant: Grant | None

    @property
    def session_key(self) -> str:
        return self.client.session.session_key or ""


@pytest.fixture
def guest(db: None) -> Guest:
    host = Host.objects.create(name="alpha", uri="test:///default")
    identity = uuid.uuid4()
    return Guest.objects.create(id=identity, uuid=identity, host=host, name="web-1", state="running")


@pytest.fixture
def person(guest: Guest) -> Callable[..., Person]:
    def make(name: str = "ana", role: str | None = "operator", on: Guest | None = None) -> Person:
        user = User.objects.create_user(name, password="correct horse battery")
        grant = Grant.objects.create(user=user, role=role, scope="guest", guest=on or guest) if role else None
        client = Client()
        client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
        return Person(user, client, grant)

    return make
