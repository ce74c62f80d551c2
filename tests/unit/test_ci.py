"""What the CI files say of commands, versions and images is so. Nothing of them can run here."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from phenoloop.aws.template import stack_template
from phenoloop.cli.main import app

REPOSITORY = Path(__file__).parents[2]
FILES = [REPOSITORY / "infra" / "buildspec.yml", *(REPOSITORY / ".github" / "workflows").glob("*.yml")]


def commands(part: Any) -> list[str]:
    """Every string in the file, which holds every command."""
    match part:
        case str():
            return [part]
        case dict():
            return [text for value in part.values() for text in commands(value)]
        case list():
            return [text for value in part for text in commands(value)]
    return []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_phenoloop_command_exists_with_its_options(file: Path) -> None:
    joined = [text.replace("\\\n", " ") for text in commands(yaml.safe_load(file.read_text()))]
    for words, options in re.findall(r"phenoloop ((?:[a-z0-9]+ ?)+)(.*)", "\n".join(joined)):
        done = CliRunner().invoke(app, [*words.split(), "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
        assert done.exit_code == 0, words
        assert [option for option in re.findall(r"--[a-z-]+", options) if option not in done.output] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_action_and_tool_has_a_version(file: Path) -> None:
    text = file.read_text()
    assert [action for action in re.findall(r"uses: (\S+)", text) if not re.fullmatch(r"[\w./-]+@v\d+", action)] == []
    assert [package for package in re.findall(r"pip install --quiet (\S+)", text) if "==" not in package] == []


@pytest.mark.parametrize("file", [file for file in FILES if file.name != "ci.yml"], ids=lambda file: file.name)
def test_both_images_are_built_and_pushed_before_a_run_starts(file: Path) -> None:
    text = file.read_text()
    for dockerfile in re.findall(r"--file (\S+)", text):
        assert (REPOSITORY / dockerfile).exists()
    order = [text.index(f"docker {what}") for what in ("build", "push")] + [text.index("phenoloop retrain")]
    assert order == sorted(order)
    assert text.count("docker push") == 2


def test_codebuild_gets_every_variable_that_its_buildspec_takes_from_outside() -> None:
    build = stack_template()["Resources"]["Build"]["Properties"]
    given = {variable["Name"] for variable in build["Environment"]["EnvironmentVariables"]}
    assert (REPOSITORY / build["Source"]["BuildSpec"]).exists()
    text = (REPOSITORY / "infra" / "buildspec.yml").read_text()
    made = set(re.findall(r"export (\w+)=", text)) | set(yaml.safe_load(text)["env"]["variables"])
    used = set(re.findall(r"\$\{?(\w+)", text)) - {"CODEBUILD_RESOLVED_SOURCE_VERSION"}
    assert used <= given | made
    assert {"PHENOLOOP_STORAGE__BUCKET", "PHENOLOOP_QUEUE_URL", "PHENOLOOP_TRAINING__ROLE_ARN"} <= given
