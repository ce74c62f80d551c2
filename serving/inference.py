"""The four functions of SageMaker's handler contract, for both models of the chain; `model.json` says which one it is.

This file travels in the archive as `code/inference.py`, with `code/loc360/` beside it.
"""

import json
import os
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import numpy as np
import torch
from sagemaker_inference.errors import BaseInferenceToolkitError

from loc360.errors import RequestInvalid
from loc360.wire import (
    Box,
    DetectorReply,
    DetectorRequest,
    Find,
    Image,
    SegmenterReply,
    SegmenterRequest,
    decode_detector_request,
    decode_segmenter_requests,
    encode_detector_reply,
    encode_segmenter_reply,
)

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Model:
    role: str
    """detector or segmenter."""
    labels: tuple[str, ...]
    module: torch.jit.ScriptModule


def model_fn(model_dir: str) -> Model:
    """Load, optimise and warm the archive's model. Threads per call: OMP_NUM_THREADS, else one."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    about = json.loads((Path(model_dir) / "model.json").read_text())
    module = torch.jit.load(str(Path(model_dir) / "model.pt"), map_location="cpu").eval()
    module = torch.jit.optimize_for_inference(torch.jit.freeze(module))
    model = Model(role=about["role"], labels=tuple(about["labels"]), module=module)
    _warm(model)
    return model


def input_fn(body: str | bytes, content_type: str) -> str | bytes:
    """The request, still encoded: what it should be depends on the model. 415 if it is not JSON."""
    if content_type.partition(";")[0].strip().lower() != JSON:
        raise _refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Send {JSON}.")
    return body


def predict_fn(body: str | bytes, model: Model) -> str:
    """The reply, encoded. 400 if the request is not of the form that `loc360.wire` documents for this model."""
    try:
        if model.role == "detector":
            return encode_detector_reply(_detected(decode_detector_request(body), model))
        requests, is_list = decode_segmenter_requests(body)
    except RequestInvalid as error:
        raise _refused(HTTPStatus.BAD_REQUEST, f"This is the {model.role}. {error}") from error
    replies = [encode_segmenter_reply(_segmented(request, model)) for request in requests]
    return f"[{', '.join(replies)}]" if is_list else replies[0]


def output_fn(reply: str, accept: str) -> tuple[str, str]:  # noqa: ARG001  # there is one form
    return reply, JSON


def _detected(asked: DetectorRequest, model: Model) -> DetectorReply:
    with torch.inference_mode():
        boxes, labels, scores, *more = model.module(_tensor(asked.image))
    height_px, width_px = asked.image.shape[:2]
    found = zip(boxes.tolist(), labels.tolist(), scores.tolist(), strict=True)
    finds = tuple(Find(box=Box(*box), label=model.labels[label], score=score) for box, label, score in found)
    impression = tuple(value for told in more for value in told.tolist())  # release 0 has none
    return DetectorReply(asked.release, width_px, height_px, finds, impression)


def _segmented(asked: SegmenterRequest, model: Model) -> SegmenterReply:
    point = None if asked.point is None else torch.tensor(asked.point, dtype=torch.float32)
    with torch.inference_mode():
        mask = model.module(_tensor(asked.image), torch.tensor(asked.box, dtype=torch.float32), point)
    return SegmenterReply(mask=mask.numpy(), echo=asked.echo)


def _tensor(image: Image) -> torch.Tensor:
    """(3, H, W) uint8 of (H, W, 3) uint8."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


def _warm(model: Model) -> None:
    """Runs the model a few times, since TorchScript optimises on its first calls."""
    image = np.zeros((192, 256, 3), np.uint8)
    image[64:128, 96:160] = 200
    with torch.inference_mode():
        for _ in range(3):
            if model.role == "detector":
                model.module(_tensor(image))
            else:
                model.module(_tensor(image), torch.tensor([96.0, 64.0, 160.0, 128.0]), None)


def _refused(status: HTTPStatus, reason: str) -> BaseInferenceToolkitError:
    return BaseInferenceToolkitError(status.value, reason, reason)
