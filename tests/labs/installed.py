"""What tests need of the machine beside Python: skipped without it, but not where all of it was to be installed."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing(sentence: str) -> NoReturn:
    """Skip what needs it; fail in `make test`, which installs it, so that nothing is left out unnoticed."""
    if os.environ.get("EVERYTHING_IS_INSTALLED") == "1":
        pytest.fail(sentence, pytrace=False)
    pytest.skip(sentence)
