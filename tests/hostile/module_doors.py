"""Doors of the loc360 module and the chain: photos, the models' requests and replies, manifests, metadata."""

import base64
import io
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from PIL import Image as Pillow

from loc360 import process, sagemaker_preprocess
from loc360.errors import Loc360Error, PhotoUnreadable, ReplyInvalid, RequestInvalid
from loc360.photo import photo_size, read_photo, read_photo_scaled
from loc360.wire import (
    Box,
    DetectorReply,
    DetectorRequest,
    Echo,
    Find,
    SegmenterReply,
    SegmenterRequest,
    decode_detector_request,
    decode_segmenter_requests,
    encode_detector_reply,
    encode_detector_request,
    encode_segmenter_reply,
    encode_segmenter_request,
    mask_from_base64,
)
from ml_backend.messages import Task
from ml_backend.predict import predict
from phenoloop.chain.chain import Chain
from phenoloop.chain.images import StoredImage
from phenoloop.chain.release import Release
from phenoloop.labelling.config import parse_labelling_config
from tests.hostile.door import Door
from tests.hostile.pictures import bomb, pictures, scan_bomb
from tests.hostile.values import changed, hostile_json, written_json
from tests.unit import backend_fakes
from tests.unit.fake_models import DETECTOR_ENDPOINT, Painted, manifest, paint, release, save

RELEASE = "release-1"
ECHO = Echo(RELEASE, 0, 1, "tomato", 0.9, Box(10, 12, 30, 25), Box(5, 7, 35, 30))
IMAGE = paint(64, 48, [Painted("tomato", Box(10, 12, 30, 25))])


@cache
def photo_path() -> str:
    folder = tempfile.mkdtemp(prefix="phenoloop-hostile-")
    return save(IMAGE, Path(folder) / "photo.png")


# Photos


def read_photos(body: bytes) -> None:
    with tempfile.NamedTemporaryFile(prefix="phenoloop-hostile-") as file:
        file.write(body)
        file.flush()
        size = photo_size(file.name)
        photo = read_photo(file.name)
        assert photo.shape == (size[1], size[0], 3)
        assert max(read_photo_scaled(file.name, 100).shape[:2]) <= 100


def largest_jpeg() -> bytes:
    """Progressive: libjpeg keeps all of its coefficients."""
    out = io.BytesIO()
    Pillow.effect_noise((815, 815), 80).convert("RGB").resize((13_038, 13_038)).save(out, "JPEG", progressive=True)
    return out.getvalue()


def largest_grey() -> bytes:
    """Of 16 bits."""
    out = io.BytesIO()
    Pillow.new("I;16", (13_038, 13_038), 40_000).save(out, "PNG", compress_level=1)
    return out.getvalue()


def read_mask(body: bytes) -> None:
    mask_from_base64(base64.b64encode(body).decode())


# The models' requests, as the containers read them

DETECTOR_REQUEST = json.loads(encode_detector_request(DetectorRequest(RELEASE, IMAGE)))
SEGMENTER_REQUEST = json.loads(encode_segmenter_request(SegmenterRequest(IMAGE, Box(1, 2, 30, 40), None, ECHO)))


def read_requests(body: bytes) -> None:
    try:
        decode_detector_request(body)
    except RequestInvalid:
        requests, _ = decode_segmenter_requests(body)
        for request in requests:
            assert np.isfinite(request.box).all()


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    one = draw(st.sampled_from([DETECTOR_REQUEST, SEGMENTER_REQUEST]))
    if draw(st.booleans()):
        one = {**one, "image": base64.b64encode(draw(pictures(("JPEG", "PNG", "TIFF", "GIF", "WEBP")))).decode()}
    body = draw(hostile_json(one))
    return draw(st.sampled_from([body, written_json([body.decode(errors="replace"), json.dumps(SEGMENTER_REQUEST)])]))


# The models' replies, through the chain and into a prediction

FIND = Find(Box(10, 12, 30, 25), "tomato", 0.9)
DETECTOR_REPLY = json.loads(encode_detector_reply(DetectorReply(RELEASE, 64, 48, (FIND,))))
SEGMENTER_REPLY = json.loads(encode_segmenter_reply(SegmenterReply(np.eye(23, 30, dtype=bool), ECHO)))
BOXES = parse_labelling_config(backend_fakes.MASKS)


@dataclass(frozen=True)
class Replies:
    """Endpoints that say this, whatever they are asked."""

    detector: str
    segmenter: str

    def invoke(self, endpoint_name: str, payload: str, **_: Any) -> str:
        return self.detector if endpoint_name == DETECTOR_ENDPOINT else self.segmenter

    def invoke_each(self, endpoint_name: str, payloads: Sequence[str], **_: Any) -> list[str]:
        return [self.invoke(endpoint_name, payload) for payload in payloads]


@dataclass(frozen=True)
class Live:
    release: Release

    def current(self, project: int | None = None) -> Release:
        return self.release


class OnePhoto:
    @contextmanager
    def fetch(self, uri: str, **_: Any) -> Iterator[StoredImage]:
        yield StoredImage(Path(photo_path()), "etag", None, None)


LIVE = Live(release(RELEASE))


def predict_from(replies: Replies) -> None:
    """What comes out can be sent to Label Studio."""
    backend = replace(backend_fakes.backend(), chain=Chain(replies, LIVE), images=OnePhoto())
    json.dumps(predict(backend, Task(data={"image": "s3://phenoloop/a.png"}), BOXES), allow_nan=False)


@st.composite
def replies(draw: st.DrawFn) -> Replies:
    detector, segmenter = json.dumps(DETECTOR_REPLY), json.dumps(SEGMENTER_REPLY)
    match draw(st.integers(0, 3)):
        case 0:
            detector = draw(hostile_json(DETECTOR_REPLY)).decode(errors="replace")
        case 1:
            segmenter = draw(hostile_json(SEGMENTER_REPLY)).decode(errors="replace")
        case 2:
            mask = base64.b64encode(draw(pictures(("PNG", "JPEG", "TIFF", "BMP")))).decode()
            segmenter = json.dumps({**SEGMENTER_REPLY, "mask": mask})
        case _:
            segmenter = json.dumps({**SEGMENTER_REPLY, "echo": draw(changed(SEGMENTER_REPLY["echo"]))})
    return Replies(detector, segmenter)


def heavy_masks() -> Replies:
    """Of forty objects, each of a few kilobytes that unpack to 25 megapixels."""
    mask = base64.b64encode(bomb(5000, 5000, colour=0)).decode()
    finds = DETECTOR_REPLY["finds"] * 40
    return Replies(json.dumps({**DETECTOR_REPLY, "finds": finds}), json.dumps({**SEGMENTER_REPLY, "mask": mask}))


# Metadata of the platform, with the manifest

PROPERTIES = {"dl_model_name": manifest().detector_model, "manifest": manifest().to_dict(), "mm_per_px": 0.5}
CALL_2 = {"dl_model_name": manifest().segmenter_model, "sagemaker_response": json.dumps(DETECTOR_REPLY)}
LAST = {"dl_model_name": manifest().segmenter_model, "sagemaker_response": json.dumps([json.dumps(SEGMENTER_REPLY)])}
STEPS = [{"properties": {**PROPERTIES, **step}} for step in ({}, CALL_2, LAST)]


def call_module(metadata: Any) -> None:
    for call in (sagemaker_preprocess, process):
        try:
            answer = call(photo_path(), metadata)
        except Loc360Error as error:
            refusal = error
        else:
            json.dumps(answer, allow_nan=False)
            return
    raise refusal


DOORS = [
    Door(
        "photo",
        pictures(),
        read_photos,
        (PhotoUnreadable,),
        most_s=60,
        most_mib=2048,
        extremes=(
            lambda: bomb(13_038, 13_038),
            lambda: bomb(13_039, 13_039),
            lambda: scan_bomb(2000),
            largest_jpeg,
            largest_grey,
        ),
    ),
    Door(
        "mask picture",
        pictures(),
        read_mask,
        (ReplyInvalid,),
        most_mib=256,
        extremes=(lambda: bomb(5000, 5000, colour=0), lambda: bomb(5001, 5000, colour=0), lambda: scan_bomb(2000)),
    ),
    Door("request to a model", requests(), read_requests, (RequestInvalid,), most_mib=256),
    Door("reply of a model", replies(), predict_from, most_s=20, most_mib=1024, extremes=(heavy_masks,)),
    Door("metadata and manifest", st.sampled_from(STEPS).flatmap(changed), call_module, (Loc360Error,)),
]
