"""The load: batches through the backend, an annotator with smart tools in Label Studio, new photos, health checks.

Every client waits for its answer and then as long again, up to a longest pause: what is asked for follows what the
machine can do.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import requests

from phenoloop.demo.proof.annotator import Habits, decisions
from phenoloop.demo.proof.bucket import Bucket
from phenoloop.demo.proof.desk import Desk
from phenoloop.demo.proof.drawing import saved_result, truth_result
from phenoloop.demo.proof.known import KnownPhoto
from phenoloop.demo.proof.stack import Doors
from phenoloop.demo.soak.traffic import Traffic, Wrong
from phenoloop.labelling.annotated import decode_regions
from phenoloop.labelling.config import parse_labelling_config

BATCH = 4
"""Tasks in one request to the backend."""
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
HEALTH_EVERY_S = 5.0
OPEN_TASKS = 12
"""New photos come when fewer tasks wait for the annotator."""
REMEMBERED = 200
"""Annotations that may be changed again."""
TIMEOUT_S = 110.0

Client = Callable[[], None]
"""Does one thing as a user of the stack does it."""


class Load:
    """Everything that is done to one stack. `with running()`: it is done, over and over, meanwhile."""

    def __init__(self, doors: Doors, photos: Sequence[KnownPhoto], traffic: Traffic, seed: int) -> None:
        self._doors, self._photos, self._traffic = doors, photos, traffic
        self._desk, self._config = Desk(doors), parse_labelling_config(doors.label_config)
        self._chance = random.Random(seed)  # noqa: S311  # no secret is drawn
        self._bucket, self._session = Bucket(doors), requests.Session()
        self._uploaded = 0
        self._waiting: list[tuple[int, KnownPhoto]] = []
        self._annotated: list[tuple[int, KnownPhoto]] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Returns when every client has what it asked for last."""
        stopping = threading.Event()
        clients: tuple[tuple[Client, float], ...] = (
            (self._annotator(), SHORTEST_PAUSE_S),
            (self._batch, SHORTEST_PAUSE_S),
            (self._health, HEALTH_EVERY_S),
        )
        threads = [threading.Thread(target=_keep_on, args=(*client, stopping), daemon=True) for client in clients]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stopping.set()
            for thread in threads:
                thread.join(2 * TIMEOUT_S)

    # The annotator, in Label Studio

    def _annotator(self) -> Client:
        backend_id = int(self._desk.label_studio.backends(self._doors.project_id)[0]["id"])

        def work() -> None:
            if len(self._waiting) < OPEN_TASKS // 2:
                self._more_photos()
            if self._waiting:
                task_id, photo = self._waiting.pop(0)
                self._traffic.ask("annotate a task", lambda: self._annotate(task_id, photo))
                self._traffic.ask("smart tool", lambda: self._prompt(backend_id, task_id, photo))
            if self._annotated and self._chance.random() < 0.5:
                annotation_id, photo = self._chance.choice(self._annotated)
                self._traffic.ask("change an annotation", lambda: self._change(annotation_id, photo))

        return work

    def _annotate(self, task_id: int, photo: KnownPhoto) -> None:
        started_s = time.monotonic()
        task = self._desk.open_task(task_id)
        if task.prediction_id is None:
            raise Wrong("An opened task shows no pre-annotation.")
        made = decisions(decode_regions(task.result), photo.objects, Habits())
        result = saved_result(made, task.result, self._config, photo)
        annotation_id = self._desk.save(task, result, lead_time_s=time.monotonic() - started_s)
        self._annotated = [*self._annotated[1 - REMEMBERED :], (annotation_id, photo)]

    def _change(self, annotation_id: int, photo: KnownPhoto) -> None:
        kept = [thing for thing in photo.objects if self._chance.random() < 0.8] or list(photo.objects)
        self._desk.replace(annotation_id, truth_result(kept, self._config, photo))

    def _prompt(self, backend_id: int, task_id: int, photo: KnownPhoto) -> None:
        if not self._desk.prompted(backend_id, task_id, _drawn_box(photo, self._chance)):
            raise Wrong("A smart tool's box came back without a region.")

    def _more_photos(self) -> None:
        """The same photos under new names; Label Studio makes tasks of them and tells the backend by its webhook."""
        numbers = range(self._uploaded, self._uploaded + OPEN_TASKS)
        new = [replace(self._photos[n % len(self._photos)], name=f"soak_{n:06d}.jpg") for n in numbers]
        self._uploaded += len(new)
        self._traffic.ask("upload photos", lambda: self._bucket.put_photos(new))
        self._traffic.ask("import photos", self._desk.import_photos)
        tasks = self._traffic.ask("list tasks", self._desk.tasks_by_photo) or {}
        self._waiting += [(tasks[photo.name], photo) for photo in new if photo.name in tasks]

    # The backend, by itself

    def _batch(self) -> None:
        self._traffic.ask(f"predict {BATCH} tasks", self._predict)

    def _predict(self) -> None:
        names = self._chance.sample([photo.name for photo in self._photos], BATCH)
        prefix = f"s3://{self._doors.bucket}/{self._doors.images_prefix}"
        tasks = [{"id": None, "data": {"image": prefix + name}} for name in names]
        results = self._post("/predict", {"tasks": tasks, "label_config": self._doors.label_config})["results"]
        if len(results) != BATCH or not all(item and item["result"] for item in results):
            raise Wrong("A task of a batch got no prediction.")

    def _health(self) -> None:
        self._traffic.ask("health", lambda: self._get("/health"))

    def _post(self, path: str, body: object) -> dict[str, Any]:
        url, credentials = self._doors.backend_url + path, self._doors.backend_credentials
        answer = self._session.post(url, json=body, auth=credentials, timeout=TIMEOUT_S)
        answer.raise_for_status()
        return dict(answer.json())

    def _get(self, path: str) -> None:
        requests.get(self._doors.backend_url + path, timeout=1.0).raise_for_status()  # as long as Label Studio waits


def _keep_on(client: Client, pause_s: float, stopping: threading.Event) -> None:
    while not stopping.is_set():
        started_s = time.monotonic()
        client()
        took_s = time.monotonic() - started_s
        stopping.wait(min(max(took_s, pause_s), max(LONGEST_PAUSE_S, pause_s)))


def _drawn_box(photo: KnownPhoto, chance: random.Random) -> dict[str, Any]:
    """A rectangle around one of its objects, as the editor sends it."""
    known = chance.choice(photo.objects)
    x0, y0, x1, y1 = known.box_px
    width, height = photo.width_px, photo.height_px
    return {
        "id": f"{chance.randrange(16**10):010x}",
        "from_name": "box",
        "to_name": "image",
        "type": "rectanglelabels",
        "origin": "manual",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": {
            "x": 100 * x0 / width,
            "y": 100 * y0 / height,
            "width": 100 * (x1 - x0) / width,
            "height": 100 * (y1 - y0) / height,
            "rotation": 0,
            "rectanglelabels": [known.label],
        },
    }
