"""A COCO data set in a folder, an S3 in memory, and a Label Studio project to import it into."""

import io
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from phenoloop.errors import LabelStudioUnavailable
from phenoloop.importing.coco import read_coco_file
from phenoloop.importing.drawing import Wanted
from phenoloop.importing.importing import CocoImport
from phenoloop.importing.outcome import Summary
from phenoloop.importing.photos import LocalPhotos, Photos
from phenoloop.labelling.annotated import AnnotatedRegion, decode_regions
from phenoloop.labelling.client import Project, Task
from tests.unit.backend_fakes import BOXES
from tests.unit.fake_s3 import FakeS3

WIDTH_PX, HEIGHT_PX = 40, 30


class FakeLabelStudio:
    """One project whose source storage makes tasks of the photos under images/ that it does not know."""

    def __init__(self, s3: FakeS3, label_config: str, *, with_storage: bool = True) -> None:
        self._s3, self._label_config, self._ids = s3, label_config, itertools.count(1)
        self._storages = (
            [{"id": 1, "bucket": "loop", "prefix": "images", "status": "completed"}] if with_storage else []
        )
        self._linked: set[str] = set()
        self.data: dict[int, dict[str, Any]] = {}
        self.saved: dict[int, list[list[dict[str, Any]]]] = {}
        self.fails_after: int | None = None

    def project(self, project_id: int) -> Project:
        return Project(project_id, "Vegetables", self._label_config, "")

    def tasks(self, project_id: int, *, ids: Sequence[int] | None = None, only_open: bool = False) -> list[Task]:
        asked = [id_ for id_ in self.data if ids is None or id_ in ids]
        return [Task(id_, self.data[id_]) for id_ in asked if not (only_open and self.saved.get(id_))]

    def photo_storages(self, project_id: int) -> list[dict[str, Any]]:
        return self._storages

    def sync_photo_storage(self, storage_id: int) -> dict[str, Any]:
        for key in sorted(key for key in self._s3.objects if key.startswith("images/") and key not in self._linked):
            self._linked.add(key)
            self.data[next(self._ids)] = {"image": f"s3://loop/{key}"}
        return {}

    def import_tasks(self, project_id: int, data: Sequence[dict[str, Any]]) -> int:
        for values in data:
            self.data[next(self._ids)] = dict(values)
        return len(data)

    def update_task_data(self, task_id: int, data: dict[str, Any]) -> None:
        self.data[task_id] = data

    def create_annotation(self, task_id: int, result: list[dict[str, Any]]) -> int:
        if self.fails_after is not None and sum(map(len, self.saved.values())) >= self.fails_after:
            raise LabelStudioUnavailable("Label Studio did not answer.")
        self.saved.setdefault(task_id, []).append(result)
        return task_id


class Bench:
    """A data set in a folder, a bucket and a project."""

    def __init__(self, folder: Path, label_config: str = BOXES, *, with_storage: bool = True) -> None:
        self._folder, self.s3 = folder, FakeS3()
        self.label_studio = FakeLabelStudio(self.s3, label_config, with_storage=with_storage)
        self.local: Photos = LocalPhotos(folder, self.s3, "loop", "images/")  # type: ignore[arg-type]
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def photo(self, name: str, *annotations: dict[str, Any], there: bool = True, **more: Any) -> None:
        number = len(self._images) + 1
        if there:
            (self._folder / name).parent.mkdir(exist_ok=True, parents=True)
            Image.new("RGB", (WIDTH_PX, HEIGHT_PX), (number, 0, 0)).save(self._folder / name)
        size = {"width": WIDTH_PX, "height": HEIGHT_PX}
        self._images.append({"id": number, "file_name": name} | size | more)
        self._annotations += [{"image_id": number, "category_id": 1} | item for item in annotations]

    def run(self, photos: Photos | None = None, *, rehearsed: bool = False, **wanted: Any) -> Summary:
        categories = [{"id": 1, "name": "tomato"}, {"id": 2, "name": "Love apple"}]
        file = self._folder / "coco.json"
        file.write_text(
            json.dumps({"images": self._images, "annotations": self._annotations, "categories": categories})
        )
        work = CocoImport(self.label_studio, 1, photos or self.local, Wanted(**{"label_map": {}} | wanted))  # type: ignore[arg-type]
        return work.rehearsed(read_coco_file(file)) if rehearsed else work.done(read_coco_file(file))

    def annotated(self) -> dict[str, list[AnnotatedRegion]]:
        """By the photo's key; each photo has one task and one annotation."""
        found = {}
        for id_, results in self.label_studio.saved.items():
            (result,) = results
            key = self.label_studio.data[id_]["image"].removeprefix("s3://loop/")
            assert key not in found
            found[key] = decode_regions(result)
        return found


class WithLengths:
    """`FakeS3` as the image store reads it."""

    def __init__(self, s3: FakeS3) -> None:
        self._s3 = s3

    def get_object(self, **asked: Any) -> dict[str, Any]:
        reply, head = self._s3.get_object(**asked), self._s3.head_object(**asked)
        return {**head, "Body": io.BytesIO(reply["Body"].read())}


def run_lengths(mask: np.ndarray) -> list[int]:
    """Down the columns, beginning with what is outside."""
    flat = mask.T.ravel().astype(int)
    changes = np.flatnonzero(np.diff(np.concatenate([[0], flat]))).tolist()
    return np.diff([0, *changes, len(flat)]).tolist()


def as_text(counts: Sequence[int]) -> str:
    """`rleToString` of `maskApi.c`."""
    text = ""
    for index, count in enumerate(counts):
        value, more = count - (counts[index - 2] if index > 2 else 0), True
        while more:
            code = value & 0x1F
            value >>= 5
            more = value != (-1 if code & 0x10 else 0)
            text += chr(code + (0x20 if more else 0) + 48)
    return text
