"""Settings from the environment, typed; a secret may come from a file named by NAME_FILE."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

_MAC = "(?:[0-9a-f]{2}:){5}[0-9a-f]{2}"
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}


def env_text(name: str, default: str = "") -> str:
    """The variable's text without surrounding space, or the default."""
    return os.environ.get(name, default).strip()


def env_bool(name: str, *, default: bool = False) -> bool:
    """1, true, yes, on; 0, false, no, off, or empty."""
    value = env_text(name, "1" if default else "0").lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise ImproperlyConfigured(f"{name} must be 1 or 0, not {value!r}.")


def env_float(name: str, default: float) -> float:
    """A number above zero."""
    text = env_text(name)
    try:
        value = float(text) if text else default
    except ValueError:
        value = 0
    if value <= 0:
        raise ImproperlyConfigured(f"{name} must be a number above 0, not {text!r}.")
    return value


def env_int(name: str, default: int) -> int:
    """A whole number above zero."""
    return int(env_float(name, default))


def env_list(name: str, default: str = "") -> list[str]:
    """Comma-separated, empty parts left out."""
    return [part.strip() for part in env_text(name, default).split(",") if part.strip()]


def env_url_with_extra(name: str, *, needs: str, package: str) -> str:
    """An address that switches something on, "" where it is not wanted; it needs a module that is not always there."""
    value = env_text(name)
    if value and find_spec(needs) is None:
        raise ImproperlyConfigured(f"{name} needs one more package: .venv/bin/pip install '{package}'.")
    if value.startswith("http://") and (urlsplit(value).hostname or "") not in _LOOPBACK:
        raise ImproperlyConfigured(f"{name} must be https: plain http is for loopback only.")
    return value


def env_directory(name: str, *, plain: bool) -> str:
    """Addresses of one LDAP directory, asked in turn; `plain`: without STARTTLS. All or none of them are over TLS."""
    value = env_url_with_extra(name, needs="django_auth_ldap", package="django-auth-ldap~=5.4")
    schemes = {address.partition("://")[0] for address in value.split()}
    if value and (len(schemes) > 1 or not schemes <= {"ldap", "ldaps", "ldapi"}):
        raise ImproperlyConfigured(f"{name} must be ldaps://… or ldap://… (all of one kind), not {value!r}.")
    if plain and schemes == {"ldap"} and not all(urlsplit(one).hostname in _LOOPBACK for one in value.split()):
        raise ImproperlyConfigured(f"{name}: passwords go without TLS to a directory on loopback only.")
    return value


def env_secret(name: str) -> str:
    """The variable, or the content of the file that NAME_FILE names, without surrounding space; "" for neither.

    A file that was named and gives nothing is an error: to go on without the secret would be another configuration.
    """
    value, path = env_text(name), env_text(f"{name}_FILE")
    if value and path:
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both given: leave one of them out.")
    if not path:
        return value
    try:
        value = Path(path).read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{name}_FILE names {path}, which cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise ImproperlyConfigured(f"{name}_FILE names {path}, which holds no text.") from None
    if not value:
        raise ImproperlyConfigured(f"{name}_FILE names {path}, which is empty.")
    return value


def env_hosts(name: str) -> dict[str, str]:
    """`name=uri,name=uri`: libvirt hosts by name. A URI may hold commas only where no `name=` follows them."""
    hosts: dict[str, str] = {}
    for part in env_list(name):
        host, separator, uri = part.partition("=")
        host, uri = host.strip(), uri.strip()
        if not separator or not host or not uri:
            raise ImproperlyConfigured(f"{name} must be name=uri,name=uri; {part!r} is not.")
        if not host.replace("-", "").replace("_", "").replace(".", "").isalnum() or host.startswith((".", "-")):
            raise ImproperlyConfigured(
                f"{name}: {host!r} is no name for a host: letters, digits, dots and dashes only."
            )
        if host in hosts:
            raise ImproperlyConfigured(f"{name} names {host!r} twice.")
        hosts[host] = uri
    return hosts


def env_origins(name: str, default: str) -> list[str]:
    """Public origins, `scheme://host[:port]`; http is for loopback only, and all must share one scheme."""
    origins = []
    for text in env_list(name, default):
        parts = urlsplit(text.rstrip("/"))
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path or parts.query or parts.username:
            raise ImproperlyConfigured(f"{name}: {text!r} is no origin such as https://guests.example.")
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise ImproperlyConfigured(f"{name}: {text!r} must be https; plain http is for loopback only.")
        origins.append(f"{parts.scheme}://{parts.netloc.lower()}")
    if len({origin.partition("://")[0] for origin in origins}) != 1:
        raise ImproperlyConfigured(f"{name} must hold origins of one scheme, all http or all https.")
    return origins


def env_mac_pools(name: str) -> list[tuple[str, int, int]]:
    """Comma-separated `name=first-last`, both MACs with colons: each name with the two as numbers."""
    pools = []
    for part in env_list(name):
        match = re.fullmatch(
            r"([^=]{1,40})=((?:[0-9a-f]{2}:){5}[0-9a-f]{2})-((?:[0-9a-f]{2}:){5}[0-9a-f]{2})", part, re.I
        )
        first, last = (int(mac.replace(":", ""), 16) for mac in match.groups()[1:]) if match else (1, 0)
        if match is None or first > last or first >> 40 & 1 or first >> 40 != last >> 40:
            raise ImproperlyConfigured(f"{name} must be NAME=52:54:00:a0:00:00-52:54:00:af:ff:ff, not {part!r}.")
        pools.append((match[1].strip(), first, last))
    return pools
