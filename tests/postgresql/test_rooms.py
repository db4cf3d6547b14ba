"""The same code runs with PostgreSQL: the rooms where the database matters, run again against a real server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.labs.postgresql import PostgreSQL

REPOSITORY = Path(__file__).resolve().parents[2]
ROOMS = [
    "tests/guests/audit",  # the chain's trigger and lock, append-only, twenty writers (F5)
    "tests/guests/access",  # constraints on grants, sets, announcements
    "tests/guests/inventory",  # projection, leases, samples
    "tests/guests/test_prepared.py",  # what the ORM wrote once
    "tests/guests/operations/test_queue.py",  # one row for one key
    "tests/consoles/test_tickets.py",  # of many redeemers one wins
    "tests/consoles/test_sessions.py",
    "tests/dashboard/accounts/test_sign_in.py",
    "tests/dashboard/accounts/test_sessions_end.py",
    "tests/dashboard/accounts/test_session_limits.py",
    "tests/dashboard/status",
    "tests/guests/test_guest_list.py",
    "tests/guests/test_operation_list.py",
]


@pytest.mark.timeout(300)
def test_F5_the_rooms_where_the_database_matters_hold_on_postgresql(postgresql: PostgreSQL) -> None:
    """Migrations included: the test database is made by them."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--reuse-db",  # it goes with its server: a thread that still holds a connection is no fault
            "-k",
            "not hear_of_each_others",
            *ROOMS,
        ],
        env={**os.environ, "GUESTHOUSE_DATABASE_URL": postgresql.url("rooms")},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


ENDLESS = """
import time, django
django.setup()
from django.db import OperationalError, connection
from dashboard.time_limit import bound_statements
bound_statements()  # as `manage.py web` does
began = time.monotonic()
try:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(20)")
except OperationalError as error:
    print(type(error.__cause__).__name__, time.monotonic() - began < 10)
with connection.cursor() as cursor:
    cursor.execute("SELECT 1")
    print(*cursor.fetchone())
"""


def test_F2_the_server_gives_up_what_takes_too_long_in_the_web(postgresql: PostgreSQL) -> None:
    settings = {"GUESTHOUSE_DATABASE_URL": postgresql.url("endless"), "GUESTHOUSE_READING_SECONDS": "0.2"}
    done = subprocess.run(
        [sys.executable, "-c", ENDLESS],
        env={**os.environ, **settings, "DJANGO_SETTINGS_MODULE": "dashboard.settings"},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.split() == ["QueryCanceled", "True", "1"], done.stdout + done.stderr
