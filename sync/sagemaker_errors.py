"""SageMaker's control-plane errors in our words."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from phenoloop.errors import RegistryFailed, SageMakerUnavailable

_PASSING = {"ThrottlingException", "Throttling", "ServiceUnavailable", "InternalFailure", "InternalServerException"}


@contextmanager
def sagemaker_errors(**facts: str) -> Iterator[None]:
    """Around control-plane calls: raises SageMakerUnavailable, or RegistryFailed with SageMaker's reason."""
    try:
        yield
    except ClientError as error:
        told = error.response.get("Error", {})
        if told.get("Code") in _PASSING:
            raise SageMakerUnavailable("SageMaker failed or throttled us.", code=told.get("Code"), **facts) from error
        raise RegistryFailed(
            "SageMaker refused.",
            cure="Check the package, our role's permissions and the account's limits.",
            reason=told.get("Message"),
            **facts,
        ) from error
    except BotoCoreError as error:
        raise SageMakerUnavailable("SageMaker can't be reached.", reason=type(error).__name__, **facts) from error
