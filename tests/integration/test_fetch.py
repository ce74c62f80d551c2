"""The first two steps of a run in the training environment, as SageMaker starts them, on an S3 that speaks HTTP."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from moto.server import ThreadedMotoServer

from phenoloop.demo.scenes.scene import render_scene
from phenoloop.local_aws.environments import REPOSITORY, environment_python
from tests.unit.training_snapshots import BUCKET, SNAPSHOT, line, put_photo, put_snapshot
from training.data.dataset import read_photos

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def test_a_run_learns_from_no_photo_that_it_is_tested_on(tmp_path: Path, endpoint: str) -> None:
    s3 = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )
    s3.create_bucket(Bucket=BUCKET)
    scenes = [render_scene(seed, width_px=400, height_px=300).photo for seed in range(9300, 9304)]
    put_photo(s3, "test.jpg", scenes[0])
    put_photo(s3, "again.jpg", np.asarray(np.clip(scenes[0] * 1.1, 0, 255), np.uint8))
    for number, scene in enumerate(scenes[1:]):
        put_photo(s3, f"{number}.jpg", scene)
    put_snapshot(s3, line("test.jpg", "test"), line("again.jpg"), *(line(f"{number}.jpg") for number in range(3)))

    fetch = ["training.fetch", "--snapshot", SNAPSHOT, "--cache", f"s3://{BUCKET}/cache/", "--side-px", "200"]
    run(fetch, tmp_path, endpoint)
    outputs, inputs = tmp_path / "processing/output", tmp_path / "processing/input"
    report: dict[str, Any] = json.loads((outputs / "report/fetch.json").read_text())
    assert report["photos"] == {"train": 3, "validation": 0, "test": 1}
    assert [(leak["photo"], leak["test_photo"]) for leak in report["leaks"]] == [
        (f"s3://{BUCKET}/images/again.jpg", f"s3://{BUCKET}/images/test.jpg")
    ]

    for name in ("plan", "labels"):
        shutil.copytree(outputs / name, inputs / name)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/resourceconfig.json").write_text(json.dumps({"current_host": "algo-1", "hosts": ["algo-1"]}))
    run(["training.preprocess", "--side-px", "200"], tmp_path, endpoint)
    assert [photo.width_px for photo in read_photos(outputs / "train")] == [200, 200, 200]
    assert [photo.width_px for photo in read_photos(outputs / "test")] == [400]


def run(module: list[str], base: Path, endpoint: str) -> None:
    own = {"PATH": os.environ["PATH"], "SAGEMAKER_BASE_DIR": str(base), "AWS_ENDPOINT_URL": endpoint}
    command = [str(environment_python("training")), "-m", *module]
    done = subprocess.run(command, cwd=REPOSITORY, env=own | CREDENTIALS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
