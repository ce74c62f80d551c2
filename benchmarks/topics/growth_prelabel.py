"""Calls for a task pre-labelled, of Label Studio, store and endpoints: at a thousand tasks and at a million."""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.figure import Figure, as_share
from benchmarks.world import World
from benchmarks.world.many_tasks import ManyTasks
from benchmarks.world.product import MASKS, product
from ml_backend.prelabel import prelabel
from phenoloop.jobs import CHUNK

PROJECT = 1
NOTE = "Label Studio is simulated: how long its database takes for a request is not measured here"


@dataclass(frozen=True, slots=True)
class Calls:
    """A task."""

    asking: float
    """Of Label Studio, to find out which tasks lack a prediction."""
    label_studio: float
    """By the job that predicts the newest ones."""
    store: float
    endpoints: float


def measure(*, quick: bool) -> Iterator[Figure]:
    sizes = (1000, 20_000) if quick else (1000, 1_000_000)
    small, large = (_calls(count) for count in sizes)
    what, beside = f"at {sizes[1]:,} tasks", f"at {sizes[0]:,} tasks"
    for name, more, fewer in (
        ("Label Studio requests a task to find those to pre-label", large.asking, small.asking),
        ("Label Studio requests a task pre-labelled", large.label_studio, small.label_studio),
        (
            "S3 requests for a photo, a task pre-labelled",
            large.store,
            small.store,
        ),
        ("invocations a task pre-labelled", large.endpoints, small.endpoints),
    ):
        yield as_share(f"{name}, {what}", more, "calls", beside, fewer, most=1, note=NOTE)


def _calls(count: int) -> Calls:
    """Of a fresh backend with an empty cache."""
    with (
        World(photos=CHUNK, photo_px=(320, 240), objects=3, invoke_s=0, store_latency_s=0) as world,
        ManyTasks(count, world.photo_uris, MASKS.read_text()) as label_studio,
        product(world, PHENOLOOP_LABEL_STUDIO__URL=label_studio.url) as model,
    ):
        backend = model.backend
        version = backend.chain.version(PROJECT)
        lacking = [task.id for task in backend.label_studio.tasks(PROJECT, without_version=version)]
        assert len(lacking) == count  # noqa: S101
        asking, before = label_studio.requests.total(), world.counts()
        stored = prelabel(backend, PROJECT, lacking[-CHUNK:])
        assert stored == CHUNK  # noqa: S101
        after = world.counts()
    return Calls(
        asking=asking / count,
        label_studio=(label_studio.requests.total() - asking) / stored,
        store=sum(getattr(after, kind) - getattr(before, kind) for kind in ("photos", "heads", "puts", "lists"))
        / stored,
        endpoints=(after.all_invocations - before.all_invocations) / stored,
    )
