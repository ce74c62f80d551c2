"""Which loop a command works on: the environment's, or the stack of a data folder."""

from __future__ import annotations

import os
from pathlib import Path

from phenoloop.demo.state import DataFolder
from phenoloop.settings import Settings, read_settings


def settings_and_project(data_dir: Path, project_id: int | None) -> tuple[Settings, int | None]:
    """The PHENOLOOP_ settings of the environment or, where there are none, those of the stack in `data_dir`.

    The stack's go into this process's environment, because boto3 takes its own from there. The project is the demo's
    if none was named. Raises SettingsInvalid, LocalStackError (no stack was started there).
    """
    if not has_own_settings():
        status = DataFolder(data_dir).read_status()
        os.environ.update(status["settings"])
        project_id = project_id or int(status["label_studio"]["project_id"])
    return read_settings(), project_id


def has_own_settings() -> bool:
    """Whether the environment names a loop."""
    return "PHENOLOOP_STORAGE__BUCKET" in os.environ or "PHENOLOOP_CONFIG" in os.environ
