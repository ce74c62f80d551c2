"""The model registry: one model package is the whole chain, detector and segmenter in two containers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import structlog
from botocore.exceptions import ClientError

from phenoloop.chain.s3_errors import s3_errors
from phenoloop.errors import BucketMissing, NotAChain
from sync.sagemaker_errors import sagemaker_errors

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_sagemaker import SageMakerClient
    from types_boto3_sagemaker.type_defs import ModelPackageSummaryTypeDef

ROLES = ("detector", "segmenter")
MAX_REASON = 1024
PENDING: Literal["PendingManualApproval"] = "PendingManualApproval"
REJECTED: Literal["Rejected"] = "Rejected"


@dataclass(frozen=True, slots=True)
class ChainArtifacts:
    """Where in S3 the parts of one chain lie; the names carry the content's hash."""

    detector_url: str
    segmenter_url: str
    manifest_url: str


@dataclass(frozen=True, slots=True)
class ChainPackage:
    """A model package that is a chain."""

    arn: str
    version: int
    image: str
    """The serving container, the same for both stages."""
    artifacts: ChainArtifacts
    status: str
    """SageMaker's: Approved, Rejected or PendingManualApproval."""
    status_reason: str
    description: str
    run: str | None
    """Of the training run that made it; None for a chain that came otherwise."""
    snapshot_url: str | None
    registered_at: datetime
    decided_at: datetime
    """When it was last changed, which is when someone approved or rejected it; on SageMaker's clock."""

    @property
    def approved(self) -> bool:
        return self.status == "Approved"

    @property
    def waits(self) -> bool:
        """For a person to approve or reject it."""
        return self.status == PENDING


def upload_chain(
    s3: S3Client, bucket: str, archives: Mapping[str, Path], manifest: Mapping[str, Any], *, prefix: str = "artifacts/"
) -> ChainArtifacts:
    """Store the two `model.tar.gz` (by role) and the manifest, each under its content's hash.

    `manifest` is a `loc360.manifest.Manifest` as a dict, without its release name, which only deployment knows.
    Raises StorageUnavailable.
    """
    bodies = {f"{role}/model.tar.gz": archives[role].read_bytes() for role in ROLES}
    bodies["manifest.json"] = json.dumps(manifest, sort_keys=True).encode()
    urls = []
    for name, body in bodies.items():
        folder, _, file = name.rpartition("/")
        key = f"{prefix}{folder or 'manifest'}/{hashlib.sha256(body).hexdigest()}/{file}"
        with s3_errors(BucketMissing, key=key):
            s3.put_object(Bucket=bucket, Key=key, Body=body)
        urls.append(f"s3://{bucket}/{key}")
    return ChainArtifacts(*urls)


def register_chain(
    sagemaker: SageMakerClient,
    *,
    group: str,
    image: str,
    artifacts: ChainArtifacts,
    approved: bool,
    description: str = "",
) -> str:
    """Register the chain as a model package of `group`, which is made if missing; the package's ARN.

    A package of the same artifacts and image is not registered twice; an approval that it waits for is given.
    Raises RegistryFailed, SageMakerUnavailable.
    """
    with sagemaker_errors(group=group):
        ensure_group(sagemaker, group)
        for package in packages(sagemaker, group):
            if (package.artifacts, package.image) == (artifacts, image):
                if approved and package.waits:
                    sagemaker.update_model_package(ModelPackageArn=package.arn, ModelApprovalStatus="Approved")
                return package.arn
        return sagemaker.create_model_package(
            ModelPackageGroupName=group,
            ModelPackageDescription=description,
            InferenceSpecification={
                "Containers": [
                    {"ContainerHostname": role, "Image": image, "ModelDataUrl": url}
                    for role, url in zip(ROLES, (artifacts.detector_url, artifacts.segmenter_url), strict=True)
                ],
                "SupportedContentTypes": ["application/json"],
                "SupportedResponseMIMETypes": ["application/json"],
            },
            CustomerMetadataProperties={"manifest": artifacts.manifest_url},
            ModelApprovalStatus="Approved" if approved else PENDING,
        )["ModelPackageArn"]


def chain_package(sagemaker: SageMakerClient, package_arn: str) -> ChainPackage:
    """The package as the registry has it. Raises NotAChain, RegistryFailed, SageMakerUnavailable."""
    with sagemaker_errors(package=package_arn):
        package = sagemaker.describe_model_package(ModelPackageName=package_arn)
    containers = package.get("InferenceSpecification", {}).get("Containers", [])
    urls = {c.get("ContainerHostname", ""): c.get("ModelDataUrl", "") for c in containers}
    images = {c.get("Image", "") for c in containers}
    metadata = package.get("CustomerMetadataProperties", {})
    manifest_url = metadata.get("manifest", "")
    if not manifest_url or not all(urls.get(role) for role in ROLES) or len(images) != 1:
        raise NotAChain(
            "The model package is no chain.",
            cure="Register it with two containers of one image, detector and segmenter, and a manifest.",
            package=package_arn,
        )
    return ChainPackage(
        arn=package_arn,
        image=images.pop(),
        version=package.get("ModelPackageVersion", 0),
        artifacts=ChainArtifacts(urls["detector"], urls["segmenter"], manifest_url),
        status=package.get("ModelApprovalStatus", PENDING),
        status_reason=package.get("ApprovalDescription", ""),
        description=package.get("ModelPackageDescription", ""),
        run=metadata.get("run"),
        snapshot_url=metadata.get("snapshot"),
        registered_at=package["CreationTime"],
        decided_at=package.get("LastModifiedTime", package["CreationTime"]),
    )


def packages(sagemaker: SageMakerClient, group: str) -> list[ChainPackage]:
    """The group's chains, newest first; whatever else someone registered there is passed over.

    Empty if there is no such group yet. Raises RegistryFailed, SageMakerUnavailable.
    """
    return list(_chains(sagemaker, _summaries(sagemaker, group)))


def newest_approved(sagemaker: SageMakerClient, group: str) -> ChainPackage | None:
    """Which should be live. Raises RegistryFailed, SageMakerUnavailable."""
    approved = [s for s in _summaries(sagemaker, group) if s.get("ModelApprovalStatus") == "Approved"]
    return next(_chains(sagemaker, approved), None)


def approve(sagemaker: SageMakerClient, package_arn: str, *, reason: str = "") -> None:
    """Raises RegistryFailed, SageMakerUnavailable."""
    _decide(sagemaker, package_arn, "Approved", reason)


def reject(sagemaker: SageMakerClient, package_arn: str, *, reason: str) -> None:
    """It will not be live, or no longer. Raises RegistryFailed, SageMakerUnavailable."""
    _decide(sagemaker, package_arn, REJECTED, reason)


def _decide(sagemaker: SageMakerClient, package_arn: str, status: Literal["Approved", "Rejected"], reason: str) -> None:
    with sagemaker_errors(package=package_arn):
        sagemaker.update_model_package(
            ModelPackageArn=package_arn,
            ModelApprovalStatus=status,
            ApprovalDescription=" ".join(reason.split())[:MAX_REASON] or status,
        )


def ensure_group(sagemaker: SageMakerClient, group: str) -> None:
    """Make the package group if there is none. Raises botocore's errors."""
    pages = sagemaker.get_paginator("list_model_package_groups").paginate(NameContains=group)
    if not any(g["ModelPackageGroupName"] == group for page in pages for g in page["ModelPackageGroupSummaryList"]):
        sagemaker.create_model_package_group(ModelPackageGroupName=group)


def _summaries(sagemaker: SageMakerClient, group: str) -> list[ModelPackageSummaryTypeDef]:
    """Newest first; none if there is no such group."""
    with sagemaker_errors(group=group):
        try:
            pages = sagemaker.get_paginator("list_model_packages").paginate(ModelPackageGroupName=group)
            found = [summary for page in pages for summary in page["ModelPackageSummaryList"]]
        except ClientError as error:
            if "does not exist" in error.response["Error"].get("Message", ""):
                return []
            raise
    return sorted(found, key=lambda summary: summary.get("ModelPackageVersion", 0), reverse=True)


def _chains(sagemaker: SageMakerClient, summaries: list[ModelPackageSummaryTypeDef]) -> Iterator[ChainPackage]:
    for summary in summaries:
        try:
            yield chain_package(sagemaker, summary["ModelPackageArn"])
        except NotAChain as error:
            structlog.get_logger().info("package passed over", reason=error.message, **error.facts)
