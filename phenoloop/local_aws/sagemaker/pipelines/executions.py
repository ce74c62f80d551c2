"""Pipeline executions: started, described, stopped, listed with their steps."""

import secrets
import string

from phenoloop.local_aws.sagemaker import resources
from phenoloop.local_aws.sagemaker.calls import Call, Handler, Reply
from phenoloop.local_aws.sagemaker.errors import ResourceNotFound, ValidationException, refuse_unsupported
from phenoloop.local_aws.sagemaker.pipelines import definition, parameters
from phenoloop.local_aws.sagemaker.pipelines.executor import Executor
from phenoloop.local_aws.sagemaker.pipelines.pipelines import executions_of, existing_pipeline
from phenoloop.local_aws.sagemaker.pipelines.records import Execution, ExecutionStatus, StepRecord
from phenoloop.local_aws.sagemaker.store import Kind, Resource, Store

MAX_PARALLEL_STEPS = 50
ALPHABET = string.ascii_lowercase + string.digits
DESCRIBED = ("PipelineExecutionDisplayName", "PipelineExecutionDescription", "ParallelismConfiguration", "RoleArn")
SUMMARISED = ("PipelineExecutionDisplayName", "PipelineExecutionDescription")
UNSUPPORTED = ("SelectiveExecutionConfig", "PipelineVersionId", "PipelineVersionAlias", "MlflowExperimentName")


class Executions:
    def __init__(self, store: Store, executor: Executor) -> None:
        self._store = store
        self._executor = executor

    def handlers(self) -> dict[str, Handler]:
        return {
            "StartPipelineExecution": self.start,
            "DescribePipelineExecution": self.describe,
            "DescribePipelineDefinitionForExecution": self.definition,
            "ListPipelineParametersForExecution": self.parameters,
            "ListPipelineExecutionSteps": self.steps,
            "ListPipelineExecutions": self.list,
            "StopPipelineExecution": self.stop,
        }

    def start(self, call: Call) -> Reply:
        """The token of a request that was carried out before starts nothing new."""
        refuse_unsupported(call.parameters, *UNSUPPORTED)
        with self._store.transaction():
            pipeline = existing_pipeline(self._store, call, call["PipelineName"])
            token = call["ClientRequestToken"]
            known = [e for e in executions_of(self._store, pipeline) if e.document["token"] == token]
            if known:
                return {"PipelineExecutionArn": known[0].arn}
            execution = self._execution(call, pipeline)
            name = f"{pipeline.name}/execution/{''.join(secrets.choice(ALPHABET) for _ in range(12))}"
            resource = self._store.add(
                Kind.PIPELINE_EXECUTION, name, call.arn("pipeline", name), execution.model_dump(mode="json")
            )
        self._executor.begin_anew(resource)
        return {"PipelineExecutionArn": resource.arn}

    def describe(self, call: Call) -> Reply:
        resource, execution = self._existing(call)
        reason = {"FailureReason": execution.failure_reason} if execution.failure_reason else {}
        return {
            "PipelineArn": resource.arn.partition("/execution/")[0],
            "PipelineExecutionArn": resource.arn,
            "PipelineExecutionStatus": execution.status.value,
            "CreationTime": resource.created_at_s,
            "LastModifiedTime": resource.modified_at_s,
            "CreatedBy": {},
            "LastModifiedBy": {},
            **execution.described,
            **reason,
        }

    def definition(self, call: Call) -> Reply:
        resource, execution = self._existing(call)
        return {"PipelineDefinition": execution.definition, "CreationTime": resource.created_at_s}

    def parameters(self, call: Call) -> Reply:
        _, execution = self._existing(call)
        texts = parameters.texts(execution.parameters)
        shown, more = resources.paged(call, texts, lambda item: (item["Name"],), descending=False)
        return {"PipelineParameters": shown, **more}

    def steps(self, call: Call) -> Reply:
        """Those started so far, the latest first as at AWS."""
        _, execution = self._existing(call)
        described = {step.name: _titles(step) for step in definition.parsed(execution.definition).steps}
        started = execution.steps.values()
        shown, more = resources.paged(call, started, lambda step: (step.started_at_s, step.name), descending=True)
        return {"PipelineExecutionSteps": [{**_step(step), **described[step.name]} for step in shown], **more}

    def list(self, call: Call) -> Reply:
        refuse_unsupported(call.parameters, "PipelineVersionAlias")
        pipeline = existing_pipeline(self._store, call, call["PipelineName"])
        executions, more = resources.page(call, executions_of(self._store, pipeline), descending=True)
        return {"PipelineExecutionSummaries": [_summary(execution) for execution in executions], **more}

    def stop(self, call: Call) -> Reply:
        with self._store.transaction():
            resource, execution = self._existing(call)
            if execution.status.is_final:
                raise ValidationException(
                    f"Pipeline execution with ARN {resource.arn} cannot be stopped: it is {execution.status.value}."
                )
            self._executor.changed(resource.name, lambda e: e.having(ExecutionStatus.STOPPING))
        return {"PipelineExecutionArn": resource.arn}

    def _execution(self, call: Call, pipeline: Resource) -> Execution:
        """Raises ValidationException if its parameters are not the pipeline's."""
        text = pipeline.document["PipelineDefinition"]
        inherited = {m: v for m, v in pipeline.document.items() if m in ("ParallelismConfiguration", "RoleArn")}
        described = inherited | {member: call[member] for member in DESCRIBED if member in call.parameters}
        parallelism = described.get("ParallelismConfiguration", {})
        return Execution(
            pipeline=pipeline.name,
            status=ExecutionStatus.EXECUTING,
            definition=text,
            parameters=parameters.values(definition.parsed(text).parameters, call.get("PipelineParameters", [])),
            token=call["ClientRequestToken"],
            described=described,
            max_parallel_steps=parallelism.get("MaxParallelExecutionSteps", MAX_PARALLEL_STEPS),
        )

    def _existing(self, call: Call) -> tuple[Resource, Execution]:
        resource = self._store.find_arn(call["PipelineExecutionArn"])
        if resource is None or resource.kind != Kind.PIPELINE_EXECUTION:
            raise ResourceNotFound(f"Pipeline execution '{call['PipelineExecutionArn']}' does not exist.")
        return resource, Execution.of(resource)


def _summary(resource: Resource) -> Reply:
    execution = Execution.of(resource)
    reason = {"PipelineExecutionFailureReason": execution.failure_reason} if execution.failure_reason else {}
    return {
        "PipelineExecutionArn": resource.arn,
        "StartTime": resource.created_at_s,
        "PipelineExecutionStatus": execution.status.value,
        **{member: execution.described[member] for member in SUMMARISED if member in execution.described},
        **reason,
    }


def _titles(step: definition.Step) -> Reply:
    texts = {"StepDisplayName": step.display_name, "StepDescription": step.description}
    return {member: text for member, text in texts.items() if text}


def _step(step: StepRecord) -> Reply:
    ended = {"EndTime": step.ended_at_s} if step.ended_at_s else {}
    reason = {"FailureReason": step.failure_reason} if step.failure_reason else {}
    cached = {"CacheHitResult": {"SourcePipelineExecutionArn": step.cached_from}} if step.cached_from else {}
    return {
        "StepName": step.name,
        "StartTime": step.started_at_s,
        "StepStatus": step.status.value,
        "AttemptCount": step.attempts,
        "Metadata": _metadata(step),
        **cached,
        **ended,
        **reason,
    }


def _metadata(step: StepRecord) -> Reply:
    match step.type:
        case "Condition" if step.outcome is not None:
            return {"Condition": {"Outcome": str(step.outcome)}}
        case "Fail":
            return {"Fail": {"ErrorMessage": step.failure_reason}}
        case "RegisterModel" if step.arn:
            return {"RegisterModel": {"Arn": step.arn}}
        case "Processing" | "Training" if step.arn:
            return {f"{step.type}Job": {"Arn": step.arn}}
        case _:
            return {}
