"""SageMaker Runtime's errors in our words."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004  # botocore's own
    HTTPClientError,
    IncompleteReadError,
)
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from phenoloop.errors import EndpointRefused, EndpointUnavailable, PhenoloopError

_PASSING = {"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded",
            "ServiceUnavailable", "ServiceUnavailableException", "InternalFailure", "InternalServerError",
            "InternalDependencyException", "ModelNotReadyException", "RequestTimeout"}  # fmt: skip
_MISSING = {"ValidationError", "ValidationException"}
_SIGNATURE = {"InvalidSignatureException", "SignatureDoesNotMatch", "RequestExpired", "RequestTimeTooSkewed"}


@contextmanager
def endpoint_errors(endpoint_name: str) -> Iterator[None]:
    """Around an InvokeEndpoint and the reading of its body: raises EndpointUnavailable or EndpointRefused."""
    try:
        yield
    except ClientError as error:
        raise _translated(endpoint_name, error.response) from error
    except (HTTPClientError, ConnectionError, IncompleteReadError, ResponseParserError, HTTPError) as error:
        raise EndpointUnavailable(
            "The endpoint did not answer.", endpoint=endpoint_name, reason=type(error).__name__
        ) from error
    except BotoCoreError as error:
        cure = "Check the AWS region and credentials of this process."
        raise EndpointRefused(
            "The endpoint could not be called.", cure=cure, endpoint=endpoint_name, reason=type(error).__name__
        ) from error


def _translated(endpoint_name: str, response: Mapping[str, Any]) -> PhenoloopError:
    code = response.get("Error", {}).get("Code", "")
    http_status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code == "ModelError":
        return _model_error(endpoint_name, response)
    if code in _MISSING:
        cure = (
            "It is missing or not in service: look at DescribeEndpoint, then publish a release whose endpoints are up."
        )
        return EndpointRefused("SageMaker knows no such endpoint in service.", cure=cure, endpoint=endpoint_name)
    if code in _SIGNATURE:
        cure = "Check this machine's clock, then the credentials."
        return EndpointRefused("SageMaker refused the signature.", cure=cure, endpoint=endpoint_name, code=code)
    if code in _PASSING or http_status >= 500:
        return EndpointUnavailable("SageMaker is throttling or failing.", endpoint=endpoint_name, code=code)
    cure = "Check that our role may sagemaker:InvokeEndpoint on it."
    return EndpointRefused("SageMaker refused the call.", cure=cure, endpoint=endpoint_name, code=code)


def _model_error(endpoint_name: str, response: Mapping[str, Any]) -> PhenoloopError:
    """The container's own answer: 4xx says the request is wrong, anything else that the container is in trouble."""
    status = response.get("OriginalStatusCode") or 500
    facts = {
        "endpoint": endpoint_name,
        "status": status,
        "said": str(response.get("OriginalMessage", ""))[:300],
        "log": response.get("LogStreamArn", ""),
    }
    if 400 <= status < 500 and status != 429:
        cure = "The container and this module disagree on the payload: were they released together?"
        return EndpointRefused("The model refused the request.", cure=cure, **facts)
    return EndpointUnavailable("The model failed.", cure="Look at the container's log.", **facts)
