"""S3's errors in our words, for all stores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from phenoloop.errors import PhenoloopError, StorageUnavailable, WriteConflict

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import ObjectTypeDef

_ABSENT = {"NoSuchKey", "NoSuchBucket", "404", "NotFound", "AccessDenied", "403", "Forbidden", "AllAccessDisabled",
           "KeyTooLongError"}  # fmt: skip
_SKEWED = {"RequestTimeTooSkewed", "RequestExpired"}
_LOST_RACE = {"PreconditionFailed", "412", "ConditionalRequestConflict"}
_NOT_S3, _NAMES_S3 = "The answer is none of S3's.", "Does AWS_ENDPOINT_URL_S3, if set, name an S3?"


@contextmanager
def s3_errors(missing: type[PhenoloopError], **facts: str) -> Iterator[None]:
    """Around S3 calls and the reading of their bodies.

    Raises `missing`, WriteConflict (a conditional write lost) or StorageUnavailable.

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
        if code in _SKEWED:
            raise StorageUnavailable(
                "S3 finds our time wrong.", cure="Set this machine's clock.", code=code, **facts
            ) from error
        raise StorageUnavailable("S3 failed or throttled us.", code=code, **facts) from error
    except (ResponseParserError, KeyError) as error:
        raise StorageUnavailable(_NOT_S3, cure=_NAMES_S3, **facts) from error
    except (BotoCoreError, HTTPError) as error:
        raise StorageUnavailable("S3 can't be reached.", reason=type(error).__name__, **facts) from error


def listed(pages: Iterable[Mapping[str, Any]]) -> Iterator[ObjectTypeDef]:
    """The objects of a listing. Raises StorageUnavailable if a page is none of S3's, which would look like empty."""
    for page in pages:
        if "Name" not in page and "Contents" not in page:
            raise StorageUnavailable(_NOT_S3, cure=_NAMES_S3)
        yield from page.get("Contents", [])
