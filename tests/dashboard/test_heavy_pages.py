"""F2: every list is paged and capped, and no page that reads keeps the database busy for long."""

from __future__ import annotations

import json
import re
import time
from datetime import timedelta
from uuid import UUID

import pytest
from django.conf import settings as site_settings
from django.utils import timezone
from pytest_django import Settings

from dashboard.audit import exporting
from dashboard.time_limit import TookTooLong
from guests import audit
from guests.access.tokens import Ability, make_token
from guests.audit.models import AuditRecord
from guests.inventory.models import Guest
from guests.inventory.storage import Pool, Volume
from guests.operations.models import Operation
from tests.dashboard.conftest import Site

MANY = 230
LISTS = {
    "/guests/": 100,
    "/guests/?q=many": 100,
    "/guests/?q=many&page=3": MANY - 200,
    "/find/?q=many": 100,
    "/operations/": 50,
    "/audit/": 50,
    "/audit/?where=many": 50,
    "/storage/1/": 100,
    "/api/v1/guests": 100,
    "/api/v1/guests?q=many": 100,
    "/api/v1/find?q=many": 100,
    "/api/v1/operations": 50,
}


@pytest.fixture
def full(site: Site) -> Site:
    """Hundreds of each that lists are made of, called many-000 to many-229."""
    names = [f"many-{number:03}" for number in range(MANY)]
    seen = {"host": site.alpha, "state": "running", "seen_at": timezone.now()}
    guests = [Guest(id=UUID(int=n + 1), uuid=UUID(int=n + 1), name=name, **seen) for n, name in enumerate(names)]
    Guest.objects.bulk_create(guests)
    asked = {"kind": "start", "host": site.alpha, "asked_by": site.people["root"], "state": "done"}
    Operation.objects.bulk_create(Operation(guest=guest, idempotency_key=guest.name, **asked) for guest in guests)
    pool = Pool.objects.get()
    Volume.objects.bulk_create(Volume(pool=pool, name=name, path=f"/images/{name}", format="raw") for name in names)
    for guest in guests:
        audit.record("guest.start", by=site.people["root"], guest=guest)
    return site


def test_F2_every_list_is_paged_and_capped(full: Site) -> None:
    client = full.client("root")
    ends = timezone.now() + timedelta(hours=1)
    _token, secret = make_token(full.people["root"], "reads", Ability.READ, ends)
    for path, most in LISTS.items():
        headers = {"Authorization": f"Bearer {secret}"} if path.startswith("/api/") else {}
        answer = client.get(path, headers=headers)
        assert answer.status_code == 200, path
        shown = set(re.findall(r"many-\d{3}", answer.content.decode()))
        assert most - 5 < len(shown) <= most, path  # others stand on the page, too


@pytest.mark.urls("tests.dashboard.failing_urls")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["page", "fragment", "api"])
def test_F2_what_takes_too_long_is_given_up_and_told(site: Site, settings: Settings, kind: str) -> None:
    settings.READING_SECONDS = 0.2
    headers = {"HX-Request": "true"} if kind == "fragment" else {}
    client, path = site.client("root"), "/endless/"
    if kind == "api":
        _token, secret = make_token(site.people["root"], "reads", Ability.READ, timezone.now() + timedelta(hours=1))
        headers, path = {"Authorization": f"Bearer {secret}"}, "/api/v1/endless/"
    began = time.monotonic()
    answer = client.get(path, headers=headers)
    assert time.monotonic() - began < 5
    assert answer.status_code == 503
    assert "It took too long and was given up" in answer.content.decode()
    settings.READING_SECONDS = 10
    assert client.get("/guests/").status_code == 200  # the connection is as good as before


def test_F2_the_bound_is_the_views_and_so_every_pages() -> None:
    assert site_settings.MIDDLEWARE[-1] == "dashboard.time_limit.BoundedReads"
    assert 0 < site_settings.READING_SECONDS <= 10


def test_F2_a_piece_of_an_export_has_the_same_bound(full: Site, settings: Settings) -> None:
    lines = AuditRecord.objects.extra(  # as heavy as a search can be
        where=["(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n) > 0"]
    )
    settings.READING_SECONDS = 0.2
    with pytest.raises(TookTooLong):
        exporting._chunk(lines, None, 10)
    assert json.loads(exporting._as_json(exporting._chunk(AuditRecord.objects.all(), None, 1)[0]))["id"]
