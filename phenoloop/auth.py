"""HTTP Basic authentication."""

import hmac
from base64 import b64encode

from flask import Flask, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from phenoloop.settings import BackendSettings


def require_credentials(app: Flask, settings: BackendSettings, *, open_endpoints: frozenset[str]) -> None:
    """Answer 401 to whoever shows other credentials than the settings', on all endpoints but the open ones."""
    known = _tokens(f"{settings.user}:{settings.password.get_secret_value()}")

    def check() -> None:
        if request.endpoint not in open_endpoints and not _is_one_of(known, request.headers.get("Authorization", "")):
            raise Unauthorized(
                "Credentials are needed.", www_authenticate=WWWAuthenticate("basic", {"realm": "phenoloop"})
            )

    app.before_request(check)


def _tokens(credentials: str) -> list[bytes]:
    """As clients write them: most in UTF-8, Label Studio in Latin-1."""
    return [b64encode(credentials.encode()), b64encode(credentials.encode("latin-1", "backslashreplace"))]


def _is_one_of(known: list[bytes], header: str) -> bool:
    """Compared in constant time, with each always; what was sent is never decoded."""
    scheme, _, token = header.partition(" ")
    same = [hmac.compare_digest(token.strip().encode(), expected) for expected in known]
    return scheme.lower() == "basic" and any(same)
