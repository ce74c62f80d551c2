"""A prediction is of one whole release, whatever goes live or is withdrawn while it is made."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from loc360.wire import Box
from phenoloop.chain.chain import Chain
from phenoloop.chain.endpoints import Endpoints
from phenoloop.chain.images import StoredImage
from phenoloop.chain.releases import LiveRelease, Release, ReleaseStore, StageEndpoint
from tests.unit.fake_models import FakeRuntime, Painted, detect, paint, release, save, segment
from tests.unit.fake_s3 import FakeS3

MARKET = [Painted("carrot", Box(20, 20, 120, 60)), Painted("tomato", Box(180, 100, 240, 160))]


def test_under_load_each_answer_is_of_one_whole_release_while_the_live_one_and_a_canary_change(
    tmp_path: Path,
) -> None:
    """Each release has endpoints of its own, which refuse what was made for another one."""
    photo = Path(save(paint(320, 240, MARKET), tmp_path / "photo.png"))
    image = StoredImage(photo, etag="abc", mm_per_px=None, group=None)
    store, names = ReleaseStore(FakeS3(), "loop"), [f"release-{number}" for number in range(1, 5)]  # type: ignore[arg-type]
    for name in names:
        store.publish(_on_its_own_endpoints(name))
    store.move_pointer(names[0])
    models = {f"{role}-of-{name}": partial(_only_for, name, model) for name in names
              for role, model in (("detector", detect), ("segmenter", segment))}  # fmt: skip
    seen: set[str] = set()
    over = threading.Event()

    with LiveRelease(store, refresh_s=0.001) as live, ThreadPoolExecutor(8) as threads:
        serving = Chain(Endpoints(FakeRuntime(models), slots=8, attempts=1), live)

        def predict(project: int) -> int:
            count = 0
            while not over.is_set():
                result = serving.annotate(image, project=project)
                assert len(result.instances) == len(MARKET)
                assert result.metrics["release"] == result.release
                seen.add(result.release)
                count += 1
            return count

        working = [threads.submit(predict, project) for project in range(8)]
        for turn in range(40):
            store.start_canary(names[(turn + 2) % 4], (0, 1, 2))
            time.sleep(0.01)
            store.move_pointer(names[turn % 4])
            time.sleep(0.01)
        over.set()
        assert all(call.result() > 0 for call in working)
    assert len(seen) > 1


def _on_its_own_endpoints(name: str) -> Release:
    stages = {
        role: StageEndpoint(endpoint=f"{role}-of-{name}", model_data_url="s3://loop/model.tar.gz")
        for role in ("detector", "segmenter")
    }
    return release(name).model_copy(update=stages)


def _only_for(name: str, model: Callable[[str], str], body: str) -> str:
    """The model, which is served for this release alone."""
    assert f'"{name}"' in body.replace("\\", ""), body[:300]
    return model(body)
