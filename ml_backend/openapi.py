"""The backend's HTTP face as an OpenAPI document, made of the very messages that the app reads."""

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from ml_backend.messages import PredictRequest, SetupRequest, WebhookRequest

Document = dict[str, Any]

_MESSAGES: tuple[type[BaseModel], ...] = (PredictRequest, SetupRequest, WebhookRequest)
_VERSION = {"type": "string", "description": "Name of the live release."}
_PROBLEMS = {"type": "array", "items": {"type": "string"}}
_ANSWERS: dict[str, Document] = {
    "Health": {"status": {"const": "UP"}, "model_version": {"type": ["string", "null"]}, "problems": _PROBLEMS},
    "Readiness": {"ready": {"type": "boolean"}, "problems": _PROBLEMS},
    "Setup": {"model_version": _VERSION},
    "Versions": {"versions": {"type": "array", "items": _VERSION}},
    "Accepted": {"status": {"const": "accepted"}},
    "Predictions": {
        "results": {
            "type": "array",
            "description": "One item a task, in their order: a prediction, or [] if there is none (yet).",
            "items": {"type": ["object", "array"]},
        }
    },
    "Error": {"error": {"type": "string", "description": "What is wrong."}},
}


def openapi_document() -> Document:
    _, messages = models_json_schema(
        [(m, "validation") for m in _MESSAGES], ref_template="#/components/schemas/{model}"
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": "Phenoloop's Label Studio backend", "version": "1"},
        "security": [{"basic": []}],
        "paths": {
            "/": {"get": _open(_operation("Up if it answers.", "Health"))},
            "/health": {"get": _open(_operation("Up if it answers.", "Health"))},
            "/ready": {"get": _open(_operation("Whether it can do its work now.", "Readiness", may_wait="Readiness"))},
            "/setup": {"post": _asked(_operation("Which version predicts.", "Setup", may_wait="Error"), SetupRequest)},
            "/versions": {"get": _operation("Which versions there are.", "Versions", may_wait="Error")},
            "/predict": {"post": _asked(_operation("Predict tasks.", "Predictions"), PredictRequest)},
            "/webhook": {
                "post": _asked(_operation("Something happened.", "Accepted", may_wait="Error"), WebhookRequest)
            },
            "/metrics": {"get": _operation("Numbers for Prometheus.", None)},
            "/openapi.json": {"get": _operation("This document.", None, content_type="application/json")},
        },
        "components": {
            "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}},
            "schemas": {**messages["$defs"], **{name: _object(parts) for name, parts in _ANSWERS.items()}},
        },
    }


def _operation(
    summary: str, answer: str | None, *, may_wait: str | None = None, content_type: str = "text/plain"
) -> Document:
    """`may_wait`: what it answers with 503 while it can't do that."""
    content = _content(answer) if answer else {content_type: {}}
    responses = {HTTPStatus.OK: content, HTTPStatus.UNAUTHORIZED: _content("Error")}
    if may_wait:
        responses[HTTPStatus.SERVICE_UNAVAILABLE] = _content(may_wait)
    return {"summary": summary, "responses": _responses(responses)}


def _open(operation: Document) -> Document:
    """Asked without credentials."""
    responses = {status: response for status, response in operation["responses"].items() if status != "401"}
    return {**operation, "responses": responses, "security": []}


def _asked(operation: Document, message: type[BaseModel]) -> Document:
    """With a body, and the ways in which that can be wrong."""
    wrong = (
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    )
    responses = {**operation["responses"], **_responses({status: _content("Error") for status in wrong})}
    return {
        **operation,
        "responses": responses,
        "requestBody": {"required": True, "content": _content(message.__name__)},
    }


def _responses(contents: dict[HTTPStatus, Document]) -> Document:
    return {
        str(status.value): {"description": status.phrase, "content": content} for status, content in contents.items()
    }


def _content(schema: str) -> Document:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _object(parts: Document) -> Document:
    return {"type": "object", "properties": parts, "required": list(parts)}
