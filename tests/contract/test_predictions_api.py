"""POST /predictions as API Gateway hands it over, against moto's S3 and models that find what is painted."""

import base64
import importlib.util
import io
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import numpy as np
import pytest
from moto import mock_aws
from PIL import Image as Pillow

from loc360.wire import Box
from phenoloop.aws.packages import LAMBDAS
from phenoloop.chain.releases import ReleaseStore
from tests.contract.chain_aws import Models
from tests.unit.fake_models import Painted, paint, release

BUCKET = "photos"
PHOTO = paint(320, 240, [Painted("carrot", Box(40, 40, 120, 90)), Painted("tomato", Box(180, 100, 240, 170))])

Ask = dict[str, Any]


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("predictions", LAMBDAS / "predictions" / "predictions.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


predictions = loaded()


class Api:
    def __init__(self) -> None:
        self.s3 = boto3.client("s3", region_name="us-east-1")
        self.s3.create_bucket(Bucket=BUCKET)
        self.models = Models()
        self.service = predictions.Service(BUCKET, self.s3, self.models, max_image_bytes=10**7)

    def go_live(self) -> None:
        store = ReleaseStore(self.s3, BUCKET)
        store.publish(release())
        store.move_pointer(release().name)

    def post(self, body: bytes, kind: str = "image/png", **query: str) -> tuple[int, Ask]:
        answer = predictions.respond(
            self.service,
            {
                "headers": {"content-type": kind},
                "queryStringParameters": query,
                "body": base64.b64encode(body).decode(),
                "isBase64Encoded": True,
            },
        )
        return answer["statusCode"], json.loads(answer["body"])

    def keys(self, prefix: str) -> list[str]:
        return [item["Key"] for item in self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        made = Api()
        made.go_live()
        yield made


def png(pixels: "np.ndarray[Any, Any]" = PHOTO) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def test_a_photo_is_answered_with_the_release_and_every_object_without_its_mask(api: Api) -> None:
    status, found = api.post(png())
    assert (status, found["release"], found["count"]) == (200, "release-1", 2)
    assert sorted(item["label"] for item in found["objects"]) == ["carrot", "tomato"]
    assert all("mask_png" not in item and item["area_px"] > 0 for item in found["objects"])
    assert api.keys("images/") == []


def test_masks_come_when_asked_for(api: Api) -> None:
    _, found = api.post(png(), masks="true")
    assert all(item["mask_png"] for item in found["objects"])


def test_a_scale_gives_millimetres(api: Api) -> None:
    _, found = api.post(png(), mm_per_px="0.5")
    assert all(item["length_mm"] == pytest.approx(0.5 * item["length_px"]) for item in found["objects"])


def test_a_photo_becomes_a_task_when_asked_for_once_however_often_it_is_sent(api: Api) -> None:
    answers = [api.post(png(), task="true", mm_per_px="0.5") for _ in range(2)]
    (key,) = api.keys("images/incoming/")
    assert {found["image"] for _, found in answers} == {f"s3://{BUCKET}/{key}"}
    assert api.s3.head_object(Bucket=BUCKET, Key=key)["Metadata"] == {"mm-per-px": "0.5"}


def test_a_photo_of_the_bucket_is_named_by_its_address_and_has_its_own_scale(api: Api) -> None:
    api.s3.put_object(Bucket=BUCKET, Key="images/1.png", Body=png(), Metadata={"mm-per-px": "2"})
    status, found = api.post(json.dumps({"image": f"s3://{BUCKET}/images/1.png"}).encode(), "application/json")
    assert (status, found["mm_per_px"], found["count"]) == (200, 2, 2)


@pytest.mark.parametrize(
    ("body", "kind", "query", "status"),
    [
        (b"", "image/png", {}, 400),
        (png(), "text/plain", {}, 400),
        (b"{}", "application/json", {}, 400),
        (b"[]", "application/json", {}, 400),
        (b'{"image": "https://example.org/1.jpg"}', "application/json", {}, 400),
        (b'{"image": "s3://of-others/images/1.jpg"}', "application/json", {}, 400),
        (b'{"image": "s3://photos/images/none.jpg"}', "application/json", {}, 404),
        (png(), "image/png", {"mm_per_px": "wide"}, 400),
        (png(), "image/png", {"mm_per_px": "-1"}, 400),
        (b"no photo", "image/jpeg", {}, 422),
    ],
)
def test_what_can_not_be_answered_is_refused_with_a_reason(
    api: Api, body: bytes, kind: str, query: dict[str, str], status: int
) -> None:
    refused, told = api.post(body, kind, **query)
    assert refused == status
    assert told["error"]["message"]


def test_a_photo_that_no_chain_could_read_makes_no_task(api: Api) -> None:
    api.post(b"no photo", "image/jpeg", task="true")
    assert api.keys("images/") == []


def test_a_model_that_answers_with_an_error_is_a_bad_gateway(api: Api) -> None:
    api.models.broken = True
    assert api.post(png())[0] == 502


def test_without_a_release_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        status, told = Api().post(png())
    assert (status, told["error"]["code"]) == (502, "ReleaseMissing")


def test_the_handler_is_a_file_that_the_archive_holds(tmp_path: Path) -> None:
    assert predictions.handler.__module__ == "predictions"
