"""`GET /ping` and `POST /invocations` over the archive's `code/inference.py`, without SageMaker's Java servers.

Contract: AWS, "Custom Inference Code with Hosting Services".
"""

import json
import os
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO

from gunicorn.arbiter import Arbiter
from sagemaker_inference import environment
from sagemaker_inference.errors import BaseInferenceToolkitError

from serving.contents import JSON, Refused, wire_body
from serving.handler import Handler
from serving.memory import give_back_what_is_free
from serving.watch import Invocation, Watch

BODY_LIMIT_BYTES = 6_291_456
"""Most that SageMaker hands over in one real-time invocation."""
CUSTOM_ATTRIBUTES = "HTTP_X_AMZN_SAGEMAKER_CUSTOM_ATTRIBUTES"
TRACE_ID = re.compile(r"trace_id=([A-Za-z0-9_.:-]{1,64})")

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], object]


@dataclass(frozen=True, slots=True)
class Answer:
    status: HTTPStatus
    body: bytes
    content_type: str = JSON
    asked: bytes = b""
    """What the model got."""


@dataclass(frozen=True, slots=True)
class Served:
    handler: Handler
    watch: Watch


def create_app() -> "InferenceApp":
    """It answers at once; the model is loaded and warmed meanwhile. If that fails, the server ends with status 3."""
    sys.path.insert(0, environment.code_dir)
    app = InferenceApp(os.environ.get("PHENOLOOP_ENDPOINT", "unnamed"))
    threading.Thread(target=_load_or_end, args=(app,), name="load", daemon=True).start()
    return app


class InferenceApp:
    """The WSGI application: 503 until the model is loaded and warmed."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._threads = ThreadPoolExecutor(len(os.sched_getaffinity(0)), thread_name_prefix="model")
        """The model's alone: more at once would all take longer, and each that ever ran it keeps memory for it."""
        self._served: Served | None = None
        """None until the model is loaded."""

    def load(self) -> None:
        """Raises what the archive's `model_fn` raises."""
        handler = Handler(environment.model_dir)
        self._served = Served(handler, Watch(self._endpoint, _about(Path(environment.model_dir))))

    def __call__(self, environ: Environ, start_response: StartResponse) -> "_Response":
        started_s = time.monotonic()
        served = self._served
        answer = self._answer(environ, served)
        headers = [("Content-Type", answer.content_type), ("Content-Length", str(len(answer.body)))]
        start_response(f"{answer.status.value} {answer.status.phrase}", headers)
        if served is None or environ["PATH_INFO"] != "/invocations":
            return _Response(answer.body)
        invocation = _invocation(environ, answer, time.monotonic() - started_s)
        return _Response(answer.body, lambda: served.watch.answered(invocation))

    def _answer(self, environ: Environ, served: Served | None) -> Answer:
        match environ["REQUEST_METHOD"], environ["PATH_INFO"]:
            case "GET" | "POST", "/ping" | "/invocations" if served is None:
                return _error(HTTPStatus.SERVICE_UNAVAILABLE, "The model is still being loaded.")
            case "GET", "/ping":
                return Answer(HTTPStatus.OK, b"{}")
            case "POST", "/invocations" if served:
                return self._invoke(environ, served)
            case _, "/ping" | "/invocations":
                return _error(HTTPStatus.METHOD_NOT_ALLOWED, "This method is not for this path.")
            case _:
                return _error(HTTPStatus.NOT_FOUND, "There are /ping and /invocations.")

    def _invoke(self, environ: Environ, served: Served) -> Answer:
        body = _body(environ["wsgi.input"])
        if body is None:
            return _error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body is over {BODY_LIMIT_BYTES} bytes.")
        content_type = environ.get("CONTENT_TYPE", "")
        try:
            asked, content_type = wire_body(body, content_type, _attributes(environ), served.watch.role)
        except Refused as error:
            return _error(error.status, str(error))
        accept = environ.get("HTTP_ACCEPT", "")
        try:
            reply, kind = self._threads.submit(served.handler.transform, asked, content_type, accept).result()
        except Exception as error:  # noqa: BLE001  # the boundary: whatever the archive's code raises
            traceback.print_exc()  # for CloudWatch only
            return _failed(error)
        return Answer(HTTPStatus.OK, reply, kind, asked)


class _Response:
    """The body, and what is done once the caller has it: the server calls `close` then (PEP 3333)."""

    def __init__(self, body: bytes, then: Callable[[], None] = lambda: None) -> None:
        self._body = body
        self.close = then

    def __iter__(self) -> Iterator[bytes]:
        return iter([self._body])


def _load_or_end(app: InferenceApp) -> None:
    try:
        app.load()
        give_back_what_is_free()
    except BaseException:  # noqa: BLE001  # whatever it is, there is nothing to serve
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(Arbiter.WORKER_BOOT_ERROR)  # gunicorn ends when a worker does so, rather than start another


def _about(model_dir: Path) -> dict[str, Any]:
    """`model.json`; empty if the archive has none, being of another make."""
    file = model_dir / "model.json"
    return dict(json.loads(file.read_text())) if file.is_file() else {}


def _invocation(environ: Environ, answer: Answer, seconds: float) -> Invocation:
    trace_id = TRACE_ID.search(_attributes(environ))
    return Invocation(trace_id and trace_id[1], answer.status.value, seconds, answer.asked, answer.body)


def _attributes(environ: Environ) -> str:
    return str(environ.get(CUSTOM_ATTRIBUTES, ""))


def _body(stream: BinaryIO) -> bytes | None:
    """None if it is over the limit. More of it is read even so: a caller who is still sending would not hear us."""
    body = stream.read(BODY_LIMIT_BYTES + 1)
    if len(body) <= BODY_LIMIT_BYTES:
        return body
    stream.read(8 * BODY_LIMIT_BYTES)
    return None


def _failed(error: Exception) -> Answer:
    """A fault of ours is no business of the caller's; what is wrong with the request is."""
    status, reason = HTTPStatus.INTERNAL_SERVER_ERROR, "The model failed; its log says why."
    if isinstance(error, BaseInferenceToolkitError):
        status = HTTPStatus(error.status_code)
        reason = error.phrase if status < HTTPStatus.INTERNAL_SERVER_ERROR else reason
    return _error(status, reason)


def _error(status: HTTPStatus, message: str) -> Answer:
    """In the form of `loc360.wire.encode_error`, which is the archive's and not there before it is loaded."""
    return Answer(status, json.dumps({"error": {"code": status.phrase, "message": message}}).encode())
