"""What keeps the console its user's: credentials, a token in each form, and headers that let in nothing foreign."""

from __future__ import annotations

import secrets

from flask import Flask, Response, request
from itsdangerous import BadSignature, TimestampSigner
from werkzeug.exceptions import Forbidden

from phenoloop.auth import require_credentials
from phenoloop.settings import BackendSettings

FORM_AGE_S = 12 * 3600
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
REPORT_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
"""Of a report, which code from elsewhere wrote: it may show itself, and no more."""


def guard(app: Flask, settings: BackendSettings) -> None:
    """Nothing is open: the console shows what is learnt from and decides what is live."""
    require_credentials(app, settings, open_endpoints=frozenset())
    _require_token(app)
    app.after_request(_hardened)


def _require_token(app: Flask) -> None:
    """Browsers send Basic credentials with any site's form; this process's own forms have a token, too."""
    signer = TimestampSigner(secrets.token_bytes(32))
    app.jinja_env.globals["form_token"] = lambda: signer.sign("console").decode()

    def check() -> None:
        if request.method == "POST":
            try:
                signer.unsign(request.form.get("token", ""), max_age=FORM_AGE_S)
            except BadSignature as error:
                raise Forbidden("This form is too old or not of this console. Load its page again.") from error

    app.before_request(check)


def _hardened(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response
