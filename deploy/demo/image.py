"""The guests' kernel and initrd, built once by guest-image.sh and kept."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
from pathlib import Path

from deploy.demo.host import DemoHostError

BUILDER = Path(__file__).with_name("guest-image.sh")


def see_to_image(directory: Path) -> Path:
    """Build into the directory unless this builder did so before; the directory."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    stamp = directory / "built-by"
    builder = hashlib.sha256(BUILDER.read_bytes()).hexdigest()
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == builder:
            return directory
        done = subprocess.run(
            ["bash", BUILDER, directory],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode:
            raise DemoHostError(f"The demo guests' image cannot be built: {done.stderr.strip() or done.stdout.strip()}")
        stamp.write_text(builder)
    return directory
