"""Open tasks follow the live release: the backend's workers are asked to predict those that are behind."""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from rq import Queue

from phenoloop.chain.release import supersedes
from phenoloop.jobs import enqueue_prelabel, is_busy
from phenoloop.labelling.client import LabelStudio, Project
from phenoloop.labelling.storages import FINAL_SLASH, same_prefix, writes_to

Behind = Mapping[int, tuple[int, ...]]
"""Project -> its tasks that are behind the release that is live for it."""


@dataclass(frozen=True, slots=True)
class OpenTasks:
    """Of the projects whose annotations come to our bucket."""

    label_studio: LabelStudio
    queue: Queue
    bucket: str
    annotations_prefix: str

    def projects(self) -> list[Project]:
        """Raises LabelStudioUnavailable, LabelStudioRefused."""
        return [project for project in self.label_studio.projects() if self._exports_to_us(project)]

    def behind(self, version: str, canary: Mapping[int, str] | None = None) -> Behind:
        """Open tasks without a prediction of `version`, or with one that it supersedes; newest first.

        `canary`: project -> which other version it has. Raises LabelStudioUnavailable, LabelStudioRefused.
        """
        versions = canary or {}
        found = {project.id: self._behind(project.id, versions.get(project.id, version)) for project in self.projects()}
        return {project_id: task_ids for project_id, task_ids in found.items() if task_ids}

    def are_being_predicted(self) -> bool:
        """Raises QueueUnavailable."""
        return is_busy(self.queue)

    def predict(self, behind: Behind) -> None:
        """Ask the workers. Raises QueueUnavailable."""
        for project_id, task_ids in behind.items():
            enqueue_prelabel(self.queue, project_id, task_ids)
            structlog.get_logger().info("open tasks are predicted anew", project=project_id, tasks=len(task_ids))

    def _behind(self, project_id: int, version: str) -> tuple[int, ...]:
        lacking = self.label_studio.tasks(project_id, without_version=version, only_open=True)
        behind = {task.id for task in lacking}
        for old in self.label_studio.model_versions(project_id):
            if supersedes(version, old):
                superseded = self.label_studio.tasks(project_id, with_version=old, only_open=True)
                behind |= {task.id for task in superseded}
        return tuple(sorted(behind, reverse=True))

    def _exports_to_us(self, project: Project) -> bool:
        storages = self.label_studio.annotation_storages(project.id)
        if any(writes_to(s, self.bucket, self.annotations_prefix) for s in storages):
            return True
        if any(s["bucket"] == self.bucket and same_prefix(s["prefix"], self.annotations_prefix) for s in storages):
            log = structlog.get_logger().bind(project=project.id, prefix=self.annotations_prefix)
            log.warning("project is left alone: its target storage writes beside our prefix", cure=FINAL_SLASH)
        return False
