"""`configs/training.yaml` with what a search found: the values of one stage, and a note of where they come from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import yaml
from pydantic import ValidationError

from phenoloop.errors import SettingsInvalid
from sync.pipeline.parameters import HYPERPARAMETERS, TRAINING_FILE, TrainingDefaults

_LINE = re.compile(r"(?P<key>\s+(?P<name>\w+):\s+)(?P<value>[^\s#]+)(?P<rest>.*)")


def kept(values: Mapping[str, object]) -> dict[str, str]:
    """Of the values those that the file holds, as it holds them: numbers to three digits."""
    return {name: _text(value) for name, value in values.items() if name in HYPERPARAMETERS}


def rewrite(stage: str, values: Mapping[str, str], note: str, file: Path = TRAINING_FILE) -> None:
    """All other lines and comments stay. Raises SettingsInvalid if that makes no sense or can't be written."""
    try:
        text = rewritten(file.read_text(), stage, values, note)
        TrainingDefaults.model_validate(yaml.safe_load(text))
        file.write_text(text)
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise SettingsInvalid("The training's defaults can't be rewritten.", cure=str(error), file=file) from error


def rewritten(text: str, stage: str, values: Mapping[str, str], note: str) -> str:
    lines, section = [], ""
    for line in text.splitlines():
        if not line.startswith((" ", "#")) and ":" in line:
            section = line.partition(":")[0]
        if line.startswith(f"{stage}:"):
            lines.append(f"{stage}: # {note}")
        elif section == stage and (match := _LINE.fullmatch(line)) and match["name"] in values:
            lines.append(match["key"] + values[match["name"]] + match["rest"])
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def _text(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
