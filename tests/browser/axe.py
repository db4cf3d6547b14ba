"""axe-core in a page: what it finds, as text that a failed test shows."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

HOME = Path(__file__).parent / "vendor" / "axe-core"


def axe_script() -> str:
    """The vendored script, which must be the published one."""
    script = (HOME / "axe.min.js").read_bytes()
    pinned = json.loads((HOME / "VENDOR.json").read_text())["files"]["axe.min.js"]
    assert hashlib.sha256(script).hexdigest() == pinned
    return script.decode()


def findings(page: Page) -> list[str]:
    """Every violation with its elements. Evaluated through the debugger, so the page's policy stays as it is."""
    page.evaluate(axe_script())
    result: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{found['id']}: {found['help']}: {'; '.join(str(node['html'])[:150] for node in found['nodes'][:4])}"
        for found in result["violations"]
    ]
