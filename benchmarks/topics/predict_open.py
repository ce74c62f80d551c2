"""One task opened: alone, and while a batch keeps the same endpoints busy."""

import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

import urllib3

from benchmarks.figure import Figure, as_share
from benchmarks.world import World
from benchmarks.world.product import predict, product
from ml_backend.model import PhenoloopModel

_WARMING = 8
_PAUSE_S = 0.1
"""Between two tasks: who opens one looks at it before the next."""
_LONGEST_S = 60.0
_REFERENCE = "fetch + detector + 2 segmenter rounds"


def measure(*, quick: bool) -> Iterator[Figure]:
    alone, beside, batch = (10, 20, 200) if quick else (40, 120, 1000)
    # a batch that is not done by then goes on in the background, in the product; here there is no background
    with World(photos=_WARMING + alone + beside + batch) as world, product(
        world, PHENOLOOP_BACKEND__PREDICT_DEADLINE_S=str(_LONGEST_S)
    ) as model:  # fmt: skip
        uris = world.photo_uris
        predict(model, [uris.pop() for _ in range(_WARMING)])
        ideal_s = _ideal_s(world, uris[:alone])
        alone_s = _opened(model, [uris.pop() for _ in range(alone)])
        opened = [uris.pop() for _ in range(beside)]
        under_way = threading.Thread(target=predict, args=(model, uris))
        under_way.start()
        time.sleep(1.0)
        beside_s, was_busy = _opened(model, opened), under_way.is_alive()
        under_way.join()
    note = "" if was_busy else "the batch was over before all tasks were opened"
    median, p99 = statistics.median, _p99
    for what, seconds, most in (
        (f"a task opened, median of {alone}", median(alone_s), 1.15),
        (f"a task opened while a batch of {batch} runs, median of {beside}", median(beside_s), 1.15),
        (f"a task opened while a batch of {batch} runs, 99th percentile", p99(beside_s), 1.4),
    ):
        yield as_share(what, 1000 * seconds, "ms", _REFERENCE, 1000 * ideal_s, most=most, note=note)


def _opened(model: PhenoloopModel, uris: Sequence[str]) -> list[float]:
    """How long each took, one after the other."""
    taken_s = []
    for uri in uris:
        time.sleep(_PAUSE_S)
        started_s = time.perf_counter()
        (item,) = predict(model, [uri])
        taken_s.append(time.perf_counter() - started_s)
        if not item["result"]:
            raise RuntimeError("The task was not predicted.")
    return taken_s


def _ideal_s(world: World, uris: Sequence[str]) -> float:
    """Without any work of ours: the bytes of a photo over an open connection, then nothing but models."""
    address = urlsplit(world.environment["AWS_ENDPOINT_URL_S3"])
    fetches_s = []
    with urllib3.HTTPConnectionPool(str(address.hostname), address.port) as pool:
        for uri in uris:
            started_s = time.perf_counter()
            pool.request("GET", uri.removeprefix("s3:/"))
            fetches_s.append(time.perf_counter() - started_s)
    plan = world.plan
    rounds = 1 + -(-plan.objects // plan.slots)
    return statistics.median(fetches_s) + rounds * plan.invoke_s


def _p99(seconds: Sequence[float]) -> float:
    return statistics.quantiles(seconds, n=100, method="inclusive")[-1]
