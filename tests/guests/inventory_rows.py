"""Rows of the inventory as the worker would have written them, for tests of pages."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from guests.access.models import Grant, Role, Scope
from guests.inventory.models import Guest, Host, HostState

GIB = 1024 * 1024
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


def make_host(name: str = "kvm-01", **changes: Any) -> Host:
    now = timezone.now()
    values = {"uri": f"test:///{name}", "state": HostState.UP, "seen_at": now, "state_since": now, "cpus": 4}
    return Host.objects.create(name=name, **({**values, "memory_kib": 16 * GIB, "free_memory_kib": 6 * GIB} | changes))


def make_guest(host: Host, name: str, **changes: Any) -> Guest:
    key = uuid.uuid4()
    values: dict[str, Any] = {
        "id": key,
        "uuid": key,
        "state": "running",
        "domain_id": 1 + Guest.objects.count(),
        "state_since": timezone.now() - timedelta(hours=2),
        "seen_at": timezone.now(),
        "current_kib": 2 * GIB,
        "maximum_kib": 4 * GIB,
        "next_boot_current_kib": 2 * GIB,
        "next_boot_maximum_kib": 4 * GIB,
        "balloon_kib": 2 * GIB,
        "usable_kib": GIB,
        "vcpus_current": 2,
        "vcpus_maximum": 4,
        "next_boot_vcpus_current": 2,
        "next_boot_vcpus_maximum": 4,
        "cpu_percent": 22.0,
        "cpu_history": "20,21,22",
        "macs": "52:54:00:12:34:56",
    }
    if changes.get("state") in {"shut-off", "crashed"}:
        values |= {"domain_id": None, "balloon_kib": None, "usable_kib": None, "cpu_percent": None}
    return Guest.objects.create(host=host, name=name, **(values | changes))


def person(name: str, *, superuser: bool = False) -> User:
    make = get_user_model().objects.create_superuser if superuser else get_user_model().objects.create_user
    return make(name, password="a-long-password-1")


def grant(user: User, role: Role, **scope: Any) -> Grant:
    """`grant(user, Role.WATCHER, guest=guest)`; nothing named: everything."""
    kind = next(iter(scope), "everything")
    return Grant.objects.create(user=user, role=role, scope=Scope(kind), **scope)


def signed_in(user: User) -> Client:
    client = Client(HTTP_HOST="127.0.0.1")
    client.force_login(user, backend=BACKEND)
    return client
