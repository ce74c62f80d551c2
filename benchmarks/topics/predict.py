"""Batches of tasks through `/predict`'s model, against what the endpoints' slots allow."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.figure import Figure, as_share
from benchmarks.world import World
from benchmarks.world.example_backend import ExampleBackend
from benchmarks.world.product import predict, product
from ml_backend.model import PhenoloopModel

MOST_PROCESSOR_MS = 30.0
_WARMING = 8


@dataclass(frozen=True, slots=True)
class Round:
    tasks_a_second: float
    processor_ms: float
    """Of the whole process, a task."""


def measure(*, quick: bool) -> Iterator[Figure]:
    tasks, rounds, examples = (40, 1, 2) if quick else (100, 3, 5)
    with World(photos=_WARMING + rounds * tasks + examples) as world, product(world) as model:
        plan, uris = world.plan, world.photo_uris
        ideal = plan.slots / plan.invoke_s / plan.objects
        predict(model, [uris.pop() for _ in range(_WARMING)])
        slow = _example_rate(world, [uris.pop() for _ in range(examples)])
        done = [_round(model, uris[number * tasks : (number + 1) * tasks]) for number in range(rounds)]
    what = f"{tasks} tasks, photos 1600 x 1200, {plan.objects} objects each"
    best = max(done, key=lambda each: each.tasks_a_second)
    slots = f"{plan.slots} slots / {1000 * plan.invoke_s:.0f} ms / {plan.objects} objects"
    note = "best of " + ", ".join(f"{each.tasks_a_second:.2f}" for each in done)
    yield as_share(what, best.tasks_a_second, "tasks/s", slots, ideal, least=0.95, note=note)
    loop = "sequential loop of Label Studio's example backends"
    yield as_share(what, best.tasks_a_second, "tasks/s", loop, slow, least=10)
    least = min(done, key=lambda each: each.processor_ms)
    note = "least of " + ", ".join(f"{each.processor_ms:.1f}" for each in done)
    wanted = f"{MOST_PROCESSOR_MS:.0f} ms"
    yield as_share(f"{what}: processor a task", least.processor_ms, "ms", wanted, MOST_PROCESSOR_MS, most=1, note=note)


def _round(model: PhenoloopModel, uris: Sequence[str]) -> Round:
    started_s, processor_s = time.perf_counter(), time.process_time()
    items = predict(model, uris)
    seconds, processor_s = time.perf_counter() - started_s, time.process_time() - processor_s
    if not all(item and item["result"] for item in items):
        raise RuntimeError("Not every task was predicted.")
    return Round(len(uris) / seconds, 1000 * processor_s / len(uris))


def _example_rate(world: World, uris: Sequence[str]) -> float:
    """Tasks a second."""
    example, started_s = ExampleBackend(world), time.perf_counter()
    example.predict(uris)
    return len(uris) / (time.perf_counter() - started_s)
