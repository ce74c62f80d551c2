"""The module where the platform runs it: in an environment of its own, in processes of their own, on real endpoints."""

import importlib
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from loc360.conformance import Rule, check_module
from phenoloop.errors import ModuleRefused
from phenoloop.publishing.build import build
from phenoloop.publishing.clean import checked
from tests.conftest import RunningStack, phenoloop
from tests.unit.fake_models import DETECTOR_MODEL, SEGMENTER_MODEL, detect, manifest, paint, save, segment
from tests.unit.published_things import bare_repository, named_release
from tests.unit.test_conformance import SCENE

pytestmark = pytest.mark.integration

Imported = Callable[[str], ModuleType]


def invoke(model: str, payload: str) -> str:
    return detect(payload) if model == DETECTOR_MODEL else segment(payload)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return Path(save(paint(300, 160, SCENE), tmp_path / "photo.jpg"))


@pytest.fixture
def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Imported:
    """A module that starts as ours, from its source."""
    folder = tmp_path / "modules"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.chdir(tmp_path)  # some write

    def module(source: str) -> ModuleType:
        (folder / "claimed.py").write_text(f"import os, tempfile, time\nimport loc360\n{OURS}\n{source}")
        importlib.invalidate_caches()
        return importlib.reload(importlib.import_module("claimed"))

    return module


OURS = """
def sagemaker_preprocess(img_path, metadata):
    return loc360.sagemaker_preprocess(img_path, metadata)

def process(img_path, metadata):
    return loc360.process(img_path, metadata)
"""
TEMPORARY_FILE = """
def sagemaker_preprocess(img_path, metadata):
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"x")
    return loc360.sagemaker_preprocess(img_path, metadata)
"""
FILE_BY_OPENCV = """
import cv2, numpy
def process(img_path, metadata):
    cv2.imwrite("mask.png", numpy.zeros((9, 9), numpy.uint8))
    return loc360.process(img_path, metadata)
"""
ENVIRONMENT = """
def process(img_path, metadata):
    os.environ["SEEN"] = img_path
    return loc360.process(img_path, metadata)
"""
MEMORY = """
known = {}
def sagemaker_preprocess(img_path, metadata):
    known["photo"] = img_path
    return loc360.sagemaker_preprocess(img_path, metadata)
def process(img_path, metadata):
    return {**loc360.process(img_path, metadata), "photo": known["photo"]}
"""
CLOCK = """
def process(img_path, metadata):
    return {**loc360.process(img_path, metadata), "at": time.time_ns()}
"""
CRASH = """
def process(img_path, metadata):
    if os.environ["HOME"] == os.getcwd():  # only in a process of its own
        os.abort()
    return loc360.process(img_path, metadata)
"""


@pytest.mark.parametrize(
    ("source", "rules"),
    [
        ("", set()),
        (TEMPORARY_FILE, {Rule.PURE}),
        (FILE_BY_OPENCV, {Rule.PURE}),
        (ENVIRONMENT, {Rule.PURE}),
        (MEMORY, {Rule.STATELESS}),
        (CLOCK, {Rule.DETERMINISTIC, Rule.STATELESS}),
        (CRASH, {Rule.RUNS, Rule.NO_FINDS}),
    ],
    ids=["ours", "temporary file", "file by OpenCV", "environment", "memory", "clock", "crash"],
)
def test_what_only_a_process_of_its_own_shows_is_caught(
    photo: Path, imported: Imported, source: str, rules: set[Rule]
) -> None:
    report = check_module(
        imported(source),
        [str(photo)],
        invoke,
        models=(DETECTOR_MODEL, SEGMENTER_MODEL),
        release="release-1",
        properties={"manifest": manifest().to_dict()},
    )

    assert {breach.rule for breach in report.breaches} == rules


def test_the_wheel_keeps_the_contract_in_a_clean_environment(photo: Path, tmp_path: Path) -> None:
    report = checked([build(named_release(), tmp_path).wheel], [photo], invoke)

    assert (report.breaches, report.unchecked) == ((), ())


def test_what_the_models_raise_ends_the_check(photo: Path, tmp_path: Path) -> None:
    def failing(model: str, payload: str) -> str:
        raise ConnectionError("no endpoint")

    with pytest.raises(ConnectionError):
        checked([build(named_release(), tmp_path).wheel], [photo], failing)


def test_a_module_that_cant_be_driven_is_refused_with_its_own_words(photo: Path, tmp_path: Path) -> None:
    with pytest.raises(ModuleRefused, match="No module named 'elsewhere'"):
        checked([build(named_release(), tmp_path).wheel], [photo], invoke, module="elsewhere")


def test_the_live_release_is_checked_on_its_endpoints_and_published_once(stack: RunningStack, tmp_path: Path) -> None:
    bare, where = bare_repository(tmp_path), ("--data-dir", str(stack.data_dir))

    built = phenoloop("loc360", "build", *where, "--out", str(tmp_path / "dist"))
    first, again = (phenoloop("loc360", "publish", *where, "--remote", str(bare)) for _ in range(2))

    assert built.returncode == 0, built.stderr
    assert {Path(line).suffix for line in built.stdout.split()} == {".whl", ".zip"}
    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    assert "is published now" in first.stdout
    assert "was published already" in again.stdout
    refs = subprocess.run(["git", "show-ref"], cwd=bare, capture_output=True, text=True, check=True).stdout
    (release,) = (line.rpartition("/")[2] for line in refs.splitlines() if "refs/tags/" in line)
    assert release in first.stdout
