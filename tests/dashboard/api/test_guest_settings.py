"""What a guest is called and whether it starts with its host, asked for by programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from guests.operations.models import Operation
from tests.dashboard.api.conftest import Program, error_of
from tests.dashboard.conftest import Site

Programs = Callable[..., Program]


def asked(site: Site) -> list[tuple[str, dict[str, Any]]]:
    new = Operation.objects.exclude(pk=site.operation.pk).order_by("asked_at")
    return [(operation.kind, operation.parameters) for operation in new]


def test_what_is_left_out_stays_and_a_key_asks_once(site: Site, program: Programs) -> None:
    came, path = program("operator"), f"/guests/{site.web.pk}/settings"
    stays = site.web.definition["description"]
    for _twice in range(2):
        answer = came.send("PATCH", path, {"title": "The shop", "autostart": True}, Idempotency_Key="k")
        assert answer.status_code == 202, answer.content
    assert len(answer.json()["operations"]) == 2
    assert asked(site) == [
        ("describe", {"title": "The shop", "description": stays}),
        ("set_autostart", {"autostart": True}),
    ]


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, None), ({"title": "x" * 10_000}, "title"), ({"autostart": "yes"}, "autostart"), ({"name": "x"}, "name")],
)
def test_what_does_not_fit_is_refused(site: Site, program: Programs, body: Any, field: str | None) -> None:
    answer = program("operator").send("PATCH", f"/guests/{site.web.pk}/settings", body)
    assert error_of(answer, 422).get("field") == field
    assert asked(site) == []


def test_watchers_and_strangers_change_nothing(site: Site, program: Programs) -> None:
    path = f"/guests/{site.web.pk}/settings"
    error_of(program("watcher").send("PATCH", path, {"autostart": True}), 403)
    error_of(program("stranger").send("PATCH", path, {"autostart": True}), 404)
    assert asked(site) == []
