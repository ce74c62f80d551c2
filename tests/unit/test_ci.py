"""What the CI files say of commands, versions and images is so. Nothing of them can run here."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from phenoloop.aws.settings import SETTINGS
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
    pushed = re.findall(r"(infra/docker/push) (\w+) ", text)
    assert [name for _, name in pushed] == ["training", "serving"]
    assert all((REPOSITORY / "infra" / "docker" / f"{name}.Dockerfile").exists() for _, name in pushed)
    assert text.rindex("infra/docker/push") < text.index("phenoloop retrain")


def test_codebuild_gets_every_variable_that_its_buildspec_takes_from_outside() -> None:
    build = stack_template()["Resources"]["Build"]["Properties"]
    given = {given_if_any(one)["Name"] for one in build["Environment"]["EnvironmentVariables"]}
    assert (REPOSITORY / build["Source"]["BuildSpec"]).exists()
    text = (REPOSITORY / "infra" / "buildspec.yml").read_text()
    made = set(re.findall(r"export (\w+)=", text)) | set(yaml.safe_load(text)["env"]["variables"])
    used = set(re.findall(r"\$\{?(\w+)", text)) - {"CODEBUILD_RESOLVED_SOURCE_VERSION"}
    assert used <= given | made
    assert {"PHENOLOOP_STORAGE__BUCKET", "PHENOLOOP_QUEUE_URL", "PHENOLOOP_TRAINING__ROLE_ARN"} <= given
    assert {SETTINGS[name] for name in ("SubnetIds", "SecurityGroupIds")} <= given  # else a run would leave the VPC


def given_if_any(value: dict[str, Any]) -> dict[str, Any]:
    _, given, _ = value.get("Fn::If", (None, value, None))
    return dict(given)


@pytest.mark.parametrize(("is_there", "done"), [(False, ["build", "push"]), (True, [])])
def test_an_image_is_built_and_pushed_unless_its_tag_is_there(
    tmp_path: Path, *, is_there: bool, done: list[str]
) -> None:
    docker, told = tmp_path / "docker", tmp_path / "told"
    docker.write_text(f'#!/bin/sh\n[ "$1" = manifest ] && exit {0 if is_there else 1}\necho "$*" >>{told}\n')
    docker.chmod(0o755)
    words = [str(REPOSITORY / "infra" / "docker" / "push"), "serving", "registry/image:1", "--build-arg", "A=B"]
    subprocess.run(words, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=True, capture_output=True)
    lines = told.read_text().splitlines() if told.exists() else []
    assert [line.split()[0] for line in lines] == done
    if lines:
        assert lines[0] == "build --file infra/docker/serving.Dockerfile --tag registry/image:1 --build-arg A=B ."
