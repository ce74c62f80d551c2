"""What must be true of a loop that has come to rest, looked up in what is stored: nothing lost, nothing done twice."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

from phenoloop.demo.chaos.annotator import Memory, mark_of
from phenoloop.demo.proof.desk import Desk
from phenoloop.demo.proof.stack import Doors
from phenoloop.errors import PhenoloopError
from phenoloop.ledger.links import Trace
from phenoloop.ledger.stored import Stored
from phenoloop.ledger.trace import trace_annotation, trace_release
from sync.executions import FAILED
from sync.runs import Run

if TYPE_CHECKING:
    from sync.loop import Loop

Breaches = list[str]
"""One line each; empty if all is as it must be."""


@dataclass(frozen=True, slots=True)
class Rested:
    """A loop that has come to rest, and who worked on it."""

    doors: Doors
    desk: Desk
    loop: Loop
    memories: Mapping[int, Memory]


def checks() -> Mapping[str, Callable[[Rested], Breaches]]:
    """By what must be true."""
    return {
        "no annotation lost": _lost,
        "S3 holds what Label Studio holds": _differing,
        "no run twice": _double_runs,
        "no release twice": _double_releases,
        "the newest approved package is live, and the manifest is its": _not_live,
        "no task stuck": _stuck,
        "no prediction twice": _double_predictions,
        "the ledger follows every annotation and the live release": _untraced,
    }


def _lost(rested: Rested) -> Breaches:
    """Acknowledged, and not in Label Studio as acknowledged."""
    there = {int(a["id"]): mark_of(a["result"]) for a in _annotations(rested)}
    return [
        f"annotation {number}: " + ("gone" if number not in there else f"has {there[number] or 'no mark'}")
        for number, memory in rested.memories.items()
        if not (memory.allows(there[number]) if number in there else memory.may_be_gone)
    ]


def _differing(rested: Rested) -> Breaches:
    in_label_studio = {str(a["id"]): mark_of(a["result"]) for a in _annotations(rested)}
    in_s3 = dict(_exported(rested))
    numbers = sorted(in_label_studio.keys() | in_s3.keys(), key=int)
    return [
        f"annotation {number}: {in_label_studio.get(number, 'absent')} in Label Studio, "
        f"{in_s3.get(number, 'absent')} in S3"
        for number in numbers
        if in_label_studio.get(number) != in_s3.get(number)
    ]


def _double_runs(rested: Rested) -> Breaches:
    """Executed twice, side by side with another, or asked for again though the one before did not fail."""
    sagemaker, runs = rested.doors.client("sagemaker"), rested.loop.runs.list()
    if not runs:  # nor a pipeline
        return []
    pages = sagemaker.get_paginator("list_pipeline_executions").paginate(
        PipelineName=rested.loop.settings.training.pipeline
    )
    executions = [item for page in pages for item in page["PipelineExecutionSummaries"]]
    executed = Counter(item.get("PipelineExecutionDisplayName", "") for item in executions)
    twice = [f"{name} was executed {times} times" for name, times in executed.items() if times > 1]
    unknown = executed.keys() - {f"run-{run.name}" for run in runs}
    described = [
        sagemaker.describe_pipeline_execution(PipelineExecutionArn=e["PipelineExecutionArn"]) for e in executions
    ]
    spans = sorted((d["CreationTime"], d["LastModifiedTime"], d["PipelineExecutionDisplayName"]) for d in described)
    beside = [f"{b[2]} started before {a[2]} ended" for a, b in pairwise(spans) if b[0] < a[1]]
    again = [
        f"{later.name} was asked for though {earlier.name} did not fail"
        for earlier, later in combinations(runs, 2)
        if _identity(earlier) == _identity(later) and rested.loop.runs.status(earlier) not in FAILED
    ]
    return [*twice, *(f"{name} belongs to no run" for name in sorted(unknown)), *beside, *again]


def _identity(run: Run) -> str:
    """Of snapshot, parameters and code; a further attempt has its number after it."""
    return run.name.partition("-")[0]


def _double_releases(rested: Rested) -> Breaches:
    """A package is one release, a run at most one package."""
    packages, released = rested.loop.packages(), rested.loop.releases.published().values()
    made = Counter(package.run for package in packages if package.run)
    served = Counter(release.package_arn for release in released)
    return [
        *(f"run {run} registered {count} packages" for run, count in made.items() if count > 1),
        *(f"package {arn} is {count} releases" for arn, count in served.items() if count > 1),
    ]


def _not_live(rested: Rested) -> Breaches:
    newest, live, storage = rested.loop.newest_approved(), rested.loop.live(), rested.loop.settings.storage
    if newest is None or live is None or live.package_arn != newest.arn:
        return [f"live is {live and live.package_arn}, newest approved {newest and newest.arn}"]
    body = rested.doors.client("s3").get_object(Bucket=storage.bucket, Key=storage.manifest_key)["Body"].read()
    told = json.loads(body).get("release")
    return [] if told == live.name else [f"the manifest tells of {told}, live is {live.name}"]


def _stuck(rested: Rested) -> Breaches:
    live = rested.loop.live()
    behind = rested.loop.open_tasks.behind(live.name) if live else {0: ()}
    return [f"task {task} is behind the live release" for tasks in behind.values() for task in tasks]


def _double_predictions(rested: Rested) -> Breaches:
    live, twice = rested.loop.live(), []
    for task_id in rested.desk.tasks_by_photo().values():
        versions = Counter(str(p["model_version"]) for p in rested.desk.label_studio.predictions(task_id))
        if live is not None and versions[live.name] > 1:
            twice.append(f"task {task_id} has {versions[live.name]} predictions of {live.name}")
    return twice


def _untraced(rested: Rested) -> Breaches:
    stored, untraced = Stored.of(rested.loop), []
    annotations = [int(annotation["id"]) for annotation in _annotations(rested)]
    traces: dict[str, Callable[[], Trace]] = {
        f"annotation {number}": partial(trace_annotation, stored, number) for number in annotations
    }
    for name, follow in (traces | {"release live": partial(trace_release, stored, "live")}).items():
        try:
            trace = follow()
            if not (trace.before or trace.after):
                untraced.append(f"{name} leads nowhere")
        except PhenoloopError as error:
            untraced.append(f"{name}: {error}")
    return untraced


def _annotations(rested: Rested) -> Iterator[dict[str, Any]]:
    for task_id in rested.desk.tasks_by_photo().values():
        yield from rested.desk.label_studio.annotations(task_id)


def _exported(rested: Rested) -> Iterator[tuple[str, str]]:
    s3, storage = rested.doors.client("s3"), rested.loop.settings.storage
    for key in _keys(rested, storage.annotations_prefix):
        body = s3.get_object(Bucket=storage.bucket, Key=key)["Body"].read()
        yield key.rpartition("/")[2], mark_of(json.loads(body)["result"])


def _keys(rested: Rested, prefix: str) -> list[str]:
    pages = (
        rested.doors.client("s3").get_paginator("list_objects_v2").paginate(Bucket=rested.doors.bucket, Prefix=prefix)
    )
    return [item["Key"] for page in pages for item in page.get("Contents", [])]
