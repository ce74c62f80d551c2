"""S3's errors in our words, for all stores."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from phenoloop.errors import PhenoloopError, StorageUnavailable, WriteConflict

_ABSENT = {"NoSuchKey", "NoSuchBucket", "404", "NotFound", "AccessDenied", "403", "Forbidden", "AllAccessDisabled",
           "KeyTooLongError"}  # fmt: skip
_LOST_RACE = {"PreconditionFailed", "412", "ConditionalRequestConflict"}


@contextmanager
def s3_errors(missing: type[PhenoloopError], **facts: str) -> Iterator[None]:
    """Around S3 calls: raises `missing`, WriteConflict (a conditional write lost) or StorageUnavailable.

    S3 answers 403 for a missing object when listing isn't allowed, so absent and forbidden are one.
    """
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in _ABSENT:
            raise missing(
                "The object is not in S3 or may not be read.",
                cure="Check bucket and key, and that our role may s3:GetObject and s3:ListBucket there.",
                code=code,
                **facts,
            ) from error
        if code in _LOST_RACE:
            raise WriteConflict("Someone else wrote the object first.", code=code, **facts) from error
        raise StorageUnavailable("S3 failed or throttled us.", code=code, **facts) from error
    except BotoCoreError as error:
        raise StorageUnavailable("S3 can't be reached.", reason=type(error).__name__, **facts) from error
