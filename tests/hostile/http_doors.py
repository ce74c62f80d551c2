"""Doors of HTTP: what is sent to the backend, and what Label Studio's API answers to us."""

import base64
import http.server
import json
import threading
from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar

import schemathesis
from flask import Flask
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from ml_backend.app import create_app
from ml_backend.openapi import openapi_document
from phenoloop.errors import LabelStudioRefused, LabelStudioUnavailable
from phenoloop.labelling.client import LabelStudio
from tests.hostile.door import Door, Refused
from tests.hostile.values import hostile_json
from tests.unit.backend_fakes import backend, recorded

LARGEST_BODY = 1024 * 1024  # of this app: nobody waits here for 64 MiB

MESSAGES = {
    "/predict": [recorded(name) for name in ("predict", "predict_rectangle", "predict_keypoint")],
    "/setup": [recorded("setup")],
    "/webhook": [recorded("webhook_tasks_created")],
}
HUGE = [
    b" " * (LARGEST_BODY + 1),
    b'{"tasks": [' + b"0," * 300_000 + b"0]}",
    b'{"tasks": [' + b"{}," * 100_000 + b"{}]}",
]
CONTENT_TYPES = ["application/json"] * 6 + ["text/plain", "application/json; charset=utf-7", "x" * 500, ""]
STRANGERS = ["", "Basic", "Basic !", "Basic " + "A" * 9000, "Bearer x", "Basic /////w==", "Basic 8J+llTrwn6WV"]
IDS = ["", "a", "x" * 9000, "\x7f", "a b;c"]


@cache
def app() -> Flask:
    fake = backend(max_body_bytes=LARGEST_BODY)
    return create_app(fake, fake.settings)


@cache
def credentials() -> dict[str, str]:
    settings = backend().settings
    pair = f"{settings.user}:{settings.password.get_secret_value()}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


# To the backend


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, bytes, dict[str, str]]:
    """Path, body, headers."""
    path = draw(st.sampled_from(sorted(MESSAGES)))
    body = draw(st.sampled_from(HUGE) if draw(st.integers(0, 15)) == 0 else hostile_json(*MESSAGES[path]))
    headers = {"Content-Type": draw(st.sampled_from(CONTENT_TYPES)), "X-Request-ID": draw(st.sampled_from(IDS))}
    shown = {"Authorization": draw(st.sampled_from(STRANGERS))} if draw(st.integers(0, 15)) == 0 else credentials()
    return path, body, {**headers, **shown}


def send(request: tuple[str, bytes, dict[str, str]]) -> None:
    path, body, headers = request
    answer = app().test_client().post(path, data=body, headers=headers)
    said = answer.get_json()
    assert answer.status_code in {200, 400, 401, 413, 415, 422}, (answer.status_code, said)
    if answer.status_code != 200:
        raise Refused(said["error"])
    if path == "/predict":
        assert len(said["results"]) == len(json.loads(body)["tasks"])


@cache
def described() -> Any:
    schema = schemathesis.openapi.from_dict(openapi_document())
    schema.app = app()
    return schema


def described_requests() -> st.SearchStrategy[Any]:
    """Of the right form, and where there is a body of a wrong one."""
    right, wrong = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
    operations = [operation.ok() for operation in described().get_all_operations()]
    asked = [operation.as_strategy(mode) for operation in operations if operation.body for mode in (right, wrong)]
    return st.one_of(*asked, *(operation.as_strategy(right) for operation in operations))


def send_described(case: Any) -> None:
    answer = case.call(headers=credentials())
    case.validate_response(
        answer,
        checks=[not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance],
    )
    if answer.status_code >= 400:
        raise Refused(answer.json()["error"])


# From Label Studio


class Answers(http.server.BaseHTTPRequestHandler):
    """Says the same, whatever it is asked."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    answer: ClassVar[tuple[int, str, bytes]] = 200, "", b""

    def do_GET(self) -> None:
        status, content_type, body = self.answer
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815  # the server's names

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


@cache
def label_studio() -> LabelStudio:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return LabelStudio(f"http://127.0.0.1:{server.server_port}", "token", timeout_s=5, attempts=1)


SAVED = {"id": 5, "updated_at": "2026-03-01T00:00:00Z", "was_cancelled": False, "ground_truth": False}
TASK = {"id": 1, "data": {"image": "s3://b/a.jpg"}, "annotations": [{**SAVED, "parent_prediction": None}]}
PROJECT = {"id": 1, "title": "t", "label_config": "<View/>", "model_version": None}
ASKED: list[tuple[Any, Callable[[LabelStudio], object]]] = [
    ({"release": "1.23.2"}, lambda studio: studio.version()),
    ({"count": 1, "results": [PROJECT]}, lambda studio: studio.projects()),
    (PROJECT, lambda studio: studio.project(1)),
    ({"total": 1, "tasks": [TASK]}, lambda studio: list(studio.tasks(1, without_version="v"))),
    ({"total": 3, "tasks": [TASK]}, lambda studio: list(studio.tasks(1))),
    ({"total": 1, "tasks": [TASK]}, lambda studio: list(studio.saved_annotations(1))),
    ([{"id": 7, "model_version": "v"}], lambda studio: studio.predictions(1)),
    ({"created": 1}, lambda studio: studio.import_predictions(1, [{"task": 1}])),
    ({"v": 3}, lambda studio: studio.model_versions(1)),
    ({"deleted_predictions": 2}, lambda studio: studio.delete_predictions(1, "v")),
    ({"id": 7}, lambda studio: studio.prediction(7)),
    ([{"id": 7, "url": "http://b/webhook"}], lambda studio: studio.backends(1)),
    ({"id": 7}, lambda studio: studio.connect_backend(1, "http://b", user="u", password="p")),
    ([{"id": 1, "bucket": "b"}], lambda studio: studio.photo_storages(1)),
]


@st.composite
def answers(draw: st.DrawFn) -> tuple[int, tuple[int, str, bytes]]:
    """Which question, and what is answered."""
    which = draw(st.integers(0, len(ASKED) - 1))
    right = ASKED[which][0]
    body = draw(hostile_json(right) | hostile_json({"detail": "no", "validation_errors": {"a": ["b"]}}))
    status = draw(st.sampled_from([200] * 8 + [201, 204, 301, 400, 401, 404, 429, 500, 502]))
    content_type = draw(st.sampled_from(["application/json"] * 3 + ["text/html", ""]))
    return which, (status, content_type, b"" if status == 204 else body)


def ask(case: tuple[int, tuple[int, str, bytes]]) -> None:
    which, Answers.answer = case
    ASKED[which][1](label_studio())


DOORS = [
    Door("request to the backend", requests(), send, (Refused,)),
    Door("request by the OpenAPI document", st.deferred(described_requests), send_described, (Refused,)),
    Door("answer of Label Studio", answers(), ask, (LabelStudioRefused, LabelStudioUnavailable)),
]
