"""Each request under one id: the caller's `X-Request-ID` or a new one, which is also told in the answer."""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import structlog
from flask import Flask, Response, request

from phenoloop.logs import current_trace_id, traced

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

UNTOLD = frozenset({"health", "ready", "metrics"})
"""Asked every few seconds."""


def trace_requests(app: Flask) -> None:
    """What is logged during a request has its id; how it ended is a line of its own."""
    serve = app.wsgi_app

    def serve_traced(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        with traced(environ.get("HTTP_X_REQUEST_ID")):
            environ["phenoloop.started_s"] = time.perf_counter()
            return serve(environ, start_response)

    def tell(response: Response) -> Response:
        response.headers["X-Request-ID"] = current_trace_id() or ""
        if request.endpoint not in UNTOLD:
            structlog.get_logger().info(
                "request answered",
                route=request.url_rule.rule if request.url_rule else None,
                status=response.status_code,
                seconds=round(time.perf_counter() - request.environ["phenoloop.started_s"], 3),
            )
        return response

    app.wsgi_app = serve_traced  # type: ignore[method-assign]  # as Flask's documents have it
    app.after_request(tell)
