import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loc360.wire import Box, Mask, Point, decode_segmenter_requests, encode_error, mask_base64
from phenoloop.chain.chain import Chain, ChainResult, Instance, Prompt
from phenoloop.chain.endpoints import Endpoints
from phenoloop.chain.images import StoredImage
from phenoloop.chain.releases import Release
from phenoloop.chain.results import chain_result
from phenoloop.errors import ImageUnreadable, ModelReplyInvalid, PhenoloopError, SettingsInvalid, TaskInvalid
from tests.unit.fake_models import (
    DETECTOR_ENDPOINT,
    SEGMENTER_ENDPOINT,
    FakeRuntime,
    Painted,
    detect,
    paint,
    release,
    save,
    segment,
)

WIDTH, HEIGHT = 1200, 900
MARKET = [
    Painted("carrot", Box(100, 80, 400, 160)),
    Painted("tomato", Box(500, 300, 620, 420), ellipse=True),
    Painted("cucumber", Box(900, 100, 960, 800)),
]


class Live:
    """A live release that moves on when told to."""

    def __init__(self) -> None:
        self.release = release()

    def current(self, project: int | None = None) -> Release:
        return self.release


@pytest.fixture
def image(tmp_path: Path) -> StoredImage:
    path = save(paint(WIDTH, HEIGHT, MARKET), tmp_path / "photo.jpg", orientation=6)
    return StoredImage(Path(path), etag="abc", mm_per_px=0.25, group=None)


def chain(runtime: FakeRuntime | None = None, live: Live | None = None) -> Chain:
    return Chain(Endpoints(runtime or FakeRuntime(), slots=4, attempts=1), live or Live())


def on_photo(instance: Instance) -> Mask:
    x, y = instance.mask_origin_px
    height, width = instance.mask.shape
    assert 0 <= x <= x + width <= WIDTH
    assert 0 <= y <= y + height <= HEIGHT
    drawn = np.zeros((HEIGHT, WIDTH), np.bool_)
    drawn[y : y + height, x : x + width] = instance.mask
    return drawn


def overlap(instance: Instance, thing: Painted) -> float:
    drawn, truth = on_photo(instance), thing.mask(WIDTH, HEIGHT)
    return float((drawn & truth).sum() / (drawn | truth).sum())


def by_label(result: ChainResult) -> dict[str | None, Instance]:
    return {instance.label: instance for instance in result.instances}


def test_a_photo_is_annotated_with_what_the_models_find(image: StoredImage) -> None:
    result = chain().annotate(image)

    assert (result.release, result.width_px, result.height_px) == ("release-1", WIDTH, HEIGHT)
    found = by_label(result)
    for thing in MARKET:
        assert overlap(found[thing.label], thing) > 0.97
        assert found[thing.label].box_px == pytest.approx(thing.box, abs=2.5)
    assert result.metrics["count"] == len(result.instances) == 3
    assert "objects" not in result.metrics


def test_measures_are_plain_numbers_with_millimetres_where_there_is_a_scale(image: StoredImage) -> None:
    carrot = by_label(chain().annotate(image))["carrot"].measures

    assert carrot["length_px"] == pytest.approx(300, abs=4)
    assert carrot["length_mm"] == carrot["length_px"] * 0.25
    assert carrot["mean_b"] > 40
    assert all(isinstance(value, float) for value in carrot.values())
    assert by_label(chain().annotate(image, mm_per_px=2))["carrot"].measures["length_mm"] == carrot["length_px"] * 2


def test_without_a_scale_nothing_is_in_millimetres(image: StoredImage) -> None:
    unscaled = StoredImage(image.path, image.etag, None, None)

    assert "length_mm" not in chain().annotate(unscaled).instances[0].measures


def test_a_photo_with_nothing_in_it_has_no_instances(tmp_path: Path) -> None:
    path = save(paint(300, 200, []), tmp_path / "empty.png")

    result = chain().annotate(StoredImage(Path(path), "abc", None, None))

    assert result.instances == ()
    assert result.metrics["count"] == 0


def test_a_mask_of_one_pixel_between_photo_pixels_is_not_lost() -> None:
    between = [10.4, 10.4, 11.6, 11.6]
    item = {"index": 0, "label": None, "score": 1.0, "box_px": between, "mask_box_px": between, "mean_lab": [0, 0, 0]}

    result = chain_result({
        "release": "release-1", "width_px": 20, "height_px": 20,
        "objects": [{**item, "mask_png": mask_base64(np.ones((1, 1), np.bool_))}],
    })  # fmt: skip

    assert result.instances[0].mask.any()
    assert result.instances[0].mask_origin_px == (10, 10)


def test_a_box_prompt_segments_what_is_in_the_box(image: StoredImage) -> None:
    runtime = FakeRuntime()

    result = chain(runtime).segment(image, Prompt(box_px=Box(490, 290, 630, 430), label="tomato"))

    (found,) = result.instances
    assert (found.label, found.score) == ("tomato", 1.0)
    assert overlap(found, MARKET[1]) > 0.97
    assert not runtime.called(DETECTOR_ENDPOINT)


def test_a_point_prompt_looks_around_the_point_and_keeps_it(image: StoredImage) -> None:
    runtime = FakeRuntime()

    (found,) = chain(runtime).segment(image, Prompt(point_px=Point(560, 350))).instances

    (request,) = decode_segmenter_requests(runtime.called(SEGMENTER_ENDPOINT)[0])[0]
    assert found.label is None
    assert overlap(found, MARKET[1]) > 0.97
    assert request.echo.box == (425, 215, 695, 485)  # three tenths of the shorter side
    assert request.point is not None
    scale = (request.echo.crop.x1 - request.echo.crop.x0) / request.image.shape[1]
    assert request.echo.crop.x0 + request.point.x * scale == pytest.approx(560)


@pytest.mark.parametrize(
    ("point", "box"),
    [
        (Point(0, 0), (0, 0, 135, 135)),
        (Point(0, HEIGHT), (0, 764.5, 135, 900)),
        (Point(WIDTH, HEIGHT), (1064.5, 764.5, 1200, 900)),
    ],
)
def test_a_point_at_the_edge_lies_on_a_pixel_and_looks_at_what_there_is(
    image: StoredImage, point: Point, box: tuple[float, ...]
) -> None:
    runtime = FakeRuntime()

    chain(runtime).segment(image, Prompt(point_px=point))

    (request,) = decode_segmenter_requests(runtime.called(SEGMENTER_ENDPOINT)[0])[0]
    height, width = request.image.shape[:2]
    assert request.echo.box == box
    assert request.point is not None
    assert 0 <= request.point.x < width
    assert 0 <= request.point.y < height


def test_a_prompt_on_nothing_finds_nothing(image: StoredImage) -> None:
    result = chain().segment(image, Prompt(box_px=Box(650, 600, 700, 650)))

    assert result.instances == ()
    assert result.metrics["empty_masks"] == 1


@pytest.mark.parametrize(
    "prompt",
    [
        Prompt(),
        Prompt(box_px=Box(2000, 0, 2100, 50)),
        Prompt(box_px=Box(50, 50, 50, 90)),
        Prompt(box_px=Box(90, 50, 50, 90)),
        Prompt(point_px=Point(-1, 5)),
        Prompt(point_px=Point(float("nan"), 5)),
    ],
)
def test_a_prompt_that_shows_nothing_of_the_photo_is_refused(image: StoredImage, prompt: Prompt) -> None:
    with pytest.raises(TaskInvalid):
        chain().segment(image, prompt)


def test_the_version_is_the_live_releases_name() -> None:
    assert chain().version() == "release-1"


def test_a_release_that_goes_live_meanwhile_waits_for_the_next_photo(image: StoredImage) -> None:
    live = Live()

    def detect_and_release(body: str) -> str:
        live.release = release("release-2")
        return detect(body)

    running = chain(FakeRuntime({DETECTOR_ENDPOINT: detect_and_release, SEGMENTER_ENDPOINT: segment}), live)

    assert running.annotate(image).release == "release-1"
    assert running.version() == "release-2"
    assert running.annotate(image).release == "release-2"


def test_photos_can_be_annotated_from_many_threads_at_once(image: StoredImage) -> None:
    shared = chain()

    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda _: len(shared.annotate(image).instances), range(16)))

    assert results == [3] * 16


def failing(image: StoredImage, *, path: Path | None = None, **models: Any) -> PhenoloopError:
    runtime = FakeRuntime(
        {DETECTOR_ENDPOINT: models.get("one", detect), SEGMENTER_ENDPOINT: models.get("two", segment)}
    )
    with pytest.raises(PhenoloopError) as raised:
        chain(runtime).annotate(StoredImage(path or image.path, "abc", models.get("mm_per_px"), None))
    return raised.value


def test_the_modules_errors_come_in_our_words(image: StoredImage, tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish.jpg"
    rubbish.write_bytes(b"no photo")

    assert isinstance(failing(image, path=rubbish), ImageUnreadable)
    assert isinstance(failing(image, one=lambda _: encode_error("oom", "out of memory")), ModelReplyInvalid)
    assert isinstance(failing(image, two=lambda _: "Internal Server Error"), ModelReplyInvalid)
    assert isinstance(
        failing(image, two=lambda body: segment(body.replace("release-1", "release-0"))), ModelReplyInvalid
    )
    assert isinstance(failing(image, two=lambda _: json.dumps([])), ModelReplyInvalid)
    assert isinstance(failing(image, mm_per_px=-1.0), SettingsInvalid)


def test_an_unreadable_photo_is_the_prompts_failure_too(image: StoredImage, tmp_path: Path) -> None:
    with pytest.raises(ImageUnreadable):
        chain().segment(StoredImage(tmp_path / "none.jpg", "abc", None, None), Prompt(point_px=Point(1, 1)))


def test_objects_that_cover_the_photo_again_and_again_are_refused() -> None:
    whole = {"mask_png": mask_base64(np.ones((9, 12), bool)), "mask_box_px": [0, 0, 12_000, 9_000]}
    objects = [{**whole, "box_px": whole["mask_box_px"], "index": index} for index in range(21)]
    with pytest.raises(ModelReplyInvalid, match="times over"):
        chain_result({"release": "r", "width_px": 12_000, "height_px": 9_000, "objects": objects})
