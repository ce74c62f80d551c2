"""Which projects the loop follows: those whose annotations come to our prefix."""

from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from phenoloop.labelling.client import Project
from sync.open_tasks import OpenTasks


class FakeLabelStudio:
    """One project with one target storage."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self._storage = {"id": 4, "bucket": bucket, "prefix": prefix}

    def projects(self) -> list[Project]:
        return [Project(7, "Vegetables", "", "")]

    def annotation_storages(self, project_id: int) -> list[dict[str, Any]]:
        assert project_id == 7
        return [self._storage]


@pytest.mark.parametrize(
    ("bucket", "prefix", "followed", "cures"),
    [
        ("loop", "annotations", [7], 0),
        ("loop", "annotations/", [], 1),
        ("loop", "archive", [], 0),
        ("other", "annotations", [], 0),
    ],
)
def test_a_project_that_only_a_slash_keeps_from_our_prefix_is_told_of(
    bucket: str, prefix: str, followed: list[int], cures: int
) -> None:
    open_tasks = OpenTasks(cast("Any", FakeLabelStudio(bucket, prefix)), cast("Any", None), "loop", "annotations/")

    with capture_logs() as lines:
        projects = open_tasks.projects()

    assert [project.id for project in projects] == followed
    assert ["final slash" in line["cure"] for line in lines] == [True] * cures
