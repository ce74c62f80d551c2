"""The same photos again under the same release: what is asked of the endpoints and of the store."""

from collections.abc import Iterator

from benchmarks.figure import Figure, as_share
from benchmarks.world import World
from benchmarks.world.product import MASKS, predict, product, tasks
from ml_backend.messages import Task
from ml_backend.predict import labelling_config, predict_tasks


def measure(*, quick: bool) -> Iterator[Figure]:
    count = 8 if quick else 40
    with World(photos=count, invoke_s=0.005, store_latency_s=0.001) as world, product(world) as ahead:
        uris, config = world.photo_uris, labelling_config(MASKS.read_text())
        before = world.counts()
        # as a job does it
        done = predict_tasks(ahead.backend, [Task(**task) for task in tasks(uris)], config, deadline_s=60)
        first = world.counts()
        again = predict(ahead, uris)
        second = world.counts()
    if [outcome.item for outcome in done] != again:
        raise RuntimeError("The second prediction of a photo is another one.")
    asked, asked_again = first.all_invocations - before.all_invocations, second.all_invocations - first.all_invocations
    what = f"{count} photos pre-labelled ahead, then opened"
    yield as_share(
        f"{what}: invocations", asked_again, "calls", "the first time", asked, most=0, note="the predictions are equal"
    )
    sent, sent_again = first.photos - before.photos, second.photos - first.photos
    yield as_share(f"{what}: photos sent by the store", sent_again, "photos", "the first time", sent, most=0)
