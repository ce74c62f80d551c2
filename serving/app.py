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
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO

from gunicorn.arbiter import Arbiter
from sagemaker_inference import environment
from sagemaker_inference.transformer import Transformer

from serving.contents import JSON, Refused, wire_body
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


def create_app() -> "InferenceApp":
    """It answers at once; the model is loaded and warmed meanwhile. If that fails, the server ends with status 3."""
    sys.path.insert(0, environment.code_dir)
    app = InferenceApp(Transformer(), os.environ.get("PHENOLOOP_ENDPOINT", "unnamed"))
    threading.Thread(target=_load_or_end, args=(app,), name="load", daemon=True).start()
    return app


class InferenceApp:
    """The WSGI application: 503 until the model is loaded and warmed."""

    def __init__(self, transformer: Transformer, endpoint: str) -> None:
        self._transformer = transformer
        self._endpoint = endpoint
        self._threads = ThreadPoolExecutor(len(os.sched_getaffinity(0)), thread_name_prefix="model")
        """The model's alone: more at once would all take longer, and each that ever ran it keeps memory for it."""
        self._watch: Watch | None = None
        """None until the model is loaded."""

    def load(self) -> None:
        """Raises what the archive's `model_fn` raises."""
        self._transformer.validate_and_initialize(model_dir=environment.model_dir)
        self._watch = Watch(self._endpoint, _about(Path(environment.model_dir)))

    def __call__(self, environ: Environ, start_response: StartResponse) -> "_Response":
        started_s = time.monotonic()
        watch = self._watch
        answer = self._answer(environ, watch)
        headers = [("Content-Type", answer.content_type), ("Content-Length", str(len(answer.body)))]
        start_response(f"{answer.status.value} {answer.status.phrase}", headers)
        if watch is None or environ["PATH_INFO"] != "/invocations":
            return _Response(answer.body)
        invocation = _invocation(environ, answer, time.monotonic() - started_s)
        return _Response(answer.body, lambda: watch.answered(invocation))

    def _answer(self, environ: Environ, watch: Watch | None) -> Answer:
        match environ["REQUEST_METHOD"], environ["PATH_INFO"]:
            case "GET" | "POST", "/ping" | "/invocations" if watch is None:
                return _error(HTTPStatus.SERVICE_UNAVAILABLE, "The model is still being loaded.")
            case "GET", "/ping":
                return Answer(HTTPStatus.OK, b"{}")
            case "POST", "/invocations":
                return self._invoke(environ, watch.role if watch else "")
            case _, "/ping" | "/invocations":
                return _error(HTTPStatus.METHOD_NOT_ALLOWED, "This method is not for this path.")
            case _:
                return _error(HTTPStatus.NOT_FOUND, "There are /ping and /invocations.")

    def _invoke(self, environ: Environ, role: str) -> Answer:
        body = _body(environ["wsgi.input"])
        if body is None:
            return _error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body is over {BODY_LIMIT_BYTES} bytes.")
        try:
            asked, content_type = wire_body(body, environ.get("CONTENT_TYPE", ""), _attributes(environ), role)
        except Refused as error:
            return _error(error.status, str(error))
        context = _Context(content_type, environ.get("HTTP_ACCEPT", ""))
        (reply,) = self._threads.submit(self._transformer.transform, [{"body": asked}], context).result()
        if context.status is not HTTPStatus.OK:
            print(reply, file=sys.stderr, flush=True)  # noqa: T201  # the traceback, for CloudWatch only
            return _error(context.status, context.reason)
        return Answer(HTTPStatus.OK, reply.encode() if isinstance(reply, str) else reply, context.content_type, asked)


class _Response:
    """The body, and what is done once the caller has it: the server calls `close` then (PEP 3333)."""

    def __init__(self, body: bytes, then: Callable[[], None] = lambda: None) -> None:
        self._body = body
        self.close = then

    def __iter__(self) -> Iterator[bytes]:
        return iter([self._body])


class _Context:
    """What the Transformer reads of a request and says of its reply (multi-model-server's context, as far as used)."""

    def __init__(self, content_type: str, accept: str) -> None:
        self.system_properties = {"model_dir": environment.model_dir}
        self.request_processor = [self]
        self.status = HTTPStatus.OK
        self.reason = ""
        self.content_type = JSON
        self._properties = {"Content-Type": content_type, "Accept": accept}

    def get_request_properties(self) -> dict[str, str]:
        return self._properties

    def set_response_content_type(self, _: int, content_type: str) -> None:
        self.content_type = content_type

    def set_response_status(self, *, code: int, phrase: str) -> None:
        self.status = HTTPStatus(code)
        # a fault of ours is no business of the caller's; what is wrong with the request is
        self.reason = phrase if code < HTTPStatus.INTERNAL_SERVER_ERROR else "The model failed; its log says why."


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


def _error(status: HTTPStatus, message: str) -> Answer:
    """In the form of `loc360.wire.encode_error`, which is the archive's and not there before it is loaded."""
    return Answer(status, json.dumps({"error": {"code": status.phrase, "message": message}}).encode())
