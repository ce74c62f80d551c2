"""What the documents say of commands, folders and files is so."""

import re
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from phenoloop.cli.main import app

REPOSITORY = Path(__file__).parents[2]
README = (REPOSITORY / "README.md").read_text()
OPERATING = (REPOSITORY / "docs/operating.md").read_text() + (REPOSITORY / "docs/aws.md").read_text()
CONTRIBUTING = (REPOSITORY / "CONTRIBUTING.md").read_text()


def test_every_make_target_in_the_documents_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:\$ |    |`)make ([a-z]+)", README + CONTRIBUTING)) <= targets


def test_every_phenoloop_command_in_the_documents_exists_with_its_options() -> None:
    shown = re.findall(r"^\$ phenoloop ([a-z][a-z0-9]*(?: [a-z0-9]+)*)([^#\n]*)", README, re.MULTILINE)
    named = re.findall(r"`phenoloop ([a-z][a-z0-9]*(?: [a-z0-9]+)*)([^`]*)`", README + OPERATING)
    assert shown
    for words, options in shown + named:
        done = CliRunner().invoke(app, [*words.split(), "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
        assert done.exit_code == 0, words
        for option in re.findall(r"--[a-z-]+", options):
            assert option in done.output, f"{words} {option}"


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_every_folder_in_the_tables_exists(document: str) -> None:
    rows = re.findall(r"^\| (`.*?`) \|", (REPOSITORY / document).read_text(), re.MULTILINE)
    folders = [folder for row in rows for folder in re.findall(r"`([a-z0-9_/]+/)`", row)]
    assert folders
    assert [folder for folder in folders if not (REPOSITORY / folder).is_dir()] == []


def test_every_package_is_in_the_table_of_rooms() -> None:
    packages = {file.parent.name for file in REPOSITORY.glob("*/__init__.py")} - {"tests"}
    assert [name for name in packages if f"`{name}/" not in CONTRIBUTING] == []


def test_every_link_to_a_file_leads_somewhere() -> None:
    for document in [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\((?!http)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_every_file_that_the_threat_model_names_exists() -> None:
    named = re.findall(r"`([\w./-]+/[\w.-]*)`", (REPOSITORY / "SECURITY.md").read_text())
    assert len(named) > 20
    assert [name for name in named if not name.startswith("/") and not (REPOSITORY / name).exists()] == []


def test_continuous_integration_runs_the_test_command_of_the_readme() -> None:
    assert (REPOSITORY / ".ci" / "run").read_text().rstrip().endswith("make test")
    assert "make test" in README


def test_no_file_is_longer_than_three_hundred_lines() -> None:
    files = subprocess.run(["git", "ls-files", "*.py"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    lengths = {name: len((REPOSITORY / name).read_text().splitlines()) for name in files.stdout.split()}
    assert {name: length for name, length in lengths.items() if length > 300} == {}
