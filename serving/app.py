"""`GET /ping` and `POST /invocations` over sagemaker-inference's Transformer, without its Java server.

Contract: AWS, "Custom Inference Code with Hosting Services". The Transformer finds `model_fn`, `input_fn`, `predict_fn`
and `output_fn` in the archive's `code/inference.py`, as it does in SageMaker's own framework containers.
"""

import json
import os
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, BinaryIO

from gunicorn.arbiter import Arbiter
from sagemaker_inference import environment
from sagemaker_inference.transformer import Transformer

BODY_LIMIT_BYTES = 6_291_456
"""Most that SageMaker hands over in one real-time invocation."""
CUSTOM_ATTRIBUTES = "HTTP_X_AMZN_SAGEMAKER_CUSTOM_ATTRIBUTES"
TRACE_ID = re.compile(r"trace_id=([A-Za-z0-9_.:-]{1,64})")

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], object]
Answer = tuple[HTTPStatus, str, bytes]
"""Status, content type, body."""


def create_app() -> "InferenceApp":
    """It answers at once; the model is loaded and warmed meanwhile. If that fails, the server ends with status 3."""
    sys.path.insert(0, environment.code_dir)
    app = InferenceApp(Transformer())
    threading.Thread(target=_load_or_end, args=(app,), name="load", daemon=True).start()
    return app


class InferenceApp:
    """The WSGI application: 503 until the model is loaded and warmed."""

    def __init__(self, transformer: Transformer) -> None:
        self._transformer = transformer
        self._loaded = threading.Event()

    def load(self) -> None:
        """Raises what the archive's `model_fn` raises."""
        self._transformer.validate_and_initialize(model_dir=environment.model_dir)
        self._loaded.set()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        started_s = time.monotonic()
        status, content_type, body = self._answer(environ)
        if environ["PATH_INFO"] == "/invocations":
            _tell(environ, status, time.monotonic() - started_s)
        headers = [("Content-Type", content_type), ("Content-Length", str(len(body)))]
        start_response(f"{status.value} {status.phrase}", headers)
        return [body]

    def _answer(self, environ: Environ) -> Answer:
        match environ["REQUEST_METHOD"], environ["PATH_INFO"]:
            case "GET" | "POST", "/ping" | "/invocations" if not self._loaded.is_set():
                return _error(HTTPStatus.SERVICE_UNAVAILABLE, "The model is still being loaded.")
            case "GET", "/ping":
                return HTTPStatus.OK, "application/json", b"{}"
            case "POST", "/invocations":
                return self._invoke(environ)
            case _, "/ping" | "/invocations":
                return _error(HTTPStatus.METHOD_NOT_ALLOWED, "This method is not for this path.")
            case _:
                return _error(HTTPStatus.NOT_FOUND, "There are /ping and /invocations.")

    def _invoke(self, environ: Environ) -> Answer:
        body = _body(environ["wsgi.input"])
        if body is None:
            return _error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body is over {BODY_LIMIT_BYTES} bytes.")
        if not _is_utf8(body):  # the Transformer would take it for a fault of the model
            return _error(HTTPStatus.BAD_REQUEST, "The body is not UTF-8.")
        context = _Context(environ)
        (reply,) = self._transformer.transform([{"body": body}], context)
        if context.status is not HTTPStatus.OK:
            print(reply, file=sys.stderr, flush=True)  # noqa: T201  # the traceback, for CloudWatch only
            return _error(context.status, context.reason)
        return HTTPStatus.OK, context.content_type, reply.encode() if isinstance(reply, str) else reply


class _Context:
    """What the Transformer reads of a request and says of its reply (multi-model-server's context, as far as used)."""

    def __init__(self, environ: Environ) -> None:
        self.system_properties = {"model_dir": environment.model_dir}
        self.request_processor = [self]
        self.status = HTTPStatus.OK
        self.reason = ""
        self.content_type = "application/json"
        self._properties = {
            "Content-Type": environ.get("CONTENT_TYPE", ""),
            "Accept": environ.get("HTTP_ACCEPT", ""),
        }

    def get_request_properties(self) -> dict[str, str]:
        return self._properties

    def set_response_content_type(self, _: int, content_type: str) -> None:
        self.content_type = content_type

    def set_response_status(self, *, code: int, phrase: str) -> None:
        self.status = HTTPStatus(code)
        # a fault of ours is no business of the caller's; what is wrong with the request is
        self.reason = phrase if code < HTTPStatus.INTERNAL_SERVER_ERROR else "The model failed; its log says why."


def _tell(environ: Environ, status: HTTPStatus, seconds: float) -> None:
    """One line for CloudWatch, under the id that the caller gave."""
    trace_id = TRACE_ID.search(environ.get(CUSTOM_ATTRIBUTES, ""))
    facts = {"event": "invocation", "trace_id": trace_id and trace_id[1], "status": status.value}
    print(json.dumps(facts | {"seconds": round(seconds, 3)}), file=sys.stderr, flush=True)  # noqa: T201


def _load_or_end(app: InferenceApp) -> None:
    try:
        app.load()
    except BaseException:  # noqa: BLE001  # whatever it is, there is nothing to serve
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(Arbiter.WORKER_BOOT_ERROR)  # gunicorn ends when a worker does so, rather than start another


def _body(stream: BinaryIO) -> bytes | None:
    """None if it is over the limit. More of it is read even so: a caller who is still sending would not hear us."""
    body = stream.read(BODY_LIMIT_BYTES + 1)
    if len(body) <= BODY_LIMIT_BYTES:
        return body
    stream.read(8 * BODY_LIMIT_BYTES)
    return None


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _error(status: HTTPStatus, message: str) -> Answer:
    """In the form of `loc360.wire.encode_error`, which is the archive's and not there before it is loaded."""
    body = json.dumps({"error": {"code": status.phrase, "message": message}})
    return status, "application/json", body.encode()
