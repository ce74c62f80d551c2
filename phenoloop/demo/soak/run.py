"""One soak from nothing: photos, a stack of its own, load and samples, and the end of the stack whatever happens."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from phenoloop.demo.proof.bucket import Bucket
from phenoloop.demo.proof.desk import Desk
from phenoloop.demo.proof.generated import known_photo
from phenoloop.demo.proof.known import KnownPhoto
from phenoloop.demo.proof.label_config import DEMO
from phenoloop.demo.proof.stack import Doors, ProofStack
from phenoloop.demo.proof.steps import Steps
from phenoloop.demo.scenes import render_mixture, save_scene
from phenoloop.demo.soak.census import Sample, census
from phenoloop.demo.soak.findings import Findings
from phenoloop.demo.soak.load import Load
from phenoloop.demo.soak.traffic import Traffic
from phenoloop.demo.state import DataFolder
from phenoloop.errors import PhenoloopError

PHOTOS = 12
WIDTH_PX, HEIGHT_PX = 1280, 960
SAMPLE_EVERY_S = 10.0
TELL_EVERY_S = 60.0
MINIMUM_CHANGES = 60
"""Annotations that make a run, at the latest after ten minutes."""
TRAINING = {"TimeLimitS": 20, "MinimumTestPhotos": 4}


@dataclass(frozen=True, slots=True)
class Ask:
    folder: Path
    """Empty; everything goes there."""
    seed: int
    minutes: float


def soak(ask: Ask, tell: Callable[[str], None], tell_now: Callable[[str], None]) -> Findings:
    """What came of it. Broken off (KeyboardInterrupt), it is of the time until then."""
    findings, traffic = Findings(ask.seed), Traffic()
    steps = Steps(tell, tell_now)
    try:
        with steps.step("Photos ready"):
            photos = _photos(ask)
        with _stack(ask, photos, steps) as doors:
            samples = _under_load(ask, doors, photos, traffic, tell)
            findings.judge(samples, traffic.answered())
            findings.done = _done(doors)
    except PhenoloopError as error:
        findings.failures.append(str(error))
    return findings


def _photos(ask: Ask) -> list[KnownPhoto]:
    seeds = range(ask.seed + 1_000_000, ask.seed + 1_000_000 + PHOTOS)
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        return list(pool.map(partial(_rendered, ask.folder / "photos"), seeds))


def _rendered(folder: Path, seed: int) -> KnownPhoto:
    scene = render_mixture(seed, width_px=WIDTH_PX, height_px=HEIGHT_PX)
    return known_photo(scene, save_scene(scene, folder))


@contextmanager
def _stack(ask: Ask, photos: Sequence[KnownPhoto], steps: Steps) -> Iterator[Doors]:
    """Down at the end."""
    stack = ProofStack(
        ask.folder / "stack",
        options=("--images", str(photos[0].path.parent), "--label-config", str(DEMO / "masks.xml")),
        minimum_changes=MINIMUM_CHANGES,
        parameters=TRAINING,
    )
    try:
        with steps.step("Stack started"):
            doors = stack.start()
        yield doors
    finally:
        with steps.step("Stack stopped"):
            stack.stop()


def _under_load(
    ask: Ask, doors: Doors, photos: Sequence[KnownPhoto], traffic: Traffic, tell: Callable[[str], None]
) -> list[Sample]:
    """Every process, every few seconds; each sample also goes to a file as soon as it is taken."""
    samples: list[Sample] = []
    folder, started_s = DataFolder(ask.folder / "stack"), time.monotonic()
    told_s = started_s
    with (ask.folder / "samples.jsonl").open("a") as file, Load(doors, photos, traffic, ask.seed).running():
        try:
            while (now_s := time.monotonic()) < started_s + 60 * ask.minutes:
                taken = census(folder.read_status()["processes"], now_s)
                samples += taken
                file.writelines(json.dumps(asdict(sample)) + "\n" for sample in taken)
                if now_s - told_s > TELL_EVERY_S:
                    told_s = now_s
                    tell(_in_between(traffic, taken))
                time.sleep(max(0.0, SAMPLE_EVERY_S - (time.monotonic() - now_s)))
        except KeyboardInterrupt:
            tell("Broken off")
    return samples


def _in_between(traffic: Traffic, taken: Sequence[Sample]) -> str:
    asked = ", ".join(f"{kind} {seen.requests} ({seen.failures} failed)" for kind, seen in traffic.answered().items())
    memory = ", ".join(f"{sample.name} {sample.rss_mib:.0f}" for sample in taken if sample.is_ours)
    return f"{asked}; MiB: {memory}"


def _done(doors: Doors) -> dict[str, int]:
    bucket, desk = Bucket(doors), Desk(doors)
    runs = bucket.runs()
    ends = [bucket.run_end(run) for run in runs]
    return {
        "tasks": len(list(desk.label_studio.tasks(doors.project_id))),
        "runs": len(runs),
        "runs that succeeded": sum(end is not None and end.status == "Succeeded" for end in ends),
        "model packages": len(bucket.packages()),
    }
