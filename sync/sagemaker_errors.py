"""SageMaker's control-plane errors in our words."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from botocore.exceptions import BotoCoreError, ClientError

from phenoloop.errors import RegistryFailed, SageMakerUnavailable

_PASSING = {
    *("Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"),
    *("ServiceUnavailable", "ServiceUnavailableException", "InternalFailure", "InternalServerException"),
    *("ExpiredToken", "ExpiredTokenException", "RequestExpired"),
}


@contextmanager
def sagemaker_errors(**facts: str) -> Iterator[None]:
    """Around control-plane calls: raises SageMakerUnavailable, or RegistryFailed with SageMaker's reason."""
    try:
        yield
    except ClientError as error:
        told = error.response.get("Error", {})
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if told.get("Code") in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise SageMakerUnavailable("SageMaker failed or throttled us.", code=told.get("Code"), **facts) from error
        raise RegistryFailed(
            "SageMaker refused.",
            cure="Check the package, our role's permissions and the account's limits.",
            code=told.get("Code"),
            reason=told.get("Message"),
            **facts,
        ) from error
    except BotoCoreError as error:
        raise SageMakerUnavailable("SageMaker can't be reached.", reason=type(error).__name__, **facts) from error
