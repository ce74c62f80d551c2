"""`phenoloop pipeline` says what it would do, and what is wrong before it does anything."""

import json
from pathlib import Path

from tests.conftest import phenoloop


def test_the_definition_needs_neither_settings_nor_aws(tmp_path: Path) -> None:
    done = phenoloop("pipeline", "definition", "--json", "--data-dir", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["Version"] == "2020-12-01"
    assert list(tmp_path.iterdir()) == []


def test_every_parameter_is_shown_with_its_choices(tmp_path: Path) -> None:
    done = phenoloop("pipeline", "definition", "--data-dir", str(tmp_path))
    for word in ("SegmenterLearningRate", "fp16", "IsDoubtful"):
        assert word in done.stdout


def test_a_wrong_parameter_is_named_with_the_nearest_before_anyone_is_asked(tmp_path: Path) -> None:
    for word, cure in (("DetectorEpoch=3", "DetectorEpochs"), ("Seed=many", "Integer"), ("Seed", "NAME=VALUE")):
        done = phenoloop("pipeline", "start", "-p", word, "--data-dir", str(tmp_path))
        assert done.returncode == 1
        assert cure in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
