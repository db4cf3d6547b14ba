"""Where the processes meet: a short private directory for unix sockets, whose paths end at 107 bytes."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path


def runtime_directory(data_dir: Path) -> Path:
    """The directory of one installation (0700, ours), made if missing.

    `$XDG_RUNTIME_DIR/guesthouse-…` or `/run/guesthouse-…` for root, else `/tmp/guesthouse-UID-…`; never below the data
    directory, which may lie deep. Raises PermissionError where somebody else owns it.
    """
    key = hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:10]
    uid = os.getuid()
    candidates = [
        os.environ.get("GUESTHOUSE_RUNTIME_DIR"),
        os.environ.get("XDG_RUNTIME_DIR"),
        "/run" if uid == 0 else None,
    ]
    base = next((Path(c) for c in candidates if c and os.access(c, os.W_OK) and len(c) < 60), Path("/tmp"))  # noqa: S108
    path = base / f"guesthouse-{uid}-{key}"
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or found.st_mode & 0o077:
        raise PermissionError(f"{path} must be a directory of yours that nobody else can open.")
    return path
