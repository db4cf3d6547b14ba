"""How django-allauth's second factors are bent to this product: secrets are stored encrypted, names are ours."""

from __future__ import annotations

import base64
import hashlib
import secrets

from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser

PREFIX = "fernet:"


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """TOTP secrets and recovery codes are of no use to somebody who reads the database without the secret key."""

    def encrypt(self, text: str) -> str:
        return PREFIX + _cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Noise for what was made with a secret key that is gone: no code fits it, an administrator resets it."""
        if not encrypted_text.startswith(PREFIX):
            return encrypted_text
        try:
            return _cipher().decrypt(encrypted_text.removeprefix(PREFIX).encode()).decode()
        except InvalidToken:
            return base64.b32encode(secrets.token_bytes(20)).decode()

    def get_totp_label(self, user: AbstractBaseUser) -> str:
        return user.get_username()

    def get_totp_issuer(self) -> str:
        """What the authenticator app calls this place."""
        return f"Guesthouse {self._get_site_name()}"


def _cipher() -> MultiFernet:
    """Writes with the secret key, reads with it and with its predecessors."""
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([Fernet(base64.urlsafe_b64encode(_digest(key))) for key in keys])


def _digest(key: str) -> bytes:
    return hashlib.sha256(b"guesthouse second factors" + key.encode()).digest()
