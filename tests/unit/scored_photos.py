"""Photos with objects and finds whose overlaps are known by hand."""

import numpy as np

from loc360.wire import Box
from training.evaluation.scores import Comparison, Found, Truth, compared
from training.masks import PlacedMask

Photo = tuple[list[Truth], list[Found]]


def square(x: float, y: float = 0, side: float = 10) -> Box:
    return Box(x, y, x + side, y + side)


def filled(x: int, y: int = 0, side: int = 10) -> PlacedMask:
    return PlacedMask(np.ones((side, side), np.bool_), (x, y))


def true(x: int, label: str | None = "carrot", *, masked: bool = False, length_mm: float | None = None) -> Truth:
    return Truth(label, square(x), filled(x) if masked else None, length_mm, length_mm)


def find(x: float, score: float, label: str | None = "carrot", *, length_mm: float | None = None) -> Found:
    return Found(label, square(x), score, filled(round(x)), length_mm, length_mm)


def photos(*pairs: Photo) -> list[Comparison]:
    return [compared(*pair) for pair in pairs]


def some_photo(seed: int, objects: int | None = None) -> Photo:
    """Objects of three kinds; most found, some twice, with scores that know a little."""
    rng = np.random.default_rng(seed)
    kinds = ["carrot", "tomato", "pepper"]
    truth = [
        true(50 * i, str(rng.choice(kinds)), masked=True, length_mm=float(rng.uniform(20, 90)))
        for i in range(objects or int(rng.integers(1, 8)))
    ]
    found = [
        find(item.box_px.x0 + float(rng.uniform(0, 5)), float(rng.random()),
             item.label if rng.random() < 0.8 else str(rng.choice(kinds)), length_mm=float(rng.uniform(20, 90)))
        for item in truth
        for _ in range(int(rng.integers(0, 3)))
    ]  # fmt: skip
    return truth, [*found, find(900, float(rng.random()))]
