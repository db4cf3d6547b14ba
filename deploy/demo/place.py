"""Where the demo host keeps its state: a short private directory, because unix socket paths end at 107 bytes."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from pathlib import Path

LONGEST = 40  # bytes: libvirt appends config/libvirt/qemu/lib/domain-N-NAME/monitor.sock


def demo_directory(data_dir: Path) -> Path:
    """The demo host's directory of this installation; /var/tmp, so that its guests are there again after a reboot."""
    key = hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:8]
    return Path(f"/var/tmp/gh-{os.getuid()}-{key}")


def make_private(directory: Path) -> None:
    """Make the directory (0700) or see that it is ours alone. Raises PermissionError or ValueError."""
    if len(str(directory)) > LONGEST:
        raise ValueError(f"{directory} is too long for the sockets below it: {LONGEST} bytes at most.")
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(f"{directory} must be a directory of yours that nobody else can open.")


def link_from(data_dir: Path, directory: Path) -> None:
    """Leave a link named `demo` in the data directory, for people who look for it."""
    link = data_dir / "demo"
    if link.is_symlink():
        link.unlink()
    if not link.exists():
        link.symlink_to(directory)


def remove(data_dir: Path, directory: Path) -> None:
    """Take away the directory and the link to it."""
    link = data_dir / "demo"
    if link.is_symlink():
        link.unlink()
    if directory.exists():
        make_private(directory)
        shutil.rmtree(directory)
