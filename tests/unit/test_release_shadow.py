"""What was really asked goes through the new chain: what is surely broken is refused, and nothing else."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from loc360.wire import Box, encode_error
from phenoloop.chain.images import ImageStore, StoredImage
from phenoloop.chain.releases import Release, StageEndpoint
from phenoloop.errors import EndpointUnavailable, ImageMissing, ShadowFailed
from phenoloop.labelling.config import parse_labelling_config
from phenoloop.labelling.records import Project, Task
from phenoloop.labelling.regions import Shape, regions
from phenoloop.settings import ReleaseSettings
from sync.open_tasks import OpenTasks
from sync.release.shadow import Shadow
from tests.unit.backend_fakes import MASKS
from tests.unit.fake_models import Painted, detect, paint, release, save, segment

WIDTH_PX, HEIGHT_PX = 200, 150
MARKET = [Painted("carrot", Box(20, 20, 120, 60)), Painted("tomato", Box(140, 80, 190, 130))]
LIVE = release("phenoloop-1")


def new(name: str = "phenoloop-2") -> Release:
    stages = {
        role: StageEndpoint(endpoint=f"new-{role}", model_data_url="s3://m") for role in ("detector", "segmenter")
    }
    return release(name).model_copy(update=stages)


class Around:
    """Photos 1 to `photos` that the live chain has predicted, and the endpoints of both chains."""

    def __init__(self, folder: Path, *, photos: int = 4, **settings: Any) -> None:
        self.photos, self.slow_s = photos, 0.0
        self.numbers = count(1)
        self.refused_calls: range = range(0)
        """Of the new detector, which it answers with an error."""
        self.down = False
        self._photo = Path(save(paint(WIDTH_PX, HEIGHT_PX, MARKET), folder / "photo.png"))
        self.shadow = Shadow(
            cast("OpenTasks", SimpleNamespace(label_studio=self, projects=lambda: [Project(7, "", MASKS, "")])),
            cast("ImageStore", self),
            self,
            ReleaseSettings(**settings),
        )

    def newest_tasks(self, project_id: int, *, with_version: str, count: int) -> list[Task]:
        assert with_version == LIVE.name
        return [Task(n, {"image": f"s3://photos/{n}.png"}) for n in range(self.photos, 0, -1)][:count]

    def predictions(self, task_id: int) -> list[dict[str, Any]]:
        shapes = [
            Shape(
                label=thing.label,
                score=0.9,
                box_px=thing.box,
                mask=thing.mask(WIDTH_PX, HEIGHT_PX),
                origin_px=(0, 0),
                measures={"length_px": 10.0, "width_px": 5.0},
            )
            for thing in MARKET
        ]
        result = regions(
            shapes,
            parse_labelling_config(MASKS),
            WIDTH_PX,
            HEIGHT_PX,
            label_map={},
            image_measures={"count": len(shapes)},
            id_seed=str(task_id),
        )
        other = {"id": 1, "model_version": "another", "result": []}
        return [other, {"id": 2, "model_version": LIVE.name, "result": result}]

    @contextmanager
    def fetch(self, uri: str) -> Iterator[StoredImage]:
        if uri == "s3://photos/1.png":
            raise ImageMissing("It is gone.")
        yield StoredImage(self._photo, "etag", None, None)

    def invoke(self, endpoint_name: str, payload: str) -> str:
        if endpoint_name == "new-detector":
            number = next(self.numbers)
            time.sleep(self.slow_s)
            if self.down:
                raise EndpointUnavailable("The endpoint did not answer.")
            if number in self.refused_calls:
                return encode_error("broken", "I am.")
        return detect(payload) if "detector" in endpoint_name else segment(payload)

    def invoke_each(self, endpoint_name: str, payloads: Sequence[str]) -> list[str]:
        return [self.invoke(endpoint_name, payload) for payload in payloads]


def test_stored_answers_are_found_again_by_the_same_models(tmp_path: Path) -> None:
    seen = Around(tmp_path).shadow.compare(new(), LIVE)
    assert (seen["photos"], seen["failures"]) == (3, 0), "one photo is gone"
    assert (seen["objects"], seen["objects_live"], seen["found_again"]) == (6, 6, 1.0)


def test_only_so_many_of_the_newest_are_replayed(tmp_path: Path) -> None:
    around = Around(tmp_path, photos=9, shadow_photos=2)
    assert around.shadow.compare(new(), LIVE)["photos"] == 2
    assert next(around.numbers) == 3


@pytest.mark.parametrize("nothing", [{"photos": 0}, {"shadow_photos": 0}])
def test_where_nothing_was_asked_there_is_nothing_to_replay(tmp_path: Path, nothing: dict[str, int]) -> None:
    assert Around(tmp_path, **nothing).shadow.compare(new(), LIVE) == {"photos": 0, "skipped": "nothing to replay"}


def test_a_chain_that_fails_on_a_photo_in_ten_is_let_through_and_on_half_of_them_is_refused(tmp_path: Path) -> None:
    around = Around(tmp_path, photos=11)
    around.refused_calls = range(2, 3)
    seen = around.shadow.compare(new(), LIVE)
    assert (seen["photos"], seen["failures"]) == (10, 1)
    assert "I am" in seen["first_failure"]
    around.refused_calls = range(11, 17)
    with pytest.raises(ShadowFailed, match="fails on photos"):
        around.shadow.compare(new(), LIVE)


def test_a_chain_that_is_far_slower_is_refused(tmp_path: Path) -> None:
    around = Around(tmp_path, photos=3, shadow_slower=1.1)
    around.slow_s = 1.2
    with pytest.raises(ShadowFailed, match="far slower"):
        around.shadow.compare(new(), LIVE)


def test_what_may_pass_is_no_verdict(tmp_path: Path) -> None:
    around = Around(tmp_path)
    around.down = True
    with pytest.raises(EndpointUnavailable):
        around.shadow.compare(new(), LIVE)
