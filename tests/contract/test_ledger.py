"""The ledger reads the loop's own stores, and what it costs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from moto import mock_aws

from phenoloop.chain.releases import Release
from phenoloop.labelling.client import LabelStudio, Project
from phenoloop.ledger.stored import Stored
from phenoloop.ledger.trace import trace_annotation, trace_release, trace_run
from sync.loop import Loop
from sync.open_tasks import OpenTasks
from sync.registry import ChainArtifacts
from sync.runs import Run, Runs
from tests.contract.chain_aws import BUCKET
from tests.contract.loop_around import STORAGE, TRAINING, Around
from tests.unit.annotation_objects import Counting
from tests.unit.ledger_things import PROJECT, Desk, gaps, reached


class OneProject(Desk):
    def projects(self) -> list[Project]:
        return [Project(PROJECT, "Vegetables", "", "")]

    def annotation_storages(self, project_id: int) -> list[dict[str, Any]]:
        return [{"id": 1, "bucket": BUCKET, "prefix": "annotations"}]


class Work:
    """Annotators and trainings on moto's S3 and registry."""

    def __init__(self, folder: Path) -> None:
        self.around, self.desk = Around(folder), OneProject()

    def loop(self, s3: Any = None) -> Loop:
        """Of another process, which has read nothing yet."""
        loop, aws = self.around.loop(), self.around.aws
        loop.open_tasks = OpenTasks(cast("LabelStudio", self.desk), cast("Any", None), BUCKET, "annotations/")
        if s3 is not None:
            loop.runs = Runs(s3, aws.sagemaker, STORAGE, TRAINING)
            loop.snapshots = self.around.annotated.store_with(s3)
        return loop

    def learn(self, *numbers: int) -> Run:
        """Annotate these photos and train on all there is."""
        self.around.annotate(*numbers)
        run, is_new = self.around.loop().retrain("a test", by_itself=False)
        assert is_new
        return run

    def release(self, run: Run) -> Release:
        """What the run made, as its pipeline leaves it."""
        aws, folder = self.around.aws, f"s3://{BUCKET}/runs/{run.name}/models"
        manifest_url = aws.upload().manifest_url
        made = ChainArtifacts(f"{folder}/detector/model.tar.gz", f"{folder}/segmenter/model.tar.gz", manifest_url)
        return aws.deploy(aws.register(made))


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Work]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield Work(tmp_path)


def test_what_is_stored_leads_from_an_annotation_to_the_live_release_and_back(work: Work) -> None:
    run = work.learn(1, 2, 3)
    first = Stored.of(work.loop())
    assert "outside the loop" in gaps(trace_release(first, "live"))[0]
    assert trace_run(first, run.name).thing.facts["outcome"] == "Succeeded", "SageMaker's word: no evaluation is there"

    live, stored = work.release(run), Stored.of(work.loop())
    _, after = reached(trace_annotation(stored, 2))
    assert {("snapshot", run.snapshot), ("run", run.name), ("package", "2"), ("release", live.name)} == after
    before, _ = reached(trace_release(stored, "live", every=True))
    assert {("run", run.name), ("snapshot", run.snapshot), ("annotation", "2")} <= before


def test_a_run_knows_the_annotations_that_were_left_out_when_it_was_asked_for(work: Work) -> None:
    work.around.annotate(1, 2, 3)
    snapshot = work.around.annotated.build()
    work.around.annotated.save(9, was_cancelled=True)
    run = work.learn()
    assert run.snapshot == snapshot.name
    (known,) = trace_annotation(Stored.of(work.loop()), 9).after
    assert (known.name, known.facts["left_out"]) == (snapshot.name, "skipped")


def test_tracing_an_annotation_asks_s3_once_for_each_run_and_each_index(work: Work) -> None:
    photos = [list(range(first, first + 3)) for first in (1, 4, 7, 10)]
    for some in photos:
        work.learn(*some)
    s3 = Counting(work.around.aws.s3)
    trace = trace_annotation(Stored.of(work.loop(s3)), 2)
    assert len(trace.after) == len(photos)
    records, evaluations, executions = len(photos), len(photos), len(photos)
    assert s3.requests == {
        "get_object runs": records + evaluations + executions,
        "get_object indexes": len(photos),
        "get_object annotations": 1,
        "get_object pointer": 1,
        "get_object snapshot": 1,
    }
