from typing import Any

import boto3
import pytest
from botocore.config import Config

from phenoloop.chain.images import ImageStore
from phenoloop.errors import ImageMissing, ImageRefused, StorageUnavailable

PIXELS = b"\xff\xd8 as good as a photo"


@pytest.fixture
def images(s3: Any, bucket: str) -> ImageStore:
    return ImageStore(s3, [bucket], max_bytes=1000)


def test_a_photo_lies_in_a_file_while_it_is_needed_and_no_longer(s3: Any, bucket: str, images: ImageStore) -> None:
    etag = s3.put_object(Bucket=bucket, Key="images/1.jpg", Body=PIXELS)["ETag"]

    with images.fetch(f"s3://{bucket}/images/1.jpg") as image:
        assert image.path.read_bytes() == PIXELS
        assert image.etag == etag.strip('"')
        assert (image.mm_per_px, image.group) == (None, None)
    assert not image.path.exists()


def test_the_file_has_no_name_that_a_killed_process_could_leave_behind(
    s3: Any, bucket: str, images: ImageStore
) -> None:
    s3.put_object(Bucket=bucket, Key="1.jpg", Body=PIXELS)

    with images.fetch(f"s3://{bucket}/1.jpg") as image:
        assert image.path.stat().st_nlink == 0


def test_the_file_goes_even_if_its_use_fails(s3: Any, bucket: str, images: ImageStore) -> None:
    s3.put_object(Bucket=bucket, Key="1.jpg", Body=PIXELS)

    with pytest.raises(ZeroDivisionError), images.fetch(f"s3://{bucket}/1.jpg") as image:
        raise ZeroDivisionError
    assert not image.path.exists()


@pytest.mark.parametrize("key", ["a b.jpg", "tomate pürée.jpg", "100%25#1?x=y.jpg", "deep/er/../1.jpg", "nO.eXt"])
def test_keys_are_taken_as_they_are(s3: Any, bucket: str, images: ImageStore, key: str) -> None:
    s3.put_object(Bucket=bucket, Key=key, Body=PIXELS)

    with images.fetch(f"s3://{bucket}/{key}") as image:
        assert image.path.read_bytes() == PIXELS


def test_scale_and_group_come_from_the_objects_metadata(s3: Any, bucket: str, images: ImageStore) -> None:
    s3.put_object(Bucket=bucket, Key="1.jpg", Body=PIXELS, Metadata={"mm-per-px": "0.25", "group": "plot-7"})

    with images.fetch(f"s3://{bucket}/1.jpg") as image:
        assert (image.mm_per_px, image.group) == (0.25, "plot-7")


@pytest.mark.parametrize("scale", ["wide", "0", "-1", "nan", "inf", ""])
def test_a_scale_that_is_none_is_refused_rather_than_ignored(
    s3: Any, bucket: str, images: ImageStore, scale: str
) -> None:
    s3.put_object(Bucket=bucket, Key="1.jpg", Body=PIXELS, Metadata={"mm-per-px": scale})

    with pytest.raises(ImageRefused, match="mm-per-px"), images.fetch(f"s3://{bucket}/1.jpg"):
        pass


@pytest.mark.parametrize(
    "uri",
    ["s3://other-bucket/1.jpg", "https://example.org/1.jpg", "/etc/passwd", "file:///etc/passwd", "s3://", "s3:///1.jpg",
     "S3://loop/1.jpg", ""],
)  # fmt: skip
def test_anything_but_an_allowed_bucket_is_refused(images: ImageStore, uri: str) -> None:
    with pytest.raises(ImageRefused), images.fetch(uri):
        pass


def test_a_bucket_without_a_key_is_refused(bucket: str, images: ImageStore) -> None:
    for uri in (f"s3://{bucket}", f"s3://{bucket}/"):
        with pytest.raises(ImageRefused), images.fetch(uri):
            pass


def test_the_secrets_of_a_presigned_url_are_not_told(images: ImageStore) -> None:
    with pytest.raises(ImageRefused) as raised, images.fetch("https://b.example.org/1.jpg?X-Amz-Signature=secret"):
        pass
    assert "secret" not in str(raised.value)


def test_an_image_that_is_too_large_is_refused(s3: Any, bucket: str, images: ImageStore) -> None:
    s3.put_object(Bucket=bucket, Key="1.jpg", Body=b"x" * 1001)

    with pytest.raises(ImageRefused, match="large"), images.fetch(f"s3://{bucket}/1.jpg"):
        pass


def test_a_missing_object_or_bucket_is_missing(s3: Any, bucket: str, images: ImageStore) -> None:
    with pytest.raises(ImageMissing), images.fetch(f"s3://{bucket}/none.jpg"):
        pass
    with pytest.raises(ImageMissing), ImageStore(s3, ["no-such"], 1000).fetch("s3://no-such/1.jpg"):
        pass


def test_an_s3_that_is_not_there_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    config = Config(connect_timeout=0.5, retries={"total_max_attempts": 1})
    nowhere = boto3.client("s3", region_name="us-east-1", endpoint_url="http://127.0.0.1:9", config=config)

    with pytest.raises(StorageUnavailable), ImageStore(nowhere, ["loop"], 1000).fetch("s3://loop/1.jpg"):
        pass


# Facts without the bytes


def test_a_photos_facts_are_those_that_come_with_its_bytes(s3: Any, bucket: str, images: ImageStore) -> None:
    s3.put_object(Bucket=bucket, Key="a b.jpg", Body=PIXELS, Metadata={"mm-per-px": "0.25", "group": "plot-7"})
    uri = f"s3://{bucket}/a b.jpg"

    facts = images.describe(uri)

    with images.fetch(uri) as image:
        assert (facts.etag, facts.mm_per_px, facts.group) == (image.etag, image.mm_per_px, image.group)
    assert (facts.mm_per_px, facts.group) == (0.25, "plot-7")


def test_what_may_not_be_fetched_is_not_described(s3: Any, bucket: str, images: ImageStore) -> None:
    s3.put_object(Bucket=bucket, Key="large.jpg", Body=b"x" * 1001)
    s3.put_object(Bucket=bucket, Key="odd.jpg", Body=PIXELS, Metadata={"mm-per-px": "wide"})

    for uri in (f"s3://{bucket}/large.jpg", f"s3://{bucket}/odd.jpg", "s3://other-bucket/1.jpg", "/etc/passwd"):
        with pytest.raises(ImageRefused):
            images.describe(uri)


def test_a_missing_photo_cannot_be_described(bucket: str, images: ImageStore) -> None:
    with pytest.raises(ImageMissing):
        images.describe(f"s3://{bucket}/none.jpg")
