"""A Label Studio of a benchmark's own, in a temporary folder: SQLite, nothing connected to it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from phenoloop.demo.programs import Programs
from phenoloop.demo.state import DataFolder, Ports
from phenoloop.labelling.client import LabelStudio
from phenoloop.local_aws.environments import REPOSITORY
from phenoloop.local_aws.processes import Supervisor
from phenoloop.local_aws.sagemaker.containers import free_port

LABEL_CONFIG = REPOSITORY / "configs" / "labelling" / "boxes.xml"
PATIENCE_S = 300.0


@dataclass(frozen=True, slots=True)
class Started:
    url: str
    token: str
    process: psutil.Process

    def client(self) -> LabelStudio:
        return LabelStudio(self.url, self.token, timeout_s=PATIENCE_S)

    def project_of(self, tasks: int, photo_uris: list[str]) -> tuple[int, list[int]]:
        """A new project with so many tasks, the photos in turns; its id and theirs."""
        client = self.client()
        project = client.create_project(f"{tasks} tasks", LABEL_CONFIG.read_text())
        images = [{"image": photo_uris[number % len(photo_uris)]} for number in range(tasks)]
        for at in range(0, tasks, 1000):
            client.import_tasks(project.id, images[at : at + 1000])
        return project.id, [task.id for task in client.tasks(project.id)]


@contextmanager
def label_studio() -> Iterator[Started]:
    """Its first start takes about a minute. Nothing of it is left."""
    with tempfile.TemporaryDirectory(prefix="phenoloop-bench-") as path:
        folder = DataFolder(Path(path))
        programs = Programs(folder, Ports(label_studio=free_port()), folder.secrets(), {})
        supervisor = Supervisor(folder.logs)
        try:
            supervisor.start(programs.label_studio())
            supervisor.wait_until_ready("label-studio")
            process = psutil.Process(supervisor.pids["label-studio"])
            yield Started(programs.url("label_studio"), programs.secrets.label_studio_token, process)
        finally:
            supervisor.stop()
