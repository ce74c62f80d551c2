"""Model package groups: the named lines in which packages are numbered."""

from phenoloop.local_aws.sagemaker import resources
from phenoloop.local_aws.sagemaker.calls import Call, Handler, Reply
from phenoloop.local_aws.sagemaker.errors import ConflictException, ValidationException, refuse_unsupported
from phenoloop.local_aws.sagemaker.store import AlreadyThere, Kind, Resource, Store


class ModelPackageGroups:
    def __init__(self, store: Store) -> None:
        self._store = store

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateModelPackageGroup": self.create,
            "DescribeModelPackageGroup": self.describe,
            "DeleteModelPackageGroup": self.delete,
            "ListModelPackageGroups": self.list,
        }

    def create(self, call: Call) -> Reply:
        refuse_unsupported(call.parameters, "ManagedConfiguration")
        name = call["ModelPackageGroupName"]
        description = {m: call[m] for m in ("ModelPackageGroupDescription",) if m in call.parameters}
        with self._store.transaction():
            try:
                document = {"described": description, "latest_version": 0}
                group = self._store.add(
                    Kind.MODEL_PACKAGE_GROUP, name, call.arn(Kind.MODEL_PACKAGE_GROUP, name), document
                )
            except AlreadyThere as error:
                raise ValidationException(f"Model Package Group already exists: {error}") from error
            self._store.tag(group.arn, call.get("Tags", []))
        return {"ModelPackageGroupArn": group.arn}

    def describe(self, call: Call) -> Reply:
        group = existing_group(self._store, call, call["ModelPackageGroupName"])
        return {**_summary(group), "CreatedBy": {}}

    def delete(self, call: Call) -> Reply:
        with self._store.transaction():
            group = existing_group(self._store, call, call["ModelPackageGroupName"])
            if packages_of(self._store, group):
                raise ConflictException(
                    f"Model Package Group {group.arn} cannot be deleted because it still contains Model Packages."
                )
            self._store.remove(group)
        return {}

    def list(self, call: Call) -> Reply:
        groups, more = resources.page(call, self._store.all(Kind.MODEL_PACKAGE_GROUP), descending=False)
        return {"ModelPackageGroupSummaryList": [_summary(group) for group in groups], **more}


def existing_group(store: Store, call: Call, name_or_arn: str) -> Resource:
    """Raises ValidationException if there is none."""
    name = name_or_arn.rpartition("/")[2]
    group = store.find(Kind.MODEL_PACKAGE_GROUP, name)
    if group is None:
        raise ValidationException(f"ModelPackageGroup {call.arn(Kind.MODEL_PACKAGE_GROUP, name)} does not exist.")
    return group


def packages_of(store: Store, group: Resource) -> list[Resource]:
    """In the order of their versions."""
    return [p for p in store.all(Kind.MODEL_PACKAGE) if p.document["ModelPackageGroupName"] == group.name]


def _summary(group: Resource) -> Reply:
    return {
        "ModelPackageGroupName": group.name,
        "ModelPackageGroupArn": group.arn,
        "CreationTime": group.created_at_s,
        "ModelPackageGroupStatus": "Completed",
        **group.document["described"],
    }
