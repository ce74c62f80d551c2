"""The backend's HTTP face towards Label Studio 1.23.2: the URLs of label-studio-ml that it calls.

It calls GET /health (1 s), POST /setup (3 s), POST /predict (100 s), GET /versions, POST /webhook (1 s, once). It asks
for training by a webhook, so that there is no /train; nothing asks for /is_training.
"""

import json
from collections.abc import Sequence
from typing import Any, TypeVar

import structlog
from flask import Flask, Response, request
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from werkzeug.exceptions import UnsupportedMediaType

from ml_backend.backend import Backend
from ml_backend.errors import answer_errors_in_json
from ml_backend.headers import harden_answers
from ml_backend.messages import PredictRequest, SetupRequest, WebhookRequest
from ml_backend.model import phenoloop_model
from ml_backend.openapi import openapi_document
from ml_backend.predict import Item
from ml_backend.tracing import trace_requests
from phenoloop.auth import require_credentials
from phenoloop.door import readiness
from phenoloop.errors import ReleaseMissing
from phenoloop.jobs import enqueue_prelabel
from phenoloop.settings import BackendSettings

Message = TypeVar("Message", bound=BaseModel)

_ACTIONS = frozenset(
    f"{thing}_{done}"
    for thing in ("PROJECT", "TASKS", "ANNOTATION", "ANNOTATIONS", "LABEL_LINK")
    for done in ("CREATED", "UPDATED", "DELETED")
) | {"START_TRAINING"}


def create_app(backend: Backend, settings: BackendSettings) -> Flask:
    """The app. All but the health check needs the settings' credentials; every error is a small JSON object."""
    app = Flask("ml_backend", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    model = phenoloop_model(backend)()
    trace_requests(app)
    require_credentials(app, settings, open_endpoints=frozenset({"health", "ready"}))
    answer_errors_in_json(app)
    harden_answers(app)

    @app.get("/")
    @app.get("/health")
    def health() -> dict[str, Any]:
        """Up if it answers, and honest about what keeps it from predicting."""
        return {"status": "UP", "model_version": _version(backend), "problems": backend.problems()}

    @app.get("/ready")
    def ready() -> tuple[dict[str, Any], int]:
        """503 with the reasons while it can't do its work."""
        return readiness(backend.problems())[::-1]

    @app.post("/setup")
    def setup() -> dict[str, Any]:
        """Label Studio asks before each batch; the version comes from memory."""
        return {"model_version": backend.chain.version(_body(SetupRequest).project_id)}

    @app.get("/versions")
    def versions() -> dict[str, Any]:
        return {"versions": [backend.chain.version()]}

    @app.post("/predict")
    def predict() -> Response:
        """One item a task; with a context, a smart tool's prompt."""
        asked = _body(PredictRequest)
        tasks = [task.model_dump() for task in asked.tasks]
        context = asked.params.context.model_dump() if asked.params.context else None
        return _results(model.predict(tasks, context, label_config=asked.label_config))

    @app.post("/webhook")
    def webhook() -> dict[str, Any]:
        """Acknowledged at once. New tasks are pre-labelled in the background; annotations reach us through S3."""
        told = _body(WebhookRequest)
        backend.metrics.webhooks.labels(told.action if told.action in _ACTIONS else "other").inc()
        project_id = told.project.id if told.project else None
        task_ids = [task.id for task in told.tasks]
        structlog.get_logger().info("webhook", action=told.action[:40], project=project_id, tasks=len(task_ids))
        if told.action == "TASKS_CREATED" and project_id is not None and task_ids:
            enqueue_prelabel(backend.queue, project_id, task_ids)
        return {"status": "accepted"}

    @app.get("/openapi.json")
    def openapi() -> dict[str, Any]:
        return openapi_document()

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(backend.metrics.text(), content_type=CONTENT_TYPE_LATEST)

    @app.after_request
    def count(response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "unknown"
        backend.metrics.requests.labels(route, str(response.status_code)).inc()
        return response

    return app


def _version(backend: Backend) -> str | None:
    try:
        return backend.chain.version()
    except ReleaseMissing:
        return None


def _results(items: Sequence[Item]) -> Response:
    """Encoded one by one: the encoder holds the interpreter, for a tenth of a second with masks of a hundred photos."""
    encoded = (json.dumps(item, separators=(",", ":")) for item in items)
    return Response(f'{{"results":[{",".join(encoded)}]}}', content_type="application/json")


def _body(message: type[Message]) -> Message:
    """The request's body. Raises UnsupportedMediaType, RequestEntityTooLarge, pydantic's ValidationError."""
    if not request.is_json:
        raise UnsupportedMediaType("Send JSON.")
    return message.model_validate_json(request.get_data())
