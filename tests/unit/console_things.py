"""The console over a loop of fakes: a registry, runs, alarms and rollouts that a test fills, and a chain that finds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from flask import Flask
from flask.testing import FlaskClient
from pydantic import SecretStr

from phenoloop.chain.chain import Chain
from phenoloop.chain.release import Release
from phenoloop.chain.releases import Pointer
from phenoloop.errors import PhenoloopError, RegistryFailed, ReleaseMissing, RunMissing
from phenoloop.settings import BackendSettings, StorageSettings
from sync.console.app import Console, create_console
from sync.console.corrections import Corrections
from sync.console.decisions import Decisions
from sync.console.freshness import Freshnesses
from sync.console.releases import Evaluations
from sync.console.sources import Sources
from sync.console.trying import TryBox
from sync.executions import Execution, StepProgress
from sync.policy import Decision, Pending
from sync.registry import PENDING, ChainArtifacts, ChainPackage
from sync.release.rollouts import Rollouts
from sync.runs import Run
from tests.unit.annotation_objects import Annotated
from tests.unit.backend_client import basic
from tests.unit.fake_models import DETECTOR_ENDPOINT, detect, release, segment
from tests.unit.fake_s3 import FakeS3

AT = datetime(2026, 3, 1, 9, tzinfo=UTC)
PASSWORD = "password of tests"
KNOWN = basic("phenoloop", PASSWORD)
GROUP = "arn:aws:sagemaker:eu-central-1:000000000000:model-package/phenoloop/"
STORAGE = StorageSettings(bucket="loop")


def figures(quality: float) -> dict[str, Any]:
    values = {"quality": quality, "box_ap50": quality + 0.05, "mask_ap50": quality, "precision": 0.9, "recall": 0.8}
    return {**values, "intervals": {"quality": {"low": quality - 0.1, "high": quality + 0.1}}}


def evaluation(live: float = 0.5, candidate: float = 0.7) -> dict[str, Any]:
    """`evaluation.json` of a run whose candidate is better."""
    return {
        "verdict": "better",
        "reasons": ["Better by the whole interval."],
        "test_photos": 12,
        "gain": {"mean": candidate - live, "low": 0.1, "high": 0.3},
        "live": figures(live),
        "candidate": figures(candidate),
    }


class FakeRuns:
    """Records of runs and what SageMaker says of them."""

    def __init__(self) -> None:
        self.known: dict[str, Run] = {}
        self.evaluations: dict[str, dict[str, Any]] = {}
        self.reports: dict[str, bytes] = {}
        self.steps: dict[str, tuple[StepProgress, ...]] = {}

    def list(self) -> list[Run]:
        return list(self.known.values())

    def get(self, name: str) -> Run:
        if name not in self.known:
            raise RunMissing("No such run.", run=name)
        return self.known[name]

    def status(self, run: Run) -> str:
        return "Succeeded" if run.name in self.evaluations else "Executing"

    def execution(self, run: Run) -> Execution:
        return Execution("arn", self.status(run), "", self.steps.get(run.name, ()), None)

    def evaluation(self, run: Run) -> dict[str, Any] | None:
        return self.evaluations.get(run.name)

    def report(self, run: Run) -> bytes:
        return self.reports[run.name]


class FakeLoop:
    """A registry in memory: what the console asks of `sync.loop.Loop`."""

    def __init__(self, rollouts: Rollouts) -> None:
        self.registry: list[ChainPackage] = []
        self.decisions = SimpleNamespace(rollouts=rollouts, roll_back=self.roll_back)
        self.releases = SimpleNamespace(pointer=self.pointer)
        self.live_release: Release | None = None
        self.runs = FakeRuns()
        self.behind: Mapping[int, tuple[int, ...]] = {}
        self.open_tasks = SimpleNamespace(behind=lambda version, canary: self.behind, queue=FakeDepth())
        self.decided: tuple[Decision, Pending] | None = (
            Decision(due=False, reason="3 of 20 changed annotations"),
            Pending(3, AT, AT),
        )
        self.failure: PhenoloopError | None = None

    def packages(self) -> list[ChainPackage]:
        if self.failure:
            raise self.failure
        return sorted(self.registry, key=lambda package: -package.version)

    def live(self) -> Release | None:
        return self.live_release

    def pointer(self) -> Pointer:
        if self.live_release is None:
            raise ReleaseMissing("Nothing is live.")
        return Pointer(release=self.live_release.name, previous=None, moved_at=AT)

    def roll_back(self, reason: str) -> None:
        """To the chain of the version before."""
        live = self.live_release and self.live_release.package_arn
        package = next(package for package in self.registry if package.arn == live)
        if package.version == 1:
            raise RegistryFailed("No other chain is approved, so nothing could take its place.")
        self.reject(package, reason)

    def approve(self, package: ChainPackage, reason: str) -> None:
        self._decide(package, "Approved", reason)

    def reject(self, package: ChainPackage, reason: str) -> None:
        self._decide(package, "Rejected", reason)

    def _decide(self, package: ChainPackage, status: str, reason: str) -> None:
        self.registry = [
            replace(known, status=status, status_reason=reason) if known.arn == package.arn else known
            for known in self.registry
        ]


class FakeEndpoints:
    """The two models that find what is painted."""

    def invoke(self, endpoint_name: str, payload: str) -> str:
        return detect(payload) if endpoint_name == DETECTOR_ENDPOINT else segment(payload)

    def invoke_each(self, endpoint_name: str, payloads: Sequence[str]) -> list[str]:
        return [self.invoke(endpoint_name, payload) for payload in payloads]


class FakeDepth:
    """A queue of Redis' with so many jobs."""

    count = 4
    started_job_registry = SimpleNamespace(count=1)
    failed_job_registry = SimpleNamespace(count=2)


class FakeCloudWatch:
    def __init__(self) -> None:
        self.alarms: list[dict[str, Any]] = []

    def get_paginator(self, operation: str) -> FakeCloudWatch:
        assert operation == "describe_alarms"
        return self

    def paginate(self, *, AlarmNamePrefix: str) -> list[dict[str, Any]]:  # noqa: N803
        return [{"MetricAlarms": [one for one in self.alarms if one["AlarmName"].startswith(AlarmNamePrefix)]}]


class FakePredictions:
    """Label Studio's predictions by id."""

    def __init__(self) -> None:
        self.known: dict[int, dict[str, Any]] = {}
        self.asked = 0

    def prediction(self, prediction_id: int) -> dict[str, Any] | None:
        self.asked += 1
        return self.known.get(prediction_id)


class Desk:
    """A console, and all that stands behind it."""

    def __init__(self) -> None:
        self.s3, self.cloudwatch = FakeS3(), FakeCloudWatch()
        self.rollouts = Rollouts(cast("Any", self.s3), STORAGE)
        self.loop = FakeLoop(self.rollouts)
        self.predictions, self.problems = FakePredictions(), list[str]()
        self.annotated = Annotated(self.s3, STORAGE.bucket)

    def register(self, version: int, *, status: str = "Approved", run: str | None = None, live: bool = False) -> str:
        """The package's ARN."""
        made = ChainPackage(
            arn=f"{GROUP}{version}",
            version=version,
            image="image",
            artifacts=ChainArtifacts("s3://loop/detector", "s3://loop/segmenter", "s3://loop/manifest"),
            status=status,
            status_reason="",
            description=f"chain {version}",
            run=run,
            snapshot_url=None,
            registered_at=AT + timedelta(hours=version),
            decided_at=AT + timedelta(hours=version),
        )
        self.loop.registry.append(made)
        if live:
            self.loop.live_release = release("phenoloop-live").model_copy(update={"package_arn": made.arn})
        return made.arn

    def wait_for(self, version: int, run: str | None = None) -> str:
        return self.register(version, status=PENDING, run=run)

    def train(self, name: str, *, evaluated: Mapping[str, Any] | None = None, index: str = "") -> Run:
        run = Run(
            name=name,
            snapshot="snapshot-1",
            index=index,
            photos={"train": 12, "validation": 3, "test": 5},
            parameters={},
            live_release="phenoloop-live",
            reason="20 changed annotations, quiet",
            by_itself=True,
            requested_at=AT,
        )
        self.loop.runs.known[name] = run
        self.loop.runs.steps[name] = (
            StepProgress("Fetch", "Succeeded", AT, AT + timedelta(seconds=75), 1, "", "", ""),
            StepProgress("TrainDetector", "Executing", AT + timedelta(seconds=75), None, 1, "", "", ""),
        )
        if evaluated is not None:
            self.loop.runs.evaluations[name] = dict(evaluated)
            self.loop.runs.reports[name] = b"<!doctype html><title>Report</title><style>p{color:red}</style><p>Better."
        return run

    def sources(self) -> Sources:
        loop = cast("Any", self.loop)
        worker = SimpleNamespace(
            loop=loop, problems=lambda: self.problems, waiting=lambda: {"waiting": 7.0, "in_flight": 1.0}
        )
        return Sources(
            loop=loop,
            worker=cast("Any", worker),
            cloudwatch=self.cloudwatch,
            evaluations=Evaluations(loop.runs),
            corrections=Corrections(cast("Any", self.s3), cast("Any", self.predictions), "loop", "annotations/"),
            freshnesses=Freshnesses(self.annotated.store),
        )

    def app(self) -> Flask:
        chain = Chain(FakeEndpoints(), cast("Any", SimpleNamespace(current=lambda *_: release())))
        box = TryBox(chain, cast("Any", self.s3), STORAGE)
        decisions = Decisions(cast("Any", self.loop))
        settings = BackendSettings(password=SecretStr(PASSWORD))
        return create_console(Console(self.sources(), decisions, box), settings)

    def client(self) -> Visitor:
        return Visitor(self.app().test_client())


class Visitor:
    """A browser without pictures: sends credentials, and the token of the last page with each form."""

    def __init__(self, client: FlaskClient) -> None:
        self._client, self._token = client, ""

    def get(self, path: str) -> Any:
        page = self._client.get(path, headers=KNOWN)
        found = re.search(r'name="token" value="([^"]+)"', page.text)
        self._token = found.group(1) if found else self._token
        return page

    def post(self, path: str, **form: Any) -> Any:
        data = {"token": self._token, **form}
        return self._client.post(path, headers=KNOWN, data=data, content_type="multipart/form-data")


def statuses(desk: Desk) -> dict[int, str]:
    return {package.version: package.status for package in desk.loop.registry}


def saved(prediction: int, *regions: dict[str, Any]) -> dict[str, Any]:
    """Of an annotation made from that prediction."""
    return {"parent_prediction": prediction, "result": list(regions)}
