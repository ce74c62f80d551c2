"""S3: the bucket, the photos, and whether objects can be written as the loop writes them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from uuid import uuid4

from botocore.exceptions import ClientError

from phenoloop.doctor.check import Finding, failed, ok, warn
from phenoloop.doctor.loop import Loop

MAX_CLOCK_SKEW_S = 60.0
_READ_ONLY = {"images_prefix", "annotations_prefix"}
_NO_ETAG = f'"{"0" * 32}"'


def bucket(loop: Loop) -> Finding:
    reply = loop.aws.s3().head_bucket(Bucket=loop.settings.storage.bucket)
    date = reply["ResponseMetadata"]["HTTPHeaders"].get("date", "")
    return clock_finding(date) or ok(loop.settings.storage.bucket)


def photos(loop: Loop) -> Finding:
    """Whether they can be listed and read, by reading the first bytes of one."""
    s3, storage = loop.aws.s3(), loop.settings.storage
    listed = s3.list_objects_v2(Bucket=storage.bucket, Prefix=storage.images_prefix, MaxKeys=1000)
    photos = [item for item in listed.get("Contents", []) if item.get("Size")]
    if not photos:
        return warn(f"no photos under {storage.images_prefix}", "Upload some, or set PHENOLOOP_STORAGE__IMAGES_PREFIX.")
    s3.get_object(Bucket=storage.bucket, Key=photos[0]["Key"], Range="bytes=0-15")["Body"].read()
    more = "or more " if listed.get("IsTruncated") else ""
    return ok(f"{len(photos)} {more}under {storage.images_prefix}, readable")


def other_buckets(loop: Loop) -> Finding:
    """The further buckets that photos may lie in."""
    names = sorted(loop.settings.storage.image_buckets - {loop.settings.storage.bucket})
    for name in names:
        loop.aws.s3().head_bucket(Bucket=name)
    return ok(", ".join(names) or "none configured")


def writing(loop: Loop) -> Finding:
    """Write, read and delete a small object under every prefix that the loop writes to."""
    s3, storage = loop.aws.s3(), loop.settings.storage
    given = storage.model_dump()
    prefixes = sorted(given[name] for name in given if name.endswith("_prefix") and name not in _READ_ONLY)
    for prefix in prefixes:
        key = f"{prefix}doctor-{uuid4().hex}.probe"
        s3.put_object(Bucket=storage.bucket, Key=key, Body=b"probe")
        s3.get_object(Bucket=storage.bucket, Key=key)["Body"].read()
        s3.delete_object(Bucket=storage.bucket, Key=key)
    return ok(f"write, read, delete under {' '.join(prefixes)}")


def conditional_writes(loop: Loop) -> Finding:
    """Whether the bucket refuses a second If-None-Match and a wrong If-Match: pointers rely on it."""
    s3, name = loop.aws.s3(), loop.settings.storage.bucket
    key = f"{loop.settings.storage.releases_prefix}doctor-{uuid4().hex}.probe"
    s3.put_object(Bucket=name, Key=key, Body=b"first", IfNoneMatch="*")
    try:
        refused = {
            "If-None-Match": _refused(lambda: s3.put_object(Bucket=name, Key=key, Body=b"second", IfNoneMatch="*")),
            "If-Match": _refused(lambda: s3.put_object(Bucket=name, Key=key, Body=b"third", IfMatch=_NO_ETAG)),
        }
    finally:
        s3.delete_object(Bucket=name, Key=key)
    if ignored := [header for header, was_refused in refused.items() if not was_refused]:
        return failed(
            f"the bucket ignores {' and '.join(ignored)}",
            "Use an S3 with conditional writes: two releases could both win.",
        )
    return ok("If-None-Match and If-Match are kept")


def clock_finding(date: str) -> Finding | None:
    """A warning if the HTTP date of an answer is far from our clock. The answer's own way takes part of it."""
    try:
        skew_s = (datetime.now(UTC) - parsedate_to_datetime(date)).total_seconds()
    except (TypeError, ValueError):
        return None
    if abs(skew_s) <= MAX_CLOCK_SKEW_S:
        return None
    which = "ahead of" if skew_s > 0 else "behind"
    return warn(f"our clock is {abs(skew_s):.0f} s {which} its clock", "Set both clocks (NTP): AWS refuses 15 minutes.")


def _refused(write: Callable[[], object]) -> bool:
    try:
        write()
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] in {409, 412}:
            return True
        raise
    return False
