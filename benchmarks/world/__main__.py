"""`python -m benchmarks.world PLAN`: writes its address, answers until its standard input ends."""

import asyncio
import json
import selectors
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

from benchmarks.world.http import Connection, Request, Response
from benchmarks.world.models import Models
from benchmarks.world.photos import jpeg, numbered
from benchmarks.world.plan import BUCKET, DETECTOR, LABELS, SEGMENTER, Plan
from benchmarks.world.store import Store, Stored, stored
from loc360.manifest import Manifest
from phenoloop.chain.release import Release, StageEndpoint
from phenoloop.chain.releases import Pointer

MANIFEST = Manifest("", "phenoloop-detector", "phenoloop-segmenter", LABELS)


def main() -> None:
    # epoll rounds up to milliseconds
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(_serve(Plan.from_json(sys.argv[1])))


async def _serve(plan: Plan) -> None:
    store = Store(BUCKET, plan.store_latency_s, dict(_objects(plan)))
    models = Models(plan, MANIFEST.detector_side_px, MANIFEST.crop_side_px)

    async def answer(request: Request) -> Response:
        if request.path.startswith("/endpoints/"):
            return await models.answer(request)
        if request.path == "/-/counts":
            counts = {name: store.counts[name] for name in ("gets", "photos", "heads", "puts", "lists", "not_modified")}
            return Response(body=json.dumps({**counts, "invocations": models.counts}).encode())
        return await store.answer(request)

    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ended.set)
    server = await loop.create_server(lambda: Connection(answer), "127.0.0.1", 0, backlog=256)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await ended.wait()


def _objects(plan: Plan) -> Iterator[tuple[str, Stored]]:
    photo = jpeg(*plan.photo_px, plan.objects)
    for number, key in enumerate(plan.photo_keys):
        first = numbered(photo, number)
        yield key, Stored(partial(numbered, photo, number), len(first), f'"bench-{number:026d}"')
    release = Release.named(
        package_arn="arn:aws:sagemaker:eu-central-1:000000000000:model-package/bench/1",
        detector=StageEndpoint(endpoint=DETECTOR, model_data_url=f"s3://{BUCKET}/artifacts/detector.tar.gz"),
        segmenter=StageEndpoint(endpoint=SEGMENTER, model_data_url=f"s3://{BUCKET}/artifacts/segmenter.tar.gz"),
        manifest=MANIFEST.to_dict(),
    )
    pointer = Pointer(release=release.name, previous=None, moved_at=datetime(2026, 3, 1, tzinfo=UTC))
    yield f"releases/{release.name}.json", stored(release.model_dump_json().encode())
    yield "releases/live.json", stored(pointer.model_dump_json(exclude_defaults=True).encode())


if __name__ == "__main__":
    main()
