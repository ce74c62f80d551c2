"""`phenoloop trace` as people read it."""

from io import StringIO

import pytest
from rich.console import Console
from typer.testing import CliRunner

from phenoloop.cli.main import app
from phenoloop.cli.trace import shown
from phenoloop.ledger.links import Link, Trace


def text(trace: Trace) -> list[str]:
    console = Console(file=StringIO(), width=100, highlight=False)
    console.print(shown(trace))
    return [line.rstrip() for line in str(console.file.getvalue()).splitlines()]  # type: ignore[attr-defined]


def test_a_trace_is_a_tree_each_way_with_its_gaps() -> None:
    package = Link("package", "2", {"status": "Approved", "with_its": ["detector", "segmenter"]}, gaps=("Gone.",))
    run = Link("run", "r1", {"outcome": "better", "reason": ""}, links=(package,))
    snapshot = Link("snapshot", "snapshot-1", {"test": 0, "split": "train"}, links=(run,))
    assert text(Trace(Link("annotation", "17", {"task": 3, "skipped": True, "photo": None}), (), (snapshot,))) == [
        "annotation 17  task 3, skipped",
        "came from",
        "└── nothing that the loop made",
        "led to",
        "└── snapshot-1  test 0, split: train",
        "    └── run r1  outcome: better",
        "        └── package 2  status: Approved, with its detector and segmenter",
        "            └── Gone.",
    ]


def test_predictions_are_counted_in_words() -> None:
    counted = tuple(Link("predictions", count, {"project": 1}) for count in ("1", "20"))
    assert text(Trace(Link("release", "phenoloop-1", {"live": False}), (), counted))[-2:] == [
        "├── 1 prediction  project 1",
        "└── 20 predictions  project 1",
    ]


@pytest.mark.parametrize("words", [["trace"], ["trace", "annotation"], ["trace", "photo", "1"]])
def test_what_to_trace_must_be_said(words: list[str]) -> None:
    assert CliRunner().invoke(app, words).exit_code == 2
