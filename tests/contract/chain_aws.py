"""A registry and a bucket of moto's, with what a test does to them, and models behind whatever endpoints there are."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3

from loc360.wire import encode_error
from phenoloop.chain.images import ImageStore
from phenoloop.chain.releases import Release, ReleaseStore
from phenoloop.settings import StorageSettings, TrainingSettings
from sync.registry import ChainArtifacts, register_chain, upload_chain
from sync.release import Releaser
from tests.unit.fake_models import detect, manifest, segment

BUCKET = "phenoloop"
GROUP = "chain"
IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/phenoloop-serving:1"
ROLE = "arn:aws:iam::000000000000:role/phenoloop"


class Models:
    """Stands for the two endpoints, whatever they are called."""

    def __init__(self) -> None:
        self.broken = False

    def invoke(self, endpoint_name: str, payload: str) -> str:
        if self.broken:
            return encode_error("broken", "I am.")
        return detect(payload) if "detector" in endpoint_name else segment(payload)

    def invoke_each(self, endpoint_name: str, payloads: Sequence[str]) -> list[str]:
        return [self.invoke(endpoint_name, payload) for payload in payloads]


class Aws:
    """The clients of one test, and what it does with them."""

    def __init__(self, folder: Path) -> None:
        self.s3 = boto3.client("s3", region_name="us-east-1")
        self.sagemaker = boto3.client("sagemaker", region_name="us-east-1")
        self.s3.create_bucket(Bucket=BUCKET)
        self.models = Models()
        self.store = ReleaseStore(self.s3, BUCKET, "releases/")
        self._folder = folder

    def upload(self, detector: bytes = b"detector", segmenter: bytes = b"segmenter", **changes: Any) -> ChainArtifacts:
        archives = {"detector": self._folder / "detector.tar.gz", "segmenter": self._folder / "segmenter.tar.gz"}
        archives["detector"].write_bytes(detector)
        archives["segmenter"].write_bytes(segmenter)
        return upload_chain(self.s3, BUCKET, archives, manifest("", **changes).to_dict())

    def register(self, artifacts: ChainArtifacts, *, image: str = IMAGE, approved: bool = True) -> str:
        return register_chain(self.sagemaker, group=GROUP, image=image, artifacts=artifacts, approved=approved)

    @property
    def releaser(self) -> Releaser:
        images = ImageStore(self.s3, {BUCKET}, 10**8)
        training = TrainingSettings(role_arn=ROLE)
        return Releaser(
            self.s3, self.sagemaker, self.store, images, self.models, StorageSettings(bucket=BUCKET), training
        )

    def deploy(self, package_arn: str) -> Release:
        return self.releaser.deploy(package_arn)

    def endpoints(self) -> set[str]:
        return {endpoint["EndpointName"] for endpoint in self.sagemaker.list_endpoints()["Endpoints"]}
