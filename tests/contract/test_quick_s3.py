"""The quick client answers as boto3's own does, errors included; both ask the embedded S3."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from phenoloop.errors import BucketMissing, StorageUnavailable
from sync.annotations import MAX_BYTES, read_object
from sync.catalogue import Catalogue
from sync.photo_facts import PhotoFacts
from sync.quick_s3 import SMALL_BYTES, quick
from tests.unit.annotation_objects import Annotated, box

ODD_KEYS = ("7", "8/", "9//9", "10/./1", "with space", "٣", "a%20b", "")


@pytest.fixture
def s3(embedded_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    return boto3.client("s3", region_name="us-east-1", endpoint_url=embedded_url)


def both(s3: Any, ask: Callable[[Any], Any]) -> tuple[Any, Any]:
    """What boto3's client answers and what the quick one does."""
    return _outcome(s3, ask), _outcome(quick(s3), ask)


def _outcome(s3: Any, ask: Callable[[Any], Any]) -> Any:
    try:
        return ask(s3)
    except ClientError as error:
        return error.response["Error"]["Code"]


def test_an_object_is_read_alike(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="annotations/7", Body=b"{}", Metadata={"mm-per-px": "0.25", "group": "a"})

    def facts(answer: dict[str, Any]) -> list[Any]:
        return [answer[name] for name in ("ETag", "ContentLength", "Metadata", "LastModified")]

    plain, fast = both(s3, lambda s3: s3.get_object(Bucket=bucket, Key="annotations/7"))
    assert (facts(plain), plain["Body"].read()) == (facts(fast), fast["Body"].read())
    plain, fast = both(s3, lambda s3: s3.head_object(Bucket=bucket, Key="annotations/7"))
    assert facts(plain) == facts(fast)


@pytest.mark.parametrize("size", [0, SMALL_BYTES, SMALL_BYTES + 1, 3 * SMALL_BYTES + 17])
def test_a_body_of_any_size_is_read_whole(s3: Any, bucket: str, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    s3.put_object(Bucket=bucket, Key="annotations/7", Body=body)

    plain, fast = both(s3, lambda s3: read_object(s3, bucket, "annotations/7"))

    assert plain == fast
    assert fast.body == body


def test_of_an_annotation_that_is_too_large_only_the_beginning_is_read(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="annotations/7", Body=bytes(MAX_BYTES + 3 * SMALL_BYTES))

    found = read_object(quick(s3), bucket, "annotations/7")

    assert found is not None
    assert MAX_BYTES < len(found.body) <= MAX_BYTES + 2 * SMALL_BYTES


@pytest.mark.parametrize("operation", ["get_object", "head_object"])
@pytest.mark.parametrize("where", ["no key", "no bucket"])
def test_what_is_not_there_has_boto3s_code(s3: Any, bucket: str, operation: str, where: str) -> None:
    name = bucket if where == "no key" else f"none-{uuid4().hex}"

    plain, fast = both(s3, lambda s3: getattr(s3, operation)(Bucket=name, Key="annotations/7"))

    assert plain == fast in {"NoSuchKey", "NoSuchBucket", "404"}


@pytest.mark.parametrize("key", ODD_KEYS)
def test_odd_keys_are_listed_and_read_alike(s3: Any, bucket: str, key: str) -> None:
    for id_ in range(3):
        s3.put_object(Bucket=bucket, Key=f"annotations/{id_}", Body=b"{}")
    s3.put_object(Bucket=bucket, Key=f"annotations/{key}", Body=b"" if key.endswith("/") else b"{}")

    def listed(s3: Any) -> list[Any]:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="annotations/")
        items = [item for page in pages for item in page["Contents"]]
        return [(item["Key"], item["ETag"], item["LastModified"].replace(microsecond=0)) for item in items]

    plain, fast = both(s3, listed)
    assert plain == fast
    plain, fast = both(s3, lambda s3: read_object(s3, bucket, f"annotations/{key}"))
    assert plain == fast


def test_nothing_is_an_error_if_the_bucket_is_not_there_and_else_empty(s3: Any, bucket: str) -> None:
    assert Catalogue.listed(quick(s3), bucket, "annotations/").objects == {}
    with pytest.raises(BucketMissing):
        Catalogue.listed(quick(s3), f"none-{uuid4().hex}", "annotations/")


def test_a_snapshot_is_the_same_by_either_client(s3: Any, bucket: str) -> None:
    annotated = Annotated(s3, bucket)
    for id_ in range(1, 30):
        annotated.save(id_, result=[box(), box("leek", id_="r2", x=40.123)])
    annotated.save(3, f"s3://{bucket}/images/gone.jpg")
    annotated.put(4, b"no JSON")
    plain = annotated.build()
    for name in [name for name in objects(s3, bucket) if name.startswith("snapshots/")]:
        s3.delete_object(Bucket=bucket, Key=name)

    fast = annotated.store_with(quick(s3)).build(Catalogue.listed(quick(s3), bucket, "annotations/"))

    same = {"created_at"}
    assert plain.model_dump(exclude=same) == fast.model_dump(exclude=same)


def objects(s3: Any, bucket: str) -> list[str]:
    return [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]]


def test_an_s3_that_does_not_answer_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    config = Config(connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 1})
    s3 = quick(boto3.client("s3", region_name="us-east-1", endpoint_url="http://127.0.0.1:9", config=config))
    for ask in (
        lambda: read_object(s3, "loop", "annotations/1"),
        lambda: Catalogue.listed(s3, "loop", "annotations/"),
        lambda: PhotoFacts(s3, ["loop"], 1000).describe("s3://loop/images/1.jpg"),
    ):
        with pytest.raises(StorageUnavailable):
            ask()
