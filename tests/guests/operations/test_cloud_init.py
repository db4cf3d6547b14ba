"""The seed image, as cloud-init would read it."""

from __future__ import annotations

import json
from io import BytesIO

import pytest
from pycdlib import PyCdlib

from guests.errors import OperationRefused
from guests.operations.cloud_init import HOSTNAME, USER, CloudInit, read_ssh_keys, seed_image

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJxPLSvV0qFbXBzdcCaZDwcYpJ5oYg2G6DDlqN1Wx2ye anna@desk"


def content(image: bytes, name: str) -> str:
    iso = PyCdlib()
    iso.open_fp(BytesIO(image))
    written = BytesIO()
    iso.get_file_from_iso_fp(written, rr_path=f"/{name}")
    iso.close()
    return written.getvalue().decode()


def test_the_seed_is_labelled_and_names_user_key_and_host() -> None:
    image = seed_image(CloudInit("5f3c1b0e", "web-9", "anna", (KEY,)))
    assert image[32768 + 40 : 32768 + 72].rstrip() == b"cidata"
    assert len(image) < 512 * 1024
    assert json.loads(content(image, "meta-data")) == {"instance-id": "5f3c1b0e", "local-hostname": "web-9"}
    text = content(image, "user-data")
    assert text.startswith("#cloud-config\n")
    (user,) = json.loads(text.split("\n", 1)[1])["users"]
    assert (user["name"], user["ssh_authorized_keys"]) == ("anna", [KEY])
    assert not [name for name in user if "passw" in name and name != "lock_passwd"]


def test_keys_are_taken_one_a_line() -> None:
    assert read_ssh_keys(f"\n  {KEY}  \r\n\n{KEY}\n") == (KEY, KEY)


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("", "public keys, one a line"),
        ("\n \n", "public keys, one a line"),
        ("\n".join([KEY] * 21), "public keys, one a line"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "private key"),
        ("hello", "Line 1"),
        (f"{KEY}\nssh-rsa AAAA", "Line 2"),
        (KEY.replace("ssh-ed25519", "ssh-rsa"), "Line 1"),
        (KEY.replace("anna@desk", "anna\x1b[2J"), "Line 1"),
        (f'command="rm" {KEY}', "Line 1"),
    ],
)
def test_what_is_no_public_key_is_refused_with_its_line(typed: str, why: str) -> None:
    with pytest.raises(OperationRefused, match=why) as refusal:
        read_ssh_keys(typed)
    assert refusal.value.field == "ssh_keys"


def test_names_of_users_and_hosts_are_plain() -> None:
    assert USER.fullmatch("anna")
    assert HOSTNAME.fullmatch("web-9.example.org")
    for bad in ("", "Anna", "1a", "a b", "root:x"):
        assert not USER.fullmatch(bad)
    for bad in ("", "-a", "a_b", "a..b", "a\n"):
        assert not HOSTNAME.fullmatch(bad)
