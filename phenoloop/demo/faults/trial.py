"""One trial: a fault is on while the product works, then it ends, and everything comes right by itself."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from phenoloop.demo.faults.bench import Bench, Task
from phenoloop.demo.faults.calls import Called, HealthWatch, predict
from phenoloop.demo.faults.faults import Fault, Kind, Service
from phenoloop.demo.faults.proxy import Counts
from phenoloop.errors import PhenoloopError

HEALTH_WITHIN_S = 1.0
"""After which Label Studio takes a backend for disconnected."""
LOOK_EVERY_S = 0.5
OPENED = 2
"""Tasks that somebody opens in Label Studio during a fault."""
PROMPT = {
    "id": "drawn", "type": "rectanglelabels", "from_name": "box", "to_name": "image",
    "original_width": 1280, "original_height": 960, "image_rotation": 0,
    "value": {"x": 20.0, "y": 20.0, "width": 40.0, "height": 40.0, "rotation": 0, "rectanglelabels": ["tomato"]},
}  # fmt: skip


@dataclass(slots=True)
class Trial:
    """What was done and found."""

    service: Service
    fault: Fault
    counts: Counts = field(default_factory=Counts)
    tasks: int = 0
    answered: int = 0
    """With a prediction."""
    failed: int = 0
    """With `[]`, and one line in the log that says why."""
    put_off: int = 0
    """With `[]`, for lack of time, and handed to the background."""
    slowest_s: float = 0.0
    health_slowest_s: float = 0.0
    health_said: list[str] = field(default_factory=list)
    threads: int = 0
    empty_stored: int = 0
    recovered_s: float | None = None
    """From the fault's end until a task was predicted again."""
    complete_s: float | None = None
    """From the fault's end until every open task had its prediction in Label Studio."""
    breaches: list[str] = field(default_factory=list)


class Trials:
    """Tries one fault after another on one bench. The first tasks of `bench` stay open, the last ones are annotated."""

    def __init__(self, bench: Bench, open_tasks: list[Task]) -> None:
        self._bench, self._open = bench, open_tasks
        self._numbers = iter(range(1_000_000_000, 2_000_000_000))
        self._project_id = bench.doors.project_id
        self._died: list[str] = []
        self._version = ""

    def without_fault(self) -> float:
        """Seconds until all tasks had their prediction. Raises PhenoloopError if one gets none, or an empty one."""
        started_s = time.monotonic()
        if self._predicts() and self._wait(lambda: not self._lacking()) is not None and not self._empty_stored():
            return time.monotonic() - started_s
        raise PhenoloopError("Not every task is predicted even without a fault.")

    def run(self, service: Service, fault: Fault) -> Trial:
        """The trial, with every breach of what must hold."""
        bench, trial, self._died = self._bench, Trial(service, fault), []
        bench.desk.label_studio.delete_predictions(self._project_id, self._version)
        with HealthWatch(bench) as health:
            with bench.proxies[service].faulty(fault) as trial.counts:
                calls = self._load()
            ended_s = time.monotonic()
            trial.recovered_s = self._wait(self._predicts)
            trial.complete_s = self._wait(lambda: not self._lacking(), since_s=ended_s)
        trial.slowest_s = max(call.seconds for call in calls)
        trial.health_slowest_s, trial.health_said = health.slowest_s, sorted(health.said)
        trial.threads = health.threads
        self._count(trial, calls)
        trial.breaches = [*self._breaches(trial, calls), *(f"/health: {name}" for name in sorted(health.failures))]
        return trial

    def _load(self) -> list[Called]:
        """All at once: a batch, a smart tool's prompt, tasks opened in Label Studio; and the worker has its jobs."""
        until_s = time.monotonic() + self._bench.patience.fault_s
        rounds = self._bench.patience.batch // len(self._open) + 1
        batch = [self._numbered(task) for task in (self._open * rounds)[: self._bench.patience.batch]]
        with ThreadPoolExecutor(OPENED + 3) as threads:
            calls = [
                threads.submit(predict, self._bench, batch),
                threads.submit(predict, self._bench, [self._numbered(self._open[0])]),
                threads.submit(predict, self._bench, [self._numbered(self._open[0])], drawn=PROMPT),
            ]
            for task in self._open[:OPENED]:
                threads.submit(self._bench.desk.open_task, task.id)
            answers = [call.result() for call in calls]
        time.sleep(max(until_s - time.monotonic(), 0))
        return answers

    def _numbered(self, task: Task) -> Task:
        """Under a number that no other request has, so that its lines in the log are found."""
        return replace(task, id=next(self._numbers))

    def _predicts(self) -> bool:
        called = predict(self._bench, [self._numbered(self._open[0])])
        if not (called.items and called.items[0]):
            return False
        self._version = str(called.items[0]["model_version"])  # meanwhile another release may have come live
        return True

    def _lacking(self) -> int:
        """Open tasks without a prediction in Label Studio."""
        label_studio = self._bench.desk.label_studio
        ids = [task.id for task in self._open]
        return len(list(label_studio.tasks(self._project_id, ids=ids, without_version=self._version)))

    def _wait(self, look: Callable[[], bool], *, since_s: float | None = None) -> float | None:
        """Seconds until `look` sees it; None if it never did."""
        since_s = time.monotonic() if since_s is None else since_s
        while time.monotonic() - since_s < self._bench.patience.recovers_s:
            self._died += self._bench.revived()
            if look():
                return time.monotonic() - since_s
            time.sleep(LOOK_EVERY_S)
        return None

    def _count(self, trial: Trial, calls: list[Called]) -> None:
        lines = Counter(line["task"] for line in self._warnings())
        trial.tasks = sum(len(call.task_ids) for call in calls)
        unpredicted = [id_ for call in calls for id_ in call.unpredicted]
        trial.failed = sum(lines[id_] == 1 for id_ in unpredicted)
        trial.put_off = sum(lines[id_] == 0 for call in calls if call.was_late for id_ in call.unpredicted)
        trial.answered = trial.tasks - len(unpredicted)

    def _breaches(self, trial: Trial, calls: list[Called]) -> Iterator[str]:
        for call in calls:
            if call.items is None:
                yield f"a request was answered by {call.told[:200]}"
            elif len(call.items) != len(call.task_ids):
                yield f"{len(call.items)} items for {len(call.task_ids)} tasks"
            if "Traceback" in call.told:
                yield "a traceback went to the caller"
        if trial.slowest_s > self._bench.patience.answers_within_s:
            yield f"an answer took {trial.slowest_s:.1f} s"
        if trial.health_slowest_s > HEALTH_WITHIN_S:
            yield f"/health took {trial.health_slowest_s:.2f} s"
        lines = Counter(line["task"] for line in self._warnings())
        for call in calls:
            for id_ in call.unpredicted:
                if lines[id_] > 1 or (not lines[id_] and not call.was_late):
                    yield f"{lines[id_]} lines in the log for a failed task"
        trial.empty_stored = self._empty_stored()
        if trial.empty_stored:
            yield f"{trial.empty_stored} empty predictions stored"
        if trial.recovered_s is None:
            yield "it did not predict again"
        if trial.complete_s is None:
            yield f"{self._lacking()} tasks never got their prediction"
        if trial.complete_s is not None and (twice := self._stored_twice()):
            yield f"{twice} tasks have a prediction twice"
        for name in self._died:
            yield f"the {name} ended by itself"
        if trial.counts.met_fault == 0:
            yield "no request met the fault"
        if is_outage(trial) and not trial.health_said:
            yield "/health said that all is well"

    def _warnings(self) -> Iterator[dict[str, Any]]:
        """The backend's, of single tasks."""
        for line in self._bench.log("backend"):
            if line.get("level") in {"warning", "error", "critical"} and "task" in line:
                yield line

    def _empty_stored(self) -> int:
        return sum(not prediction["result"] for prediction in self._stored())

    def _stored_twice(self) -> int:
        found = Counter(int(p["task"]) for p in self._stored() if p["model_version"] == self._version)
        return sum(number > 1 for number in found.values())

    def _stored(self) -> Iterator[dict[str, Any]]:
        for task in self._open:
            yield from self._bench.desk.label_studio.predictions(task.id)


def is_outage(trial: Trial) -> bool:
    """Whether the backend could not work at all for as long as it took to notice."""
    return trial.service is Service.SAGEMAKER and trial.fault.share == 1 and trial.fault.kind is not Kind.SKEW
