"""`phenoloop tune` tells how far a search is, leaves it alone when told to, and says what would change."""

from pathlib import Path
from typing import Any

import pytest

from phenoloop.cli.search_progress import conclude, follow, show
from sync.pipeline.parameters import TRAINING_FILE
from sync.tuning.searches import SearchJob
from tests.conftest import phenoloop
from tests.unit.tuning_things import run_training


def trial(number: int, state: str, validation: float | None = None, **values: Any) -> dict[str, Any]:
    reason = "no such encoder" if state == "failed" else ""
    return {"number": number, "state": state, "validation": validation, "seconds": 12.3, "values": values,
            "rounds": 2, "reason": reason}  # fmt: skip


def report(*trials: dict[str, Any], best: int | None = None, **more: Any) -> dict[str, Any]:
    return {"trials": list(trials), "trials_wanted": 4, "space": {"learning_rate": {}, "augmentation": {}},
            "best": best, "current": 0, "importance": {}, "test": None} | more  # fmt: skip


FIRST = trial(0, "complete", 0.8, learning_rate=0.005, augmentation="rich")
BETTER = trial(2, "complete", 0.85, learning_rate=0.00123456, augmentation="field")
SOON = report(FIRST, trial(1, "running"), best=0)
LATER = report(
    FIRST, trial(1, "pruned", 0.3), BETTER, trial(3, "failed"), best=2,
    importance={"learning_rate": 0.9, "augmentation": 0.1},
    test={"photos": 7, "measure": "mean IoU", "best": 0.7, "current": 0.75},
)  # fmt: skip


def job(status: str = "Completed") -> SearchJob:
    return SearchJob("phenoloop-search-mine-1", "mine", status, "", {})


class Followed:
    """Searches, of which each look shows more."""

    def __init__(self, *looks: tuple[str, dict[str, Any] | None]) -> None:
        self._looks = list(looks)

    def job(self, job_name: str) -> SearchJob:
        if not self._looks:
            raise KeyboardInterrupt
        return job(self._looks[0][0])

    def report(self, search: str) -> dict[str, Any] | None:
        return self._looks.pop(0)[1]


def test_each_trial_is_told_once_with_the_best_so_far(capsys: pytest.CaptureFixture[str]) -> None:
    searches: Any = Followed(("InProgress", None), ("InProgress", SOON), ("InProgress", SOON), ("Completed", LATER))
    ended = follow(searches, job("InProgress"), every_s=0)
    assert ended is not None
    assert ended.status == "Completed"
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("trial")]
    assert len(lines) == 4
    assert lines[0].endswith("[1 of 4 trials, best 0.8 (trial 0)]")
    assert "pruned" in lines[1]
    assert "no such encoder" in lines[3]
    assert lines[3].endswith("[4 of 4 trials, 1 pruned, 1 failed, best 0.85 (trial 2)]")


def test_ctrl_c_leaves_the_search_at_work_and_says_how_to_come_back(capsys: pytest.CaptureFixture[str]) -> None:
    searches: Any = Followed(("InProgress", SOON))
    assert follow(searches, job("InProgress"), every_s=0) is None
    assert "phenoloop tune status mine" in capsys.readouterr().out


def test_what_would_change_is_said_and_without_write_nothing_does(capsys: pytest.CaptureFixture[str]) -> None:
    before = TRAINING_FILE.read_text()
    conclude(job(), LATER, run_training(), write=False)
    told = capsys.readouterr().out
    assert "detector: learning_rate 0.00123" in told
    assert "augmentation field" in told
    assert "On the test photos it is worse than now" in told
    assert "left as it is" in told
    assert TRAINING_FILE.read_text() == before


def test_values_of_now_that_nothing_beats_stay(capsys: pytest.CaptureFixture[str]) -> None:
    before = TRAINING_FILE.read_text()
    conclude(job(), report(FIRST, best=0), run_training(), write=True)
    assert "Nothing better" in capsys.readouterr().out
    assert TRAINING_FILE.read_text() == before


def test_the_best_trials_stand_first_with_what_made_the_difference(capsys: pytest.CaptureFixture[str]) -> None:
    show(job(), LATER)
    told = capsys.readouterr().out
    assert told.index("0.85") < told.index("0 (now)")
    assert "learning_rate 0.90" in told
    assert "On 7 test photos, mean IoU: best 0.7, current 0.75" in told


def test_a_search_that_has_not_begun_or_failed_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    show(SearchJob("j", "mine", "Failed", "AlgorithmError: no photos", {}), None)
    assert capsys.readouterr().out == "Search mine: Failed. AlgorithmError: no photos\n"


def test_a_wrong_option_is_refused_before_anyone_is_asked(tmp_path: Path) -> None:
    done = phenoloop("tune", "detector", "--set", "epochs", "--data-dir", str(tmp_path))
    assert done.returncode == 1
    assert "--set epochs=20" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
