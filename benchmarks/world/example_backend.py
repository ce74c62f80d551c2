"""A two-model chain as Label Studio's example backends drive theirs: task by task, call by call.

With what they use: boto3, Pillow, JSON, and the SDK's brush masks.
"""

import base64
import io
import json
from collections.abc import Sequence
from typing import Any

import boto3
import numpy as np
from label_studio_sdk.converter.brush import mask2rle
from PIL import Image

from benchmarks.world.world import World

_SENT_PX = (1024, 768)
_MARGIN = 0.25
_RELEASE = "example"

Result = dict[str, Any]


class ExampleBackend:
    def __init__(self, world: World) -> None:
        self._bucket, self._endpoints = world.bucket, (world.detector, world.segmenter)
        self._s3, self._runtime = boto3.client("s3"), boto3.client("sagemaker-runtime")

    def predict(self, uris: Sequence[str]) -> list[list[Result]]:
        return [self._predict_one(uri) for uri in uris]

    def _predict_one(self, uri: str) -> list[Result]:
        file = io.BytesIO()
        self._s3.download_fileobj(self._bucket, uri.removeprefix(f"s3://{self._bucket}/"), file)
        photo = Image.open(file).convert("RGB")
        sent = photo.resize(_SENT_PX)
        found = self._asked(self._endpoints[0], {"release": _RELEASE, "image": _jpeg(sent)})["finds"]
        return [self._segmented(photo, photo.width / sent.width, find, index) for index, find in enumerate(found)]

    def _segmented(self, photo: Image.Image, scale: float, find: dict[str, Any], index: int) -> Result:
        box = [edge * scale for edge in find["box"]]
        margin = _MARGIN * max(box[2] - box[0], box[3] - box[1])
        crop = (int(box[0] - margin), int(box[1] - margin), int(box[2] + margin), int(box[3] + margin))
        echo = {"release": _RELEASE, "index": index, "count": 1, "label": find["label"], "score": find["score"],
                "box": box, "crop": crop}  # fmt: skip
        asked = {"image": _jpeg(photo.crop(crop)), "box": box, "point": None, "echo": echo}
        png = base64.b64decode(self._asked(self._endpoints[1], asked)["mask"])
        part = Image.open(io.BytesIO(png)).convert("L").resize((crop[2] - crop[0], crop[3] - crop[1]))
        mask = Image.new("L", photo.size)
        mask.paste(part, crop[:2])
        return {
            "type": "brushlabels",
            "original_width": photo.width,
            "original_height": photo.height,
            "value": {"format": "rle", "rle": mask2rle(np.array(mask)), "brushlabels": [find["label"]]},
            "score": find["score"],
        }

    def _asked(self, endpoint: str, payload: dict[str, Any]) -> dict[str, Any]:
        reply = self._runtime.invoke_endpoint(
            EndpointName=endpoint, Body=json.dumps(payload).encode(), ContentType="application/json"
        )
        answer: dict[str, Any] = json.loads(reply["Body"].read())
        return answer


def _jpeg(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return base64.b64encode(file.getvalue()).decode()
