"""A bucket's obstore, set up as boto3's client for it is."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import botocore.session
from botocore.exceptions import ClientError, NoCredentialsError
from obstore.auth.boto3 import Boto3CredentialProvider
from obstore.store import S3Store

if TYPE_CHECKING:
    from obstore.store import ClientConfig
    from types_boto3_s3 import S3Client

CREDENTIALS_KEPT = timedelta(minutes=5)
"""Shorter than what boto3 leaves of a role's credentials before it renews them."""
LONGEST_ANSWER = timedelta(minutes=10)


def store_like(s3: S3Client, bucket: str) -> S3Store:
    """The bucket where boto3 finds it, as its client's configuration has it. Raises what boto3 raises."""
    session, config = botocore.session.get_session(), cast("Any", s3.meta.config)
    url, region = _found(s3, bucket)
    is_virtual = not urlsplit(url).path.strip("/")
    bundle = session.get_config_variable("ca_bundle")
    options: ClientConfig = {
        "allow_http": True,
        "connect_timeout": timedelta(seconds=config.connect_timeout),
        "read_timeout": timedelta(seconds=config.read_timeout),
        "timeout": LONGEST_ANSWER,
    }
    if bundle:
        options["root_certificate"] = Path(bundle).read_bytes()
    try:
        credentials = Boto3CredentialProvider(session, ttl=CREDENTIALS_KEPT)
    except ValueError as error:
        raise NoCredentialsError from error
    return S3Store(
        bucket,
        aws_endpoint_url_s3=url if is_virtual else url.removesuffix(f"/{bucket}"),
        region=region,
        virtual_hosted_style_request=is_virtual,
        credential_provider=credentials,
        client_options=options,
        retry_config={"max_retries": (config.retries or {}).get("total_max_attempts", 5) - 1},
    )


def _found(s3: S3Client, bucket: str) -> tuple[str, str]:
    """The URL at which boto3 asks for the bucket, wherever it was led, and the bucket's region."""
    asked: list[str] = []
    hear = partial(_hear, asked)
    s3.meta.events.register("before-send.s3.HeadBucket", hear)
    try:
        answer: Any = s3.head_bucket(Bucket=bucket)
    except ClientError as error:  # 403 too tells the region
        answer = error.response
    finally:
        s3.meta.events.unregister("before-send.s3.HeadBucket", hear)
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return asked[-1].rstrip("/"), headers.get("x-amz-bucket-region", s3.meta.region_name)


def _hear(asked: list[str], request: Any, **_: object) -> None:
    asked.append(request.url)
