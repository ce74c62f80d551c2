"""Executions at work: steps start when what they wait for is done, and the store knows how far each one is."""

import threading
import time
from collections.abc import Callable

import structlog

from phenoloop.local_aws.sagemaker.pipelines import caching, expressions, retries
from phenoloop.local_aws.sagemaker.pipelines import definition as definitions
from phenoloop.local_aws.sagemaker.pipelines.definition import Definition, Step
from phenoloop.local_aws.sagemaker.pipelines.expressions import Unresolvable
from phenoloop.local_aws.sagemaker.pipelines.records import Execution, ExecutionStatus, StepRecord, StepStatus
from phenoloop.local_aws.sagemaker.pipelines.scope import ExecutionScope
from phenoloop.local_aws.sagemaker.pipelines.steps import StepFailed, Steps
from phenoloop.local_aws.sagemaker.s3_files import S3Files
from phenoloop.local_aws.sagemaker.store import Kind, Resource, Store

PAUSE_S = (0.1, 1.0)
"""Between looks at an execution: the shortest, just after something happened, and the longest."""
MAX_REASON = 1300

OnStatus = Callable[[Resource, Execution, str], None]
"""Told of each change of an execution's status, with the one before ("" at first)."""


class Executor:
    """One thread per execution. What a step made and the step's record are written in one transaction, so an execution
    that is taken up after a kill runs no step twice; jobs that were under way are begun again by the job runner.
    """

    def __init__(self, store: Store, steps: Steps, files: S3Files, on_status: OnStatus) -> None:
        self._store = store
        self._steps = steps
        self._files = files
        self._on_status = on_status
        self._stopping = threading.Event()
        self._log = structlog.get_logger()

    def begin(self, execution: Resource) -> None:
        """Carry it out in the background, from where its record says it is."""
        threading.Thread(target=self._run, args=(execution.name,), name=execution.name, daemon=True).start()

    def begin_anew(self, execution: Resource) -> None:
        self._on_status(execution, Execution.of(execution), "")
        self.begin(execution)

    def resume(self) -> None:
        for resource in self._store.all(Kind.PIPELINE_EXECUTION):
            if not Execution.of(resource).status.is_final:
                self.begin(resource)

    def stop(self) -> None:
        """Executions stay where they are."""
        self._stopping.set()

    def changed(self, name: str, change: Callable[[Execution], Execution]) -> Execution:
        """Save a change of the execution's record."""
        with self._store.transaction():
            before = Execution.of(self._resource(name))
            after = change(before)
            self._store.change(Kind.PIPELINE_EXECUTION, name, after.model_dump(mode="json"))
        if after.status != before.status:
            self._log.info("execution", execution=name, status=after.status, reason=after.failure_reason or None)
            self._on_status(self._resource(name), after, before.status.value)
        return after

    def _run(self, name: str) -> None:
        try:
            definition = definitions.parsed(Execution.of(self._resource(name)).definition)
            pause_s, seen = PAUSE_S[0], None
            while not self._stopping.is_set() and not self._advance(name, definition):
                self._stopping.wait(pause_s)
                modified_at_s = self._resource(name).modified_at_s
                pause_s = min(1.2 * pause_s, PAUSE_S[1]) if modified_at_s == seen else PAUSE_S[0]
                seen = modified_at_s
        except Exception as error:  # noqa: BLE001  # whoever waits for the execution must hear of it
            self._log.exception("execution failed for a fault of ours", execution=name)
            reason = f"InternalServerError: {type(error).__name__}: {error}"
            self.changed(name, lambda e: e.having(ExecutionStatus.FAILED, reason[:MAX_REASON]))

    def _advance(self, name: str, definition: Definition) -> bool:
        """Do what can be done now; whether the execution has ended."""
        self._look_at_running_steps(name, definition)
        execution = Execution.of(self._resource(name))
        if not execution.goes_on:
            self._halt_running_steps(name, execution)
        for step in _ready(definition, execution):
            self._start(name, definition, step)
        execution = Execution.of(self._resource(name))
        if execution.running or _ready(definition, execution):
            return False
        return self.changed(name, _ended).status.is_final

    def _look_at_running_steps(self, name: str, definition: Definition) -> None:
        resource = self._resource(name)
        for record in Execution.of(resource).running:
            step = definition.step(record.name)
            if record.retry_at_s is None:
                looked = self._steps.looked_at(record, resource)
                if looked != record:
                    self._save_step(name, _or_again(step, looked))
            elif time.time() >= record.retry_at_s and Execution.of(resource).goes_on:
                self._start(name, definition, step, before=record)

    def _halt_running_steps(self, name: str, execution: Execution) -> None:
        for step in execution.running:
            if step.status != StepStatus.STOPPING:
                with self._store.transaction():
                    self._save_step(name, self._steps.halt(step, self._resource(name)))

    def _start(self, name: str, definition: Definition, step: Step, *, before: StepRecord | None = None) -> None:
        """`before` is the attempt that failed, if this is not the first."""
        before = before or StepRecord.started(step.name, step.type)
        try:
            with self._store.transaction():
                self._save_step(name, before.attempted_again(self._begun(self._resource(name), definition, step)))
        except Unresolvable as error:
            self._save_failure(name, step, before, f"ClientError: {error}")
        except StepFailed as failure:
            self._save_failure(name, step, before, str(failure))
        except Exception as error:  # noqa: BLE001  # the other steps must be stopped, too
            self._log.exception("step failed for a fault of ours", execution=name, step=step.name)
            self._save_failure(name, step, before, f"InternalServerError: {type(error).__name__}: {error}")

    def _begun(self, execution: Resource, definition: Definition, step: Step) -> StepRecord:
        """Begun, or done already if an earlier execution did the same. Raises Unresolvable, StepFailed."""
        scope = ExecutionScope(execution, definition, self._steps.operations, self._files)
        arguments = expressions.resolved(step.own_arguments, scope)
        signature = caching.signature(step.type, step.cache_config, arguments)
        if signature and step.cache_config:
            earlier = caching.earlier(self._store, execution, step.name, signature, step.cache_config)
            if earlier:
                return earlier
        return self._steps.begin(step, arguments, execution).model_copy(update={"signature": signature})

    def _save_failure(self, name: str, step: Step, before: StepRecord, reason: str) -> None:
        failed = StepRecord.started(step.name, step.type).having(StepStatus.FAILED, reason)
        self._save_step(name, _or_again(step, before.attempted_again(failed)))

    def _save_step(self, name: str, step: StepRecord) -> None:
        self._log.info("step", execution=name, step=step.name, status=step.status, reason=step.failure_reason or None)
        self.changed(name, lambda execution: execution.with_step(step))

    def _resource(self, name: str) -> Resource:
        resource = self._store.find(Kind.PIPELINE_EXECUTION, name)
        if resource is None:
            raise LookupError(f"there is no execution {name}")
        return resource


def _or_again(step: Step, record: StepRecord) -> StepRecord:
    """The record of a step that failed, if its policies have it tried again, as one that waits for that."""
    if record.status != StepStatus.FAILED:
        return record
    at_s = retries.retry_at_s(step.retry_policies, record)
    return record if at_s is None else record.waiting_until(at_s)


def _ready(definition: Definition, execution: Execution) -> list[Step]:
    """Steps to start now, in the definition's order and no more than may run side by side.

    A step in the branch not taken never is, nor one that waits for such a step.
    """
    if not execution.goes_on:
        return []
    done = {name for name, step in execution.steps.items() if step.status == StepStatus.SUCCEEDED}
    free = max(0, execution.max_parallel_steps - len(execution.running))
    return [
        step
        for step in definition.steps
        if step.name not in execution.steps and step.after <= done and _is_in_taken_branch(step, execution)
    ][:free]


def _is_in_taken_branch(step: Step, execution: Execution) -> bool:
    if step.branch is None:
        return True
    condition, outcome = step.branch
    return execution.steps[condition].outcome == outcome


def _ended(execution: Execution) -> Execution:
    """As the steps ended; a StopPipelineExecution that came when all was done stopped nothing."""
    if execution.status == ExecutionStatus.STOPPING:
        return execution.having(ExecutionStatus.STOPPED)
    if not execution.failed:
        return execution.having(ExecutionStatus.SUCCEEDED)
    names = ", ".join(step.name for step in execution.failed)
    reasons = " ".join(f"{step.name}: {step.failure_reason}" for step in execution.failed)
    reason = f"Step failure: One or multiple steps failed: [{names}]. {reasons}"
    return execution.having(ExecutionStatus.FAILED, reason[:MAX_REASON])
