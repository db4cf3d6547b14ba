"""The seed of a cloud image: a small ISO 9660 volume labelled `cidata`, which cloud-init reads at the first boot.

No password is ever in it: whoever is to sign in has a key.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from io import BytesIO

from django.utils.translation import gettext as _

from guests.errors import OperationRefused

USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
HOSTNAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
KEY = re.compile(r"((?:ssh|ecdsa|sk)-[a-z0-9@.-]{3,50}) ([A-Za-z0-9+/]{40,3000}={0,2})(?: ([!-~ ]{1,200}))?")
MOST_KEYS = 20
LABEL = "cidata"


@dataclass(frozen=True, slots=True)
class CloudInit:
    """What a cloud image is to make of itself."""

    instance: str  # cloud-init does its work once for each
    hostname: str
    user: str
    ssh_keys: tuple[str, ...]


def read_ssh_keys(typed: str) -> tuple[str, ...]:
    """The public keys of a text, one a line, as they are in authorized_keys; refused at `ssh_keys` if one is none."""
    lines = [" ".join(line.split()) for line in typed.splitlines() if line.strip()]
    if not lines or len(lines) > MOST_KEYS:
        raise OperationRefused(
            _("Give 1 to %(most)d public keys, one a line: without one nobody could sign in.") % {"most": MOST_KEYS},
            field="ssh_keys",
        )
    for number, line in enumerate(lines, 1):
        if "PRIVATE KEY" in line:
            raise OperationRefused(_("This is a private key: give the public one (.pub)."), field="ssh_keys")
        if not _is_public_key(line):
            text = _("Line %(number)d is no public key: it looks like “ssh-ed25519 AAAA… name”.")
            raise OperationRefused(text % {"number": number}, field="ssh_keys")
    return tuple(lines)


def _is_public_key(line: str) -> bool:
    """Whether it is one in form: the kind before the key is also the first thing in it."""
    match = KEY.fullmatch(line)
    if match is None:
        return False
    kind = match[1].encode()
    try:
        return base64.b64decode(match[2], validate=True).startswith(len(kind).to_bytes(4, "big") + kind)
    except binascii.Error:
        return False


def seed_image(wanted: CloudInit) -> bytes:
    """The ISO image with `meta-data` and `user-data`."""
    from pycdlib import PyCdlib  # large, and needed in the worker only

    user = {
        "name": wanted.user,
        "ssh_authorized_keys": list(wanted.ssh_keys),
        "sudo": "ALL=(ALL) NOPASSWD:ALL",
        "shell": "/bin/bash",
    }
    files = {
        "meta-data": _yaml({"instance-id": wanted.instance, "local-hostname": wanted.hostname}),
        "user-data": "#cloud-config\n" + _yaml({"hostname": wanted.hostname, "users": [user], "ssh_pwauth": False}),
    }
    image = PyCdlib()
    image.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=LABEL)
    for number, (name, text) in enumerate(files.items()):
        content = text.encode()
        image.add_fp(BytesIO(content), len(content), f"/FILE{number}.;1", rr_name=name, joliet_path=f"/{name}")
    written = BytesIO()
    image.write_fp(written)
    image.close()
    return written.getvalue()


def _yaml(values: dict[str, object]) -> str:
    """JSON is YAML, as long as other characters than ASCII are written as they are: their escapes differ."""
    return json.dumps(values, ensure_ascii=False, indent=1) + "\n"
