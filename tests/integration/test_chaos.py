"""The kill campaign in short; `make chaos` is the long form."""

import json
from pathlib import Path

import pytest

from tests.conftest import phenoloop

pytestmark = pytest.mark.integration

ROUNDS = 9


def test_whatever_is_killed_nothing_is_lost_or_done_twice_and_the_loop_goes_on(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    words = ("--rounds", str(ROUNDS), "--photos", "12", "--seed", "4", "--json", str(report))
    done = phenoloop("chaos", "kill", *words, timeout_s=580)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(report.read_text())
    assert len(found["rounds"]) == ROUNDS
    assert {kind for kind, count in found["annotator"].items() if count} >= {"saved", "changed"}
    assert found["runs"].get("Succeeded")
