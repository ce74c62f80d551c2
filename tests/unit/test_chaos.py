"""The kill campaign's own eyes: what it calls lost, double or stuck, and what it remembers."""

import json
import random
from collections import Counter
from datetime import UTC, datetime
from itertools import islice
from types import SimpleNamespace
from typing import Any

import pytest

from phenoloop.demo.chaos.annotator import DELETED, Memory, mark_of
from phenoloop.demo.chaos.blows import deck
from phenoloop.demo.chaos.campaign import Outcome, Round
from phenoloop.demo.chaos.checks import Rested, checks
from sync.runs import Run
from tests.unit.fake_s3 import FakeS3


def marked(mark: str) -> list[dict[str, Any]]:
    return [{"id": "a", "meta": {"text": [mark]}}, {"id": "b"}]


def rested(
    *, in_label_studio: dict[int, str], in_s3: dict[int, str] | None = None, memories: dict[int, Memory] | None = None
) -> Rested:
    s3 = FakeS3()
    for number, mark in (in_label_studio if in_s3 is None else in_s3).items():
        s3.put_object(Bucket="loop", Key=f"annotations/{number}", Body=json.dumps({"result": marked(mark)}).encode())
    annotations = [{"id": number, "result": marked(mark)} for number, mark in in_label_studio.items()]
    desk: Any = SimpleNamespace(
        tasks_by_photo=lambda: {"a.jpg": 1}, label_studio=SimpleNamespace(annotations=lambda _: annotations)
    )
    settings = SimpleNamespace(storage=SimpleNamespace(bucket="loop", annotations_prefix="annotations/"))
    doors: Any = SimpleNamespace(bucket="loop", client=lambda _: s3)
    loop: Any = SimpleNamespace(settings=settings)
    return Rested(doors, desk, loop, memories or {})


def breaches(name: str, found: Rested) -> list[str]:
    return checks()[name](found)


@pytest.mark.parametrize(
    ("there", "memory", "is_lost"),
    [
        ({7: "first"}, Memory(1, "first"), False),
        ({}, Memory(1, "first"), True),
        ({7: "first"}, Memory(1, "second"), True),
        ({7: "second"}, Memory(1, "first", {"second"}), False),
        ({7: "first"}, Memory(1, "first", {"second"}), False),
        ({}, Memory(1, "first", {DELETED}), False),
        ({}, Memory(1, DELETED), False),
        ({7: "first"}, Memory(1, DELETED), True),
    ],
)
def test_lost_is_what_was_acknowledged_and_is_not_there(
    there: dict[int, str], memory: Memory, *, is_lost: bool
) -> None:
    found = breaches("no annotation lost", rested(in_label_studio=there, memories={7: memory}))
    assert bool(found) == is_lost


@pytest.mark.parametrize("in_s3", [{}, {7: "old"}, {7: "first", 8: "deleted meanwhile"}])
def test_every_difference_between_label_studio_and_s3_is_seen(in_s3: dict[int, str]) -> None:
    name = "S3 holds what Label Studio holds"
    assert len(breaches(name, rested(in_label_studio={7: "first"}, in_s3=in_s3))) == 1
    assert breaches(name, rested(in_label_studio={7: "first"})) == []


def run_named(name: str) -> Run:
    return Run(name=name, snapshot="s", photos={}, parameters={}, live_release="r", reason="", by_itself=True,
               requested_at=datetime.now(UTC))  # fmt: skip


def executed(*spans: tuple[str, int, int], runs: dict[str, str]) -> Rested:
    """Executions as (run, start minute, end minute); what became of each run."""
    described = [
        {
            "PipelineExecutionArn": str(number),
            "PipelineExecutionDisplayName": f"run-{run}",
            "CreationTime": datetime(2026, 1, 1, 0, start, tzinfo=UTC),
            "LastModifiedTime": datetime(2026, 1, 1, 0, end, tzinfo=UTC),
        }
        for number, (run, start, end) in enumerate(spans)
    ]
    pages = SimpleNamespace(paginate=lambda **_: [{"PipelineExecutionSummaries": described}])
    sagemaker = SimpleNamespace(
        get_paginator=lambda _: pages,
        describe_pipeline_execution=lambda **asked: described[int(asked["PipelineExecutionArn"])],
    )
    kept = SimpleNamespace(list=lambda: [run_named(name) for name in runs], status=lambda run: runs[run.name])
    settings = SimpleNamespace(training=SimpleNamespace(pipeline="p"))
    loop: Any = SimpleNamespace(runs=kept, settings=settings)
    doors: Any = SimpleNamespace(client=lambda _: sagemaker)
    nobody: Any = None
    return Rested(doors, nobody, loop, {})


@pytest.mark.parametrize(
    ("found", "how_many"),
    [
        (executed(("a", 0, 5), ("b", 6, 9), runs={"a": "Succeeded", "b": "Succeeded"}), 0),
        (executed(("a", 0, 5), ("a-2", 6, 9), runs={"a": "Failed", "a-2": "Succeeded"}), 0),
        (executed(("a", 0, 5), ("a-2", 6, 9), runs={"a": "Succeeded", "a-2": "Succeeded"}), 1),
        (executed(("a", 0, 5), ("a", 6, 9), runs={"a": "Succeeded"}), 1),
        (executed(("a", 0, 7), ("b", 6, 9), runs={"a": "Succeeded", "b": "Succeeded"}), 1),
        (executed(("a", 0, 5), ("stray", 6, 9), runs={"a": "Succeeded"}), 1),
    ],
    ids=["in-turn", "after-a-failure", "without-a-failure", "executed-twice", "side-by-side", "of-no-run"],
)
def test_a_double_run_is_seen(found: Rested, how_many: int) -> None:
    assert len(breaches("no run twice", found)) == how_many


def test_a_mark_is_read_back_from_a_result() -> None:
    assert mark_of(marked("first")) == "first"
    assert mark_of([{"id": "a"}]) == ""


def test_the_deck_hits_everything_equally_often_and_the_same_for_a_seed() -> None:
    names = ["a", "b", "c"]
    drawn = list(islice(deck(names, random.Random(1)), 30))
    assert Counter(drawn) == {"a": 10, "b": 10, "c": 10}
    assert drawn == list(islice(deck(names, random.Random(1)), 30))


@pytest.mark.parametrize(
    "amiss",
    [
        {"rounds": [Round("redis", 300.0, "redis not running")]},
        {"breaches": {"no run twice": ["a"]}},
        {"went_on": False},
        {"troubles": ["never came to rest"]},
    ],
)
def test_a_campaign_holds_only_if_nothing_is_amiss(amiss: dict[str, Any]) -> None:
    well: dict[str, Any] = {"rounds": [Round("redis", 2.0, "")], "breaches": {"no run twice": []}, "went_on": True}
    assert Outcome(1, **well).holds
    assert not Outcome(1, **well | amiss).holds
