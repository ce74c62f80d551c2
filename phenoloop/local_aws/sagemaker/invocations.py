"""The runtime: one invocation of an endpoint, with SageMaker's limits and errors."""

import http.client
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from flask import Blueprint, Response, request

from phenoloop.local_aws.sagemaker.calls import ACCOUNT
from phenoloop.local_aws.sagemaker.errors import ModelError, ServiceUnavailable, ValidationError
from phenoloop.local_aws.sagemaker.hosting import Hosting, NoSuchEndpoint, NoSuchVariant
from phenoloop.local_aws.sagemaker.protocol import region_of, request_id, rest_error

MAX_BODY_BYTES = 6_291_456
"""Of request and reply (botocore's model: BodyBlob)."""
MAX_QUOTED = 4096
FORWARDED = (
    *("Content-Type", "Accept", "X-Amzn-SageMaker-Custom-Attributes", "X-Amzn-SageMaker-Inference-Id"),
    *("X-Amzn-SageMaker-Target-Model", "X-Amzn-SageMaker-Session-Id"),
)
RETURNED = (
    *("Content-Type", "X-Amzn-SageMaker-Custom-Attributes"),
    *("X-Amzn-SageMaker-New-Session-Id", "X-Amzn-SageMaker-Closed-Session-Id"),
)


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes


def runtime(hosting: Hosting, *, timeout_s: float) -> Blueprint:
    """`POST /endpoints/NAME/invocations`."""
    blueprint = Blueprint("runtime", __name__)

    @blueprint.post("/endpoints/<name>/invocations")
    def invoke(name: str) -> Response:
        if (request.content_length or 0) > MAX_BODY_BYTES:
            raise ValidationError(f"Request {request_id()} has oversize body.", status=413)
        variant, started_s = request.headers.get("X-Amzn-SageMaker-Target-Variant"), time.monotonic()
        try:
            with hosting.replica(name, variant) as replica:
                if replica.port is None:
                    raise _no_container(name)
                reply = _post(name, replica.port, request.get_data(), _kept(request.headers.get, FORWARDED), timeout_s)
        except NoSuchEndpoint as error:
            raise ValidationError(f"Endpoint {name} of account {ACCOUNT} not found.") from error
        except NoSuchVariant as error:
            raise ValidationError(f"Variant {variant} not found for endpoint {name} of account {ACCOUNT}.") from error
        structlog.get_logger().info(
            "endpoint invoked",
            endpoint=name,
            status=reply.status,
            seconds=round(time.monotonic() - started_s, 3),
            custom_attributes=request.headers.get("X-Amzn-SageMaker-Custom-Attributes"),
        )
        return _answer(name, replica.variant.name, reply)

    blueprint.register_error_handler(Exception, rest_error)
    return blueprint


def _post(endpoint: str, port: int, body: bytes, headers: dict[str, str], timeout_s: float) -> Reply:
    """Raises ModelError if the container is late or falls silent, ServiceUnavailable if it does not listen."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request("POST", "/invocations", body, headers)
        response = connection.getresponse()
        return Reply(response.status, response.headers, response.read())
    except TimeoutError as error:
        raise _model_error(
            endpoint,
            0,
            "Your invocation timed out while waiting for a response from container primary. Review the latency "
            "metrics for each container in Amazon CloudWatch, resolve the issue, and try again.",
        ) from error
    except ConnectionRefusedError as error:
        raise _no_container(endpoint) from error
    except (OSError, http.client.HTTPException) as error:
        raise _model_error(
            endpoint,
            0,
            f"Amazon SageMaker could not get a response from the {endpoint} endpoint. This can occur when CPU or "
            "memory utilization is high. To check your utilization, see Amazon CloudWatch. To fix this problem, use "
            "an instance type with more CPU capacity or memory.",
        ) from error
    finally:
        connection.close()


def _answer(endpoint: str, variant: str, reply: Reply) -> Response:
    if not 200 <= reply.status < 300:
        raise _model_error(endpoint, reply.status, reply.body.decode(errors="replace")[:MAX_QUOTED])
    if len(reply.body) > MAX_BODY_BYTES:
        raise _model_error(endpoint, 0, f"The response is larger than {MAX_BODY_BYTES} bytes.")
    response = Response(reply.body, 200)
    response.headers.update(_kept(reply.headers.get, RETURNED))
    response.headers["x-Amzn-Invoked-Production-Variant"] = variant
    response.headers["x-amzn-RequestId"] = request_id()
    return response


def _model_error(endpoint: str, status: int, message: str) -> ModelError:
    """`status` is the container's, 0 if it gave none."""
    region, group = region_of(request), f"/aws/sagemaker/Endpoints/{endpoint}"
    kind = "client" if 400 <= status < 500 else "server"
    return ModelError(
        f'Received {kind} error ({status}) from primary with message "{message}". See '
        f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#logEventViewer:group={group} "
        f"in account {ACCOUNT} for more information.",
        OriginalStatusCode=status,
        OriginalMessage=message,
        LogStreamArn=f"arn:aws:logs:{region}:{ACCOUNT}:log-group:{group}",
    )


def _no_container(endpoint: str) -> ServiceUnavailable:
    return ServiceUnavailable(f"No container of endpoint {endpoint} is up at the moment. Please try again later.")


def _kept(header: Callable[[str], str | None], names: tuple[str, ...]) -> dict[str, str]:
    return {name: value for name in names if (value := header(name)) is not None}
