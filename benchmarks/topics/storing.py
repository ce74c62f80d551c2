"""Storing predictions in Label Studio (SQLite): as the workers do, beside a request for each."""

import json
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import requests

from benchmarks.figure import Figure, as_share
from benchmarks.label_studio import Started, label_studio
from ml_backend.prelabel import LOT

BYTES = 8000
AT_ONCE = 1000

Predictions = list[dict[str, Any]]
Store = Callable[[Predictions], None]


def measure(*, quick: bool) -> Iterator[Figure]:
    rounds, alone = (1, 5) if quick else (4, 10)
    with label_studio() as started:
        count = rounds * (alone + LOT + AT_ONCE)
        project_id, ids = started.project_of(count, ["s3://bench/images/1.jpg"])
        ways: list[tuple[int, Store]] = [
            (alone, _each_alone(started)),
            (LOT, _at_once(started, project_id)),
            (AT_ONCE, _at_once(started, project_id)),
        ]
        coming = map(_prediction, ids)
        # in turns, the best of each: a machine is busy with other things now and then
        turns = [[_rate(store, list(islice(coming, size))) for size, store in ways] for _ in range(rounds)]
    singly, lots, many = (max(rates) for rates in zip(*turns, strict=True))
    what, reference = f"Predictions of {BYTES // 1000} KB stored", "a POST /api/predictions of each"
    note = f"into a project of {count} tasks"
    yield as_share(f"{what}, {LOT} at once as the workers do", lots, "/s", reference, singly, least=40, note=note)
    yield as_share(f"{what}, {AT_ONCE} at once", many, "/s", reference, singly, least=40, note=note)


def _each_alone(started: Started) -> Store:
    session = requests.Session()
    session.headers["Authorization"] = f"Token {started.token}"

    def store(predictions: Predictions) -> None:
        for prediction in predictions:
            session.post(f"{started.url}/api/predictions/", json=prediction, timeout=60).raise_for_status()

    return store


def _at_once(started: Started, project_id: int) -> Store:
    client = started.client()
    return lambda predictions: client.import_predictions(project_id, predictions)


def _rate(store: Store, predictions: Predictions) -> float:
    """Predictions a second."""
    started_s = time.perf_counter()
    store(predictions)
    return len(predictions) / (time.perf_counter() - started_s)


def _prediction(task: int) -> dict[str, Any]:
    region = {
        "from_name": "box",
        "to_name": "image",
        "type": "rectanglelabels",
        "original_width": 1600,
        "original_height": 1200,
        "image_rotation": 0,
        "score": 0.8,
        "value": {"x": 10, "y": 20, "width": 5, "height": 5, "rotation": 0, "rectanglelabels": ["tomato"]},
    }
    count = BYTES // len(json.dumps(region))
    result = [{**region, "id": f"{task}-{number}"} for number in range(count)]
    return {"task": task, "result": result, "score": 0.8, "model_version": "phenoloop-bench"}
