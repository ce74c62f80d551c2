"""What is tested: the endpoints of one release, and a photo to ask them about."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from botocore.exceptions import ClientError
from PIL import Image

import loc360
from loc360.wire import Box, DetectorReply, Find, decode_detector_reply, encode_detector_reply
from phenoloop.chain.release import Release
from phenoloop.chain.runtime import Runtime

JSON = "application/json"
WIDTH_PX, HEIGHT_PX = 640, 480
THINGS = (Box(80, 120, 260, 320), Box(360, 160, 560, 260))
"""Where the photo shows something, in its pixels."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    """HTTP's, as the container said it; of a refusal by SageMaker itself, SageMaker's."""
    text: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Subject:
    """A release's two endpoints, asked one call at a time and without retries."""

    runtime: Runtime
    release: Release
    photo: Path
    most_ms: float

    def ask(self, endpoint: str, body: str | bytes, content_type: str = JSON) -> Answer:
        started_s = time.perf_counter()
        content = body.encode() if isinstance(body, str) else body
        try:
            reply = self.runtime.invoke_endpoint(EndpointName=endpoint, Body=content, ContentType=content_type)
            status, text = 200, reply["Body"].read().decode()
        except ClientError as error:
            told: dict[str, Any] = dict(error.response)
            status = told.get("OriginalStatusCode") or told["ResponseMetadata"]["HTTPStatusCode"]
            text = str(told.get("OriginalMessage") or told.get("Error", {}).get("Message"))
        return Answer(status, text, time.perf_counter() - started_s)

    def detector_payload(self) -> str:
        return loc360.sagemaker_preprocess(str(self.photo), self._metadata("detector_model"))

    def segmenter_payload(self) -> str:
        """A JSON list, one request for each thing of the photo, whatever the detector finds there."""
        finds = tuple(Find(box=box, label=None, score=1.0) for box in THINGS)
        reply = DetectorReply(self.release.name, WIDTH_PX, HEIGHT_PX, finds)
        metadata = self._metadata("segmenter_model", sagemaker_response=encode_detector_reply(reply))
        return loc360.sagemaker_preprocess(str(self.photo), metadata)

    def finds(self) -> DetectorReply:
        return decode_detector_reply(self.ask(self.release.detector.endpoint, self.detector_payload()).text)

    def measured(self, replies: str) -> dict[str, Any]:
        """What `loc360.process` makes of the segmenter's replies."""
        return loc360.process(str(self.photo), self._metadata("segmenter_model", sagemaker_response=replies))

    def _metadata(self, model: str, **more: str) -> dict[str, Any]:
        manifest = self.release.manifest
        return {"properties": {"dl_model_name": manifest[model], "manifest": manifest, **more}}


class Plugin:
    """Gives the tests their subject."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    @pytest.fixture(scope="session")
    def subject(self) -> Subject:
        return self._subject

    def pytest_report_header(self) -> str:
        release = self._subject.release
        return f"release {release.name}: {release.detector.endpoint}, {release.segmenter.endpoint}"


def draw_photo(file: Path) -> Path:
    """Two saturated things on soil-coloured ground, with some noise; always the same."""
    pixels = np.full((HEIGHT_PX, WIDTH_PX, 3), (120, 110, 100), np.uint8)
    for box, colour in zip(THINGS, ((220, 40, 30), (235, 130, 20)), strict=True):
        centre = (int(box.x0 + box.x1) // 2, int(box.y0 + box.y1) // 2)
        axes = (int(box.x1 - box.x0) // 2, int(box.y1 - box.y0) // 2)
        cv2.ellipse(pixels, centre, axes, 0, 0, 360, colour, -1)
    noise = np.random.default_rng(0).integers(-6, 7, pixels.shape)
    Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8)).save(file)
    return file
