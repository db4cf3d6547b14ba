"""LDAP against OpenLDAP's slapd on loopback. Settings are read once: each test is a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from dashboard.environment import env_directory
from tests.labs.directory import BASE, PROGRAM, SEARCHER, SEARCHER_PASSWORD, Directory, running_directory
from tests.labs.installed import missing

OLGA = "a password of the directory"
SIGN_IN = """
import json, os, re, signal, time
import django
django.setup()
from html import unescape
from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client
call_command("migrate", verbosity=0)
unhashed = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
settings.STORAGES = {**settings.STORAGES, "staticfiles": unhashed}
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
from guests.audit.models import AuditRecord
User.objects.create_superuser("admin", password="correct horse battery")

def sign_in(name, password):
    "Who is signed in then, or what the page says, or where it leads."
    cache.clear()
    client = Client()
    answer = client.post("/accounts/login/", {"login": name, "password": password}, headers={"host": "127.0.0.1:8000"})
    if "_auth_user_id" in client.session:
        return [User.objects.get(pk=client.session["_auth_user_id"]).username]
    if answer.status_code == 302:
        return answer["Location"]
    return re.search(r'role="alert">.*?<span>(.*?)</span>', answer.content.decode(), re.S)[1]
"""
WRONG = "The username and/or password you specified are not correct."
NOT_ASKED = (
    "The directory that knows your password cannot be asked now. Accounts with a password of their own here "
    "can sign in. Try again later, or tell an administrator."
)


@pytest.fixture(scope="module")
def directory() -> Iterator[Directory]:
    if not PROGRAM.exists() or find_spec("django_auth_ldap") is None:
        missing("No directory to ask: apt-get install slapd libldap-dev libsasl2-dev, then deploy/prepare.sh test")
    with running_directory({"olga": OLGA, "admin": "admin of the directory", "paul": "pauls own password"}) as found:
        yield found


@pytest.fixture
def run(directory: Directory, tmp_path: Path) -> Callable[..., Any]:
    """Run a script after SIGN_IN in a process that believes the directory; what it prints last, as JSON."""

    def run(script: str, **more: str) -> Any:
        environment = os.environ | {
            "GUESTHOUSE_DATA_DIR": str(tmp_path),
            "GUESTHOUSE_DATABASE_URL": "",
            "GUESTHOUSE_LDAP_URL": directory.url("ldaps"),
            "GUESTHOUSE_LDAP_CA_FILE": str(directory.ca_file),
            "GUESTHOUSE_LDAP_USER_DN": f"uid=%(user)s,ou=people,{BASE}",
            "DJANGO_SETTINGS_MODULE": "dashboard.settings",
            "LDAPTLS_REQCERT": "never",  # as a careless /etc/ldap/ldap.conf says: it must not count
            **more,
        }
        done = subprocess.run(
            [sys.executable, "-c", SIGN_IN + script],
            env=environment,
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


def test_a_person_who_is_searched_for_over_starttls_signs_in_with_the_password_there(
    run: Callable[..., Any], directory: Directory
) -> None:
    found = run(
        f"""
asked = [sign_in("olga", {OLGA!r}), sign_in("olga", "wrong"), sign_in("nobody", {OLGA!r}), sign_in("OLGA", {OLGA!r})]
olga = User.objects.get(username="olga")
print(json.dumps({{
    "asked": asked,
    "injected": [sign_in(name, {OLGA!r}) for name in ("*", "olg*", "*)(uid=*", "olga)(|(uid=*", "olga\\\\2a")],
    "olga": [olga.first_name, olga.last_name, olga.email, olga.has_usable_password(), olga.is_superuser],
    "groups": olga.groups.count(),
    "people": User.objects.count(),
    "record": list(AuditRecord.objects.order_by("id").values_list("action", "outcome", "user_name"))[:3],
}}))
""",
        GUESTHOUSE_LDAP_URL=directory.url("ldap"),
        GUESTHOUSE_LDAP_USER_DN="",
        GUESTHOUSE_LDAP_BASE=BASE,
        GUESTHOUSE_LDAP_BIND_DN=SEARCHER,
        GUESTHOUSE_LDAP_BIND_PASSWORD=SEARCHER_PASSWORD,
    )
    assert found["asked"] == [["olga"], WRONG, WRONG, ["olga"]]
    assert found["injected"] == [WRONG] * 5
    assert found["olga"] == ["Olga", "Example", "olga@example.org", False, False]
    assert (found["groups"], found["people"]) == (0, 2)
    record = [["people.make", "ok", "LDAP"], ["account.sign_in", "ok", "olga"], ["account.sign_in", "failed", "olga"]]
    assert found["record"] == record


def test_a_name_there_becomes_nobody_who_has_a_password_here_and_accounts_can_be_made_by_hand_only(
    run: Callable[..., Any],
) -> None:
    found = run(
        f"""
User.objects.create_user("Olga")
asked = [sign_in("admin", "admin of the directory"), sign_in("ADMIN", "admin of the directory")]
asked += [sign_in("admin", "correct horse battery"), sign_in("paul", "pauls own password"), sign_in("olga", {OLGA!r})]
injected = [sign_in(name, {OLGA!r}) for name in ("*", "olga,ou=people", "olga+cn=Olga Example", "")]
read = User.objects.get(username="Olga").email
User.objects.filter(username="Olga").update(is_active=False)
print(json.dumps([asked, injected, read, sign_in("olga", {OLGA!r}), User.objects.count()]))
""",
        GUESTHOUSE_SINGLE_SIGN_ON_MAKES_PEOPLE="0",
    )
    of_its_own = "admin has a password of its own here: sign in with that."
    unknown = "There is no account of this name: ask an administrator of this Guesthouse for one."
    assert found[0] == [of_its_own, of_its_own, ["admin"], unknown, ["Olga"]]
    assert found[1] == [WRONG, WRONG, WRONG, "Type a name and a password."]
    assert found[2:] == ["olga@example.org", "/accounts/inactive/", 2]


def test_a_directory_that_is_silent_foreign_or_gone_is_named_and_people_of_this_guesthouse_get_in(
    run: Callable[..., Any], directory: Directory
) -> None:
    try:
        found = run(
            f"""
import ldap
from dashboard.accounts import ldap as signing_in
options = settings.AUTH_LDAP_CONNECTION_OPTIONS
waits = [options[ldap.OPT_NETWORK_TIMEOUT], options[ldap.OPT_TIMEOUT], signing_in.UNREACHABLE_SECONDS]
signing_in.UNREACHABLE_SECONDS = options[ldap.OPT_NETWORK_TIMEOUT] = options[ldap.OPT_TIMEOUT] = 0.5
over_tls, with_starttls = {directory.url("ldaps")!r}, {directory.url("ldap")!r}

def both(addresses, starttls=False):
    settings.LDAP_URL, settings.AUTH_LDAP_START_TLS = addresses, starttls
    return [sign_in("olga", {OLGA!r}), sign_in("admin", "correct horse battery")]

os.kill({directory.pid}, signal.SIGSTOP)
began = time.monotonic()
silent = [both(over_tls), both(with_starttls, starttls=True)]
waited = time.monotonic() - began
os.kill({directory.pid}, signal.SIGCONT)
not_of_that_name = [both({directory.url("ldaps", "localhost")!r}), both({directory.url("ldap", "localhost")!r}, True)]
nobody_there = "ldaps://127.0.0.1:9"
well = [both(nobody_there), both(nobody_there + " " + over_tls), both(with_starttls, starttls=True)]
foreign = []
if options.pop(ldap.OPT_X_TLS_CACERTFILE):
    foreign = [both(over_tls), both(with_starttls, starttls=True)]
os.kill({directory.pid}, signal.SIGTERM)
while os.path.exists("/proc/{directory.pid}/exe"): time.sleep(0.02)
gone = [both(over_tls), both(with_starttls, starttls=True)]
print(json.dumps([waits, waited < 3, silent, not_of_that_name, well, foreign, gone]))
"""
        )
    finally:
        directory.stop()
        directory.start()
    refused, accepted = [NOT_ASKED, ["admin"]], [["olga"], ["admin"]]
    waits, waited_briefly, silent, not_of_that_name, well, foreign, gone = found
    assert (waits, waited_briefly) == ([5, 5, 5], True)
    assert silent == not_of_that_name == foreign == gone == [refused, refused]
    assert well == [refused, accepted, accepted]


@pytest.mark.parametrize(
    ("value", "plain", "words"),
    [
        ("ldaps://ldap.example.org", False, ""),
        ("ldap://one.example.org ldap://two.example.org", False, ""),
        ("ldap://127.0.0.1:389", True, ""),
        ("LDAP://ldap.example.org", False, "all of one kind"),  # would be asked without STARTTLS
        ("ldaps://one.example.org ldap://two.example.org", False, "all of one kind"),
        ("http://127.0.0.1", False, "all of one kind"),
        ("ldap://ldap.example.org", True, "on loopback only"),
    ],
)
def test_a_password_goes_nowhere_without_tls(
    monkeypatch: pytest.MonkeyPatch, value: str, plain: bool, words: str
) -> None:
    monkeypatch.setattr("dashboard.environment.find_spec", lambda name: object())
    monkeypatch.setenv("GUESTHOUSE_LDAP_URL", value)
    if not words:
        assert env_directory("GUESTHOUSE_LDAP_URL", plain=plain) == value
        return
    with pytest.raises(ImproperlyConfigured, match=words):
        env_directory("GUESTHOUSE_LDAP_URL", plain=plain)
