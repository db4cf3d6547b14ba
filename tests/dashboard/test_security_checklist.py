"""Each of the 78 assertions is tested, or stands in one list with what it waits for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.dashboard.assertions import ASSERTIONS, ELSEWHERE, PENDING
from tests.labs.installed import missing

ROOT = Path(__file__).parents[2]
_NAMED = re.compile(r"def test_((?:[A-F]\d+_)+)")


def named() -> set[str]:
    """The numbers in the names of all tests."""
    found: set[str] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        for match in _NAMED.finditer(path.read_text()):
            found.update(match[1].rstrip("_").split("_"))
    return found


def test_there_are_78_assertions() -> None:
    assert len(ASSERTIONS) == len(set(ASSERTIONS)) == 78


@pytest.mark.parametrize("assertion", ASSERTIONS)
def test_every_assertion_is_tested_or_pending(assertion: str) -> None:
    tested = assertion in named() or assertion in ELSEWHERE
    assert tested != (assertion in PENDING), f"{assertion} must be tested or pending, and not both"


def test_no_test_carries_a_number_that_is_none() -> None:
    assert named() <= set(ASSERTIONS)


@pytest.mark.parametrize("where", [place for places in ELSEWHERE.values() for place in places])
def test_the_tests_named_elsewhere_are_there(where: str) -> None:
    path, _, name = where.partition("::")
    assert re.search(rf"\bdef {name}\(", (ROOT / path).read_text()), where


def test_what_was_to_be_installed_is_not_skipped_unnoticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVERYTHING_IS_INSTALLED", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no slapd"):
        missing("no slapd")
    monkeypatch.setenv("EVERYTHING_IS_INSTALLED", "1")  # as deploy/check.sh says
    with pytest.raises(pytest.fail.Exception, match="no slapd"):
        missing("no slapd")
    assert "export EVERYTHING_IS_INSTALLED=1" in (ROOT / "deploy/check.sh").read_text()
    wanted = re.search(r"^test\) required=.*", (ROOT / "deploy/prepare.sh").read_text(), re.MULTILINE)
    assert wanted
    assert {"postgresql", "$ldap"} <= set(re.findall(r"[$\w-]+", wanted[0]))
