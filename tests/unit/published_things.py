"""A release that is named for the module's code, as sync makes them, and a git remote."""

import subprocess
from pathlib import Path
from typing import Any

from phenoloop.chain.release import Release, StageEndpoint
from tests.unit.fake_models import DETECTOR_ENDPOINT, SEGMENTER_ENDPOINT, manifest

PACKAGE = "arn:aws:sagemaker:eu-central-1:000000000000:model-package/phenoloop-chain/7"


def named_release(package_arn: str = PACKAGE, **changes: Any) -> Release:
    return Release.named(
        package_arn=package_arn,
        detector=StageEndpoint(endpoint=DETECTOR_ENDPOINT, model_data_url="s3://loop/detector/model.tar.gz"),
        segmenter=StageEndpoint(endpoint=SEGMENTER_ENDPOINT, model_data_url="s3://loop/segmenter/model.tar.gz"),
        manifest=manifest("", **changes).to_dict(),
    )


def bare_repository(folder: Path) -> Path:
    path = folder / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch", "main", str(path)], check=True)
    return path
