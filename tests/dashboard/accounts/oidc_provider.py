"""A small OpenID Connect provider on loopback: it signs in whoever `subject` and `name` say, without asking."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

CLIENT, SECRET = "guesthouse", "a secret of the client"


class Provider:
    """Runs until `stop`. What it hands out is checked as a strict provider would: code once, PKCE, client secret."""

    def __init__(self) -> None:
        self.claims: dict[str, Any] = {"sub": "1", "preferred_username": "olga", "given_name": "Olga"}
        self.codes: dict[str, tuple[str, str]] = {}  # code → challenge, redirect address
        self.tokens: set[str] = set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def authorize(self, query: dict[str, list[str]]) -> str:
        """Where the browser is sent back to."""
        assert query["client_id"] == [CLIENT]
        assert query["response_type"] == ["code"]
        assert query["code_challenge_method"] == ["S256"]
        code = secrets.token_urlsafe(8)
        self.codes[code] = (query["code_challenge"][0], query["redirect_uri"][0])
        return f"{query['redirect_uri'][0]}?{urlencode({'code': code, 'state': query['state'][0]})}"

    def token(self, form: dict[str, list[str]]) -> dict[str, Any] | None:
        """For a code that was not used yet, with the verifier of its challenge and the client's secret."""
        challenge, redirect = self.codes.pop(form["code"][0], ("", ""))
        digest = hashlib.sha256(form["code_verifier"][0].encode()).digest()
        fits = base64.urlsafe_b64encode(digest).decode().rstrip("=") == challenge
        if not fits or form["client_secret"] != [SECRET] or form["redirect_uri"] != [redirect]:
            return None
        token = secrets.token_urlsafe(8)
        self.tokens.add(token)
        claims = {"iss": self.url, "aud": CLIENT, "iat": time.time(), "exp": time.time() + 60, **self.claims}
        # Fetched from the provider itself over its own connection: its signature need not be looked at.
        parts = (base64.urlsafe_b64encode(json.dumps(part).encode()) for part in ({"alg": "RS256"}, claims))
        id_token = ".".join([*(part.decode().rstrip("=") for part in parts), "c2lnbmF0dXJl"])
        return {"access_token": token, "token_type": "Bearer", "id_token": id_token}

    def _handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                if parts.path == "/.well-known/openid-configuration":
                    names = ("authorization", "token", "userinfo")
                    found = {f"{name}_endpoint": f"{provider.url}/{name}" for name in names}
                    found |= {"issuer": provider.url, "jwks_uri": f"{provider.url}/jwks"}
                    self.answer(found | {"token_endpoint_auth_methods_supported": ["client_secret_post"]})
                elif parts.path == "/authorization":
                    self.send_response(302)
                    self.send_header("Location", provider.authorize(parse_qs(parts.query)))
                    self.end_headers()
                elif parts.path == "/userinfo":
                    token = self.headers["Authorization"].removeprefix("Bearer ")
                    self.answer(provider.claims if token in provider.tokens else None)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self.answer(provider.token(parse_qs(body)))

            def answer(self, found: dict[str, Any] | None) -> None:
                self.send_response(200 if found else 400)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(found or {"error": "invalid_grant"}).encode())

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        return Handler
