"""Programs: clients that come with a token."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from guests.access.tokens import Ability, APIToken, make_token
from guests.operations import new_key
from tests.dashboard.conftest import Site


@dataclass
class Program:
    """What comes with one token."""

    token: APIToken
    secret: str
    client: Client

    def get(self, path: str, **options: Any) -> Any:
        return self.client.get(f"/api/v1{path}", **options)

    def post(self, path: str, asked: Any = None, **headers: str) -> Any:
        return self.send("POST", path, asked, **headers)

    def send(self, method: str, path: str, asked: Any = None, **headers: str) -> Any:
        body = asked if isinstance(asked, str) else json.dumps(asked)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.generic(method, f"/api/v1{path}", body, content_type="application/json", headers=named)


@pytest.fixture
def program(site: Site) -> Callable[..., Program]:
    """`program("operator")`, `program("root", "read", guests=[site.web])`."""

    def come(who: str, ability: str = "operate", **only: Any) -> Program:
        ahead = timezone.now() + timedelta(days=1)
        token, secret = make_token(site.people[who], new_key(), Ability(ability), ahead, **only)
        client = Client(raise_request_exception=False, headers={"Authorization": f"Bearer {secret}"})
        return Program(token, secret, client)

    return come


def error_of(answer: Any, status: int) -> dict[str, str]:
    """The error of an answer, which must be of the one shape."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/json"
    body = answer.json()
    assert set(body) == {"error"}
    error: dict[str, str] = body["error"]
    assert {"code", "sentence", "id"} <= set(error) <= {"code", "sentence", "id", "field"}
    assert error["sentence"].endswith((".", "”."))
    return error
