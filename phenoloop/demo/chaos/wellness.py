"""Whether a stack is well: everything that it promises is asked for, from outside."""

from __future__ import annotations

from collections.abc import Mapping

import requests
from botocore.exceptions import BotoCoreError, ClientError

from phenoloop.demo.proof.desk import Desk
from phenoloop.demo.proof.stack import Doors
from phenoloop.demo.state import DataFolder, alive
from phenoloop.errors import PhenoloopError
from phenoloop.jobs import is_busy, prelabel_queue
from phenoloop.labelling.client import LabelStudio

ANSWERS_WITHIN_S = 100.0


class Wellness:
    """Of one stack; it predicts one task again and again."""

    def __init__(self, folder: DataFolder, doors: Doors, settings: Mapping[str, str], desk: Desk) -> None:
        self._folder, self._doors, self._settings = folder, doors, settings
        self._label_studio = LabelStudio(doors.label_studio_url, doors.label_studio_token, attempts=1, timeout_s=10)
        self._task = next(iter(desk.label_studio.tasks(doors.project_id)))

    def ails(self) -> str:
        """What is not well first of all; empty if all is."""
        dead = [name for name, pid in self._folder.read_status()["processes"].items() if not alive(pid)]
        if dead:
            return f"{', '.join(dead)} not running"
        try:
            self._label_studio.version()
            is_busy(prelabel_queue(self._settings["PHENOLOOP_REDIS_URL"]))
            self._doors.client("sqs").get_queue_attributes(QueueUrl=self._settings["PHENOLOOP_QUEUE_URL"])
        except (PhenoloopError, ClientError, BotoCoreError) as error:
            return str(error)
        return "" if self._is_predicted() else "a task is not predicted"

    def _is_predicted(self) -> bool:
        body = {
            "tasks": [{"id": self._task.id, "project": self._doors.project_id, "data": self._task.data}],
            "label_config": self._doors.label_config,
        }
        try:
            answer = requests.post(
                f"{self._doors.backend_url}/predict",
                json=body,
                auth=self._doors.backend_credentials,
                timeout=ANSWERS_WITHIN_S,
            )
            return answer.ok and bool(answer.json()["results"][0])
        except requests.RequestException:
            return False
