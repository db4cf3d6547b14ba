"""The list of guests: what it shows, to whom, and what it costs."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from guests.access.models import Role
from guests.inventory.models import Host, HostState
from guests.operations.models import Operation
from tests.guests.inventory_rows import GIB, grant, make_guest, make_host, person, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def host() -> Host:
    return make_host()


@pytest.fixture
def admin() -> Client:
    return signed_in(person("ada", superuser=True))


def names(client: Client, query: str = "", path: str = "/guests/") -> list[str]:
    """The names of the rows in their order."""
    response = client.get(path + query)
    assert response.status_code == 200
    return re.findall(r'<a class="gh-name" href="/guests/[^"]+">([^<]*)</a>', response.content.decode())


def row(client: Client, name: str) -> str:
    text = client.get("/guests/").content.decode()
    return next(part for part in re.findall(r"<tr role=\"row\" id=.*?</tr>", text, re.S) if f">{name}</a>" in part)


def test_a_row_shows_state_ids_memory_vcpus_cpu_rates_and_host(host: Host, admin: Client) -> None:
    make_guest(host, "web-1", domain_id=7, disk_read_rate=0.0, disk_written_rate=2048.0, received_rate=None)
    text = row(admin, "web-1")
    assert "#s-running" in text and "Running" in text
    assert '<td role="cell" class="c-id n">7</td>' in text
    assert '1.0 of <b class="strong">2.0</b>' in text and "of 4.0 GiB" in text
    assert 'aria-label="used 1.0, current 2.0, maximum 4.0 GiB"' in text
    assert '2 <span class="unit">of 4</span>' in text
    assert 'CPU, last hour, now 22 %"' in text and "<path d=" in text
    assert "<span>0</span><span>KiB/s</span>" in text and "<span>2</span><span>KiB/s</span>" in text
    assert 'href="/hosts/kvm-01/"' in text
    assert "2 h" in text


def test_what_is_not_known_is_a_question_mark_and_never_zero(host: Host, admin: Client) -> None:
    make_guest(host, "quiet", usable_kib=None, cpu_percent=None, cpu_history="", state_since=None)
    text = row(admin, "quiet")
    assert "does not report what it uses" in text
    assert '? <span class="unit">%</span>' in text
    assert '<td role="cell" class="c-since n">?</td>' in text
    assert "<span>0</span>" not in text


def test_a_guest_that_is_shut_off_has_no_id_no_use_and_no_rates(host: Host, admin: Client) -> None:
    make_guest(host, "off", state="shut-off", cpu_history="")
    text = row(admin, "off")
    assert '<td role="cell" class="c-id n">–</td>' in text and "– of" in text
    assert text.count('<span class="muted">–</span>') == 3
    assert 'value="start:' in text and "console/text" not in text


def test_the_second_line_tells_the_one_thing_that_matters_most(host: Host, admin: Client) -> None:
    make_guest(host, "pending", next_boot_maximum_kib=8 * GIB)
    make_guest(host, "twice", conflict=True)
    make_guest(host, "Domain-0", privileged=True, domain_id=0)
    make_guest(host, "pv", virtualisation="para")
    arriving = make_guest(host, "growing")
    Operation.objects.create(
        kind="set_current_memory",
        host=host,
        guest=arriving,
        asked_by_name="ada",
        idempotency_key="k",
        parameters={"kib": 3 * GIB, "live": True},
        state="waiting",
        progress_done=40,
        progress_total=100,
    )
    assert "next boot: maximum 8.0 GiB" in row(admin, "pending")
    assert "same UUID on another host" in row(admin, "twice")
    assert "privileged" in row(admin, "Domain-0") and "value=" in row(admin, "Domain-0")
    assert "shut_down:" not in row(admin, "Domain-0")
    assert ">PV<" in row(admin, "pv")
    assert "memory arriving" in row(admin, "growing") and "2.0 → 3.0" in row(admin, "growing")
    assert 'class="ask"' in row(admin, "growing")


def test_rows_of_a_host_that_does_not_answer_are_stale_dated_and_cannot_be_acted_on(admin: Client) -> None:
    seen = timezone.now() - timedelta(minutes=4, seconds=5)
    silent = make_host(
        "kvm-03",
        state=HostState.UNREACHABLE,
        message="connection timed out",
        seen_at=seen,
        next_try_at=timezone.now() + timedelta(seconds=30),
    )
    make_guest(silent, "mirror-1", seen_at=seen)
    text = row(admin, "mirror-1")
    assert 'class="stale"' in text and "Unknown" in text and "last seen 4 min ago" in text
    assert "<button" not in text
    page = admin.get("/guests/").content.decode()
    assert "kvm-03 does not answer" in page and "connection timed out" in page
    assert re.search(r"Next try in \d+ s", page)


def test_a_host_that_nobody_reads_any_more_is_stale_though_its_last_state_was_good(admin: Client) -> None:
    make_guest(make_host(tick_s=2.0, seen_at=timezone.now() - timedelta(seconds=60)), "web-1")
    assert "Unknown" in row(admin, "web-1")
    assert names(admin, "?state=running") == [] and names(admin, "?state=unknown") == ["web-1"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("web", ["web-1", "web-2"]),
        ("WEB-2", ["web-2"]),
        ("42", ["db-1"]),
        ("52:54:00:aa", ["db-1"]),
        ("%", []),
        ("_", []),
        ("' OR 1=1 --", []),
    ],
)
def test_search_looks_at_name_id_and_mac(host: Host, admin: Client, query: str, found: list[str]) -> None:
    make_guest(host, "web-1", domain_id=1)
    make_guest(host, "web-2", domain_id=2)
    make_guest(host, "db-1", domain_id=42, macs="52:54:00:aa:bb:cc")
    response = admin.get("/guests/", {"q": query})
    assert re.findall(r'<a class="gh-name"[^>]*>([^<]*)<', response.content.decode()) == found


def test_search_finds_part_of_a_uuid_with_and_without_dashes(host: Host, admin: Client) -> None:
    guest = make_guest(host, "web-1")
    make_guest(host, "web-2")
    assert names(admin, f"?q={str(guest.uuid)[:13]}") == ["web-1"]
    assert names(admin, f"?q={guest.uuid.hex[4:16]}") == ["web-1"]


def test_chips_filter_by_state_host_and_pending_change_and_count(host: Host, admin: Client) -> None:
    make_guest(host, "a")
    make_guest(host, "b", state="paused", next_boot_vcpus_current=1)
    make_guest(make_host("kvm-02"), "c", state="shut-off", next_boot_maximum_kib=8 * GIB)
    assert names(admin, "?state=paused") == ["b"]
    assert names(admin, "?host=kvm-02") == ["c"]
    assert names(admin, "?pending=1") == ["b"]  # a guest that is shut off takes what stands there: nothing is pending
    assert names(admin, "?state=running&host=kvm-02") == []
    chips = re.findall(r">([^<>]+) <b>(\d+)</b>", admin.get("/guests/").content.decode())
    assert dict(chips) == {
        "All": "3", "Running": "1", "Paused": "1", "Shut off": "1", "kvm-01": "2", "kvm-02": "1", "Pending change": "1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("name", ["a", "B", "c"]),
        ("-name", ["c", "B", "a"]),
        ("id", ["B", "c", "a"]),
        ("-id", ["c", "B", "a"]),
        ("memory", ["c", "a", "B"]),
        ("-cpu", ["B", "c", "a"]),
        ("network", ["c", "a", "B"]),
        ("nonsense", ["a", "B", "c"]),
    ],
)
def test_headings_sort_and_what_is_not_known_comes_last(host: Host, admin: Client, sort: str, order: list[str]) -> None:
    make_guest(host, "a", state="shut-off", domain_id=None, current_kib=2 * GIB, received_rate=5.0, sent_rate=5.0)
    make_guest(host, "B", domain_id=1, current_kib=4 * GIB, cpu_percent=90.0)
    make_guest(host, "c", domain_id=2, current_kib=GIB, cpu_percent=10.0, received_rate=1.0, sent_rate=1.0)
    assert names(admin, f"?sort={sort}") == order


def test_pages_hold_a_hundred_rows_and_lead_on(host: Host, admin: Client) -> None:
    for number in range(105):
        make_guest(host, f"g-{number:03}")
    first = admin.get("/guests/").content.decode()
    assert len(names(admin)) == 100 and "page 1 of 2" in first and "?page=2" in first
    assert names(admin, "?page=2") == [f"g-{number:03}" for number in range(100, 105)]
    assert names(admin, "?page=9") == names(admin, "?page=2")
    assert len(names(admin, "?page=-1")) == len(names(admin, "?page=x")) == 100


def test_a_person_sees_and_counts_only_what_is_permitted(host: Host) -> None:
    mine, other = make_guest(host, "mine"), make_guest(make_host("secret-host"), "other-secret", domain_id=77)
    user = person("wat")
    grant(user, Role.WATCHER, guest=mine)
    client = signed_in(user)
    text = client.get("/guests/").content.decode()
    assert names(client) == ["mine"]
    assert "secret" not in text and ">All <b>1</b>" in text
    for query in ("?q=other-secret", "?q=77", f"?q={other.uuid}", "?host=secret-host"):
        assert names(client, query) == []
    assert names(client, f"?id={other.pk}&id={mine.pk}", "/guests/rows/") == ["mine"]
    assert "shut_down:" not in row(client, "mine")  # a watcher moves nothing


def test_an_operator_gets_buttons_only_where_they_may_act(host: Host) -> None:
    mine, seen = make_guest(host, "mine"), make_guest(host, "seen")
    user = person("op")
    grant(user, Role.OPERATOR, guest=mine)
    grant(user, Role.WATCHER, guest=seen)
    client = signed_in(user)
    assert "shut_down:" in row(client, "mine") and "shut_down:" not in row(client, "seen")


def test_without_any_right_the_list_says_whom_to_ask(host: Host) -> None:
    make_guest(host, "web-1")
    text = signed_in(person("new")).get("/guests/").content.decode()
    assert "web-1" not in text and "kvm-01" not in text and "Ask an administrator" in text


def test_empty_lists_say_what_to_do_next(admin: Client) -> None:
    assert "GUESTHOUSE_HOSTS" in admin.get("/guests/").content.decode()
    make_host()
    assert "virsh define" in admin.get("/guests/").content.decode()
    assert "Show all guests" in admin.get("/guests/?q=zzz").content.decode()


def test_guests_that_went_away_are_not_listed(host: Host, admin: Client) -> None:
    make_guest(host, "gone", gone_at=timezone.now())
    assert names(admin) == []


def queries(client: Client, path: str) -> int:
    client.get(path)  # what is asked once a minute or a process
    with CaptureQueriesContext(connection) as captured:
        assert client.get(path).status_code == 200
    return len(captured)


@pytest.mark.parametrize("superuser", [True, False])
@pytest.mark.parametrize("path", ["/guests/", "/guests/?sort=-cpu&q=g", "/guests/?state=running&pending=1", "/hosts/"])
def test_queries_do_not_grow_with_guests_and_hosts(path: str, superuser: bool) -> None:
    user = person("ada", superuser=superuser)
    if not superuser:
        grant(user, Role.OPERATOR)
    client = signed_in(user)
    make_guest(make_host("first"), "g-0", next_boot_maximum_kib=8 * GIB)
    few = queries(client, path)
    for number in range(1, 30):
        host = make_host(f"kvm-{number}")
        guest = make_guest(host, f"g-{number}", next_boot_maximum_kib=8 * GIB)
        Operation.objects.create(
            kind="reboot", host=host, guest=guest, asked_by_name="x", idempotency_key=f"{number}", state="running"
        )
    assert queries(client, path) == few <= 14


@pytest.mark.parametrize(
    "name", ["<img src=x onerror=alert(1)>", '"><script>alert(1)</script>', "‮evil", "\x1b[31mred", "%s%(x)s{{1}}"]
)
def test_hostile_names_are_inert_everywhere(host: Host, admin: Client, name: str) -> None:
    guest = make_guest(host, name)
    for path in ("/guests/", f"/guests/rows/?id={guest.pk}", "/hosts/kvm-01/", "/find/?q=zz"):
        text = admin.get(path, {"q": name} if "find" in path else {}).content.decode()
        assert "<img src=x" not in text and "<script>alert" not in text
        if "find" not in path:
            assert (
                guest.name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
                in text
            )


def test_the_rows_that_changed_come_with_chips_and_without_those_that_left(host: Host, admin: Client) -> None:
    a, b = make_guest(host, "a"), make_guest(host, "b", state="paused")
    text = admin.get(f"/guests/rows/?state=running&id={a.pk}&id={b.pk}&id=nonsense").content.decode()
    assert f'id="row-{a.pk}"' in text and f'id="row-{b.pk}"' not in text
    assert 'id="chips"' in text and 'data-total="1"' in text
    assert names(admin, "", "/guests/rows/") == []


def test_htmx_gets_the_list_alone_and_history_the_whole_page(host: Host, admin: Client) -> None:
    make_guest(host, "web-1")
    part = admin.get("/guests/", headers={"HX-Request": "true", "HX-Target": "guest-list"}).content.decode()
    assert "<html" not in part and "web-1" in part
    headers = {"HX-Request": "true", "HX-Target": "guest-list", "HX-History-Restore-Request": "true"}
    assert "<html" in admin.get("/guests/", headers=headers).content.decode()


def test_only_safe_methods_and_signed_in_people() -> None:
    assert signed_in(person("ada", superuser=True)).post("/guests/").status_code == 405
    response = Client(HTTP_HOST="127.0.0.1").get("/guests/")
    assert response.status_code == 302 and response["Location"].startswith("/accounts/login/")
