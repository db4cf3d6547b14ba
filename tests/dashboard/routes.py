"""Every URL of the product, from the resolver itself, with sample ids filled in: a new one is walked by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

_PLACE = re.compile(r"<(?:(?P<converter>\w+):)?(?P<name>\w+)>")
# What a parameter is called → a sample that its view can use. A path may need a word of its own.
SAMPLES = {
    "kind": "start",
    "what": "memory",
    "device": "serial0",
    "slug": "northbay",
    "guest_id": "5f3c1b0e-0000-4000-8000-00000000aaaa",
    "upload_id": "5f3c1b0e-0000-4000-8000-00000000dddd",
    "pool_id": "1",
    "volume_id": "1",
    "recording_id": "5f3c1b0e-0000-4000-8000-00000000cccc",
    "operation_id": "5f3c1b0e-0000-4000-8000-00000000bbbb",
    "name": "alpha",
    "pk": "1",
    "token_id": "1",
    "grant_pk": "1",
    "member_pk": "1",
    "key": "key",
    "snapshot": "before-the-upgrade",
    "version_id": "1",
    "which": "next-boot",
    "proposal_id": "5f3c1b0e-0000-4000-8000-00000000dddd",
    "mac": "52:54:00:12:34:56",
    "target": "vda",
    "act": "grow",
}
SAMPLES_OF = {("guests/<uuid:guest_id>/fragments/<slug:name>/", "name"): "overview"}


@dataclass(frozen=True)
class Route:
    """One URL pattern: `pattern` as written, e.g. "guests/<uuid:guest_id>/memory/"."""

    pattern: str
    name: str

    @property
    def parameters(self) -> list[str]:
        return [match["name"] for match in _PLACE.finditer(self.pattern)]

    def path(self, **values: object) -> str:
        """With samples, or with these values where they are given."""

        def fill(match: re.Match[str]) -> str:
            name = match["name"]
            sample = SAMPLES_OF.get((self.pattern, name)) or SAMPLES.get(name)
            value = values.get(name, sample)
            assert value is not None, f"{self.pattern}: SAMPLES needs a value for {name}"
            return str(value)

        return "/" + _PLACE.sub(fill, self.pattern)

    @property
    def is_api(self) -> bool:
        """Whether it is for programs with a token; sessions open nothing there."""
        return self.pattern.startswith("api/v1/") and self.pattern != "api/v1/openapi.json"

    def __str__(self) -> str:
        return self.pattern or "(home)"


def all_routes() -> list[Route]:
    """In the order of the resolver."""
    return list(_walk(get_resolver().url_patterns, ""))


def _walk(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[Route]:
    for entry in patterns:
        assert isinstance(entry.pattern, RoutePattern), f"{entry}: write it with path(), so that it can be walked"
        here = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from _walk(entry.url_patterns, here)
        else:
            yield Route(here, entry.name or "")


ROUTES = all_routes()
API_ROUTES = [route for route in ROUTES if route.is_api]


def routes_with(*parameters: str) -> list[Route]:
    """The pages' that take one of these parameters."""
    return [route for route in ROUTES if set(parameters) & set(route.parameters) and not route.is_api]


def without_what_differs_each_time(html: str, replace: Mapping[str, str] | None = None) -> str:
    """A page without nonces, CSRF tokens, idempotency keys and error ids, to be compared with another."""
    html = re.sub(r'(nonce|value|content|data-[\w-]+|href|action)="[^"]*"', r'\1=""', html)
    html = re.sub(r"\b[0-9a-f]{12}\b", "ID", html)
    for old, new in (replace or {}).items():
        html = html.replace(old, new)
    return html
