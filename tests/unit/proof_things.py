"""Small known things for the tests of the proof."""

from pathlib import Path

import numpy as np

from phenoloop.demo.proof.known import KnownObject, KnownPhoto
from phenoloop.labelling.config import LabellingConfig, parse_labelling_config
from phenoloop.labelling.regions import Result, Shape, regions
from tests.unit.backend_fakes import BOXES, MASKS

WIDTH_PX, HEIGHT_PX = 200, 100
MASKS_CONFIG, BOXES_CONFIG = parse_labelling_config(MASKS), parse_labelling_config(BOXES)


def known(label: str = "tomato", x: int = 10, y: int = 10, width: int = 40, height: int = 20) -> KnownObject:
    """A rectangle."""
    return KnownObject(label, (x, y, x + width, y + height), np.ones((height, width), np.bool_), (x, y))


def photo(*objects: KnownObject, name: str = "a.jpg", size_px: tuple[int, int] = (WIDTH_PX, HEIGHT_PX)) -> KnownPhoto:
    return KnownPhoto(name, Path(name), *size_px, objects)


def predicted(*objects: KnownObject, config: LabellingConfig = MASKS_CONFIG) -> list[Result]:
    """A pre-annotation that shows these objects, with numbers."""
    shapes = [
        Shape(o.label, 0.8, o.box_px, _mask(o), o.origin_px, {"length_mm": 40.0, "width_mm": 20.0}) for o in objects
    ]
    measures = {"count": float(len(shapes))}
    return regions(shapes, config, WIDTH_PX, HEIGHT_PX, label_map={}, image_measures=measures, id_seed="r0")


def _mask(of: KnownObject) -> np.ndarray:
    assert of.mask is not None
    return of.mask
