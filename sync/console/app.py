"""The console's pages. Every page says what it knows: a source that fails shows its error in its own place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from wsgiref.types import StartResponse

import structlog
from flask import Flask, Response, redirect, render_template, request, url_for
from werkzeug.exceptions import BadRequest, HTTPException
from werkzeug.wrappers import Response as AnyResponse

from loc360.errors import Loc360Error
from phenoloop.errors import PhenoloopError, RunMissing
from phenoloop.logs import traced
from phenoloop.settings import BackendSettings
from sync.console.charts import line_chart
from sync.console.decisions import Decisions
from sync.console.guard import REPORT_POLICY, guard
from sync.console.panels import Panels
from sync.console.releases import FIGURES, Chains
from sync.console.runs import told
from sync.console.sources import Sources
from sync.console.trying import MAX_BYTES, TryBox
from sync.console.words import FILTERS

MAX_BODY_BYTES = MAX_BYTES + 64 * 1024
"""A photo and the form around it."""
DONE = {
    "approve": "Version {} is approved. Unless a newer one is, it is live as soon as its endpoints are in service.",
    "reject": "Version {} is rejected.",
    "rollback": "Rolled back. The chain before takes its place within a minute.",
}


@dataclass(frozen=True, slots=True)
class Console:
    """What stands behind the pages."""

    sources: Sources
    decisions: Decisions
    try_box: TryBox


def create_console(console: Console, settings: BackendSettings) -> Flask:
    """The app. Everything needs the settings' credentials, and each form its token."""
    app = Flask("sync.console", static_url_path="/console/static")
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.jinja_env.filters |= FILTERS
    _trace(app)
    guard(app, settings)
    _answer_errors(app)
    panels = Panels(console.sources.looks())
    _show(app, panels, console.sources)
    _decide(app, panels, console.decisions)
    _try(app, console.try_box)
    return app


def _show(app: Flask, panels: Panels, sources: Sources) -> None:
    @app.get("/console")
    def overview() -> str:
        return render_template("overview.html", done=_done(), **panels.seen())

    @app.get("/console/releases")
    def releases() -> str:
        seen = panels.seen("chains", "rollouts")
        found = seen["chains"].value
        return render_template("releases.html", figures=FIGURES, chart=_over_time(found) if found else None, **seen)

    @app.get("/console/runs")
    def runs() -> str:
        return render_template("runs.html", **panels.seen("runs"))

    @app.get("/console/runs/<name>")
    def run(name: str) -> str:
        found, chains = told(sources.loop, sources.evaluations, name), panels.seen("chains")["chains"].value
        waiting = [chain for chain in chains.waiting if chain.package.run == name] if chains else []
        return render_template("run.html", told=found, figures=FIGURES, waiting=waiting)

    @app.get("/console/runs/<name>/report")
    def report(name: str) -> Response:
        page = sources.loop.runs.report(sources.loop.runs.get(name))
        return Response(
            page, content_type="text/html; charset=utf-8", headers={"Content-Security-Policy": REPORT_POLICY}
        )


def _decide(app: Flask, panels: Panels, decisions: Decisions) -> None:
    @app.post("/console/releases/<int:version>/approve")
    def approve(version: int) -> AnyResponse:
        decisions.approve(version, _reason("approved at the console"))
        return _back("approve", version)

    @app.post("/console/releases/<int:version>/reject")
    def reject(version: int) -> AnyResponse:
        decisions.reject(version, _reason())
        return _back("reject", version)

    @app.post("/console/rollback")
    def rollback() -> AnyResponse:
        decisions.roll_back(_reason())
        return _back("rollback")

    def _back(done: str, version: int | None = None) -> AnyResponse:
        panels.forget()
        return redirect(url_for("overview", done=done, version=version), code=303)


def _try(app: Flask, box: TryBox) -> None:
    @app.get("/console/try")
    def try_box() -> str:
        return render_template("try.html", tried=None, problem="")

    @app.post("/console/try")
    def tried() -> tuple[str, int]:
        photo, scale = request.files.get("photo"), request.form.get("mm_per_px", "").strip()
        try:
            found = box.tried(
                photo.read() if photo else b"",
                mm_per_px=_number(scale) if scale else None,
                keep="keep" in request.form,
            )
        except (PhenoloopError, Loc360Error) as error:
            structlog.get_logger().warning("photo not tried", error_type=type(error).__name__, error=str(error))
            return render_template("try.html", tried=None, problem=str(error)), 422
        return render_template("try.html", tried=found, problem=""), 200


def _over_time(chains: Chains) -> Any:
    """What each evaluated chain measured, oldest first."""
    told = [(chain.package.version, chain.evaluation) for chain in reversed(chains.all) if chain.evaluation]
    series = {words: [found.candidate.get(name) for _, found in told] for name, words in FIGURES.items()}
    return line_chart([f"v{version}" for version, _ in told], series) if told else None


def _reason(otherwise: str = "") -> str:
    reason = request.form.get("reason", "").strip() or otherwise
    if not reason:
        raise BadRequest("Give a reason: it is kept with the package.")
    return reason


def _number(text: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError as error:
        raise BadRequest("The scale is no number of millimetres a pixel.") from error


def _done() -> str:
    """What the last form did."""
    words = DONE.get(request.args.get("done", ""), "")
    return words.format(request.args.get("version", type=int))


def _trace(app: Flask) -> None:
    """What is logged during a request has an id of its own."""
    serve = app.wsgi_app

    def serve_traced(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        with traced():
            return serve(environ, start_response)

    app.wsgi_app = serve_traced  # type: ignore[method-assign]  # as Flask's documents have it


def _answer_errors(app: Flask) -> None:
    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> AnyResponse:
        answer = Response(_page(error.name, error.description or ""), status=error.code, headers=error.get_headers())
        answer.content_type = "text/html; charset=utf-8"
        return answer

    @app.errorhandler(PhenoloopError)
    def failed(error: PhenoloopError) -> tuple[str, int]:
        structlog.get_logger().warning("console: request failed", error_type=type(error).__name__, error=str(error))
        status = 404 if isinstance(error, RunMissing) else 503 if error.retryable else 409
        return _page("That did not work", str(error)), status

    @app.errorhandler(Exception)
    def bug(error: Exception) -> tuple[str, int]:
        structlog.get_logger().error("console: request failed on a bug", exc_info=error)
        return _page("Something went wrong here", "Sync's log says what."), 500


def _page(title: str, text: str) -> str:
    return render_template("error.html", title=title, text=text)
