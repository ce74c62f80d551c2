"""From an approved package to the live release: endpoints, smoke test, release object, pointer, manifest.

Every step is safe to repeat and to do twice at once, so a worker that dies leaves nothing that another can't finish.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import structlog
from botocore.exceptions import ClientError

from phenoloop.chain.flow import Invoker
from phenoloop.chain.images import ImageStore
from phenoloop.chain.release import Release, StageEndpoint
from phenoloop.chain.releases import ReleaseStore
from phenoloop.chain.s3_errors import s3_errors
from phenoloop.errors import BucketMissing, EndpointRefused, NotAChain, RegistryFailed, ReleaseMissing
from phenoloop.settings import StorageSettings, TrainingSettings
from sync.registry import ChainPackage, chain_package
from sync.sagemaker_errors import sagemaker_errors
from sync.smoke import any_photo, smoke_test

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_sagemaker import SageMakerClient
    from types_boto3_sagemaker.type_defs import ContainerDefinitionTypeDef, ProductionVariantTypeDef

T = TypeVar("T")

READY_TIMEOUT_S = 900.0
POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class Releaser:
    """Makes packages live."""

    s3: S3Client
    sagemaker: SageMakerClient
    store: ReleaseStore
    images: ImageStore
    endpoints: Invoker
    storage: StorageSettings
    training: TrainingSettings

    def advance(self, package: ChainPackage) -> Release | None:
        """Do what can be done now to make the package live; the release once it is, None while its endpoints start.

        Endpoints are named by what they serve: one that exists is reused. The live release is left as it is.
        Raises RegistryFailed (not approved), NotAChain, EndpointRefused (an endpoint failed), SmokeTestFailed, and what
        may pass: SageMakerUnavailable, EndpointUnavailable, StorageUnavailable, WriteConflict.
        """
        if not package.approved:
            raise RegistryFailed("The model package is not approved.", cure="Approve it first.", package=package.arn)
        stages = {"detector": package.artifacts.detector_url, "segmenter": package.artifacts.segmenter_url}
        with sagemaker_errors(package=package.arn):
            detector, segmenter = (self._ensure_endpoint(role, url, package.image) for role, url in stages.items())
            ready = [self._is_in_service(name) for name in (detector, segmenter)]
        if not all(ready):
            return None
        release = self._release(package, detector, segmenter)
        if self._live_name() != release.name:
            self._smoke_test(release)
            if not chain_package(self.sagemaker, package.arn).approved:  # someone thought better of it meanwhile
                return None
            self.store.publish(release)
            self.store.move_pointer(release.name)
            structlog.get_logger().info("release live", release=release.name, package=package.arn)
        return release

    def deploy(self, package_arn: str, *, timeout_s: float = READY_TIMEOUT_S) -> Release:
        """`advance` until the package is live, and publish its manifest. Raises what `advance` raises."""
        package = chain_package(self.sagemaker, package_arn)
        deadline_s = time.monotonic() + timeout_s
        while (release := self.advance(package)) is None:
            if time.monotonic() > deadline_s:
                raise EndpointRefused("The endpoints took too long.", cure="See their logs.", package=package_arn)
            time.sleep(POLL_S)
        self.publish_manifest(release)
        return release

    def publish_manifest(self, release: Release) -> bool:
        """Tell the Loc360 platform of the live release; whether it was news.

        Raises BucketMissing, StorageUnavailable.
        """
        bucket, key = self.storage.bucket, self.storage.manifest_key
        body = json.dumps(release.manifest, indent=2, sort_keys=True).encode()
        try:
            with s3_errors(ReleaseMissing, key=key):
                if self.s3.get_object(Bucket=bucket, Key=key)["Body"].read() == body:
                    return False
        except ReleaseMissing:
            pass  # the first one
        with s3_errors(BucketMissing, key=key):
            self.s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")
        structlog.get_logger().info("manifest published", release=release.name, key=key)
        return True

    def _live_name(self) -> str | None:
        try:
            return self.store.pointer().release
        except ReleaseMissing:
            return None

    def _smoke_test(self, release: Release) -> None:
        with any_photo(self.s3, self.images, self.storage.bucket, self.storage.images_prefix) as photo:
            objects = smoke_test(release, photo, self.endpoints)
        structlog.get_logger().info("smoke test passed", release=release.name, objects=objects)

    def _release(self, package: ChainPackage, detector: str, segmenter: str) -> Release:
        """Of the package on these endpoints. Raises NotAChain if its manifest is missing or garbled."""
        try:
            return Release.named(
                package_arn=package.arn,
                detector=StageEndpoint(endpoint=detector, model_data_url=package.artifacts.detector_url),
                segmenter=StageEndpoint(endpoint=segmenter, model_data_url=package.artifacts.segmenter_url),
                manifest=json.loads(self._manifest(package.artifacts.manifest_url)),
            )
        except (ValueError, TypeError, AttributeError) as error:
            raise NotAChain("The package's manifest can't be read.", package=package.arn) from error

    def _manifest(self, url: str) -> bytes:
        """From our own bucket: who registers packages doesn't choose what we read elsewhere."""
        bucket = self.storage.bucket
        key = url.removeprefix(f"s3://{bucket}/")
        if key == url:
            raise NotAChain("The package's manifest lies outside our bucket.", manifest=url, bucket=bucket)
        try:
            with s3_errors(RegistryFailed, key=key):
                return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except RegistryFailed as error:
            if error.facts.get("code") == "NoSuchKey":
                raise NotAChain("The package's manifest is gone.", key=key) from error
            raise

    def _is_in_service(self, endpoint: str) -> bool:
        """Raises EndpointRefused if it never will be."""
        described = self.sagemaker.describe_endpoint(EndpointName=endpoint)
        if described["EndpointStatus"] == "Failed":
            raise EndpointRefused(
                "An endpoint failed to start.",
                cure="See the endpoint's log; approve the package again to try again.",
                endpoint=endpoint,
                reason=described.get("FailureReason", "none given"),
            )
        return described["EndpointStatus"] == "InService"

    def _ensure_endpoint(self, role: str, model_data_url: str, image: str) -> str:
        """Create model, configuration and endpoint as far as they are missing; the name all three share."""
        instance_type = self.training.endpoint_instance_type
        content = hashlib.sha256(f"{image} {model_data_url} {instance_type}".encode()).hexdigest()[:12]
        name, sagemaker = f"phenoloop-{role}-{content}", self.sagemaker
        if _found(lambda: sagemaker.describe_model(ModelName=name)) is None:
            container: ContainerDefinitionTypeDef = {"Image": image, "ModelDataUrl": model_data_url}
            role_arn = self.training.role_arn
            _unless_there(
                lambda: sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=role_arn)
            )
        if _found(lambda: sagemaker.describe_endpoint_config(EndpointConfigName=name)) is None:
            variant: ProductionVariantTypeDef = {
                "VariantName": "live",
                "ModelName": name,
                "InitialInstanceCount": 1,
                "InstanceType": instance_type,  # type: ignore[typeddict-item]  # any that AWS has
            }
            _unless_there(
                lambda: sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
            )
        if _found(lambda: sagemaker.describe_endpoint(EndpointName=name)) is None:
            _unless_there(lambda: sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name))
        return name


def remove_failed(sagemaker: SageMakerClient, package: ChainPackage, error: EndpointRefused) -> None:
    """A failed endpoint can't recover; without it, another approval starts it anew. Raises what SageMaker raises."""
    name = str(error.facts.get("endpoint", ""))
    with sagemaker_errors(package=package.arn):
        described = _found(lambda: sagemaker.describe_endpoint(EndpointName=name)) if name else None
        if described and described["EndpointStatus"] == "Failed":
            sagemaker.delete_endpoint(EndpointName=name)


def _found(describe: Callable[[], T]) -> T | None:
    """What `describe` answers; None if there is no such thing."""
    try:
        return describe()
    except ClientError as error:
        if error.response["Error"]["Code"] in {"ValidationException", "ResourceNotFound"}:
            return None
        raise


def _unless_there(create: Callable[[], object]) -> None:
    """Another worker may have made it since we looked."""
    try:
        create()
    except ClientError as error:
        if "already exist" not in error.response["Error"].get("Message", ""):
            raise
