"""Pipelines: definitions under a name, checked when they come."""

from typing import Any

from phenoloop.local_aws.sagemaker import resources
from phenoloop.local_aws.sagemaker.calls import Call, Handler, Reply
from phenoloop.local_aws.sagemaker.errors import (
    ConflictException,
    ResourceNotFound,
    ValidationException,
    refuse_unsupported,
)
from phenoloop.local_aws.sagemaker.pipelines import definition
from phenoloop.local_aws.sagemaker.pipelines.records import Execution
from phenoloop.local_aws.sagemaker.pipelines.steps import check_arguments
from phenoloop.local_aws.sagemaker.s3_files import S3Files, S3Unreadable
from phenoloop.local_aws.sagemaker.shapes import Shapes
from phenoloop.local_aws.sagemaker.store import AlreadyThere, Kind, Resource, Store

KEPT = ("PipelineDisplayName", "PipelineDescription", "RoleArn", "ParallelismConfiguration")
SUMMARISED = ("PipelineDisplayName", "PipelineDescription", "RoleArn")


class Pipelines:
    def __init__(self, store: Store, shapes: Shapes, files: S3Files) -> None:
        self._store = store
        self._shapes = shapes
        self._files = files

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreatePipeline": self.create,
            "UpdatePipeline": self.update,
            "DescribePipeline": self.describe,
            "DeletePipeline": self.delete,
            "ListPipelines": self.list,
        }

    def create(self, call: Call) -> Reply:
        """The token of a request that was carried out before makes nothing new."""
        name, token = call["PipelineName"], call["ClientRequestToken"]
        document = {"token": token, "PipelineDefinition": self._definition(call), **_kept(call)}
        with self._store.transaction():
            known = self._store.find(Kind.PIPELINE, name)
            if known and known.document["token"] == token:
                return {"PipelineArn": known.arn}
            try:
                pipeline = self._store.add(Kind.PIPELINE, name, call.arn("pipeline", name), document)
            except AlreadyThere as error:
                raise ValidationException(
                    "Pipeline names must be unique within an AWS account and region. "
                    f"Pipeline with name ({name}) already exists."
                ) from error
            self._store.tag(pipeline.arn, call.get("Tags", []))
        return {"PipelineArn": pipeline.arn}

    def update(self, call: Call) -> Reply:
        """Executions under way keep the definition that they began with."""
        has_definition = {"PipelineDefinition", "PipelineDefinitionS3Location"} & set(call.parameters)
        changed = {"PipelineDefinition": self._definition(call)} if has_definition else {}
        with self._store.transaction():
            pipeline = existing_pipeline(self._store, call, call["PipelineName"])
            document = {**pipeline.document, **changed, **_kept(call)}
            self._store.change(Kind.PIPELINE, pipeline.name, document)
        return {"PipelineArn": pipeline.arn}

    def describe(self, call: Call) -> Reply:
        refuse_unsupported(call.parameters, "PipelineVersionId", "PipelineVersionAlias")
        pipeline = existing_pipeline(self._store, call, call["PipelineName"])
        described = {member: value for member, value in pipeline.document.items() if member != "token"}
        runs = executions_of(self._store, pipeline)
        last_run = {"LastRunTime": runs[-1].created_at_s} if runs else {}
        return {
            **_summary(pipeline),
            **described,
            **last_run,
            "PipelineStatus": "Active",
            "CreatedBy": {},
            "LastModifiedBy": {},
        }

    def delete(self, call: Call) -> Reply:
        """With its executions. Raises ConflictException while one of them is under way."""
        with self._store.transaction():
            pipeline = existing_pipeline(self._store, call, call["PipelineName"])
            executions = executions_of(self._store, pipeline)
            if any(not Execution.of(execution).status.is_final for execution in executions):
                raise ConflictException(f"Pipeline {pipeline.arn} has executions under way. Stop them first.")
            for resource in (*executions, pipeline):
                self._store.remove(resource)
        return {"PipelineArn": pipeline.arn}

    def list(self, call: Call) -> Reply:
        prefix = call.get("PipelineNamePrefix", "").lower()
        found = [p for p in self._store.all(Kind.PIPELINE) if p.name.lower().startswith(prefix)]
        pipelines, more = resources.page(call, found, descending=True)
        return {"PipelineSummaries": [_summary(pipeline, *SUMMARISED) for pipeline in pipelines], **more}

    def _definition(self, call: Call) -> str:
        """Its text, once it is known to be good. Raises ValidationException."""
        text, location = call.get("PipelineDefinition"), call.get("PipelineDefinitionS3Location")
        if bool(text) == bool(location):
            raise ValidationException(
                "Both Pipeline Definition and Pipeline Definition S3 Location shouldn't be present"
                if text
                else "Either Pipeline Definition or Pipeline Definition S3 location should be provided"
            )
        if location:
            refuse_unsupported(location, "VersionId")
            try:
                text = self._files.read(f"s3://{location['Bucket']}/{location['ObjectKey']}").decode()
            except (S3Unreadable, UnicodeDecodeError) as error:
                raise ValidationException(f"Unable to read the pipeline definition. {error}") from error
        for step in definition.parsed(text).steps:
            check_arguments(step, self._shapes)
        return str(text)


def existing_pipeline(store: Store, call: Call, name_or_arn: str) -> Resource:
    """Raises ResourceNotFound if there is none."""
    name = name_or_arn.rpartition("/")[2]
    pipeline = store.find(Kind.PIPELINE, name)
    if pipeline is None:
        raise ResourceNotFound(f"Pipeline '{call.arn('pipeline', name)}' does not exist.")
    return pipeline


def executions_of(store: Store, pipeline: Resource) -> list[Resource]:
    """In the order of their creation."""
    return [e for e in store.all(Kind.PIPELINE_EXECUTION) if e.document["pipeline"] == pipeline.name]


def _kept(call: Call) -> dict[str, Any]:
    return {member: call[member] for member in KEPT if member in call.parameters}


def _summary(pipeline: Resource, *members: str) -> Reply:
    return {
        "PipelineArn": pipeline.arn,
        "PipelineName": pipeline.name,
        "CreationTime": pipeline.created_at_s,
        "LastModifiedTime": pipeline.modified_at_s,
        **{member: pipeline.document[member] for member in members if member in pipeline.document},
    }
