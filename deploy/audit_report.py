"""Print what pip-audit found, one hole a line; exit status 1 when there is any."""

from __future__ import annotations

import json
import sys
from pathlib import Path

found = [
    f"{package['name']} {package['version']}: {hole['id']}, mended in {', '.join(hole['fix_versions']) or 'none'}"
    for package in json.loads(Path(sys.argv[1]).read_text())["dependencies"]
    for hole in package.get("vulns", [])
]
print("\n".join(found))
sys.exit(bool(found))
