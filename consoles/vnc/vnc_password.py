"""VNC authentication (RFC 6143 §7.2.2): the challenge, encrypted with DES under the password's first 8 bytes."""

from __future__ import annotations

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import ECB


def answer_to_challenge(challenge: bytes, password: str) -> bytes:
    """16 bytes for 16 bytes. VNC turns the bits of every key byte round; three times the same key is plain DES."""
    key = bytes(int(f"{byte:08b}"[::-1], 2) for byte in password.encode("latin-1", "replace")[:8].ljust(8, b"\0"))
    encryptor = Cipher(TripleDES(key * 3), ECB()).encryptor()  # noqa: S305 the protocol's choice
    return encryptor.update(challenge) + encryptor.finalize()
