"""HTTP Basic authentication."""

import hmac

from flask import Flask, Request, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from phenoloop.settings import BackendSettings


def require_credentials(app: Flask, settings: BackendSettings, *, open_endpoints: frozenset[str]) -> None:
    """Answer 401 to whoever shows other credentials than the settings', on all endpoints but the open ones."""

    def check() -> None:
        if request.endpoint not in open_endpoints and not _known(request, settings):
            raise Unauthorized(
                "Credentials are needed.", www_authenticate=WWWAuthenticate("basic", {"realm": "phenoloop"})
            )

    app.before_request(check)


def _known(asked: Request, settings: BackendSettings) -> bool:
    """Compared in constant time, both parts always."""
    shown = asked.authorization
    user, password = (shown.username or "", shown.password or "") if shown and shown.type == "basic" else ("", "")
    same_user = hmac.compare_digest(user.encode(), settings.user.encode())
    same_password = hmac.compare_digest(password.encode(), settings.password.get_secret_value().encode())
    return same_user and same_password
