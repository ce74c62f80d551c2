"""What an endpoint tells of its invocations: a line of metrics each, and now and then how far its photos drifted.

Read off what was asked and answered, after the answer is out, so that no caller waits for it.
"""

import base64
import io
import json
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from serving.drift import Drift, Window
from serving.facts import Facts, crop_facts, find_facts, impression_facts, mask_facts, photo_facts
from serving.metrics import with_metrics
from serving.pace import Pace

Json = Any
LOOKING = 0.01
"""Share of one core's time that goes into looking at photos: of a busy endpoint's, some are seen."""


@dataclass(frozen=True, slots=True)
class Invocation:
    trace_id: str | None
    status: int
    seconds: float
    request: bytes
    """JSON, as the model got it; empty if it got nothing."""
    reply: bytes


@dataclass(frozen=True, slots=True)
class Seen:
    """What one invocation shows, beyond that it was one."""

    metrics: dict[str, float]
    facts: Facts | None = None
    """Of the photo; None: it counts no further."""


class Watch:
    def __init__(self, endpoint: str, about: Mapping[str, Any], *, looking: float = LOOKING) -> None:
        """`about`: the archive's `model.json`; of a model without a role only the time is told."""
        self.role = str(about.get("role", "unknown"))
        self._endpoint = endpoint
        self._threshold = float(about.get("score_threshold", 0.0))
        self._window = _window(about)
        self._pace = Pace(looking)
        if self._window is None:
            _say({"event": "no_drift_reference", "role": self.role})

    def answered(self, invocation: Invocation) -> None:
        """Writes to the log. What fails here is told there too, and harms no answer."""
        try:
            seen, drift = self._looked_at(invocation)
        except Exception:  # noqa: BLE001  # the boundary: nobody waits for this any more
            traceback.print_exc()
            seen, drift = Seen({}), None
        metrics = _timed(invocation) | seen.metrics | (_drifted(drift) if drift else {})
        _say(with_metrics(self._endpoint, self.role, metrics, _properties(invocation, drift)))

    def _looked_at(self, invocation: Invocation) -> tuple[Seen, Drift | None]:
        if invocation.status != HTTPStatus.OK or self.role not in ("detector", "segmenter"):
            return Seen({}), None
        with self._pace.turn() as is_time:
            look = is_time and self._window is not None
            seen = self._found(invocation, look) if self.role == "detector" else self._cut_out(invocation, look)
            return seen, self._window.add(seen.facts) if self._window and seen.facts else None

    def _found(self, invocation: Invocation, look: bool) -> Seen:  # noqa: FBT001
        reply = json.loads(invocation.reply)
        finds = [find for find in reply["finds"] if find["score"] >= self._threshold]
        boxes, scores = [find["box"] for find in finds], [find["score"] for find in finds]
        metrics = {"Objects": float(len(finds)), **({"Score": float(np.mean(scores))} if finds else {})}
        if not look:
            return Seen(metrics)
        image = _pixels(json.loads(invocation.request)["image"], "RGB")
        found = find_facts(boxes, scores, reply["width_px"], reply["height_px"])
        return Seen(metrics, photo_facts(image) | found | impression_facts(reply.get("impression", ())))

    def _cut_out(self, invocation: Invocation, look: bool) -> Seen:  # noqa: FBT001
        """One object of each photo counts: the others are no further witnesses."""
        asked, replies = _items(invocation.request), _items(invocation.reply)
        metrics = {"Objects": float(len(replies))}
        for request, reply in zip(asked, replies, strict=True) if look else ():
            if reply["echo"]["index"] == reply["echo"]["count"] // 2:
                mask = _pixels(reply["mask"], "L") > 127
                image = _pixels(request["image"], "RGB")
                return Seen(metrics, crop_facts(image) | mask_facts(mask, request["box"]))
        return Seen(metrics)


def _window(about: Mapping[str, Any]) -> Window | None:
    """None if the archive has no reference that we read: it may be older, or of another make."""
    try:
        return Window(about["drift"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _timed(invocation: Invocation) -> dict[str, float]:
    return {
        "Invocations": 1.0,
        "ModelErrors": float(invocation.status >= 500),
        "LatencyMs": round(1000 * invocation.seconds, 1),
    }


def _drifted(drift: Drift) -> dict[str, float]:
    return {
        "InputDrift": round(drift.of_inputs, 4),
        "OutputDrift": round(drift.of_outputs, 4),
        "DriftAlarm": float(bool(drift.drifted)),
    }


def _items(text: bytes) -> list[Json]:
    """Of one object or a list of them, each an object or its JSON."""
    value = json.loads(text)
    items = value if isinstance(value, list) else [value]
    return [json.loads(item) if isinstance(item, str) else item for item in items]


def _pixels(text: str, mode: str) -> NDArray[np.uint8]:
    with Pillow.open(io.BytesIO(base64.b64decode(text)), formats=("JPEG", "PNG")) as picture:
        return np.asarray(picture.convert(mode))


def _properties(invocation: Invocation, drift: Drift | None) -> dict[str, object]:
    """What the log knows beyond the metrics."""
    sizes = {"request_bytes": len(invocation.request), "reply_bytes": len(invocation.reply)}
    told = {"drifted": drift.drifted, "distances": drift.distances} if drift else {}
    return {"event": "invocation", "trace_id": invocation.trace_id, "status": invocation.status, **sizes, **told}


def _say(line: Json) -> None:
    """In one write: the lines of several threads must not mix."""
    sys.stdout.write(f"{json.dumps(line)}\n")
    sys.stdout.flush()
