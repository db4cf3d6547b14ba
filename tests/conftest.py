"""Fixtures of every test."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.utils import translation

pytest_plugins = ["tests.labs.fixtures"]


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    tmp_path_factory: pytest.TempPathFactory, django_db_modify_db_settings_parallel_suffix: None
) -> None:
    """SQLite's test database is a file, as in the product: threads and WAL behave otherwise in a shared memory one."""
    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3"):
        directory: Path = tmp_path_factory.mktemp("database")
        database.setdefault("TEST", {})["NAME"] = str(directory / "guesthouse.sqlite3")


@pytest.fixture(scope="session", autouse=True)
def cheap_password_hashes() -> None:
    """A password costs 0.2 s on purpose; a test that makes ten people does not."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def language_of_one_test() -> Iterator[None]:
    """A page that was asked for in another language leaves its thread in that: not to the next test."""
    yield
    translation.deactivate()


@pytest.fixture(scope="session", autouse=True)
def no_rates() -> None:
    """Tests ask more in a second than people in an hour; those of the rates set their own."""
    for name in dir(settings):
        if name.endswith("_PER_MINUTE"):
            setattr(settings, name, 1_000_000)


@pytest.fixture(scope="session", autouse=True)
def flush_despite_append_only_audit() -> Iterator[None]:
    """Tests with real transactions empty every table at their end; the audit triggers would refuse that."""
    triggers = import_module("guests.migrations.0006_audit_chain")
    operations = type(connection.ops)
    flush = operations.execute_sql_flush

    def without_triggers(self: Any, sql_list: list[str]) -> None:
        with connection.schema_editor() as editor:
            triggers.allow(None, editor)
        try:
            flush(self, sql_list)
        finally:
            with connection.schema_editor() as editor:
                triggers.refuse(None, editor)

    operations.execute_sql_flush = without_triggers
    yield
    operations.execute_sql_flush = flush


@pytest.fixture(scope="session", autouse=True)
def static_files_as_they_lie() -> None:
    """Pages are rendered without `collectstatic`: names unhashed, files found where they are kept."""
    plain = "django.contrib.staticfiles.storage.StaticFilesStorage"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": plain}}
    settings.WHITENOISE_USE_FINDERS = settings.WHITENOISE_AUTOREFRESH = True
