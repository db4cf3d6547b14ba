"""B2, B3, B4, B6: what people with an account get of what is not theirs."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client

from guests.audit.models import AuditRecord
from guests.operations.models import Operation
from tests.dashboard.conftest import Site
from tests.dashboard.routes import ROUTES, Route, routes_with, without_what_differs_each_time

WITH_AN_ID = routes_with("guest_id", "operation_id", "pool_id", "volume_id", "upload_id", "token_id") + [
    r for r in ROUTES if r.pattern.startswith(("hosts/<str:name>/", "storage/hosts/"))
]
UNSAFE_ON_A_GUEST = routes_with("guest_id")


def _other(route: Route) -> str:
    """The same URL with ids that never were."""
    values: dict[str, object] = {"guest_id": uuid.uuid4(), "operation_id": uuid.uuid4()}
    values |= {"pool_id": 999999, "volume_id": 999999}
    if route.pattern.startswith("hosts/"):
        values["name"] = "nosuchhost"
    return route.path(**values)


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("htmx", [False, True], ids=["page", "fragment"])
@pytest.mark.parametrize("route", WITH_AN_ID, ids=str)
def test_B2_what_one_may_not_see_answers_like_what_never_was(site: Site, route: Route, method: str, htmx: bool) -> None:
    client = site.client("stranger")
    headers = {"HX-Request": "true"} if htmx else {}
    answers = []
    for path in (route.path(), _other(route)):
        answer = getattr(client, method)(path, headers=headers)
        body = without_what_differs_each_time(answer.content.decode(), {path: "PATH"})
        names = sorted(answer.headers)
        answers.append((answer.status_code, body, names))
    assert answers[0] == answers[1]
    assert answers[0][0] in {404, 405}
    assert not Operation.objects.exclude(pk=site.operation.pk).exists()


@pytest.mark.parametrize("method", ["get", "post"])
def test_B2_B4_no_url_at_all_tells_a_stranger_of_anything_or_changes_it(site: Site, method: str) -> None:
    for route in ROUTES:
        client = site.client("stranger", raise_request_exception=False)
        answer = getattr(client, method)(route.path(), {"id": str(site.web.pk), "guest": str(site.web.pk), "key": "k"})
        assert answer.status_code < 500, route
        if route.pattern.startswith("status/<slug:slug>/") or answer.streaming:
            continue  # for everybody, and shows what was chosen
        told = [name for name in ("web-1", "far-1", "52:54:00:00:00:01", "test:///") if name in answer.content.decode()]
        assert told == [], route
    assert not Operation.objects.exclude(pk=site.operation.pk).exists()


@pytest.mark.parametrize("route", UNSAFE_ON_A_GUEST, ids=str)
def test_B6_a_watcher_changes_nothing(site: Site, route: Route) -> None:
    client = site.client("watcher")
    fields = {"key": "k2", "mode": "control", "kind": "vnc", "confirmed": "1", "current": "200", "unit": "MiB"}
    answer = client.post(route.path(), fields)
    if route.pattern.endswith("console/ticket/"):  # to watch, whatever was asked for
        assert (answer.status_code, answer.json()["mode"]) == (200, "watch")
    else:  # that somebody looks is a watcher's to say, and changes no guest
        says_that_it_looks = route.pattern.endswith(("addresses/", "cpus/now/"))
        allowed = {200, 204} if says_that_it_looks else {403, 404, 405}
        assert answer.status_code in allowed, f"{route}: {answer.status_code}"
    assert not Operation.objects.exclude(pk=site.operation.pk).exists()


@pytest.mark.parametrize("who", ["watcher", "operator", "administrator"])
def test_B4_lists_search_and_counts_know_only_what_one_may_see(site: Site, who: str) -> None:
    client = site.client(who)
    for path in ("/guests/", "/guests/?q=far", "/guests/?host=beta", "/hosts/", "/operations/", "/find/?q=far-1"):
        html = client.get(path, follow=True).content.decode()
        typed = html.replace('value="far"', "").replace("far-1”", "").replace("q=far", "")
        assert f"/guests/{site.far.pk}/" not in html, path
        assert "/hosts/beta/" not in html, path
        if "q=" not in path:
            assert "far-1" not in typed, path


def test_B4_a_stranger_sees_an_empty_site(site: Site) -> None:
    client = site.client("stranger")
    for path in ("/guests/", "/hosts/", "/operations/"):
        answer = client.get(path)
        assert answer.status_code == 200, path
        html = answer.content.decode()
        for secret in ("web-1", "far-1", "/hosts/alpha/", "/hosts/beta/"):
            assert secret not in html, (path, secret)


def test_B3_one_forbidden_member_of_a_bulk_act_and_nothing_is_done(site: Site) -> None:
    client = site.client("operator")
    for foreign in (site.far.pk, uuid.uuid4()):
        data = {"kind": "shut_down", "key": "k3", "id": [str(site.web.pk), str(foreign)]}
        data["guest"] = data["id"]
        answer = client.post("/guests/bulk/", data)
        assert answer.status_code in {403, 404}, answer.status_code
    assert not Operation.objects.exclude(pk=site.operation.pk).exists()


def test_F3_a_denied_act_is_recorded(site: Site) -> None:
    from guests.operations.queue import ask

    with pytest.raises(Exception, match="not do this"):
        ask("start", site.web, by=site.people["watcher"], key="k4", address="192.0.2.7")
    line = AuditRecord.objects.get(action="guest.start")
    assert (line.outcome, line.user_name, line.guest_name) == ("denied", "watcher", "web-1")


def test_B10_djangos_admin_is_off(client: Client, site: Site) -> None:
    from django.apps import apps

    assert not apps.is_installed("django.contrib.admin")
    assert site.client("root").get("/admin/").status_code == 404
