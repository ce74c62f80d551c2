"""What the loop leaves in its bucket, read as anyone may: photos, snapshots, runs, the release pointer."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from phenoloop.chain.s3_errors import s3_errors
from phenoloop.demo.programs import RELEASES
from phenoloop.demo.proof.known import KnownPhoto
from phenoloop.demo.proof.stack import Doors
from phenoloop.errors import BucketMissing, StorageUnavailable
from phenoloop.importing.photos import SUFFIXES
from sync.sagemaker_errors import sagemaker_errors

TESTS_PREFIX = "proof-test-photos/"
"""Outside the images' prefix, so that no source storage ever finds them."""
EVALUATED = ("test_photos", "test_regions", "quality", "gain", "verdict", "reasons")
ENDED = frozenset({"Succeeded", "Failed", "Stopped"})


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a training run ended."""

    status: str
    reason: str
    steps: tuple[str, ...]


class Bucket:
    """Every method raises BucketMissing or StorageUnavailable, or RegistryFailed or SageMakerUnavailable."""

    def __init__(self, doors: Doors) -> None:
        self._s3, self._sagemaker = doors.client("s3"), doors.client("sagemaker")
        self._bucket, self._images_prefix = doors.bucket, doors.images_prefix
        self._package_group = doors.package_group

    def put_photos(self, photos: Iterable[KnownPhoto]) -> None:
        """To annotate: under the images' prefix, with their scale and group."""
        for photo in photos:
            self._put(self._images_prefix, photo)

    def put_tests(self, photos: Iterable[KnownPhoto]) -> None:
        for photo in photos:
            self._put(TESTS_PREFIX, photo)

    def test_url(self, photo: KnownPhoto) -> str:
        return f"s3://{self._bucket}/{TESTS_PREFIX}{photo.name}"

    def live_release(self) -> str:
        return str(self._json(f"{RELEASES}live.json")["release"])

    def labels_of(self, release: str) -> list[str]:
        """Those that the release gives."""
        return list(self._json(f"{RELEASES}{release}.json")["manifest"]["labels"])

    def release_run(self, release: str) -> str | None:
        """The training run that the release's package came of; None if it came otherwise."""
        arn = str(self._json(f"{RELEASES}{release}.json")["package_arn"])
        with sagemaker_errors(package=arn):
            package = self._sagemaker.describe_model_package(ModelPackageName=arn)
        run = package.get("CustomerMetadataProperties", {}).get("run")
        return None if run is None else str(run)

    def runs(self) -> list[str]:
        """Names of the runs that were asked for, oldest first."""
        names = (key.removeprefix("runs/") for key in self._keys("runs/") if key.endswith(".json"))
        asked = [self._json(f"runs/{name}") for name in names if "/" not in name]
        return [str(run["name"]) for run in sorted(asked, key=lambda run: datetime.fromisoformat(run["requested_at"]))]

    def is_started(self, run: str) -> bool:
        """Whether SageMaker has it."""
        return self._execution_arn(run) is not None

    def run_facts(self, name: str) -> dict[str, Any]:
        """What was asked for and, as far as it came to that, what the pipeline found."""
        asked = self._json(f"runs/{name}.json")
        facts = {"run": name} | {key: asked.get(key) for key in ("reason", "photos")}
        evaluation = f"runs/{name}/evaluation/evaluation.json"
        if evaluation in self._keys(evaluation):
            found = self._json(evaluation)
            facts |= {key: found.get(key) for key in EVALUATED}
        return facts

    def run_end(self, name: str) -> RunEnd | None:
        """None while it is under way."""
        arn = self._execution_arn(name)
        if arn is None:
            return None
        with sagemaker_errors(run=name):
            execution = self._sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
        if execution["PipelineExecutionStatus"] not in ENDED:
            return None
        return RunEnd(execution["PipelineExecutionStatus"], execution.get("FailureReason", ""), self.run_steps(name))

    def run_steps(self, name: str) -> tuple[str, ...]:
        """`Name Status` of each step so far, in order of start."""
        arn = self._execution_arn(name)
        if arn is None:
            return ()
        with sagemaker_errors(run=name):
            listed = self._sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=arn, SortOrder="Ascending")
        return tuple(f"{step['StepName']} {step['StepStatus']}" for step in listed["PipelineExecutionSteps"])

    def packages(self) -> dict[str, str]:
        """Of all chains that were ever registered: ARN -> whether it is approved, in SageMaker's words."""
        with sagemaker_errors():
            pages = self._sagemaker.get_paginator("list_model_packages").paginate(
                ModelPackageGroupName=self._package_group
            )
            packages = [package for page in pages for package in page["ModelPackageSummaryList"]]
        return {package["ModelPackageArn"]: package["ModelApprovalStatus"] for package in packages}

    def photos_in_snapshots(self) -> set[str]:
        """URLs of all photos that any snapshot ever held."""
        shards = (key for key in self._keys("snapshots/shards/") if key.endswith(".jsonl.gz"))
        return {str(json.loads(line)["photo"]) for key in shards for line in self._lines(key)}

    def _execution_arn(self, run: str) -> str | None:
        """None if it was asked for but not started yet."""
        key = f"runs/{run}/execution.json"
        return str(self._json(key)["arn"]) if key in self._keys(key) else None

    def _put(self, prefix: str, photo: KnownPhoto) -> None:
        key = prefix + photo.name
        with s3_errors(BucketMissing, key=key):
            self._s3.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=photo.path.read_bytes(),
                ContentType=SUFFIXES[photo.path.suffix.lower()],
                Metadata=photo.metadata,
            )

    def _json(self, key: str) -> dict[str, Any]:
        return dict(json.loads(self._read(key)))

    def _lines(self, key: str) -> Iterator[str]:
        yield from gzip.decompress(self._read(key)).decode().splitlines()

    def _read(self, key: str) -> bytes:
        with s3_errors(StorageUnavailable, key=key):
            return bytes(self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read())

    def _keys(self, prefix: str) -> list[str]:
        with s3_errors(BucketMissing, prefix=prefix):
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
            return [item["Key"] for page in pages for item in page.get("Contents", [])]
