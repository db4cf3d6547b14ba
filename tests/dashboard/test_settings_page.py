"""docs/settings.md tells of every variable that the code reads, and of no other."""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
READS = re.compile(r"""env_\w+\(\s*"(\w+)"|environ\.get\("(GUESTHOUSE_\w+)"\)""")


def test_every_variable_is_explained_and_every_explained_one_is_read() -> None:
    explained = set(re.findall(r"^\| `(\w+)`", (REPOSITORY / "docs" / "settings.md").read_text(), re.MULTILINE))
    read = {
        first or second
        for room in ("dashboard", "guests", "consoles")
        for path in (REPOSITORY / room).rglob("*.py")
        for first, second in READS.findall(path.read_text())
    }
    assert read == explained
