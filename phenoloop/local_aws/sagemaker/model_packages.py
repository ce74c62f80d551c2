"""Model packages: numbered versions in a group, each with its containers and its approval."""

from collections.abc import Callable, Sequence
from typing import Any

from phenoloop.local_aws.sagemaker import resources
from phenoloop.local_aws.sagemaker.calls import Call, Handler, Reply
from phenoloop.local_aws.sagemaker.errors import ValidationException, refuse_unsupported
from phenoloop.local_aws.sagemaker.model_package_groups import existing_group, packages_of
from phenoloop.local_aws.sagemaker.store import Kind, Resource, Store

OnChange = Callable[[Resource], None]
"""Told of each package made or changed, after the fact."""

UNSUPPORTED = (
    *("ModelPackageName", "ValidationSpecification", "SourceAlgorithmSpecification", "CertifyForMarketplace"),
    *("ManagedStorageType", "ModelPackageRegistrationType"),
)
NOT_DESCRIBED = ("ClientToken", "Tags")
UPDATED = (
    "ModelApprovalStatus",
    "ApprovalDescription",
    "InferenceSpecification",
    "SourceUri",
    "ModelCard",
    "ModelLifeCycle",
)

METADATA = "CustomerMetadataProperties"


class ModelPackages:
    def __init__(self, store: Store, on_change: Sequence[OnChange] = ()) -> None:
        self._store = store
        self._on_change = on_change

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateModelPackage": self.create,
            "DescribeModelPackage": self.describe,
            "UpdateModelPackage": self.update,
            "DeleteModelPackage": self.delete,
            "ListModelPackages": self.list,
        }

    def create(self, call: Call) -> Reply:
        """The group's next version, which is never given twice. A ClientToken seen before makes nothing new."""
        refuse_unsupported(call.parameters, *UNSUPPORTED)
        if "ModelPackageGroupName" not in call.parameters:
            raise ValidationException("Missing ARN.")
        if "Tags" in call.parameters:
            raise ValidationException("A versioned model package uses its group's tags. Leave out Tags.")
        with self._store.transaction():
            group = existing_group(self._store, call, call["ModelPackageGroupName"])
            known = _of_token(packages_of(self._store, group), call.get("ClientToken"))
            package = known or self._next_version(call, group)
        if not known:
            self._tell(package)
        return {"ModelPackageArn": package.arn}

    def describe(self, call: Call) -> Reply:
        return described(existing_package(self._store, call, call["ModelPackageName"]))

    def update(self, call: Call) -> Reply:
        """Any approval status may follow any other, as in the registry of AWS."""
        refuse_unsupported(call.parameters, "AdditionalInferenceSpecificationsToAdd", "ModelPackageRegistrationType")
        with self._store.transaction():
            package = existing_package(self._store, call, call["ModelPackageArn"])
            metadata = {**package.document.get(METADATA, {}), **call.get(METADATA, {})}
            for key in call.get("CustomerMetadataPropertiesToRemove", []):
                metadata.pop(key, None)
            changed = {member: call[member] for member in UPDATED if member in call.parameters}
            kept = {member: value for member, value in package.document.items() if member != METADATA}
            document = {**kept, **({METADATA: metadata} if metadata else {}), **changed}
            self._store.change(Kind.MODEL_PACKAGE, package.name, document)
        self._tell(existing_package(self._store, call, package.arn))
        return {"ModelPackageArn": package.arn}

    def delete(self, call: Call) -> Reply:
        with self._store.transaction():
            self._store.remove(existing_package(self._store, call, call["ModelPackageName"]))
        return {}

    def list(self, call: Call) -> Reply:
        """Without a group and without ModelPackageType, unversioned packages are meant; there are none here."""
        if "ModelPackageGroupName" in call.parameters:
            found = packages_of(self._store, existing_group(self._store, call, call["ModelPackageGroupName"]))
        elif call.get("ModelPackageType", "Unversioned") == "Unversioned":
            found = []
        else:
            found = self._store.all(Kind.MODEL_PACKAGE)
        approval = call.get("ModelApprovalStatus")
        found = [p for p in found if approval in (None, p.document["ModelApprovalStatus"])]
        packages, more = resources.page(call, found, descending=False)
        return {"ModelPackageSummaryList": [_summary(package) for package in packages], **more}

    def _next_version(self, call: Call, group: Resource) -> Resource:
        version = group.document["latest_version"] + 1
        self._store.change(group.kind, group.name, {**group.document, "latest_version": version})
        document = {
            "ModelApprovalStatus": "PendingManualApproval",
            **call.parameters,
            "ModelPackageGroupName": group.name,
            "ModelPackageVersion": version,
        }
        name = f"{group.name}/{version}"
        return self._store.add(Kind.MODEL_PACKAGE, name, call.arn(Kind.MODEL_PACKAGE, name), document)

    def _tell(self, package: Resource) -> None:
        for tell in self._on_change:
            tell(package)


def described(package: Resource) -> Reply:
    """The reply of DescribeModelPackage."""
    document = {member: value for member, value in package.document.items() if member not in NOT_DESCRIBED}
    return {
        **document,
        "ModelPackageName": document["ModelPackageGroupName"],
        "ModelPackageArn": package.arn,
        "ModelPackageStatus": "Completed",
        "ModelPackageStatusDetails": {"ValidationStatuses": []},
        "CreationTime": package.created_at_s,
        "LastModifiedTime": package.modified_at_s,
    }


def existing_package(store: Store, call: Call, name_or_arn: str) -> Resource:
    """By ARN or by GROUP/VERSION. Raises ValidationException if there is none."""
    name = name_or_arn.rpartition(":")[2].removeprefix(f"{Kind.MODEL_PACKAGE}/")
    package = store.find(Kind.MODEL_PACKAGE, name)
    if package is None:
        raise ValidationException(f"ModelPackage {call.arn(Kind.MODEL_PACKAGE, name)} does not exist.")
    return package


def _of_token(packages: list[Resource], token: str | None) -> Resource | None:
    return next((p for p in packages if token and p.document.get("ClientToken") == token), None)


def _summary(package: Resource) -> dict[str, Any]:
    members = (
        *("ModelPackageGroupName", "ModelPackageVersion", "ModelPackageDescription"),
        *("ModelApprovalStatus", "ModelLifeCycle"),
    )
    return {
        "ModelPackageArn": package.arn,
        "CreationTime": package.created_at_s,
        "ModelPackageStatus": "Completed",
        **{member: package.document[member] for member in members if member in package.document},
    }
