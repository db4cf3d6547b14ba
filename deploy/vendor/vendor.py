#!/usr/bin/env python3
"""Fetch the front-end packages of packages.json with npm and lay them, untouched, under static/vendor/.

usage: deploy/vendor/vendor.py

Each package arrives by `npm pack NAME@VERSION`; its sha512 must be the one that packages.json pins (a new package may
leave it out once: the script then writes it). static/vendor/VENDOR.json names every file with its SHA-256, its package,
version and licence; tests/dashboard/test_vendor.py compares.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGES = HERE / "packages.json"
TARGET = HERE.parent.parent / "static" / "vendor"


def pack(name: str, version: str, into: Path) -> Path:
    """The package's tarball, as npm's registry client brings it."""
    answer = subprocess.run(
        ["npm", "pack", "--silent", "--pack-destination", str(into), f"{name}@{version}"],
        check=True,
        capture_output=True,
        text=True,
    )
    return into / answer.stdout.split()[-1]


def wanted(member: str, files: list[str]) -> bool:
    """Whether a path of the tarball, without its leading `package/`, is named by the list."""
    if member.endswith((".map", ".ts")):
        return False
    return any(member == name or (name.endswith("/") and member.startswith(name)) for name in files)


def main() -> int:
    """Lay all packages anew; 1 where a tarball is not the pinned one."""
    config = json.loads(PACKAGES.read_text())
    manifest: dict[str, dict[str, object]] = {}
    shutil.rmtree(TARGET, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        for package in config["packages"]:
            tarball = pack(package["name"], package["version"], Path(scratch))
            digest = "sha512-" + base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
            if package.setdefault("integrity", digest) != digest:
                print(f"{package['name']} {package['version']}: not the pinned tarball", file=sys.stderr)
                return 1
            folder = TARGET / package["to"] / package["version"]
            files: dict[str, str] = {}
            with tarfile.open(tarball) as archive:
                for member in archive.getmembers():
                    path = member.name.partition("/")[2]
                    if not member.isfile() or not wanted(path, package["files"]):
                        continue
                    content = archive.extractfile(member)
                    assert content is not None
                    # dist/, lib/ and css/ are dropped: one flat folder a package, noVNC's tree excepted.
                    name = path if path.startswith(("core/", "vendor/")) else Path(path).name
                    destination = folder / name
                    destination.parent.mkdir(parents=True, exist_ok=True)
                    destination.write_bytes(content.read())
                    files[str(destination.relative_to(TARGET))] = hashlib.sha256(destination.read_bytes()).hexdigest()
            manifest[package["name"]] = {
                "version": package["version"],
                "licence": package["licence"],
                "integrity": package["integrity"],
                "files": dict(sorted(files.items())),
            }
    PACKAGES.write_text(json.dumps(config, indent=2) + "\n")
    (TARGET / "VENDOR.json").write_text(json.dumps(manifest, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
