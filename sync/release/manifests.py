"""The manifest: with a package it comes from the bucket, with the live release it goes to the Loc360 platform."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import structlog

from phenoloop.chain.release import Release
from phenoloop.chain.s3_errors import s3_errors
from phenoloop.errors import BucketMissing, NotAChain, RegistryFailed, ReleaseMissing
from phenoloop.settings import StorageSettings

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


def package_manifest(s3: S3Client, bucket: str, url: str) -> dict[str, Any]:
    """From our own bucket: who registers packages doesn't choose what we read elsewhere.

    Raises NotAChain (it is missing, garbled or elsewhere), RegistryFailed, StorageUnavailable.
    """
    key = url.removeprefix(f"s3://{bucket}/")
    if key == url:
        raise NotAChain("The package's manifest lies outside our bucket.", manifest=url, bucket=bucket)
    try:
        with s3_errors(RegistryFailed, key=key):
            return dict(json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read()))
    except RegistryFailed as error:
        if error.facts.get("code") == "NoSuchKey":
            raise NotAChain("The package's manifest is gone.", key=key) from error
        raise
    except (ValueError, TypeError) as error:
        raise NotAChain("The package's manifest can't be read.", key=key) from error


def publish_manifest(s3: S3Client, storage: StorageSettings, release: Release) -> bool:
    """Tell the Loc360 platform of the live release; whether it was news. Raises BucketMissing, StorageUnavailable."""
    bucket, key = storage.bucket, storage.manifest_key
    body = json.dumps(release.manifest, indent=2, sort_keys=True).encode()
    try:
        with s3_errors(ReleaseMissing, key=key):
            if s3.get_object(Bucket=bucket, Key=key)["Body"].read() == body:
                return False
    except ReleaseMissing:
        pass  # the first one
    with s3_errors(BucketMissing, key=key):
        s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")
    structlog.get_logger().info("manifest published", release=release.name, key=key)
    return True
