"""Release 0: the contrast chain, which needs no training, registered like any later chain. Sync makes it live."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from loc360.manifest import Manifest
from phenoloop.errors import LocalStackError
from phenoloop.local_aws.environments import REPOSITORY, environment_python
from phenoloop.local_aws.services import base_environment
from phenoloop.settings import TrainingSettings
from sync.registry import REJECTED, approve, packages, register_chain, upload_chain

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_sagemaker import SageMakerClient

LABELS = ("carrot", "tomato", "pepper", "cucumber", "potato")


def ensure_release0(sagemaker: SageMakerClient, s3: S3Client, bucket: str, training: TrainingSettings) -> None:
    """Register release 0, approved, unless the registry has chains already; if all were refused, it gets another try.

    Raises LocalStackError if the export fails, and what `sync.registry` raises.
    """
    chains = packages(sagemaker, training.package_group)
    if not chains:
        _register(sagemaker, s3, bucket, training)
    elif all(chain.status == REJECTED for chain in chains):
        approve(sagemaker, chains[-1].arn, reason="Release 0 is tried again, since nothing else could be released")


def refusal(sagemaker: SageMakerClient, training: TrainingSettings) -> str | None:
    """Why the newest chain was refused, if nothing is left that may come live. Raises what `sync.registry` raises."""
    chains = packages(sagemaker, training.package_group)
    return chains[0].status_reason if chains and all(chain.status == REJECTED for chain in chains) else None


def _register(sagemaker: SageMakerClient, s3: S3Client, bucket: str, training: TrainingSettings) -> None:
    manifest = Manifest(
        release="", detector_model="phenoloop-detector", segmenter_model="phenoloop-segmenter", labels=LABELS
    )
    with tempfile.TemporaryDirectory() as folder:
        artifacts = upload_chain(s3, bucket, export_contrast_chain(Path(folder)), manifest.to_dict())
    register_chain(
        sagemaker,
        group=training.package_group,
        image=training.serving_image,
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
