"""Lets a test that really commits be cleaned up: the audit triggers refuse the flush, so they stand aside for it."""

from __future__ import annotations

import importlib
from functools import wraps
from typing import Any

from django.db import connection
from django.test import TransactionTestCase

_triggers = importlib.import_module("guests.migrations.0002_audit_append_only")
_teardown = TransactionTestCase._fixture_teardown


@wraps(_teardown)
def _flush_the_record_too(case: TransactionTestCase, *args: Any, **kwargs: Any) -> None:
    with connection.schema_editor() as editor:
        _triggers.allow(None, editor)
    try:
        _teardown(case, *args, **kwargs)
    finally:
        with connection.schema_editor() as editor:
            _triggers.refuse(None, editor)


def install() -> None:
    """Called once by tests/conftest.py."""
    TransactionTestCase._fixture_teardown = _flush_the_record_too  # type: ignore[method-assign]
