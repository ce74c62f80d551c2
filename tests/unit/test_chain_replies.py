"""The same photo again: replies that are kept."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from loc360.wire import Box, encode_error
from phenoloop.chain.chain import Chain, ChainResult
from phenoloop.chain.disk_cache import DiskCache
from phenoloop.chain.endpoints import Endpoints
from phenoloop.chain.images import StoredImage
from phenoloop.chain.releases import Release
from phenoloop.chain.reply_cache import ReplyCache
from phenoloop.errors import ModelReplyInvalid
from tests.unit.fake_models import (
    DETECTOR_ENDPOINT,
    SEGMENTER_ENDPOINT,
    FakeRuntime,
    Painted,
    detect,
    paint,
    release,
    save,
)

MARKET = [Painted("carrot", Box(100, 80, 400, 160)), Painted("tomato", Box(500, 300, 620, 420), ellipse=True)]


class Live:
    """A live release that moves on when told to."""

    def __init__(self) -> None:
        self.release = release()

    def current(self, project: int | None = None) -> Release:
        return self.release


@pytest.fixture
def image(tmp_path: Path) -> StoredImage:
    path = save(paint(1200, 900, MARKET), tmp_path / "photo.jpg")
    return StoredImage(Path(path), etag="abc", mm_per_px=0.25, group=None)


def kept(folder: Path, runtime: FakeRuntime, live: Live | None = None) -> Chain:
    replies = ReplyCache(DiskCache(folder / "replies", 10**6))
    return Chain(Endpoints(runtime, slots=4, attempts=1), live or Live(), replies=replies)


def same(one: ChainResult, other: ChainResult) -> bool:
    pairs = zip(one.instances, other.instances, strict=True)
    return (one.release, one.metrics) == (other.release, other.metrics) and all(
        (a.box_px, a.label, a.score, a.measures) == (b.box_px, b.label, b.score, b.measures)
        and np.array_equal(a.mask, b.mask)
        for a, b in pairs
    )


def test_the_same_photo_under_the_same_release_asks_no_model_again(tmp_path: Path, image: StoredImage) -> None:
    runtime = FakeRuntime()
    first = kept(tmp_path, runtime).annotate(image)
    calls = len(runtime.calls)

    again = kept(tmp_path, runtime).annotate(image)

    assert len(runtime.calls) == calls
    assert same(first, again)


def test_another_scale_needs_no_model_and_is_measured_with(tmp_path: Path, image: StoredImage) -> None:
    runtime = FakeRuntime()
    first = kept(tmp_path, runtime).annotate(image)
    calls = len(runtime.calls)

    scaled = kept(tmp_path, runtime).annotate(image, mm_per_px=0.5)

    assert len(runtime.calls) == calls
    assert scaled.instances[0].measures["length_mm"] == 2 * first.instances[0].measures["length_mm"]


def test_another_release_or_photo_asks_the_models(tmp_path: Path, image: StoredImage) -> None:
    runtime, live = FakeRuntime(), Live()
    annotating = kept(tmp_path, runtime, live)
    annotating.annotate(image)
    annotating.annotate(replace(image, etag="another"))
    live.release = release("release-2")
    annotating.annotate(image)

    assert len(runtime.called(DETECTOR_ENDPOINT)) == 3


def test_what_a_model_got_wrong_is_not_kept(tmp_path: Path, image: StoredImage) -> None:
    broken = FakeRuntime({DETECTOR_ENDPOINT: detect, SEGMENTER_ENDPOINT: lambda body: encode_error("oom", "no memory")})
    with pytest.raises(ModelReplyInvalid):
        kept(tmp_path, broken).annotate(image)

    assert len(kept(tmp_path, FakeRuntime()).annotate(image).instances) == len(MARKET)


def test_a_kept_reply_that_can_not_be_used_is_asked_for_again(tmp_path: Path, image: StoredImage) -> None:
    replies = ReplyCache(DiskCache(tmp_path / "replies", 10**6))
    replies.keep("release-1", image.etag, image.path, "rubbish")
    runtime = FakeRuntime()

    assert len(kept(tmp_path, runtime).annotate(image).instances) == len(MARKET)
    calls = len(runtime.calls)
    kept(tmp_path, runtime).annotate(image)
    assert len(runtime.calls) == calls > 0
