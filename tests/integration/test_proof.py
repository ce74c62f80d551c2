"""The proof's simulated annotator against a real Label Studio."""

import json
from typing import Any

import pytest

from phenoloop.demo.proof.annotator import overlap
from phenoloop.demo.proof.bucket import Bucket
from phenoloop.demo.proof.desk import Desk
from phenoloop.demo.proof.generated import known_photo
from phenoloop.demo.proof.known import KnownPhoto
from phenoloop.demo.proof.stack import Doors
from phenoloop.demo.proof.work import Saved, annotate, mix_up
from phenoloop.demo.scenes import read_scene
from phenoloop.demo.state import DataFolder
from phenoloop.labelling.annotated import AnnotatedRegion, decode_regions
from phenoloop.labelling.config import parse_labelling_config
from tests.conftest import RunningStack, eventually

pytestmark = pytest.mark.integration


def stored(doors: Doors, annotation_id: int) -> dict[str, Any]:
    key = f"annotations/{annotation_id}"
    return dict(json.loads(doors.client("s3").get_object(Bucket=doors.bucket, Key=key)["Body"].read()))


def shows(regions: list[AnnotatedRegion], photo: KnownPhoto) -> bool:
    """Whether every object of the photo has its region, and no other is there."""
    fits = [max(overlap(region, thing) for thing in photo.objects) >= 0.9 for region in regions]
    labels = sorted(str(region.label) for region in regions)
    return all(fits) and labels == sorted(thing.label for thing in photo.objects)


def test_what_the_annotator_saves_decodes_to_the_truth_until_it_is_shuffled(stack: RunningStack) -> None:
    doors = Doors.of(DataFolder(stack.data_dir).read_status())
    desk, config = Desk(doors), parse_labelling_config(doors.label_config)
    truths = sorted((stack.data_dir / "generated" / "truth").iterdir())[1:3]
    photos = [known_photo(read_scene(path), path.with_suffix(".jpg")) for path in truths]

    saved = annotate(desk, config, photos, model_version=Bucket(doors).live_release())
    for one in saved:
        annotation = stored(doors, one.annotation_id)
        assert annotation["parent_prediction"]
        assert annotation["lead_time"] > 0
        assert shows(decode_regions(annotation["result"]), one.photo)

    mix_up(desk, config, saved, seed=1)
    eventually(lambda: all(shows(_regions(doors, one), other.photo) for one, other in _swapped(saved)))


def _regions(doors: Doors, one: Saved) -> list[AnnotatedRegion]:
    return decode_regions(stored(doors, one.annotation_id)["result"])


def _swapped(saved: list[Saved]) -> list[tuple[Saved, Saved]]:
    first, second = saved
    return [(first, second), (second, first)]
