"""Every error as a small JSON object, without traceback."""

import json
from http import HTTPStatus

import structlog
from flask import Flask, Response, jsonify, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from phenoloop.errors import LabellingConfigInvalid, PhenoloopError, ReleaseMissing, TaskInvalid
from phenoloop.logs import current_trace_id


def answer_errors_in_json(app: Flask) -> None:
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(ValidationError, _wrong_form)
    app.register_error_handler(PhenoloopError, _own_error)
    app.register_error_handler(Exception, _bug)


def _http_error(error: HTTPException) -> Response:
    if error.code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:  # Label Studio tells nobody
        cure = "Have predictions retrieved for fewer tasks at once, or raise PHENOLOOP_BACKEND__MAX_BODY_BYTES."
        structlog.get_logger().error("request too large", bytes=request.content_length, cure=cure)
    response = Response(status=error.code, headers=error.get_headers())
    response.data = json.dumps({"error": error.description or error.name})
    response.content_type = "application/json"
    return response


def _wrong_form(error: ValidationError) -> tuple[Response, int]:
    problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}".lstrip(": ") for e in error.errors(include_input=False)]
    is_json = not any(problem["type"] == "json_invalid" for problem in error.errors(include_input=False))
    message = "The body is not of the expected form." if is_json else "The body is no JSON."
    return jsonify(error=message, problems=[problem[:200] for problem in problems[:10]]), 422 if is_json else 400


def _own_error(error: PhenoloopError) -> tuple[Response, int]:
    structlog.get_logger().warning("request failed", error_type=type(error).__name__, error=str(error))
    return jsonify(error=error.message, cure=error.cure), _status(error)


def _status(error: PhenoloopError) -> int:
    if isinstance(error, LabellingConfigInvalid | TaskInvalid):
        return 422
    return 503 if error.retryable or isinstance(error, ReleaseMissing) else 500


def _bug(error: Exception) -> tuple[Response, int]:
    structlog.get_logger().error("request failed on a bug", exc_info=error)
    return jsonify(error="Something went wrong here.", id=current_trace_id()), 500
