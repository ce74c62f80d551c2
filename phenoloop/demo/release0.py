"""Release 0: the contrast chain, which needs no training, registered and deployed like any later chain."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from loc360.manifest import Manifest
from phenoloop.chain.release import Release
from phenoloop.chain.releases import ReleaseStore
from phenoloop.errors import LocalStackError, ReleaseMissing
from phenoloop.local_aws.environments import REPOSITORY, environment_python
from phenoloop.local_aws.services import SERVING_IMAGE, base_environment
from sync.registry import register_chain, upload_chain
from sync.release import deploy

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_sagemaker import SageMakerClient

GROUP = "phenoloop-chain"
IMAGE = f"000000000000.dkr.ecr.us-east-1.amazonaws.com/{SERVING_IMAGE}:1"
ROLE_ARN = "arn:aws:iam::000000000000:role/phenoloop-sagemaker"
LABELS = ("carrot", "tomato", "pepper", "cucumber", "potato")


def ensure_live_release(sagemaker: SageMakerClient, s3: S3Client, store: ReleaseStore, bucket: str) -> Release:
    """The live release's package, or release 0's if none was ever live, deployed by the code of today.

    So a changed module gets its own version, and an endpoint that is gone comes back.
    Raises LocalStackError if the export fails, and what `sync.registry` and `sync.release` raise.
    """
    try:
        package_arn = store.live().package_arn
    except ReleaseMissing:
        package_arn = _register_release0(sagemaker, s3, bucket)
    return deploy(package_arn, sagemaker=sagemaker, s3=s3, store=store, role_arn=ROLE_ARN)


def _register_release0(sagemaker: SageMakerClient, s3: S3Client, bucket: str) -> str:
    manifest = Manifest(
        release="", detector_model="phenoloop-detector", segmenter_model="phenoloop-segmenter", labels=LABELS
    )
    with tempfile.TemporaryDirectory() as folder:
        artifacts = upload_chain(s3, bucket, export_contrast_chain(Path(folder)), manifest.to_dict())
    return register_chain(
        sagemaker,
        group=GROUP,
        image=IMAGE,
        artifacts=artifacts,
        approved=True,
        description="Release 0: contrast and colour, no training",
    )


def export_contrast_chain(folder: Path) -> dict[str, Path]:
    """Write the two `model.tar.gz` with the container environment, where torch is; by role. Raises LocalStackError."""
    command = [str(environment_python("container")), "-m", "training.contrast.export", "--out", str(folder)]
    done = subprocess.run(command, cwd=REPOSITORY, env=base_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise LocalStackError("Release 0 could not be exported.", cure=f"It says: {done.stderr.strip()[-600:]}")
    return {role: folder / role / "model.tar.gz" for role in ("detector", "segmenter")}
