"""The loop that a command works on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from phenoloop.cli.settings import settings_and_project

if TYPE_CHECKING:
    from sync.loop import Loop


def loop_of(data_dir: Path) -> Loop:
    """Raises SettingsInvalid, LocalStackError."""
    from sync.bootstrap import build_loop  # heavy, and of no use to the other commands

    settings, _ = settings_and_project(data_dir, None)
    return build_loop(settings)
