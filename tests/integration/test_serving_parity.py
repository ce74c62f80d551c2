"""One photo, three ways through one chain: endpoints driven as Loc360 does, the evaluation job, the models alone."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import ExifTags, Image

import loc360
from loc360.manifest import Manifest
from phenoloop.chain.flow import FanOut, Flow, Stage
from phenoloop.demo.scenes.scene import render_scene
from tests.integration.containers import Container
from tests.integration.training_jobs import told

pytestmark = pytest.mark.integration

MANIFEST = Manifest("r7", "phenoloop-detector", "phenoloop-segmenter", ("carrot", "tomato"), score_threshold=0.5)
MM_PER_PX = 0.4
FLOW = Flow(
    (Stage("phenoloop-detector", "detector", FanOut.IMAGE), Stage("phenoloop-segmenter", "segmenter", FanOut.OBJECT)),
    loc360.sagemaker_preprocess,
    loc360.process,
)

WITHOUT_ENDPOINTS = """
import json, sys
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from loc360.manifest import Manifest
from serving import inference
from training.archives.archived_model import ArchivedModel
from training.archives.unpacking import unpacked
from training.evaluation.chain_run import Chain, found_objects

release0, folder, photo, manifest, mm_per_px = sys.argv[1:]

class InProcess:
    def __init__(self, folder):
        self.model = inference.model_fn(str(folder))
    def invoke(self, payload):
        body = inference.input_fn(payload, "application/json")
        return inference.output_fn(inference.predict_fn(body, self.model), "")[0]

def finds(models):
    chain = Chain("chain", Manifest.from_dict(json.loads(manifest)), *models)
    found = found_objects(chain, photo, float(mm_per_px)).found
    return [asdict(item) | {"mask": int(item.mask.mask.sum())} for item in found]

roles = ("detector", "segmenter")
folders = [unpacked(Path(release0) / role / "model.tar.gz", Path(folder) / role).folder for role in roles]
with ExitStack() as stack:
    archived = [stack.enter_context(ArchivedModel(at, name="model", threads=1)) for at in folders]
    evaluated = finds(archived)
print(json.dumps([evaluated, finds([InProcess(at) for at in folders])]))
"""


@dataclass(frozen=True)
class Endpoints:
    containers: Mapping[str, Container]

    def invoke(self, endpoint_name: str, payload: str) -> str:
        status, body = self.containers[endpoint_name].invoke(payload)
        assert status == 200, body
        return body.decode()

    def invoke_each(self, endpoint_name: str, payloads: Sequence[str]) -> list[str]:
        return [self.invoke(endpoint_name, payload) for payload in payloads]


@pytest.fixture
def photo(tmp_path: Path) -> str:
    """As a camera held upright writes it."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    scene = render_scene(9301, width_px=1400, height_px=1050, max_objects=6)
    Image.fromarray(scene.photo).save(tmp_path / "photo.jpg", quality=92, exif=exif)
    return str(tmp_path / "photo.jpg")


def test_all_ways_give_the_same_numbers(
    detector: Container, segmenter: Container, release0: Path, training_python: Path, tmp_path: Path, photo: str
) -> None:
    endpoints = Endpoints({"detector": detector, "segmenter": segmenter})
    manifest = MANIFEST.to_dict()
    metrics = FLOW.run(photo, {"manifest": manifest, "mm_per_px": MM_PER_PX}, endpoints)
    evaluated, in_process = told(
        training_python,
        WITHOUT_ENDPOINTS,
        *(str(release0), str(tmp_path / "models"), photo, json.dumps(manifest), str(MM_PER_PX)),
    )
    assert evaluated == in_process
    assert len(evaluated) == metrics["count"] > 2
    for one, other in zip(evaluated, metrics["objects"], strict=True):
        assert one["label"] == other["label"]
        for name in sorted(one.keys() & other.keys() - {"label"}):
            assert one[name] == pytest.approx(other[name], abs=1e-4), name
