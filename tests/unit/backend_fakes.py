"""Stand-ins for what the backend talks to: the chain, S3, the queue, Label Studio."""

import io
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import SecretStr

from loc360.wire import Box
from ml_backend.backend import Backend
from ml_backend.metrics import Metrics
from phenoloop.chain.chain import ChainResult, Instance, Prompt
from phenoloop.chain.images import ImageStore, StoredImage
from phenoloop.labelling.client import Project, SavedPrediction, SavedPredictions, Task
from phenoloop.settings import BackendSettings

CONFIGS = Path(__file__).parents[2] / "configs" / "labelling"
RECORDED = Path(__file__).parents[1] / "recorded" / "label_studio"
MASKS = (CONFIGS / "masks.xml").read_text()
BOXES = (CONFIGS / "boxes.xml").read_text()
RELEASE = "phenoloop-000000000001"


def recorded(name: str) -> dict[str, Any]:
    return dict(json.loads((RECORDED / f"{name}.json").read_text()))


def instance(index: int = 0, label: str | None = "tomato", mm_per_px: float | None = None) -> Instance:
    measures = {"length_px": 40.0, "width_px": 20.0}
    if mm_per_px:
        measures |= {"length_mm": 40 * mm_per_px, "width_mm": 20 * mm_per_px}
    x = 50 * index
    return Instance(index, label, 0.8, Box(x, 30, x + 40, 50), np.ones((20, 40), bool), (x, 30), measures)


class FakeChain:
    """Finds `labels` in every photo. `before` is called with each photo's etag, and may raise or block."""

    def __init__(self, *, labels: Sequence[str] = ("tomato",), before: Callable[[str], None] | None = None) -> None:
        self._labels = labels
        self._before = before or (lambda etag: None)
        self.release = RELEASE
        self.canaries: dict[int, str] = {}
        """Project -> the other release that it is served."""
        self.prompts: list[Prompt] = []

    def version(self, project: int | None = None) -> str:
        return self.canaries.get(project or 0, self.release)

    def annotate(
        self, image: StoredImage, *, mm_per_px: float | None = None, project: int | None = None
    ) -> ChainResult:
        self._before(image.etag)
        scale = image.mm_per_px if mm_per_px is None else mm_per_px
        return self._found(project, [instance(i, label, scale) for i, label in enumerate(self._labels)])

    def segment(
        self, image: StoredImage, prompt: Prompt, *, mm_per_px: float | None = None, project: int | None = None
    ) -> ChainResult:
        self._before(image.etag)
        self.prompts.append(prompt)
        return self._found(project, [instance(0, prompt.label, image.mm_per_px if mm_per_px is None else mm_per_px)])

    def _found(self, project: int | None, instances: list[Instance]) -> ChainResult:
        release = self.version(project)
        return ChainResult(release, 1280, 960, tuple(instances), {"count": len(instances), "release": release})


class FakeS3:
    """Has every object; its etag is its key's last part. Keys ending in `-scaled.jpg` carry a scale of 0.5 mm/px."""

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803  # boto3's names
        metadata = {"mm-per-px": "0.5"} if Key.endswith("-scaled.jpg") else {}
        body = io.BytesIO(b"photo")
        return {"Body": body, "ContentLength": 5, "ETag": f'"{Key.rpartition("/")[2]}"', "Metadata": metadata}


class FakeQueue:
    def __init__(self, error: Exception | None = None) -> None:
        self._error = error
        self.jobs: list[Any] = []

    def enqueue_many(self, jobs: Sequence[Any]) -> None:
        if self._error:
            raise self._error
        self.jobs.extend(jobs)


class FakeLabelStudio:
    """One project of tasks; `versions` tells which versions each task has predictions of."""

    def __init__(self, tasks: Mapping[int, str], label_config: str = BOXES) -> None:
        self._uris = dict(tasks)
        self._label_config = label_config
        self.versions: dict[int, set[str]] = {id_: set() for id_ in tasks}
        self.annotated: set[int] = set()
        self.stored: list[Mapping[str, Any]] = []
        self.imports: list[int] = []
        """Sizes."""
        self.replaced: list[tuple[int, str]] = []
        """Task and version of each prediction that another one was written over."""
        self._deleted: list[tuple[int, str]] = []

    def project(self, project_id: int) -> Project:
        return Project(project_id, "Vegetables", self._label_config, "")

    def tasks(
        self,
        project_id: int,
        *,
        ids: Sequence[int] | None = None,
        without_version: str | None = None,
        only_open: bool = False,
    ) -> list[Task]:
        asked = [id_ for id_ in self._uris if (ids is None or id_ in ids) and without_version not in self.versions[id_]]
        open_ = [id_ for id_ in asked if not (only_open and id_ in self.annotated)]
        return [Task(id_, {"image": self._uris[id_]}) for id_ in open_]

    def saved_predictions(
        self,
        project_id: int,
        *,
        ids: Sequence[int] | None = None,
        several: bool = False,
        only_open: bool = False,
    ) -> list[SavedPredictions]:
        tasks = self.tasks(project_id, ids=ids, only_open=only_open)
        return [
            SavedPredictions(task.id, task.id not in self.annotated, self._predictions(task.id))
            for task in tasks
            if not several or len(self.versions[task.id]) > 1
        ]

    def replace_prediction(self, prediction_id: int, prediction: Mapping[str, Any]) -> bool:
        task_id, number = divmod(prediction_id, 100)
        old = self._predictions(task_id)[number].model_version
        self.replaced.append((task_id, old))
        assert prediction["task"] == task_id
        self.stored.append(prediction)
        self.versions[task_id] = self.versions[task_id] - {old} | {prediction["model_version"]}
        return True

    def _predictions(self, task_id: int) -> tuple[SavedPrediction, ...]:
        versions = sorted(self.versions[task_id])
        return tuple(SavedPrediction(100 * task_id + n, version) for n, version in enumerate(versions))

    def delete_prediction(self, prediction_id: int) -> None:
        task_id, number = divmod(prediction_id, 100)
        self._deleted.append((task_id, self._predictions(task_id)[number].model_version))

    @property
    def deleted(self) -> list[tuple[int, str]]:
        """Task and version of each deleted prediction."""
        return self._deleted

    def import_predictions(self, project_id: int, predictions: Sequence[Mapping[str, Any]]) -> None:
        self.imports.append(len(predictions))
        for prediction in predictions:
            self.stored.append(prediction)
            self.versions[prediction["task"]].add(prediction["model_version"])


class Gate:
    """Lets photos pass, but holds back the named ones until it is opened."""

    def __init__(self, *held: str) -> None:
        self._held = held
        self._opened = threading.Event()

    def __call__(self, etag: str) -> None:
        if etag in self._held:
            self._opened.wait(10)

    def open(self) -> None:
        self._opened.set()


def backend(
    *,
    chain: FakeChain | None = None,
    queue: FakeQueue | None = None,
    label_studio: FakeLabelStudio | None = None,
    **settings: Any,
) -> Backend:
    return Backend(
        chain=chain or FakeChain(),
        images=ImageStore(FakeS3(), {"phenoloop"}, 1000),
        label_studio=label_studio or FakeLabelStudio({}),
        queue=queue or FakeQueue(),
        settings=BackendSettings(password=SecretStr("pässword of tests"), **settings),
        metrics=Metrics(),
    )


def tasks(*names: str) -> list[dict[str, Any]]:
    """Tasks numbered from 1, each with a photo of that name, or of another reference if it is one."""
    uris = [name if ":" in name else f"s3://phenoloop/images/{name}" for name in names]
    return [{"id": number, "project": 3, "data": {"image": uri}} for number, uri in enumerate(uris, start=1)]
