"""What is decided at the console, sync does: on a registry and a bucket of moto's."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from moto import mock_aws
from pydantic import SecretStr

from phenoloop.settings import BackendSettings
from sync.console.app import Console, create_console
from sync.console.corrections import Corrections
from sync.console.decisions import Decisions
from sync.console.freshness import Freshnesses
from sync.console.releases import Evaluations
from sync.console.sources import Sources
from sync.console.trying import TryBox
from sync.registry import ChainArtifacts, chain_package
from tests.contract.chain_aws import BUCKET
from tests.contract.loop_around import Around
from tests.unit.annotation_objects import box
from tests.unit.console_things import PASSWORD, FakeDepth, FakePredictions, Visitor, saved


@pytest.fixture
def around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Around]:
    """Version 1 is live."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield Around(tmp_path)


def visitor(around: Around) -> Visitor:
    """Of a console that was started just now."""
    loop, aws, predictions = around.loop(), around.aws, FakePredictions()
    predictions.known[1] = {"model_version": aws.store.live().name, "result": []}
    loop.open_tasks = cast("Any", SimpleNamespace(behind=lambda *_: {}, queue=FakeDepth()))
    worker = SimpleNamespace(loop=loop, problems=list, waiting=lambda: {"waiting": 0, "in_flight": 0})
    sources = Sources(
        loop=loop,
        worker=cast("Any", worker),
        cloudwatch=aws.cloudwatch,
        evaluations=Evaluations(loop.runs),
        corrections=Corrections(aws.s3, cast("Any", predictions), BUCKET, "annotations/"),
        freshnesses=Freshnesses(loop.snapshots),
    )
    console = Console(sources, Decisions(loop), TryBox(cast("Any", None), aws.s3, loop.settings.storage))
    return Visitor(create_console(console, BackendSettings(password=SecretStr(PASSWORD))).test_client())


def look(around: Around) -> None:
    loop = around.loop()
    for _ in range(8):
        loop.release()


def test_a_chain_that_waits_is_approved_in_the_registry(around: Around) -> None:
    package = around.aws.register(around.aws.upload(segmenter=b"better"), approved=False)
    person = visitor(around)
    assert "Version 2 waits for a decision" in person.get("/console").text
    assert person.post("/console/releases/2/approve", reason="convincing").status_code == 303
    described = around.aws.sagemaker.describe_model_package(ModelPackageName=package)
    assert (described["ModelApprovalStatus"], described["ApprovalDescription"]) == ("Approved", "convincing")


def test_a_chain_that_is_rolled_back_at_the_console_gives_way_to_the_one_before(around: Around) -> None:
    first = around.aws.store.live().name
    around.aws.register(around.aws.upload(segmenter=b"better"))
    look(around)
    second, person = around.aws.store.live().name, visitor(around)
    assert second != first
    assert second in person.get("/console").text
    assert person.post("/console/rollback", reason="worse in the field").status_code == 303
    look(around)
    assert around.aws.store.live().name == first
    page = visitor(around).get("/console/releases").text
    assert all(words in page for words in (first, second, "rolled back", "worse in the field"))


def test_the_live_releases_alarms_are_shown(around: Around) -> None:
    live = around.aws.store.live()
    around.aws.ring(live.detector.endpoint, "drift")
    page = visitor(around).get("/console").text
    assert '<span class="state bad">alarm</span>' in page
    assert live.detector.endpoint.removeprefix("phenoloop-") in page


def test_a_release_that_learnt_from_annotations_is_as_fresh_as_they_are(around: Around) -> None:
    for number in (1, 2, 3, 4, 5):
        around.annotated.save(number, **saved(1, box()))
    run, _ = around.loop().retrain("a test", by_itself=False)
    release_what_it_made(around, run.name)
    page = visitor(around).get("/console").text
    freshness = page[page.index('id="freshness"') :]
    assert around.aws.store.live().name in freshness
    assert '<td class="number">5</td>' in freshness


def release_what_it_made(around: Around, run: str) -> None:
    """As its pipeline leaves it, approved."""
    folder, manifest_url = f"s3://{BUCKET}/runs/{run}/models", around.aws.upload().manifest_url
    made = ChainArtifacts(f"{folder}/detector/model.tar.gz", f"{folder}/segmenter/model.tar.gz", manifest_url)
    package = chain_package(around.aws.sagemaker, around.aws.register(made))
    around.aws.sagemaker.update_model_package(
        ModelPackageArn=package.arn,
        ModelApprovalStatus="Approved",
        CustomerMetadataProperties={"manifest": manifest_url, "run": run},
    )
    look(around)
