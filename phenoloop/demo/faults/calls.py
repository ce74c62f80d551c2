"""What is asked of the backend during a trial, as Label Studio asks it, and what its health check says meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import requests

from phenoloop.demo.faults.bench import Bench, Task

LABEL_STUDIO_GIVES_UP_S = 100.0
HEALTH_EVERY_S = 0.25


@dataclass(frozen=True, slots=True)
class Called:
    """One /predict."""

    task_ids: tuple[int, ...]
    items: tuple[Any, ...] | None
    """None if it was answered by an error."""
    seconds: float
    told: str
    """An error's body; else empty."""
    was_late: bool
    """The backend's deadline passed."""

    @property
    def unpredicted(self) -> tuple[int, ...]:
        """Tasks that were answered by `[]`."""
        return tuple(id_ for id_, item in zip(self.task_ids, self.items or (), strict=False) if not item)


def predict(bench: Bench, tasks: Sequence[Task], *, drawn: Mapping[str, Any] | None = None) -> Called:
    """With something `drawn`, a smart tool's prompt. Never raises: no answer is what is told of it."""
    body: dict[str, Any] = {
        "tasks": [{"id": task.id, "project": bench.doors.project_id, "data": task.data} for task in tasks],
        "label_config": bench.doors.label_config,
    }
    if drawn is not None:
        body["params"] = {"context": {"result": [drawn]}}
    ids, started_s = tuple(task.id for task in tasks), time.monotonic()
    try:
        answer = requests.post(
            f"{bench.backend_url}/predict",
            json=body,
            auth=bench.doors.backend_credentials,
            timeout=LABEL_STUDIO_GIVES_UP_S,
        )
        items = tuple(answer.json()["results"]) if answer.ok else None
        told = "" if answer.ok else f"{answer.status_code}: {answer.text}"
    except (requests.RequestException, ValueError, KeyError) as error:
        items, told = None, f"no answer: {type(error).__name__}"
    seconds = time.monotonic() - started_s
    deadline_s = bench.patience.predict_s if drawn is None else bench.patience.prompt_s
    return Called(ids, items, seconds, told, was_late=seconds >= deadline_s)


class HealthWatch:
    """`with` it, /health is asked four times a second, as Label Studio asks it."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="health", daemon=True)
        self.slowest_s = 0.0
        self.said: set[str] = set()
        """Every problem that it told of."""
        self.failures: set[str] = set()
        self.threads = 0
        """Most that the backend had."""

    def __enter__(self) -> HealthWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _watch(self) -> None:
        with requests.Session() as session:
            while not self._stopping.wait(HEALTH_EVERY_S):
                started_s = time.monotonic()
                try:
                    answer = session.get(f"{self._bench.backend_url}/health", timeout=10)
                    answer.raise_for_status()
                    self.said.update(map(str, answer.json()["problems"]))
                except (requests.RequestException, ValueError, KeyError) as error:
                    self.failures.add(type(error).__name__)
                self.slowest_s = max(self.slowest_s, time.monotonic() - started_s)
                self.threads = max(self.threads, self._bench.threads())
