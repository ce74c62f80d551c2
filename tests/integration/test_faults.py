"""The fault campaign in short: proxies that cut, stall and reset before a backend, a worker and a sync of its own."""

from pathlib import Path

import pytest

from phenoloop.demo.faults.campaign import FEW, campaign
from phenoloop.demo.faults.patience import SHORT
from phenoloop.demo.state import DataFolder
from tests.conftest import RunningStack

pytestmark = pytest.mark.integration


def test_nothing_is_lost_and_nobody_waits_for_ever_whatever_fails(stack: RunningStack, tmp_path: Path) -> None:
    told: list[str] = []
    findings = campaign(DataFolder(stack.data_dir).read_status(), tmp_path, SHORT, FEW, seed=1, tell=told.append)
    assert findings.holds, told
    assert [trial.empty_stored for trial in findings.trials] == [0] * len(FEW)
    assert sum(trial.failed for trial in findings.trials) > 0, "no task failed, so nothing was tried"
