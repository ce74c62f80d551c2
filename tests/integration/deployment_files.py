"""The compose file and the Dockerfiles, as far as tests read them."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[2]
COMPOSE = REPOSITORY / "docker-compose.yml"
DOCKERFILES = sorted((REPOSITORY / "infra" / "docker").glob("*.Dockerfile"))
IMAGE = REPOSITORY / "infra" / "docker" / "phenoloop.Dockerfile"
OURS = ("backend", "worker", "sync", "operator")

_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?P<kind>:[-?])?(?P<rest>[^}]*)\}")


def compose() -> dict[str, Any]:
    return dict(yaml.safe_load(COMPOSE.read_text()))


def services() -> dict[str, dict[str, Any]]:
    return dict(compose()["services"])


def filled_in(text: str, variables: Mapping[str, str]) -> str:
    """As compose does it; a variable that must be given and is not raises KeyError."""

    def value(found: re.Match[str]) -> str:
        if found["kind"] == ":-":
            return variables.get(found["name"], found["rest"])
        return variables[found["name"]]

    return _VARIABLE.sub(value, text)


@dataclass(frozen=True)
class Instruction:
    word: str
    text: str

    @property
    def words(self) -> list[str]:
        """Its arguments, in shell or JSON form, without options."""
        if self.text.startswith("["):
            return list(json.loads(self.text))
        return [word for word in shlex.split(self.text) if not word.startswith("--")]


def stages(dockerfile: Path) -> list[list[Instruction]]:
    """The instructions of each stage, the FROM first."""
    text = re.sub(r"^\s*#.*\n", "", dockerfile.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found: list[list[Instruction]] = []
    for line in filter(str.strip, text.splitlines()):
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            found.append([])
        found[-1].append(Instruction(word, rest.strip()))
    return found


def environment(stage: list[Instruction]) -> dict[str, str]:
    pairs = [word.split("=", 1) for item in stage if item.word == "ENV" for word in item.words]
    return dict(pairs)


def command(stage: list[Instruction], word: str) -> list[str]:
    """Of the stage's last CMD, ENTRYPOINT or HEALTHCHECK."""
    (*_, last) = [item for item in stage if item.word == word]
    return list(json.loads(last.text[last.text.index("[") :]))
