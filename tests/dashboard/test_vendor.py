"""The vendored front-end files are the published ones: versions, licences and hashes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from django.conf import settings

VENDOR = Path(settings.BASE_DIR) / "static" / "vendor"
MANIFEST = json.loads((VENDOR / "VENDOR.json").read_text())
FREE_LICENCES = {"0BSD", "MIT", "MPL-2.0"}


def test_every_vendored_file_is_listed_with_its_hash():
    listed = {name: digest for package in MANIFEST.values() for name, digest in package["files"].items()}
    found = {
        str(path.relative_to(VENDOR)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.is_file() and path.name != "VENDOR.json"
    }
    assert found == listed


def test_every_package_has_a_version_a_free_licence_and_its_text():
    for name, package in MANIFEST.items():
        assert package["version"], name
        assert package["licence"] in FREE_LICENCES, name
        assert package["integrity"].startswith("sha512-"), name
        assert any("LICENSE" in file or "README" in file for file in package["files"]), name


def test_the_manifest_is_what_the_pinned_packages_say():
    pinned = json.loads((Path(settings.BASE_DIR) / "deploy" / "vendor" / "packages.json").read_text())
    assert {p["name"]: (p["version"], p["integrity"]) for p in pinned["packages"]} == {
        name: (package["version"], package["integrity"]) for name, package in MANIFEST.items()
    }
