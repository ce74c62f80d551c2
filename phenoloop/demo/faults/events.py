"""Events as queues bring them: each twice, out of order, late, and with rubbish between; S3 failing meanwhile."""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass, field
from itertools import groupby
from urllib.parse import quote_plus

from phenoloop.demo.faults.bench import Bench, Task
from phenoloop.demo.faults.faults import Fault, Kind, Service

TIMES = 3
"""How often each event comes."""
LATE_S = 5.0
KNOWN_WITHIN_S = 90.0
GARBLED = (
    *(
        " ",
        "no JSON at all",
        '{"Records": [{"s3": {"buck',
        "[]",
        "null",
        "{}",
        '{"Records": null}',
        '{"Records": [17]}',
    ),
    '{"Records": [{"s3": {"bucket": {"name": 7}, "object": {}}}]}',
    '{"detail-type": "Something Else", "detail": {}}',
    '{"Event": "s3:TestEvent", "Bucket": "phenoloop"}',
)


@dataclass(slots=True)
class EventTrial:
    """What was done and found."""

    saved: int = 0
    events: int = 0
    garbled: int = 0
    counts: list[int] = field(default_factory=list)
    """How many changed annotations sync told of, each time that it was another number."""
    known_s: float | None = None
    """From the last event until sync knew every annotation."""
    breaches: list[str] = field(default_factory=list)


def hear_events(bench: Bench, tasks: list[Task], seed: int) -> EventTrial:
    """Annotate these tasks, and tell sync of it as badly as a queue may."""
    rng, trial = random.Random(seed), EventTrial()  # noqa: S311  # no secret
    with bench.proxies[Service.S3].faulty(Fault(Kind.RESET, share=0.2)):
        saved = [_save(bench, task) for task in tasks]
        keys = [f"{bench.name}/annotations/{annotation_id}" for annotation_id in saved]
        bodies = [_event(bench, key) for key in keys for _ in range(TIMES)] + [*GARBLED]
        rng.shuffle(bodies)
        late = bodies[: len(bodies) // 3]
        for body in bodies[len(late) :]:
            _send(bench, body)
        time.sleep(LATE_S)
        for body in late:
            _send(bench, body)
    sent_s = time.monotonic()
    trial.saved, trial.garbled = len(saved), len(GARBLED)
    trial.events = len(bodies) - trial.garbled
    trial.known_s = _known(bench, len(saved), sent_s)
    trial.counts = _told(bench)
    trial.breaches = [
        *([] if trial.known_s is not None else [f"sync knows {trial.counts[-1:]} of {len(saved)} annotations"]),
        *([f"sync told of {max(trial.counts)} changes"] if max(trial.counts, default=0) > len(saved) else []),
        *(f"sync failed on a bug: {line['event']}" for line in bench.log("sync") if "bug" in line["event"]),
    ]
    return trial


def _save(bench: Bench, task: Task) -> int:
    opened = bench.desk.open_task(task.id)
    return bench.desk.save(opened, opened.result, lead_time_s=1.0)


def _event(bench: Bench, key: str) -> str:
    record = {
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": bench.doors.bucket}, "object": {"key": quote_plus(key)}},
    }
    return json.dumps({"Records": [record]})


def _send(bench: Bench, body: str) -> None:
    bench.sqs.send_message(QueueUrl=bench.queue_url, MessageBody=body)


def _known(bench: Bench, saved: int, since_s: float) -> float | None:
    while time.monotonic() - since_s < KNOWN_WITHIN_S:
        if _told(bench)[-1:] == [saved]:
            return time.monotonic() - since_s
        time.sleep(0.5)
    return None


def _told(bench: Bench) -> list[int]:
    told = [int(line["changed"]) for line in bench.log("sync") if line["event"] == "annotations looked at"]
    return [number for number, _ in groupby(told)]
