"""The serving container beside multi-model-server and TorchServe: one archive and one handler behind all of them."""

import base64
import io
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from benchmarks.containers.load import Client, Load, asked
from benchmarks.containers.memory import tree_bytes
from benchmarks.containers.servers import RIVALS, Rival, Server, Unstartable, ours, rival
from benchmarks.figure import Figure, as_share
from phenoloop.local_aws.environments import REPOSITORY, environment_python

CONNECTIONS = 4
CROP_PX = 384, 300
"""Width and height."""
ROUNDS, QUICK_ROUNDS = 4, 2


@dataclass(frozen=True, slots=True)
class Subject:
    archive: str
    title: str
    body: bytes
    requests: int
    """Of each connection, in one round."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One server's, over all rounds: medians of the rounds, since a round may meet a busy machine."""

    per_second: float
    p99_s: float
    memory_bytes: int


def measure(*, quick: bool) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="phenoloop-bench-") as name:
        folder = Path(name)
        _tell("exporting models")
        exporting = [str(environment_python("training")), "-m", "benchmarks.containers.archives", name]
        subprocess.run(exporting, cwd=REPOSITORY, check=True, stdout=sys.stderr)
        crop = _crop()
        subjects = (
            Subject("light", "a model that answers at once", _detector_request(crop), 50 if quick else 150),
            Subject("segmenter", "segmenter, crop of 384 x 300", _segmenter_request(crop), 5 if quick else 20),
        )
        for subject in subjects:
            yield from _figures(subject, folder, QUICK_ROUNDS if quick else ROUNDS)


def _figures(subject: Subject, folder: Path, rounds: int) -> Iterator[Figure]:
    with ExitStack() as running:
        servers, failed = _started(subject, folder, running)
        measured = _measured(subject, servers, rounds)
    own = measured[0]
    for server, its in zip(servers[1:], measured[1:], strict=True):
        yield from _compared(subject, own, server.name, its)
    for kind, why in failed.items():
        yield Figure(f"serving container, {subject.title}", math.nan, "", kind.name, math.nan, math.nan, note=why)


def _started(subject: Subject, folder: Path, running: ExitStack) -> tuple[list[Server], dict[Rival, str]]:
    """Ours first, then the rivals that can run here; why the others can't."""
    model, failed = folder / subject.archive, dict[Rival, str]()

    def base(name: str) -> Path:
        place = folder / f"{name}-{subject.archive}"
        place.mkdir()
        return place

    servers = [running.enter_context(ours(model, base("ours"), subject.body))]
    for kind in RIVALS:
        _tell(f"starting {kind.name}")
        try:
            servers.append(running.enter_context(rival(kind, model, base(kind.name), subject.body)))
        except Unstartable as error:
            failed[kind] = str(error)
    return servers, failed


def _measured(subject: Subject, servers: list[Server], rounds: int) -> list[Measured]:
    """In the servers' order. Each takes its turn in every round; the first, which warms, is not counted."""
    for server in servers[1:]:
        if _answer(server, subject) != _answer(servers[0], subject):
            raise AssertionError(f"{server.name} answers something else than ours.")
    loads: list[list[Load]] = [[] for _ in servers]
    for turn in range(1 + rounds):
        for server, of_server in zip(servers, loads, strict=True):
            load = asked(server.port, subject.body, connections=CONNECTIONS, requests=subject.requests)
            p99_ms = 1000 * load.quantile_s(0.99)
            _tell(f"{subject.archive}, {server.name}: {load.per_second:.1f}/s, p99 {p99_ms:.1f} ms")
            if turn:
                of_server.append(load)
    return [
        Measured(
            median(load.per_second for load in of_server),
            median(load.quantile_s(0.99) for load in of_server),
            tree_bytes(server.pid),
        )
        for server, of_server in zip(servers, loads, strict=True)
    ]


def _answer(server: Server, subject: Subject) -> object:
    client = Client(server.port, subject.body)
    try:
        return json.loads(client.ask())
    finally:
        client.close()


def _compared(subject: Subject, own: Measured, name: str, its: Measured) -> Iterator[Figure]:
    how = f"{CONNECTIONS} connections, {os.cpu_count()} cores"
    title = f"serving container, {subject.title}, {how}"
    yield as_share(f"{title}: requests a second", own.per_second, "1/s", name, its.per_second, least=1)
    yield as_share(f"{title}: p99", 1000 * own.p99_s, "ms", name, 1000 * its.p99_s, most=0.5)
    yield as_share(f"{title}: memory", own.memory_bytes / 2**20, "MiB", name, its.memory_bytes / 2**20, most=0.5)


def _crop() -> str:
    """Base64 of a JPEG: a bright disc on a grained table."""
    width, height = CROP_PX
    rows, columns = np.ogrid[:height, :width]
    disc = (rows - height / 2) ** 2 + (columns - width / 2) ** 2 < (height / 3) ** 2
    grained = np.random.default_rng(0).normal(100, 10, (height, width, 3)) + 100 * disc[..., None]
    packed = io.BytesIO()
    Image.fromarray(np.clip(grained, 0, 255).astype(np.uint8)).save(packed, "JPEG", quality=92)
    return base64.b64encode(packed.getvalue()).decode()


def _detector_request(image: str) -> bytes:
    return json.dumps({"release": "r", "image": image}).encode()


def _segmenter_request(image: str) -> bytes:
    box = [92, 50, 292, 250]
    echo = {"release": "r", "index": 0, "count": 1, "label": "tomato", "score": 0.9, "box": box, "crop": box}
    return json.dumps({"image": image, "box": box, "point": None, "echo": echo}).encode()


def _tell(text: str) -> None:
    print(f"container: {text}", file=sys.stderr, flush=True)  # noqa: T201
