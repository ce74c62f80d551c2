"""Open tasks follow the release that is live for their project, newest first and no faster than the pace."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from phenoloop.chain.releases import Canary, Pointer, ReleaseStore
from phenoloop.errors import ReleaseMissing
from phenoloop.settings import ChainSettings, ReleaseSettings, RetrainingSettings, Settings
from sync.following import Following
from sync.metrics import SyncMetrics
from sync.open_tasks import Behind, OpenTasks
from sync.release.rollouts import Rollouts

AT = datetime(2026, 3, 1, tzinfo=UTC)
LIVE = Pointer(release="phenoloop-1", previous=None, moved_at=AT)
SWEEP_S = 60.0


class Around:
    """A pointer, tasks that are behind, and a worker's queue."""

    def __init__(self, behind: dict[int, tuple[int, ...]], pointer: Pointer | None = LIVE, **release: Any) -> None:
        self.tasks, self.live, self.busy = dict(behind), pointer, False
        self.asked: list[Behind] = []
        self.canary: Mapping[int, str] = {}
        settings = Settings.model_construct(
            release=ReleaseSettings(**release),
            chain=ChainSettings(release_refresh_s=2),
            retraining=RetrainingSettings(sweep_every_s=SWEEP_S),
        )
        self.following = Following(
            cast("OpenTasks", self),
            cast("ReleaseStore", self),
            cast("Rollouts", self),
            settings,
            SyncMetrics(),
            led_to=lambda: None,
        )

    def pointer(self) -> Pointer:
        if self.live is None:
            raise ReleaseMissing("Nothing is live.")
        return self.live

    def are_being_predicted(self) -> bool:
        return self.busy

    def behind(self, version: str, canary: Mapping[int, str]) -> Behind:
        self.canary = canary
        return {project: tasks for project, tasks in self.tasks.items() if tasks}

    def predict(self, behind: Behind) -> None:
        self.asked.append(behind)

    def find(self, release: str) -> None:
        return None


FAST: dict[str, Any] = {"open_tasks_a_minute": 10**9}


def test_without_a_live_release_nothing_is_asked_for() -> None:
    around = Around({7: (1,)}, pointer=None)
    assert around.following.look() == SWEEP_S
    assert around.asked == []


def test_nothing_is_asked_for_before_every_worker_knows_the_release() -> None:
    around = Around({7: (1,)}, pointer=LIVE.model_copy(update={"moved_at": datetime.now(UTC)}))
    assert 2 < around.following.look() <= 4
    assert around.asked == []


def test_the_newest_tasks_of_all_projects_come_first() -> None:
    around = Around({7: (9, 3, 1), 8: (8, 2)}, open_tasks_a_minute=12)  # three at once
    around.following.look()
    assert around.asked == [{7: (9, 3), 8: (8,)}]


def test_more_is_asked_for_only_as_the_pace_allows() -> None:
    around = Around({7: (3, 2, 1)}, open_tasks_a_minute=4)  # one at once, for a quarter of a minute
    around.following.look()
    assert 10 < around.following.look() <= 15
    assert around.asked == [{7: (3,)}]


def test_nothing_is_asked_for_while_jobs_are_under_way() -> None:
    around = Around({7: (1,)}, **FAST)
    around.busy = True
    assert around.following.look() < SWEEP_S
    assert around.asked == []


def test_tasks_that_can_not_be_predicted_keep_no_others_waiting_and_are_tried_again_at_the_next_sweep() -> None:
    around = Around({7: (2, 1)}, **FAST)
    around.following.look()
    around.tasks = {7: (3, 2, 1)}
    around.following.look()
    assert around.asked == [{7: (2, 1)}, {7: (3,)}]
    assert around.following.look() == SWEEP_S
    around.following.look()
    assert around.asked[2] == {7: (3, 2, 1)}


def test_a_new_release_is_followed_by_all_anew() -> None:
    around = Around({7: (2, 1)}, **FAST)
    around.following.look()
    around.live = LIVE.model_copy(update={"release": "phenoloop-2"})
    around.following.look()
    assert around.asked == [{7: (2, 1)}] * 2


def test_projects_of_a_canary_follow_the_canary() -> None:
    canary = Canary(release="phenoloop-2", projects=(7,), since=AT)
    around = Around({7: (1,)}, pointer=LIVE.model_copy(update={"canary": canary}))
    around.following.look()
    assert around.canary == {7: "phenoloop-2"}


@pytest.mark.parametrize("pace", [1, 3])
def test_however_slow_the_pace_something_is_asked_for(pace: int) -> None:
    around = Around({7: (2, 1)}, open_tasks_a_minute=pace)
    around.following.look()
    assert around.asked == [{7: (2,)}]
