"""AWS JSON 1.1 (control plane) and the errors of REST JSON (runtime), over Flask."""

import json
import uuid
from collections.abc import Mapping
from typing import Any

import structlog
from flask import Blueprint, Request, Response, request

from phenoloop.local_aws.sagemaker.calls import DEFAULT_REGION, Call, Handler
from phenoloop.local_aws.sagemaker.errors import (
    InternalFailure,
    ServiceError,
    UnknownOperationException,
    ValidationException,
)
from phenoloop.local_aws.sagemaker.shapes import Shapes

MAX_LOGGED = 300


def control_plane(handlers: Mapping[str, Handler]) -> Blueprint:
    """`POST /` with `X-Amz-Target: SageMaker.OPERATION`.

    Protocol: https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
    """
    shapes, blueprint = Shapes(), Blueprint("control_plane", __name__)

    @blueprint.post("/")
    def answer() -> Response:
        operation = request.headers.get("X-Amz-Target", "").removeprefix("SageMaker.")
        parameters = _parameters(request)
        shapes.check_request(operation, parameters)
        if operation not in handlers:
            raise UnknownOperationException(f"The local SageMaker does not emulate {operation}.")
        reply = handlers[operation](Call(operation, region_of(request), parameters))
        shapes.check_reply(operation, reply)
        return _json_response(reply, 200)

    @blueprint.errorhandler(Exception)
    def refuse(error: Exception) -> Response:
        answered = _service_error(error)
        return _json_response({"__type": answered.code, "message": answered.message}, answered.http_status)

    return blueprint


def rest_error(error: Exception) -> Response:
    """The runtime's form of an error: the code in a header, the shape's members in the body."""
    answered = _service_error(error)
    response = _json_response({"Message": answered.message, **answered.fields}, answered.http_status)
    response.headers["x-amzn-ErrorType"] = answered.code
    return response


def region_of(request: Request) -> str:
    """From the signature's credential scope: KEY/DATE/REGION/sagemaker/aws4_request."""
    scope = request.headers.get("Authorization", "").partition("Credential=")[2].split(",")[0].split("/")
    return scope[2] if len(scope) == 5 else DEFAULT_REGION


def request_id() -> str:
    return str(uuid.uuid4())


def _parameters(request: Request) -> dict[str, Any]:
    try:
        parameters = json.loads(request.get_data() or b"{}")
    except ValueError as error:
        raise ValidationException("The request's body is not JSON.") from error
    if not isinstance(parameters, dict):
        raise ValidationException("The request's body is not a JSON object.")
    return parameters


def _service_error(error: Exception) -> ServiceError:
    """Any other exception is a fault of ours: logged with its traceback, answered as InternalFailure."""
    log = structlog.get_logger().bind(path=request.path, target=request.headers.get("X-Amz-Target"))
    if isinstance(error, InternalFailure) or not isinstance(error, ServiceError):
        log.error("internal failure", exc_info=error)
        return InternalFailure(str(error))
    log.info("refused", code=error.code, reason=error.message[:MAX_LOGGED])
    return error


def _json_response(body: dict[str, Any], status: int) -> Response:
    response = Response(json.dumps(body), status, content_type="application/x-amz-json-1.1")
    response.headers["x-amzn-RequestId"] = request_id()
    return response
