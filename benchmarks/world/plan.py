"""What a world holds, as its process is told."""

import json
from dataclasses import asdict, dataclass

BUCKET = "bench"
DETECTOR, SEGMENTER = "bench-detector", "bench-segmenter"
LABELS = ("carrot", "tomato", "cucumber")


@dataclass(frozen=True, slots=True)
class Plan:
    photos: int
    photo_px: tuple[int, int]
    """Width and height."""
    objects: int
    """On each photo."""
    invoke_s: float
    """Of one invocation, of either model."""
    slots: int
    """Invocations at once, of each endpoint; others wait in line."""
    store_latency_s: float
    """Before the first byte of any answer of the store."""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        values = json.loads(text)
        return cls(**{**values, "photo_px": tuple(values["photo_px"])})

    @property
    def photo_keys(self) -> list[str]:
        return [f"images/{number:06d}.jpg" for number in range(self.photos)]
