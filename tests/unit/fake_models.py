"""Painted photos, and two small OpenCV models behind a runtime client shaped like boto3's that find what is painted."""

import io
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from PIL import Image as Pillow

from loc360.errors import RequestInvalid
from loc360.manifest import Manifest
from loc360.wire import (
    Box,
    DetectorReply,
    Find,
    Image,
    Mask,
    SegmenterReply,
    SegmenterRequest,
    decode_detector_request,
    decode_segmenter_requests,
    encode_detector_reply,
    encode_error,
    encode_segmenter_reply,
)
from phenoloop.chain.releases import Release, StageEndpoint

DETECTOR_MODEL, SEGMENTER_MODEL = "phenoloop-detector", "phenoloop-segmenter"
DETECTOR_ENDPOINT, SEGMENTER_ENDPOINT = "detector-1", "segmenter-1"
COLOURS = {"carrot": (230, 120, 30), "tomato": (220, 20, 40), "cucumber": (20, 220, 60)}  # all as saturated
BACKGROUND = (128, 128, 128)


@dataclass(frozen=True)
class Painted:
    """One object of a painted photo: a rectangle, or the ellipse in it."""

    label: str
    box: Box
    ellipse: bool = False

    def mask(self, width: int, height: int) -> Mask:
        canvas = np.zeros((height, width), np.uint8)
        _draw(canvas, self, 1)
        return canvas.astype(bool)


def paint(width: int, height: int, objects: Sequence[Painted]) -> Image:
    """(height, width, 3) RGB: saturated objects on grey."""
    canvas = np.full((height, width, 3), BACKGROUND, np.uint8)
    for thing in objects:
        _draw(canvas, thing, COLOURS[thing.label])
    return canvas


def save(image: Image, path: Path, *, orientation: int = 1, **options: Any) -> str:
    """Write the photo so that it is upright after its EXIF orientation was applied."""
    stored = {1: image, 3: image[::-1, ::-1], 6: np.rot90(image), 8: np.rot90(image, -1)}[orientation]
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    Pillow.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif, **options)
    return str(path)


def manifest(release: str = "release-1", **changes: Any) -> Manifest:
    return Manifest(release, DETECTOR_MODEL, SEGMENTER_MODEL, tuple(COLOURS), **changes)


def release(name: str = "release-1", **changes: Any) -> Release:
    return Release(
        name=name,
        package_arn="arn:aws:sagemaker:eu-central-1:000000000000:model-package/phenoloop/1",
        detector=StageEndpoint(endpoint=DETECTOR_ENDPOINT, model_data_url="s3://loop/artifacts/detector/model.tar.gz"),
        segmenter=StageEndpoint(
            endpoint=SEGMENTER_ENDPOINT, model_data_url="s3://loop/artifacts/segmenter/model.tar.gz"
        ),
        manifest=manifest(name, **changes).to_dict(),
    )


@dataclass
class FakeRuntime:
    """`invoke_endpoint` as boto3 has it. `models`: endpoint -> what its container makes of a request body."""

    models: dict[str, Callable[[str], str]] = field(default_factory=lambda: {
        DETECTOR_ENDPOINT: detect, SEGMENTER_ENDPOINT: segment
    })  # fmt: skip
    calls: list[tuple[str, str]] = field(default_factory=list)
    """(endpoint, request body), in the order they came in."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def invoke_endpoint(self, *, EndpointName: str, Body: bytes, ContentType: str, Accept: str) -> dict[str, Any]:  # noqa: N803
        assert isinstance(Body, bytes)
        assert ContentType == "application/json"
        with self._lock:
            self.calls.append((EndpointName, Body.decode()))
        reply = self.models[EndpointName](Body.decode()).encode()
        return {"Body": StreamingBody(io.BytesIO(reply), len(reply)), "ContentType": Accept}

    def called(self, endpoint: str) -> list[str]:
        return [body for name, body in self.calls if name == endpoint]


def client_error(code: str, status: int = 400, **more: Any) -> ClientError:
    """What botocore raises when SageMaker answers with that code."""
    response = {"Error": {"Code": code, "Message": "..."}, "ResponseMetadata": {"HTTPStatusCode": status}, **more}
    return ClientError(response, "InvokeEndpoint")


def detect(body: str) -> str:
    """The detector's container: every saturated blob, the larger the surer."""
    request = decode_detector_request(body)
    height, width = request.image.shape[:2]
    _, labels, stats, _ = cv2.connectedComponentsWithStats(_saturated(request.image).astype(np.uint8))
    finds = [
        Find(Box(x, y, x + w, y + h), _label(request.image[labels == index]), score=0.5 + 0.5 * area / (width * height))
        for index, (x, y, w, h, area) in enumerate(stats.tolist())
        if index and area > 3
    ]
    return encode_detector_reply(DetectorReply(request.release, width, height, tuple(finds)))


def segment(body: str) -> str:
    """The segmenter's container: the blob under the prompt; of a list, the list of replies."""
    try:
        requests, as_list = decode_segmenter_requests(body)
    except RequestInvalid as error:
        return encode_error("bad-request", str(error))
    replies = [encode_segmenter_reply(SegmenterReply(_prompted_blob(request), request.echo)) for request in requests]
    return json.dumps(replies) if as_list else replies[0]


def _draw(canvas: Any, thing: Painted, colour: Any) -> None:
    x0, y0, x1, y1 = map(int, thing.box)
    if not thing.ellipse:
        canvas[y0:y1, x0:x1] = colour
        return
    ys, xs = np.mgrid[y0:y1, x0:x1] + 0.5
    inside = ((xs - (x0 + x1) / 2) / (x1 - x0)) ** 2 + ((ys - (y0 + y1) / 2) / (y1 - y0)) ** 2 <= 0.25
    canvas[y0:y1, x0:x1][inside] = colour


def _saturated(image: Image) -> Mask:
    return np.asarray(np.ptp(image.astype(np.int16), axis=2) > 100, np.bool_)


def _label(pixels: Any) -> str:
    mean = pixels.mean(axis=0)
    return min(COLOURS, key=lambda label: float(np.abs(mean - COLOURS[label]).sum()))


def _prompted_blob(request: SegmenterRequest) -> Mask:
    _, labels = cv2.connectedComponents(_saturated(request.image).astype(np.uint8))
    if request.point is not None:
        wanted = labels[int(request.point.y), int(request.point.x)]
    else:
        x0, y0, x1, y1 = (round(edge) for edge in request.box)
        wanted = np.bincount(labels[max(0, y0) : y1 + 1, max(0, x0) : x1 + 1].ravel(), minlength=2)[1:].argmax() + 1
    return np.asarray((labels == wanted) & (labels > 0), np.bool_)
